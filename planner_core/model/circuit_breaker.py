"""A circuit breaker per module: who failed three times in a row is left alone for a while.

    CLOSED --3rd failure in a row, or a crash--> OPEN --time is up--> HALF_OPEN --success--> CLOSED
                                                  ^                       |
                                                  +-------- failure ------+  for twice as long

HALF_OPEN lets one run try. A run that never reports (its process was killed) holds the trial for as
long as the breaker was open; then another one is let through. DISABLED is the user's word: only a
reset ends it.

There are no rates over windows of calls: a device plans a few times a day, they would never fill.
Time is the monotonic clock's; what must outlive a process is the host's business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

FAILURES_MAX: Final = 3
"""So many failures in a row open a breaker."""
OPEN_MIN_S: Final = 300.0
OPEN_MAX_S: Final = 3600.0
BREAKERS_MAX: Final = 1_000
"""More keys than modules can exist: what has no name yet then goes unwatched."""
REASON_LENGTH_MAX: Final = 300


class BreakerState(StrEnum):
    """What a breaker does with calls."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"
    DISABLED = "disabled"


class Signal(StrEnum):
    """What can happen to a breaker."""

    SUCCESS = "success"
    FAILURE = "failure"
    LAST_FAILURE = "last_failure"
    """The failure that fills the count."""
    CRASH = "crash"
    """It took its process down, or hung in it: once is enough."""
    DUE = "due"
    """The time is up, and somebody wants to call."""
    ABANDONED = "abandoned"
    """The trial ended without a verdict."""
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
"""Every pair that is not here changes nothing: a verdict of a run that began earlier, say."""


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
        In a row, without a success between them; they double the time.
    retry_s : float
        When the next trial may begin, on the monotonic clock; of no meaning unless OPEN or
        HALF_OPEN.
    since : datetime, optional
        Since when it is in this state; None for a breaker that nothing ever happened to.
    reason : str
        The last failure, as a line.
    """

    key: str
    state: BreakerState = BreakerState.CLOSED
    failures: int = 0
    openings: int = 0
    retry_s: float = 0.0
    since: datetime | None = None
    reason: str = ""

    @property
    def open_for_s(self) -> float:
        """How long it stays open: doubled with every opening in a row, up to an hour."""
        doublings = max(0, min(self.openings, 10) - 1)
        return min(OPEN_MIN_S * 2.0**doublings, OPEN_MAX_S)

    @property
    def is_pristine(self) -> bool:
        """Whether there is nothing to remember."""
        return self.state is BreakerState.CLOSED and not self.failures

    @property
    def waits(self) -> bool:
        """Whether it has a time at which somebody may try."""
        return self.state in (BreakerState.OPEN, BreakerState.HALF_OPEN)


@dataclass(frozen=True, slots=True)
class Transition:
    """A breaker that changed its state."""

    before: Breaker
    after: Breaker


class Breakers:
    """The breakers of all modules.

    Parameters
    ----------
    monotonic : callable returning float, seconds
    now : callable returning an aware datetime
        For people to read only; nothing is decided by it.
    """

    def __init__(
        self,
        monotonic: Callable[[], float],
        now: Callable[[], datetime],
        known: Iterable[Breaker] = (),
    ) -> None:
        self.monotonic = monotonic
        self.now = now
        self._known = {breaker.key: breaker for breaker in known}

    @property
    def known(self) -> tuple[Breaker, ...]:
        """Those that something happened to, by key."""
        return tuple(self._known[key] for key in sorted(self._known))

    def of(self, key: str) -> Breaker:
        """Return a module's breaker."""
        return self._known.get(key) or Breaker(key)

    def put(self, breaker: Breaker) -> None:
        """Take over a breaker as it is."""
        if breaker.is_pristine:
            self._known.pop(breaker.key, None)
        elif breaker.key in self._known or len(self._known) < BREAKERS_MAX:
            self._known[breaker.key] = breaker

    def wait_s(self, key: str) -> float | None:
        """Return seconds until the next trial; 0 when it may be called now, None for never."""
        breaker = self.of(key)
        if breaker.state is BreakerState.DISABLED:
            return None
        return max(0.0, breaker.retry_s - self.monotonic()) if breaker.waits else 0.0

    def admit(self, key: str) -> tuple[bool, Transition | None]:
        """Decide whether a module may be called in this run; ask once per run.

        Who is admitted owes a verdict: `signal` SUCCESS, FAILURE or ABANDONED.
        """
        if self.wait_s(key) != 0.0:
            return False, None
        return True, self.signal(key, Signal.DUE) if self.of(key).waits else None

    def signal(self, key: str, signal: Signal, reason: str = "") -> Transition | None:
        """Let something happen to a breaker; return the change of its state, if it is one."""
        before = self.of(key)
        if signal is Signal.FAILURE and before.failures + 1 >= FAILURES_MAX:
            signal = Signal.LAST_FAILURE
        state = TRANSITIONS.get((before.state, signal))
        if state is None:
            return None
        after = self._after(before, state, signal, reason[:REASON_LENGTH_MAX])
        self.put(after)
        return None if after.state is before.state else Transition(before, after)

    def _after(self, before: Breaker, state: BreakerState, signal: Signal, reason: str) -> Breaker:
        since = before.since if state is before.state else self.now()
        after = replace(before, state=state, since=since, reason=reason or before.reason)
        if signal in (Signal.SUCCESS, Signal.RESET):
            return Breaker(before.key)
        if signal is Signal.DUE:  # the lease of the trial
            return replace(after, retry_s=self.monotonic() + before.open_for_s)
        if signal is Signal.ABANDONED:  # nothing was learned: the next one may try at once
            return replace(after, retry_s=self.monotonic())
        if signal is Signal.DISABLE:
            return replace(after, failures=0, openings=0)
        after = replace(after, failures=min(before.failures + 1, FAILURES_MAX))
        if state is BreakerState.OPEN:
            after = replace(after, openings=before.openings + 1)
            after = replace(after, retry_s=self.monotonic() + after.open_for_s)
        return after
