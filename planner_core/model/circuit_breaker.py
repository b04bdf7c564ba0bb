"""A circuit breaker per module: after three failures in a row the module is skipped for a while.

    CLOSED --3rd failure in a row, or a crash--> OPEN --time is up--> HALF_OPEN --success--> CLOSED
                                                  ^                       |
                                                  +-------- failure ------+  for twice as long

HALF_OPEN lets one run try the module: the trial. A run whose process was killed never reports. Then
the trial ends after the time that the breaker was open, and another run may try. DISABLED is set by
the user: only a reset ends it.

There are no failure rates over windows of calls, because a device plans only a few times a day.
Times are of the monotonic clock. The host stores breakers that must outlive a process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

FAILURES_MAX: Final = 3
"""Failures in a row that open a breaker."""
OPEN_MIN_S: Final = 300.0
OPEN_MAX_S: Final = 3600.0
BREAKERS_MAX: Final = 1_000
"""More than there can be modules; further keys get no breaker."""
REASON_LENGTH_MAX: Final = 300


class BreakerState(StrEnum):
    """State of a breaker: it decides which calls pass."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"
    DISABLED = "disabled"


class Signal(StrEnum):
    """Something that may change a breaker's state."""

    SUCCESS = "success"
    FAILURE = "failure"
    LAST_FAILURE = "last_failure"
    """The failure that reaches FAILURES_MAX."""
    CRASH = "crash"
    """The module ended its process, or hung in it: one is enough."""
    DUE = "due"
    """The waiting time is over, and a run wants to call the module."""
    ABANDONED = "abandoned"
    """The trial ended without a result."""
    RESET = "reset"
    DISABLE = "disable"


_CLOSED, _OPEN, _HALF_OPEN, _DISABLED = BreakerState

TRANSITIONS: Final[dict[tuple[BreakerState, Signal], BreakerState]] = {
    (_CLOSED, Signal.SUCCESS): _CLOSED,
    (_CLOSED, Signal.FAILURE): _CLOSED,
    (_CLOSED, Signal.LAST_FAILURE): _OPEN,
    (_CLOSED, Signal.CRASH): _OPEN,
    (_CLOSED, Signal.RESET): _CLOSED,
    (_CLOSED, Signal.DISABLE): _DISABLED,
    (_OPEN, Signal.DUE): _HALF_OPEN,
    (_OPEN, Signal.RESET): _CLOSED,
    (_OPEN, Signal.DISABLE): _DISABLED,
    (_HALF_OPEN, Signal.SUCCESS): _CLOSED,
    (_HALF_OPEN, Signal.FAILURE): _OPEN,
    (_HALF_OPEN, Signal.LAST_FAILURE): _OPEN,
    (_HALF_OPEN, Signal.CRASH): _OPEN,
    (_HALF_OPEN, Signal.DUE): _HALF_OPEN,
    (_HALF_OPEN, Signal.ABANDONED): _OPEN,
    (_HALF_OPEN, Signal.RESET): _CLOSED,
    (_HALF_OPEN, Signal.DISABLE): _DISABLED,
    (_DISABLED, Signal.RESET): _CLOSED,
}
"""A pair that is missing changes nothing, such as the result of a run that began earlier."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """One module's breaker.

    Parameters
    ----------
    key : str
        The module, `kind.name`.
    state : BreakerState
    failures : int
        In a row.
    openings : int
        In a row, without a success between them; each doubles the waiting time.
    retry_s : float
        Time of the next trial on the monotonic clock; only used when OPEN or HALF_OPEN.
    since : datetime, optional
        Begin of the current state; None for a new breaker.
    reason : str
        The last failure, on one line.
    """

    key: str
    state: BreakerState = BreakerState.CLOSED
    failures: int = 0
    openings: int = 0
    retry_s: float = 0.0
    since: datetime | None = None
    reason: str = ""

    @property
    def open_s(self) -> float:
        """Waiting time: 5 minutes, doubled with every opening in a row, up to an hour."""
        doublings = max(0, min(self.openings, 10) - 1)
        return min(OPEN_MIN_S * 2.0**doublings, OPEN_MAX_S)

    @property
    def is_pristine(self) -> bool:
        """True if there is nothing to store."""
        return self.state is BreakerState.CLOSED and not self.failures

    @property
    def has_retry_time(self) -> bool:
        """True if a next trial is scheduled."""
        return self.state in (BreakerState.OPEN, BreakerState.HALF_OPEN)


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of a breaker's state."""

    before: Breaker
    after: Breaker


