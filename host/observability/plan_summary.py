"""What an event says of a plan: enough to know it again, not what is in its file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict


class PlanSummary(TypedDict):
    """Fields of `PlanStored`."""

    outcome: str | None
    n_steps: int
    gain: float | None
    config_version: int | None


def plan_summary(record: Mapping[str, object]) -> PlanSummary:
    """Return the summary of a plan as in `docs/plan-json.md`."""
    score, steps = record.get("score"), record.get("steps")
    gain = score.get("gain") if isinstance(score, dict) else None
    outcome, version = record.get("outcome"), record.get("config_version")
    return {
        "outcome": outcome if isinstance(outcome, str) else None,
        "n_steps": len(steps) if isinstance(steps, list) else 0,
        "gain": float(gain) if isinstance(gain, int | float) else None,
        "config_version": version if isinstance(version, int) else None,
    }
