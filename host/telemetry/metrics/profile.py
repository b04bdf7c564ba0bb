"""Profile of one plan: when each stage and each module began and ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from planner_core.events import (
    ModuleCompleted,
    ModuleFailed,
    ModuleOverran,
    PlanningStarted,
    SequenceEvaluationCompleted,
    StageCompleted,
)

if TYPE_CHECKING:
    from planner_core.events import Event

STAGE: Final = "stage"
MODULE: Final = "module"
FILES: Final = "files"
"""Reading the configuration, the portfolio and the market, before the planner begins."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stage or a call of a module, with its times.

    `elapsed_s` may be less than from `start_s` to `end_s`: the time of scoring is not counted as
    the time of the sequence generator whose sequences are scored.
    """

    kind: str
    name: str
    start_s: float
    end_s: float
    elapsed_s: float
    status: str = "ok"


class Profile:
    """Profile of one plan, from its events; times are seconds since the profile was created.

    Parameters
    ----------
    monotonic : callable returning float, seconds
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._began_s = monotonic()
        self._running_since_s = 0.0
        self.scoring_s = 0.0
        self._spans: list[Span] = []

    @property
    def spans(self) -> list[Span]:
        """All spans by start; a stage before its modules."""
        return sorted(self._spans, key=lambda span: (span.start_s, -span.end_s))

    def running(self, _key: str, _operation: str) -> None:
        """Note the start of a module."""
        self._running_since_s = self._now_s()

    def on_event(self, event: Event) -> None:
        """Note the end of a stage or of a module."""
        now_s = self._now_s()
        match event:
            case PlanningStarted():
                self._spans.append(Span(FILES, "read files", 0.0, now_s, now_s))
            case StageCompleted():
                start_s = max(0.0, now_s - event.elapsed_s)
                self._spans.append(Span(STAGE, event.stage, start_s, now_s, event.elapsed_s))
            case ModuleCompleted():
                self._module(event, now_s, "ok")
            case ModuleFailed():
                self._module(event, now_s, "failed")
            case ModuleOverran():
                self._module(event, now_s, "timed_out")
            case SequenceEvaluationCompleted():
                self.scoring_s += event.elapsed_s
            case _:
                pass

    def to_json(self, total_s: float) -> dict[str, object]:
        """Return the profile as in `docs/plan-json.md`."""
        return {
            "total_s": total_s,
            "scoring_s": self.scoring_s,
            "spans": [
                {
                    "kind": span.kind,
                    "name": span.name,
                    "start_s": span.start_s,
                    "end_s": span.end_s,
                    "elapsed_s": span.elapsed_s,
                    "status": span.status,
                }
                for span in self.spans
            ],
        }

    def _module(
        self, event: ModuleCompleted | ModuleFailed | ModuleOverran, now_s: float, status: str
    ) -> None:
        name = f"{event.key}.{event.operation}"
        start_s = self._running_since_s
        self._spans.append(Span(MODULE, name, start_s, now_s, event.elapsed_s, status))

    def _now_s(self) -> float:
        return self._monotonic() - self._began_s
