"""The one mutable thing a plan run touches: clocks, registries, and where events go."""

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


def _discard(_event: Event) -> None:
    """Take an event and do nothing with it."""


def _stopped_clock() -> float:
    return 0.0


def _epoch() -> datetime:
    return EPOCH


def _never() -> bool:
    return False


def _unwatched(_key: str, _operation: str) -> None:
    """Take the name of the module that is about to run, and tell nobody."""


@dataclass(slots=True)
class Runtime:
    """What the host lends to one run of the planner.

    The defaults make a silent, timeless run: enough for a calculation in a notebook or a test. The
    core reads no clock of its own, so that a run can be repeated exactly.

    Parameters
    ----------
    registries : Registries
    monotonic : callable returning float, seconds
    now : callable returning an aware datetime
    emit : callable taking an Event
        Must not raise; the host isolates its subscribers.
    is_cancelled : callable returning bool
        Asked between blocks of work.
    deadline_s : float, optional
        On the monotonic clock; from then on the best so far is the answer.
    module_budget_s : float, optional
        A module that took longer has its result dropped; a generator that took longer for one
        block is not asked for another.
    breakers : Breakers, optional
        Which modules are left alone for now; None: none.
    cache : CalculationCache, optional
        What calculators returned for the same inputs; None: every one is called.
    without : mapping of str to str
        Keys of modules that this run does without, and why.
    running : callable taking a key and an operation
        Told before a module is called, so that somebody outside knows whom to blame if the process
        does not live to say so.
    prove_s : float, optional
        Seconds for proving how good the plan is; None: no certificate.
    trace_id : str
        Joins the press, the events, the stored plan and the frame.
    """

    registries: Registries = field(default_factory=builtin_registries)
    monotonic: Callable[[], float] = _stopped_clock
    now: Callable[[], datetime] = _epoch
    emit: Callable[[Event], None] = _discard
    is_cancelled: Callable[[], bool] = _never
    deadline_s: float | None = None
    module_budget_s: float | None = None
    breakers: Breakers | None = None
    cache: CalculationCache | None = None
    without: Mapping[str, str] = field(default_factory=dict)
    running: Callable[[str, str], None] = _unwatched
    prove_s: float | None = None
    trace_id: str = "untraced"
    bucket_id: str = ""

    def tell(self, event: type[EventT], **payload: Any) -> None:  # noqa: ANN401 - fields of `event`
        """Emit an event, adding the time and the identities every event carries."""
        self.emit(
            event(
                timestamp=self.now(),
                bucket_id=self.bucket_id,
                trace_id=self.trace_id,
                **payload,
            )
        )

    def check_cancelled(self) -> None:
        """Raise PlanningCancelledError when nobody waits for the plan any more."""
        if self.is_cancelled():
            raise PlanningCancelledError("the plan was cancelled")

    def stopwatch(self, seconds: float) -> Callable[[], bool]:
        """Return a question for later: whether so many seconds passed or nobody waits."""
        end = self.monotonic() + seconds
        return lambda: self.monotonic() >= end or self.is_cancelled()

    def out_of_time(self) -> bool:
        """Tell whether the deadline has passed."""
        return self.deadline_s is not None and self.monotonic() >= self.deadline_s

    def must_stop(self) -> bool:
        """Tell whether the deadline has passed; raise when nobody waits any more."""
        self.check_cancelled()
        return self.out_of_time()

    @contextmanager
    def stage(self, name: str, *, cancellable: bool = True) -> Iterator[None]:
        """Time a stage of the pipeline and tell of its end, be it good or bad."""
        if cancellable:
            self.check_cancelled()
        started = self.monotonic()
        try:
            yield
        finally:
            self.tell(StageCompleted, stage=name, elapsed_s=self.monotonic() - started)
