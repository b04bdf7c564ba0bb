"""The record of a contradiction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from planner_core.market.doubtful_value import UNKNOWN_FACTORS
from planner_core.model.records import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Files that disagree.

    Parameters
    ----------
    finding : Finding
        Its message begins with the place, `file:line:column`, where there is one.
    held : tuple of str
        Securities that are neither bought nor sold until it is settled.
    reason : str
        Why, in few words; shown for each of them, and first where nothing can be planned on.
    stops_plan : bool
        Nothing can be planned on: values and weights would be wrong.
    value_factors : tuple of (float, float)
        The least and the most that a held security may be worth, over its value; by default any
        amount.
    """

    finding: Finding
    held: tuple[str, ...] = ()
    reason: str = ""
    stops_plan: bool = False
    value_factors: tuple[float, float] = UNKNOWN_FACTORS


def held_back(contradictions: Sequence[Contradiction]) -> dict[str, str]:
    """Return security -> reason of all that is held, sorted; the first reason counts."""
    held: dict[str, str] = {}
    for contradiction in contradictions:
        for security in contradiction.held:
            held.setdefault(security, contradiction.reason)
    return dict(sorted(held.items()))


def value_factors(contradictions: Sequence[Contradiction]) -> dict[str, tuple[float, float]]:
    """Return security -> the widest range of its value, over the value that counts, sorted."""
    factors: dict[str, tuple[float, float]] = {}
    for contradiction in contradictions:
        low, high = contradiction.value_factors
        for security in contradiction.held:
            least, most = factors.get(security, (low, high))
            factors[security] = (min(least, low), max(most, high))
    return dict(sorted(factors.items()))


def hold_reason(contradictions: Sequence[Contradiction]) -> str:
    """Return why nothing can be planned on; empty when something can."""
    first = next((c for c in contradictions if c.stops_plan), None)
    if first is None:
        return ""
    # The few words first: the matrix shows only the beginning.
    return f"{first.reason}: {first.finding.message} ({first.finding.action})"


def error(finding_id: str, message: str, action: str, security: str | None = None) -> Finding:
    """Return a finding that stops a plan or holds a security."""
    return Finding(finding_id, Severity.ERROR, message, action, security)


def warning(finding_id: str, message: str, action: str, security: str | None = None) -> Finding:
    """Return a finding that a plan takes into account."""
    return Finding(finding_id, Severity.WARNING, message, action, security)
