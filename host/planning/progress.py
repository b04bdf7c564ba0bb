"""Progress of requested plans, from their events: for those who asked, and for the matrix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

PROGRESS: Final[Mapping[str, float]] = {
    "value": 0.05,
    "assess": 0.1,
    "opportunities": 0.2,
    "candidates": 0.3,
    "search": 0.8,
    "refinement": 0.9,
    "proof": 0.98,
    "report": 1.0,
}
"""Progress at the end of each stage of the planner, by its usual share of the time."""
PLANS_MAX: Final = 100
"""Plans whose progress is in memory; older ones are on disk or in the journal."""


class PlanState(StrEnum):
    """The state of a requested plan."""

    QUEUED = "queued"
    RUNNING = "running"
    STORED = "stored"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def is_open(self) -> bool:
        """True while the plan may still come."""
        return self in {PlanState.QUEUED, PlanState.RUNNING}


ENDINGS: Final[Mapping[str, PlanState]] = {
    "PlanStored": PlanState.STORED,
    "PlanFailed": PlanState.FAILED,
    "PlanCancelled": PlanState.CANCELLED,
    "PlanExpired": PlanState.EXPIRED,
}
"""The events that end a requested plan."""
EVENT_TYPES: Final = frozenset({"PlanRequested", "StageCompleted", *ENDINGS})


@dataclass(frozen=True, slots=True)
class PlanProgress:
    """Progress of one plan.

    Parameters
    ----------
    trace_id, bucket_id : str
    state : PlanState
    stage : str, optional
        The last stage of the planner that ended.
    fraction : float
        0 to 1.
    lines : tuple of str
        Why there is no plan.
    """

    trace_id: str
    bucket_id: str
    state: PlanState = PlanState.QUEUED
    stage: str | None = None
    fraction: float = 0.0
    lines: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        """Return the progress as plain data."""
        return {
            "bucket_id": self.bucket_id,
            "trace_id": self.trace_id,
            "state": self.state.value,
            "stage": self.stage,
            "fraction": self.fraction,
            "lines": list(self.lines),
        }


class ProgressLog:
    """The progress of the newest plans, updated event by event."""

    def __init__(self) -> None:
        self._plans: dict[str, PlanProgress] = {}

    def get(self, trace_id: str) -> PlanProgress | None:
        """Return the progress of a plan; None when it is not known here."""
        return self._plans.get(trace_id)

    def begin(self, trace_id: str) -> None:
        """Note that the planner works on a plan; its first stage may take a while."""
        plan = self._plans.get(trace_id)
        if plan is not None:
            self._plans[trace_id] = replace(plan, state=PlanState.RUNNING)

    def note(
        self, event_type: str, trace_id: str, bucket_id: str, data: Mapping[str, object]
    ) -> None:
        """Update the plan that an event is about; events of other plans are ignored."""
        plan = self._plans.get(trace_id)
        if event_type == "PlanRequested":
            self._plans[trace_id] = PlanProgress(trace_id, bucket_id)
            while len(self._plans) > PLANS_MAX:
                del self._plans[next(iter(self._plans))]
        elif plan is None:
            return
        elif event_type == "StageCompleted":
            stage = str(data.get("stage"))
            fraction = PROGRESS.get(stage, plan.fraction)
            self._plans[trace_id] = replace(
                plan, state=PlanState.RUNNING, stage=stage, fraction=fraction
            )
        elif event_type in ENDINGS:
            lines = data.get("lines")
            reasons = tuple(str(line) for line in lines) if isinstance(lines, list | tuple) else ()
            state = ENDINGS[event_type]
            fraction = 1.0 if state is PlanState.STORED else plan.fraction
            self._plans[trace_id] = replace(plan, state=state, fraction=fraction, lines=reasons)
