"""Everything that a run takes from its host: clocks, registries, limits and an event channel.

The core reads no clock of its own and draws no random number, so a run can be repeated exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from planner_core.errors import PlanningCancelledError
from planner_core.events import Event, StageCompleted
from planner_core.model.circuit_breaker import Breakers
from planner_core.modules.builtin import builtin_registries
from planner_core.modules.cache import CalculationCache
from planner_core.modules.registry import Registries

EventT = TypeVar("EventT", bound=Event)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def discard_event(_event: Event) -> None:
    """Ignore an event."""


def _stopped_clock() -> float:
    return 0.0


def _epoch() -> datetime:
    return EPOCH


def never() -> bool:
    """Return False: nothing cancels the run."""
    return False


def ignore_module_start(_key: str, _operation: str) -> None:
    """Ignore which module is about to run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """Everything that one run of the planner takes from its host.

    Built once by the caller and never changed. The defaults make a silent run without clocks, which
    is enough for a notebook or a test.

    Parameters
    ----------
    registries : Registries
    monotonic : callable returning float, seconds
    now : callable returning an aware datetime
    emit : callable taking an Event
        Must not raise; the host isolates its subscribers.
    is_cancelled : callable returning bool
        Called between blocks of work.
    deadline_s : float, optional
        On the monotonic clock. After it, the best set so far is the answer.
    module_budget_s : float, optional
        Seconds per call of a module. The result of a slower call is dropped. A generator that took
        longer for one block is not called for another.
    breakers : Breakers, optional
        Circuit breakers of the modules; None: every module is called.
    cache : CalculationCache, optional
        Results of modules for the same inputs; None: every module is called.
    excluded_modules : mapping of str to str
        Keys of modules that this run leaves out, each with the reason.
    on_module_start : callable taking a key and an operation
        Called before a module runs: if the process dies, the host knows which module to suspect.
    proof_s : float, optional
        Seconds for the certificate, which bounds how good the plan is; None: no certificate.
    trace_id : str
        Joins the press, the events, the stored plan and the frame.
    bucket_id : str
        Stands in every event. The planner takes it from the context.
    """

    registries: Registries = field(default_factory=builtin_registries)
    monotonic: Callable[[], float] = _stopped_clock
    now: Callable[[], datetime] = _epoch
    emit: Callable[[Event], None] = discard_event
    is_cancelled: Callable[[], bool] = never
    deadline_s: float | None = None
    module_budget_s: float | None = None
    breakers: Breakers | None = None
    cache: CalculationCache | None = None
    excluded_modules: Mapping[str, str] = field(default_factory=dict)
    on_module_start: Callable[[str, str], None] = ignore_module_start
    proof_s: float | None = None
    trace_id: str = "untraced"
    bucket_id: str = ""

    def publish(self, event: type[EventT], **payload: Any) -> None:  # noqa: ANN401 - fields of `event`
        """Emit an event with the time and the ids that every event carries."""
        self.emit(
            event(
                timestamp=self.now(),
                bucket_id=self.bucket_id,
                trace_id=self.trace_id,
                **payload,
            )
        )

    def check_cancelled(self) -> None:
        """Raise PlanningCancelledError if the run was cancelled."""
        if self.is_cancelled():
            raise PlanningCancelledError("the plan was cancelled")

    def countdown(self, seconds: float) -> Callable[[], bool]:
        """Return a function that is true once the seconds have passed or the run was cancelled."""
        end = self.monotonic() + seconds
        return lambda: self.monotonic() >= end or self.is_cancelled()

    def out_of_time(self) -> bool:
        """Return whether the deadline has passed."""
        return self.deadline_s is not None and self.monotonic() >= self.deadline_s

    def must_stop(self) -> bool:
        """Return whether the deadline has passed; raise if the run was cancelled."""
        self.check_cancelled()
        return self.out_of_time()

    @contextmanager
    def stage(self, name: str, *, cancellable: bool = True) -> Iterator[None]:
        """Time a stage of the pipeline and publish its end, even if it raises."""
        if cancellable:
            self.check_cancelled()
        started = self.monotonic()
        try:
            yield
        finally:
            self.publish(StageCompleted, stage=name, elapsed_s=self.monotonic() - started)
