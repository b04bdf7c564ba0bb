"""The journal: what happened, one JSON object per line, only ever added to.

A record is written, and if it is durable fsynced, before anything is built on it: the daemon
acknowledges a press to the board only when the press stands here. Each line carries the sha256 of
the line before it, so that an edit or a gap can be found. A line that a crash cut off was never
acknowledged to anybody; it is cut away when the journal is opened, and that is told.

All writing happens in one thread of its own: a slow disk delays the press, never the loop.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from host.files.atomic_file import make_folder, storage_error
from host.limits import JOURNAL_LINE_BYTES_MAX

JOURNAL_NAME: Final = "journal.jsonl"
SCHEMA_VERSION: Final = 1
NO_HASH: Final = "0" * 64
"""What stands in place of a hash in the first line."""
FILE_MODE: Final = 0o600


@dataclass(frozen=True, slots=True)
class JournalRecord:
    """Something that happened; the envelope is that of the planner's events."""

    event_type: str
    timestamp: datetime
    trace_id: str = ""
    bucket_id: str = ""
    data: Mapping[str, object] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        """Return the record as plain data."""
        return {
            "timestamp": self.timestamp.isoformat(),
            "event_type": self.event_type,
            "bucket_id": self.bucket_id,
            "trace_id": self.trace_id,
            "schema_version": SCHEMA_VERSION,
            "data": dict(self.data),
        }


@dataclass(slots=True)
class Reading:
    """What reading a journal found: where it ends, and what was wrong with it."""

    count: int = 0
    end: int = 0
    last_hash: str = NO_HASH
    bytes_cut: int = 0
    lines_damaged: int = 0
    links_broken: int = 0


class Journal:
    """The journal of a home; open it once, in the process that holds the home's lock.

    Parameters
    ----------
    folder : Path
        Made when it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / JOURNAL_NAME
        self.reading = Reading()
        self._descriptor: int | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")

    def open(self, on_record: Callable[[JournalRecord], None]) -> Reading:
        """Hand over every record, oldest first, and cut off what a crash left unfinished.

        Raises
        ------
        StorageError
            When the file cannot be read or written.
        """
        make_folder(self.path.parent)
        self.reading = read_journal(self.path, on_record)
        try:
            self._reopen()
        except OSError as error:
            raise storage_error(self.path, "cannot be opened", error) from error
        return self.reading

    async def append(self, record: JournalRecord, *, durable: bool) -> None:
        """Add a record; when this returns a durable one survives a power cut.

        Raises
        ------
        StorageError
            When it could not be written. The journal is as it was before, and may be tried again.
        """
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self.append_now, record, durable)

    def append_now(self, record: JournalRecord, durable: bool) -> None:
        """Add a record, in the calling thread."""
        reading = self.reading
        linked = {"n": reading.count + 1, "prev": reading.last_hash, **record.to_json()}
        text = json.dumps(linked, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        line = text.encode()
        assert len(line) < JOURNAL_LINE_BYTES_MAX, "a record is a line, not a file"
        try:
            self._write(line + b"\n", durable=durable)
        except OSError as error:
            # After a failed fsync the kernel may call the next one a success: never ask this
            # descriptor again. What it wrote, if anything, is cut off when it is opened anew.
            self._close_descriptor()
            raise storage_error(self.path, "cannot be written", error) from error
        reading.count += 1
        reading.end += len(line) + 1
        reading.last_hash = line_hash(line)

    def close(self) -> None:
        """Finish what is under way and let go of the file."""
        self._thread.shutdown(wait=True)
        self._close_descriptor()

    def _write(self, data: bytes, *, durable: bool) -> None:
        if self._descriptor is None:
            self._reopen()
        assert self._descriptor is not None
        left = memoryview(data)
        while left:
            left = left[os.write(self._descriptor, left) :]
        if durable:
            os.fsync(self._descriptor)

    def _reopen(self) -> None:
        """Open for appending at the end of the last whole record, and make that end durable."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(self.path, flags, FILE_MODE)
        try:
            os.ftruncate(descriptor, self.reading.end)
            os.fsync(descriptor)
            folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(folder)  # the name of a new file is not safe before that
            finally:
                os.close(folder)
        except OSError:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def _close_descriptor(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with suppress(OSError):
                os.close(descriptor)


def read_journal(path: Path, on_record: Callable[[JournalRecord], None]) -> Reading:
    """Hand over every record that can be read; damage is counted and never stops the device.

    Raises
    ------
    StorageError
        When the file is there and cannot be read.
    """
    reading = Reading()
    skipped = 0  # damaged lines since the last good one: cut off if no good one follows
    at = 0
    try:
        for line in _lines(path):
            at += len(line)
            record = _record(line)
            if record is None:
                skipped += 1
                continue
            link, parsed = record
            reading.lines_damaged += skipped
            if link != (reading.count + 1, reading.last_hash) or skipped:
                reading.links_broken += 1
            skipped = 0
            reading.count = link[0]
            reading.last_hash = line_hash(line[:-1])
            reading.end = at
            on_record(parsed)
    except OSError as error:
        raise storage_error(path, "cannot be read", error) from error
    reading.bytes_cut = at - reading.end
    return reading


def line_hash(line: bytes) -> str:
    """Return the hash that the next line carries; the line feed is not part of it."""
    return hashlib.sha256(line).hexdigest()


def _lines(path: Path) -> Iterator[bytes]:
    """Yield the lines with their ends, never holding more than one, none longer than allowed."""
    try:
        with path.open("rb") as file:
            while line := file.readline(JOURNAL_LINE_BYTES_MAX):
                yield line
    except FileNotFoundError:
        return


def _record(line: bytes) -> tuple[tuple[int, str], JournalRecord] | None:
    """Parse a line into its place in the chain and its record; None when it is damaged."""
    if not line.endswith(b"\n"):
        return None
    try:
        found = json.loads(line)
        timestamp = datetime.fromisoformat(found["timestamp"])
        data = found["data"]
        link = (int(found["n"]), str(found["prev"]))
        if not isinstance(data, dict) or timestamp.tzinfo is None:
            return None
        return link, JournalRecord(
            str(found["event_type"]),
            timestamp.astimezone(UTC),
            str(found["trace_id"]),
            str(found["bucket_id"]),
            data,
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
