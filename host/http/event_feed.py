"""One reader of the journal for all event streams.

A stream holds only the number of its last event. New events come from a short list in memory; a
stream that is behind it reads the journal. So a slow client costs no memory and misses nothing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from itertools import islice
from typing import TYPE_CHECKING, Final

from host.errors import HostError
from host.home.storage.atomic_file import storage_error
from host.telemetry.journal.follower import Backlog, Follower, RecordFilter, select
from host.telemetry.journal.reader import find_tail

if TYPE_CHECKING:
    from pathlib import Path

    from host.home.home import Home
    from host.telemetry.journal.reader import Damage
    from host.telemetry.journal.record import JournalLine

STREAMS_MAX: Final = 100
"""Each is a connection; 50 clients with one each leave room for those that reconnect."""
LINES_MAX: Final = 500
"""New events in memory: some minutes of them, and 32 MB if each had the largest size."""
BATCH_MAX: Final = 200
"""Events that a stream sends before others have a turn."""
BACKLOG_BYTES_MAX: Final = 256 * 1024
"""What a stream that is behind holds of the journal: four events of the largest size."""
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
        self._last_n: int | None = None
        """Of the last event that was read; None until the reader has begun."""
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
        last = await asyncio.to_thread(last_number, self._folder)
        return last if after is None else min(after, last)

    async def batches(self, after: int, alive_s: float) -> AsyncIterator[list[JournalLine]]:
        """Yield the events after a number, in order, forever; an empty list after a silent time."""
        self._n_streams += 1
        try:
            if self._reading is None:
                self._reading = asyncio.create_task(self._read(), name="event feed")
            stream = _Stream(after)
            while not self._is_closed:
                batch = await self._next_batch(stream, alive_s)
                stream.after = max([stream.after, *(line.entry.n for line in batch)])
                yield batch
        finally:
            self._n_streams -= 1
            if not self._n_streams and self._reading is not None:
                self._reading.cancel()
                self._reading = self._last_n = None
                self._lines.clear()

    async def _next_batch(self, stream: _Stream, alive_s: float) -> list[JournalLine]:
        """Wait for the next events; return an empty list when none came in that time."""
        try:
            async with asyncio.timeout(alive_s):
                while not self._is_closed:
                    changed = self._changed
                    batch = await self._lines_after(stream)
                    if batch:
                        return batch
                    await changed.wait()
        except TimeoutError:
            pass  # nothing happened
        return []

    async def _lines_after(self, stream: _Stream) -> list[JournalLine]:
        """Return the next events from memory, or from the journal for a stream that is behind."""
        if self._last_n is None:
            return []
        first = self._lines[0].entry.n if self._lines else self._last_n + 1
        if stream.after + 1 >= first:
            stream.backlog = None
            later = (line for line in self._lines if line.entry.n > stream.after)
            return list(islice(later, BATCH_MAX))
        # Of a read that is given up the lines are lost, so another backlog begins then.
        backlog = stream.backlog or Backlog(self._folder, stream.after, _ignore)
        stream.backlog = None
        try:
            lines = await asyncio.to_thread(backlog.read, BATCH_MAX, BACKLOG_BYTES_MAX)
        except HostError:
            return []
        stream.backlog = backlog
        return lines

    async def _read(self) -> None:
        """Read what is appended to the journal, forever."""
        read: Callable[[], list[JournalLine]] | None = None
        while True:
            try:
                if read is None:
                    follower, self._last_n = await asyncio.to_thread(follow, self._folder)
                    read = follower.read
                    self._wake()
                lines = await asyncio.to_thread(read)
            except HostError:
                await asyncio.sleep(RETRY_S)
                continue
            if lines:
                self._lines.extend(lines)
                self._last_n = max(self._last_n or 0, lines[-1].entry.n)
                self._wake()
            await asyncio.sleep(POLL_S)

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


class _Stream:
    """The place of one stream in the journal."""

    def __init__(self, after: int) -> None:
        self.after = after
        self.backlog: Backlog | None = None


def follow(folder: Path) -> tuple[Follower, int]:
    """Return a reader of everything new, and the number of the last event before."""
    _, position = select(folder, RecordFilter(), _ignore, 0)
    return Follower(folder, position, _ignore), position.n


def last_number(folder: Path) -> int:
    """Return the number of the last event; StorageError when the journal cannot be read."""
    try:
        return find_tail(folder).count
    except OSError as error:
        raise storage_error(folder, "cannot be read", error) from error


def _ignore(_damage: Damage) -> None:
    """Leave out a damaged line: `trader events verify` and the health report it."""
