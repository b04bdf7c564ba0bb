"""The circuit breakers on disk: `state/breakers.json`.

In memory, times are on the monotonic clock. The file has the time of day, because no other clock
survives a restart. A time that is read is limited to as long as the breaker stays open. So a clock
that was set back cannot lock a module out for a year.

Several processes write the file: the worker after a run, the daemon when a module ended the worker,
and the commands `trader plan` and `trader breakers`. Each of them writes only its own changes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from host.clock import utc_now
from host.errors import StorageError
from host.home.storage.atomic_file import (
    file_signature,
    locked_file,
    quarantine,
    read_state,
    write_atomic,
)
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
    """The breakers of a home: `refresh` before using them, `save` after.

    Parameters
    ----------
    home : Home
    monotonic : callable returning float, seconds
    now : callable returning an aware datetime
    read_only : bool
        Write nothing to the home.

    Attributes
    ----------
    breakers : Breakers
        In memory. A change that cannot be saved counts here all the same.
    problem : str, optional
        Why the last read or write failed.
    """

    def __init__(
        self,
        home: Home,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = utc_now,
        *,
        read_only: bool = False,
    ) -> None:
        self.read_only = read_only
        self.path = home.state_dir / FILE_NAME
        self.breakers = Breakers(monotonic, now)
        self.problem: str | None = None
        self._now = now
        self._signature: tuple[int, ...] | None = None
        self._saved: dict[str, Breaker] = {}
        self._file_must_change = False

    def refresh(self) -> bool:
        """Read the file if it changed; breakers with unsaved changes stay as they are here.

        Return False when the file cannot be read. Nothing changes then; the next call tries again.
        """
        signature = file_signature(self.path)
        if signature == self._signature:
            return True
        on_disk = self._read()
        if on_disk is None:
            return False
        unsaved = self._unsaved_keys()
        for key in {*self._saved, *on_disk} - set(unsaved):
            self.breakers.store(on_disk.get(key, Breaker(key)))
        self._saved = on_disk
        self._signature = signature
        return True

    def save(self) -> bool:
        """Write changes to disk; return whether everything is saved.

        When that fails, `problem` says why, and the next call tries again.
        """
        if self.read_only or not (self._unsaved_keys() or self._file_must_change):
            return True
        try:
            with locked_file(self.path.with_name(LOCK_NAME)):
                if not self.refresh():
                    return False  # writing would lose the changes of other processes
                write_atomic(self.path, self._to_text().encode())
                self._signature = file_signature(self.path)
        except StorageError as error:
            self.problem = str(error)
            return False
        self._saved = {breaker.key: breaker for breaker in self.breakers.tracked}
        self._file_must_change = False
        self.problem = None
        return True

    def signal(self, key: str, signal: Signal, reason: str = "") -> Transition | None:
        """Send a signal to one breaker, and save it."""
        self.refresh()
        transition = self.breakers.signal(key, signal, reason)
        self.save()
        return transition

    def unsaved_open(self) -> dict[str, str]:
        """Return open breakers that are not on disk, so that other processes cannot see them.

        Returns
        -------
        dict of str to str
            Keys of their modules, each with the reason.
        """
        unsaved = map(self.breakers.of, self._unsaved_keys())
        wait_s = self.breakers.wait_s
        return {breaker.key: breaker.reason for breaker in unsaved if wait_s(breaker.key) != 0.0}

    def retry_at(self, breaker: Breaker) -> datetime | None:
        """Return the time of day of the next trial; None when no trial is due later."""
        if not breaker.has_retry_time:
            return None
        wait_s = max(0.0, breaker.retry_s - self.breakers.monotonic())
        return self._now() + timedelta(seconds=wait_s)

    def _unsaved_keys(self) -> list[str]:
        now = {breaker.key: breaker for breaker in self.breakers.tracked}
        return [key for key in {*now, *self._saved} if now.get(key) != self._saved.get(key)]

    def _to_text(self) -> str:
        entries = [
            {
                "key": breaker.key,
                "state": breaker.state.value,
                "failures": breaker.failures,
                "openings": breaker.openings,
                "retry_at": _format_time(self.retry_at(breaker)),
                "since": _format_time(breaker.since),
                "reason": breaker.reason,
            }
            for breaker in self.breakers.tracked
        ]
        return json.dumps({"schema_version": SCHEMA_VERSION, "breakers": entries}, indent=1) + "\n"

    def _read(self) -> dict[str, Breaker] | None:
        """Read the file; return None when that fails.

        A file with invalid content is set aside, and every breaker is closed.
        """
        self._file_must_change = False
        try:
            data = read_state(self.path, STATE_BYTES_MAX, SCHEMA_VERSION)
            if data is None:
                return {}
            entries = list(data["breakers"])[:BREAKERS_MAX]
            return {breaker.key: breaker for breaker in map(self._parse_breaker, entries)}
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            if not self.read_only:
                self.problem = quarantine(self.path, error, self._now())
        except OSError as error:
            self.problem = f"{self.path}: cannot be read ({error.strerror})"
            return None
        return {}

    def _parse_breaker(self, entry: dict[str, Any]) -> Breaker:
        key, since = entry["key"], entry["since"]
        if not isinstance(key, str) or not 0 < len(key) <= KEY_LENGTH_MAX:
            raise ValueError("a key is kind.name")
        breaker = Breaker(
            key=key,
            state=BreakerState(entry["state"]),
            failures=min(max(int(entry["failures"]), 0), FAILURES_MAX),
            openings=min(max(int(entry["openings"]), 0), 1_000),
            since=None if since is None else _parse_time(since),
            reason=str(entry["reason"])[:REASON_LENGTH_MAX],
        )
        if not breaker.has_retry_time:
            return breaker
        stored_wait_s = (_parse_time(entry["retry_at"]) - self._now()).total_seconds()
        wait_s = min(max(stored_wait_s, 0.0), breaker.open_s)
        if wait_s < stored_wait_s:
            self._file_must_change = True  # else each restart would wait for the whole time again
        return Breaker(
            key=key,
            state=breaker.state,
            failures=breaker.failures,
            openings=breaker.openings,
            retry_s=self.breakers.monotonic() + wait_s,
            since=breaker.since,
            reason=breaker.reason,
        )


def _format_time(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _parse_time(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("a time needs its offset")
    return at
