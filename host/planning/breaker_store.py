"""The circuit breakers on disk: `state/breakers.json`.

Inside a process time is the monotonic clock's. On disk stands a time of day, because no other clock
survives a restart; so what is read is never believed to be further ahead than the breaker stays
open, and a clock that was set back cannot lock a module out for a year.

Several processes write: the planner's, after a run that changed something; the daemon, for a module
that took the planner's process down; `trader plan`, and `trader breakers`. Each changes only the
keys that it had to do with.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from host.clock import utc_now
from host.errors import StorageError
from host.home.storage.atomic_file import locked_file, write_atomic
from host.home.storage.state_file import quarantine, read_state, signature
from host.limits import STATE_BYTES_MAX
from planner_core.model.circuit_breaker import (
    BREAKERS_MAX,
    FAILURES_MAX,
    REASON_LENGTH_MAX,
    Breaker,
    Breakers,
    BreakerState,
    Signal,
    Transition,
)

if TYPE_CHECKING:
    from host.home.home import Home

FILE_NAME: Final = "breakers.json"
LOCK_NAME: Final = "breakers.lock"
SCHEMA_VERSION: Final = 1
KEY_LENGTH_MAX: Final = 130


class BreakerStore:
    """The breakers of a home; `refresh` before using them, `save` after.

    Parameters
    ----------
    home : Home
    monotonic : callable returning float, seconds
    now : callable returning an aware datetime
    keeps : bool
        False: read only, nothing in the home is touched.

    Attributes
    ----------
    breakers : Breakers
        In memory. What cannot be written stays here and counts all the same.
    problem : str, optional
        Why the last reading or writing did not work.
    """

    def __init__(
        self,
        home: Home,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = utc_now,
        *,
        keeps: bool = True,
    ) -> None:
        self.keeps = keeps
        self.path = home.state_dir / FILE_NAME
        self.breakers = Breakers(monotonic, now)
        self.problem: str | None = None
        self._now = now
        self._signature: tuple[int, ...] | None = None
        self._saved: dict[str, Breaker] = {}
        self._disk_is_ahead = False

    def refresh(self) -> bool:
        """Take over what others wrote since the last look; what is unsaved here stays.

        Return False when the file cannot be read: nothing changes, the next look tries again.
        """
        found = signature(self.path)
        if found == self._signature:
            return True
        read = self._read()
        if read is None:
            return False
        unsaved = self._unsaved()
        for key in {*self._saved, *read} - set(unsaved):
            self.breakers.put(read.get(key, Breaker(key)))
        self._saved = read
        self._signature = found
        return True

    def save(self) -> bool:
        """Write what changed; tell whether everything is on disk.

        A disk that refuses costs only the memory of it: `problem` says so.
        """
        if not self.keeps or (not self._unsaved() and not self._disk_is_ahead):
            return True
        try:
            with locked_file(self.path.with_name(LOCK_NAME)):
                if not self.refresh():
                    return False  # what others wrote would be lost
                write_atomic(self.path, self._text().encode())
                self._signature = signature(self.path)
        except StorageError as error:
            self.problem = str(error)
            return False
        self._saved = {breaker.key: breaker for breaker in self.breakers.known}
        self._disk_is_ahead = False
        self.problem = None
        return True

    def signal(self, key: str, signal: Signal, reason: str = "") -> Transition | None:
        """Let something happen to one breaker, on disk too."""
        self.refresh()
        transition = self.breakers.signal(key, signal, reason)
        self.save()
        return transition

    def unsaved_open(self) -> dict[str, str]:
        """Return the modules to leave alone that other processes cannot know of, and why."""
        found = map(self.breakers.of, self._unsaved())
        waits = self.breakers.wait_s
        return {breaker.key: breaker.reason for breaker in found if waits(breaker.key) != 0.0}

    def retry_at(self, breaker: Breaker) -> datetime | None:
        """Return the time of day of the next trial; None when there is none to wait for."""
        if not breaker.waits:
            return None
        ahead_s = max(0.0, breaker.retry_s - self.breakers.monotonic())
        return self._now() + timedelta(seconds=ahead_s)

    def _unsaved(self) -> list[str]:
        known = {breaker.key: breaker for breaker in self.breakers.known}
        return [key for key in {*known, *self._saved} if known.get(key) != self._saved.get(key)]

    def _text(self) -> str:
        written = [
            {
                "key": breaker.key,
                "state": breaker.state.value,
                "failures": breaker.failures,
                "openings": breaker.openings,
                "retry_at": _iso(self.retry_at(breaker)),
                "since": _iso(breaker.since),
                "reason": breaker.reason,
            }
            for breaker in self.breakers.known
        ]
        return json.dumps({"schema_version": SCHEMA_VERSION, "breakers": written}, indent=1) + "\n"

    def _read(self) -> dict[str, Breaker] | None:
        """Read the file; None when that fails.

        One that makes no sense is put aside, and every breaker is closed.
        """
        self._disk_is_ahead = False
        try:
            data = read_state(self.path, STATE_BYTES_MAX, SCHEMA_VERSION)
            if data is None:
                return {}
            entries = list(data["breakers"])[:BREAKERS_MAX]
            return {breaker.key: breaker for breaker in map(self._breaker, entries)}
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            if self.keeps:
                self.problem = quarantine(self.path, error, self._now())
        except OSError as error:
            self.problem = f"{self.path}: cannot be read ({error.strerror})"
            return None
        return {}

    def _breaker(self, entry: dict[str, Any]) -> Breaker:
        key, since = entry["key"], entry["since"]
        if not isinstance(key, str) or not 0 < len(key) <= KEY_LENGTH_MAX:
            raise ValueError("a key is kind.name")
        breaker = Breaker(
            key=key,
            state=BreakerState(entry["state"]),
            failures=min(max(int(entry["failures"]), 0), FAILURES_MAX),
            openings=min(max(int(entry["openings"]), 0), 1_000),
            since=None if since is None else _time(since),
            reason=str(entry["reason"])[:REASON_LENGTH_MAX],
        )
        if not breaker.waits:
            return breaker
        wanted_s = (_time(entry["retry_at"]) - self._now()).total_seconds()
        ahead_s = min(max(wanted_s, 0.0), breaker.open_for_s)
        if ahead_s < wanted_s:
            self._disk_is_ahead = True  # to be written: else each start would wait anew
        return Breaker(
            key=key,
            state=breaker.state,
            failures=breaker.failures,
            openings=breaker.openings,
            retry_s=self.breakers.monotonic() + ahead_s,
            since=breaker.since,
            reason=breaker.reason,
        )


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _time(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("a time needs its offset")
    return at