class Breakers:
    """The breakers of all modules.

    Parameters
    ----------
    monotonic : callable returning float, seconds
    now : callable returning an aware datetime
        For people only: no decision uses it.
    tracked : iterable of Breaker
        Breakers to begin with.
    """

    def __init__(
        self,
        monotonic: Callable[[], float],
        now: Callable[[], datetime],
        tracked: Iterable[Breaker] = (),
    ) -> None:
        self.monotonic = monotonic
        self.now = now
        self._breakers = {breaker.key: breaker for breaker in tracked}

    @property
    def tracked(self) -> tuple[Breaker, ...]:
        """Breakers with a failure or a state other than CLOSED, by key."""
        return tuple(self._breakers[key] for key in sorted(self._breakers))

    def of(self, key: str) -> Breaker:
        """Return a module's breaker."""
        return self._breakers.get(key) or Breaker(key)

    def store(self, breaker: Breaker) -> None:
        """Replace a module's breaker."""
        if breaker.is_pristine:
            self._breakers.pop(breaker.key, None)
        elif breaker.key in self._breakers or len(self._breakers) < BREAKERS_MAX:
            self._breakers[breaker.key] = breaker

    def wait_s(self, key: str) -> float | None:
        """Return seconds until the next trial: 0 if a call may pass now, None for never."""
        breaker = self.of(key)
        if breaker.state is BreakerState.DISABLED:
            return None
        return max(0.0, breaker.retry_s - self.monotonic()) if breaker.has_retry_time else 0.0

    def admit(self, key: str) -> tuple[bool, Transition | None]:
        """Decide whether a module may be called in this run; call this once per run.

        After True, the run must `signal` SUCCESS, FAILURE or ABANDONED.
        """
        if self.wait_s(key) != 0.0:
            return False, None
        return True, self.signal(key, Signal.DUE) if self.of(key).has_retry_time else None

    def signal(self, key: str, signal: Signal, reason: str = "") -> Transition | None:
        """Apply a signal to a breaker; return the change of its state, if there is one."""
        before = self.of(key)
        if signal is Signal.FAILURE and before.failures + 1 >= FAILURES_MAX:
            signal = Signal.LAST_FAILURE
        state = TRANSITIONS.get((before.state, signal))
        if state is None:
            return None
        after = self._after(before, state, signal, reason[:REASON_LENGTH_MAX])
        self.store(after)
        return None if after.state is before.state else Transition(before, after)

    def _after(self, before: Breaker, state: BreakerState, signal: Signal, reason: str) -> Breaker:
        since = before.since if state is before.state else self.now()
        after = replace(before, state=state, since=since, reason=reason or before.reason)
        if signal in (Signal.SUCCESS, Signal.RESET):
            return Breaker(before.key)
        if signal is Signal.DUE:  # the trial is a lease: it ends after this time
            return replace(after, retry_s=self.monotonic() + before.open_s)
        if signal is Signal.ABANDONED:  # no result: the next run may try at once
            return replace(after, retry_s=self.monotonic())
        if signal is Signal.DISABLE:
            return replace(after, failures=0, openings=0)
        after = replace(after, failures=min(before.failures + 1, FAILURES_MAX))
        if state is BreakerState.OPEN:
            after = replace(after, openings=before.openings + 1)
            after = replace(after, retry_s=self.monotonic() + after.open_s)
        return after
