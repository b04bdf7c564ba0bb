"""One reader of the journal for all event streams.

A stream holds only the number of its last event. New events come from a short list in memory; a
stream that is behind it reads the journal. So a slow client costs no memory and misses nothing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from itertools import islice
from typing import TYPE_CHECKING, Final

from host.errors import HostError
from host.telemetry.journal.follower import Follower, Position, RecordFilter, read_after, select

if TYPE_CHECKING:
    from host.home.home import Home
    from host.telemetry.journal.reader import Damage
    from host.telemetry.journal.record import JournalLine

STREAMS_MAX: Final = 100
"""Each is a connection; 50 clients with one each leave room for those that reconnect."""
LINES_MAX: Final = 500
"""New events in memory: some minutes of them, and 32 MB if each had the largest size."""
BATCH_MAX: Final = 200
"""Events that a stream sends before others have a turn."""
POLL_S: Final = 0.25
"""As `trader events tail --follow`."""
RETRY_S: Final = 2.0
"""Until a journal that cannot be read is tried again."""


class EventFeed:
    """The journal's new events.

    Parameters
    ----------
    home : Home
    """

    def __init__(self, home: Home) -> None:
        self._folder = home.journal_dir
        self._lines: deque[JournalLine] = deque(maxlen=LINES_MAX)
        self._last_n = 0
        self._n_streams = 0
        self._reading: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._is_closed = False

    @property
    def is_full(self) -> bool:
        """True when no more streams are accepted."""
        return self._n_streams >= STREAMS_MAX

    def close(self) -> None:
        """End all streams."""
        self._is_closed = True
        self._wake()

    async def position(self, after: int | None) -> int:
        """Return the number that a stream begins after: by default the last one in the journal.

        A number beyond the journal is of another one, that a backup replaced.
        """
        last = await asyncio.to_thread(self._read_last)
        return last if after is None else min(after, last)

    async def batches(self, after: int, alive_s: float) -> AsyncIterator[list[JournalLine]]:
        """Yield the events after a number, in order, forever; an empty list after a silent time."""
        self._n_streams += 1
        try:
            if self._reading is None:
                self._last_n = await self.position(None)
                self._reading = asyncio.create_task(self._read(), name="event feed")
            while not self._is_closed:
                batch = await self._next_batch(after, alive_s)
                after = max(after, *(line.entry.n for line in batch)) if batch else after
                yield batch
        finally:
            self._n_streams -= 1
            if not self._n_streams and self._reading is not None:
                self._reading.cancel()
                self._reading = None
                self._lines.clear()

    async def _next_batch(self, after: int, alive_s: float) -> list[JournalLine]:
        """Wait for events after a number; return an empty list when none came in that time."""
        try:
            async with asyncio.timeout(alive_s):
                while not self._is_closed:
                    changed = self._changed
                    batch = await self._lines_after(after)
                    if batch:
                        return batch
                    await changed.wait()
        except TimeoutError:
            pass  # nothing happened
        return []

    async def _lines_after(self, after: int) -> list[JournalLine]:
        first = self._lines[0].entry.n if self._lines else self._last_n + 1
        if after + 1 >= first:
            later = (line for line in self._lines if line.entry.n > after)
            return list(islice(later, BATCH_MAX))
        try:
            return await asyncio.to_thread(read_after, self._folder, after, _ignore, BATCH_MAX)
        except HostError:
            return []

    async def _read(self) -> None:
        """Read what is appended to the journal, forever."""
        follower: Follower | None = None
        while True:
            try:
                if follower is None:
                    follower = await asyncio.to_thread(self._open_follower)
                lines = await asyncio.to_thread(follower.read)
            except HostError:
                await asyncio.sleep(RETRY_S)
                continue
            if lines:
                self._lines.extend(lines)
                self._last_n = max(self._last_n, lines[-1].entry.n)
                self._wake()
            await asyncio.sleep(POLL_S)

    def _open_follower(self) -> Follower:
        """Return a reader of everything after `_last_n`, at a place in the file if it can."""
        _, position = select(self._folder, RecordFilter(), _ignore, 0)
        if position.n != self._last_n:
            position = Position(self._last_n)
        return Follower(self._folder, position, _ignore)

    def _read_last(self) -> int:
        _, position = select(self._folder, RecordFilter(), _ignore, 0)
        return position.n

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


def _ignore(_damage: Damage) -> None:
    """Leave out a damaged line: `trader events verify` and the health report it."""
