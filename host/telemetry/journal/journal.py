"""The journal: what happened, one JSON object per line, only ever added to.

A record is written, and if it is durable fsynced, before anything is built on it: the daemon
acknowledges a press to the board only when the press stands here. Each line carries the sha256 of
the line before it, so that an edit or a gap can be found, and `state/journal.head` says how far the
journal has been safe on disk, so that a lost end can be found too.

A file that is large or old is finished and another one begun; when all of them together take too
much, the oldest go, after a record that says so. A daemon and commands may write side by side: each
holds the journal's lock for as long as one append takes, and looks first where the chain ends now.

    lock -> find the end -> cut off what a crash left there -> begin another file if it is time
    -> write -> fsync -> head -> remove files that are too many -> unlock

A kill -9 between any two of these steps leaves a journal that the next append goes on with. What it
had to repair is a record of its own. All writing of the daemon happens in one thread: a slow disk
delays the press, never the loop.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from host.clock import utc_now
from host.errors import StorageError
from host.home.storage.atomic_file import make_folder, storage_error, write_new
from host.limits import (
    JOURNAL_BYTES_MAX,
    JOURNAL_CORRUPT_KEPT_MAX,
    JOURNAL_FILE_BYTES_MAX,
    JOURNAL_FILE_DAYS_MAX,
)
from host.telemetry.events import JournalContinued, JournalPruned, JournalRepaired, stamped
from host.telemetry.journal.head import Head, read_head, write_head
from host.telemetry.journal.reader import (
    CONTINUED,
    FILE_MODE,
    JOURNAL_NAME,
    Reading,
    Tail,
    find_tail,
    finished_files,
    held_lock,
    opened,
    parts_of,
    parts_since,
    read_parts,
)
from host.telemetry.journal.record import NO_HASH, ChainEntry, JournalRecord, encode, line_hash

if TYPE_CHECKING:
    from host.telemetry.events import HostEvent

__all__ = ["JOURNAL_NAME", "NO_HASH", "Journal", "JournalRecord", "Reading"]

State = Mapping[str, object]


def _no_state() -> State | None:
    return None


@dataclass(frozen=True, slots=True)
class JournalLimits:
    """When a file is finished, and when the oldest is removed."""

    file_bytes: int = JOURNAL_FILE_BYTES_MAX
    file_days: int = JOURNAL_FILE_DAYS_MAX
    bytes_in_all: int = JOURNAL_BYTES_MAX


class Journal:
    """The journal of a home, to append to.

    Parameters
    ----------
    folder : Path
        Made when it is missing.
    head : Path, optional
        `state/journal.head`; without it a lost end is not noticed.
    limits : JournalLimits
    now : callable returning an aware datetime
    state : callable
        What a reader has to know of all files so far, asked when another one begins.
    """

    def __init__(
        self,
        folder: Path,
        head: Path | None = None,
        *,
        limits: JournalLimits | None = None,
        now: Callable[[], datetime] = utc_now,
        state: Callable[[], State | None] = _no_state,
    ) -> None:
        self.folder = folder
        self.path = folder / JOURNAL_NAME
        self.reading = Reading()
        self.written: list[JournalRecord] = []
        """What the last append added of its own, before the records that it was given."""
        self._head = head
        self._limits = limits or JournalLimits()
        self._now = now
        self._state = state
        self._tail = Tail()
        self._descriptor: int | None = None
        self._owed: list[HostEvent] = []
        self._undo: tuple[int, int, int] | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")

    def open(self, on_record: Callable[[JournalRecord], None]) -> Reading:
        """Hand over what a daemon has to know, oldest first, and make the end whole.

        That is every record since the last one with a state in it. What was cut off is recorded
        with the next append.

        Raises
        ------
        StorageError
            When the journal cannot be read.
        """
        make_folder(self.folder)
        with opened(self.folder) as parts:
            begun = parts_since(parts, has_state)
            self.reading = read_parts(begun, lambda line: on_record(line.record))
        # A disk that is full or read-only now will tell whoever appends; reading went well.
        with suppress(OSError), held_lock(self.folder, fcntl.LOCK_EX):
            self._settle()
        return self.reading

    async def append(self, *records: JournalRecord, durable: bool) -> None:
        """Add records; when this returns durable ones survive a power cut.

        Raises
        ------
        StorageError
            When they could not be written. The journal is as it was, and may be tried again.
        """
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._append, records, durable)

    def append_now(self, record: JournalRecord, durable: bool) -> None:
        """Add a record, in the calling thread."""
        self._append((record,), durable)

    def append_all(self, records: Sequence[JournalRecord]) -> None:
        """Add records, durably and in the calling thread."""
        self._append(records, True)

    def close(self) -> None:
        """Finish what is under way and let go of the files."""
        self._thread.shutdown(wait=True)
        self._close_descriptor()

    # --- appending -------------------------------------------------------------------------

    def _append(self, records: Sequence[JournalRecord], durable: bool) -> None:
        self.written = []
        try:
            make_folder(self.folder)
            with held_lock(self.folder, fcntl.LOCK_EX):
                self._settle()
                victims = self._begin_file_if_due()
                own = [JournalRecord.of(event) for event in self._owed]
                # What was repaired or removed has to be known before it is gone from elsewhere.
                is_safe = durable or bool(own)
                self._write_lines([*own, *records], durable=is_safe)
                self.written = own
                self._owed.clear()
                self._remove(victims)
        except OSError as error:
            # After a failed fsync the kernel may call the next one a success: never ask this
            # descriptor again. What it wrote, if anything, is cut off when it is opened anew.
            self._close_descriptor()
            raise storage_error(self.path, "cannot be written", error) from error

    def _write_lines(self, records: Sequence[JournalRecord], *, durable: bool) -> None:
        tail = self._tail
        n, prev, data = tail.count, tail.last_hash, b""
        for record in records:
            n += 1
            line = encode(record, ChainEntry(n, prev))
            prev = line_hash(line[:-1])
            data += line
        assert self._descriptor is not None
        self._undo = (os.fstat(self._descriptor).st_ino, tail.end, tail.end + len(data))
        try:
            self._write(data, durable=durable)
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._descriptor, tail.end)
            raise
        self._undo = None
        began = tail.began or (records[0].timestamp if records else None)
        self._tail = Tail(n, prev, tail.end + len(data), b"", began)
        self.reading.count, self.reading.last_hash = n, prev
        self.reading.end = self._tail.end
        if durable and self._head is not None:
            write_head(self._head, Head(n, prev))

    def _write(self, data: bytes, *, durable: bool) -> None:
        assert self._descriptor is not None
        left = memoryview(data)
        while left:
            left = left[os.write(self._descriptor, left) :]
        if durable:
            os.fsync(self._descriptor)

    # --- where the chain ends --------------------------------------------------------------

    def _settle(self) -> None:
        """Stand at the end of the chain, whoever wrote last and however that ended."""
        with suppress(FileNotFoundError):
            found = self.path.stat()
            is_ours = (
                self._descriptor is not None
                and found.st_size == self._tail.end
                and os.fstat(self._descriptor).st_ino == found.st_ino
            )
            if is_ours:
                return
        self._close_descriptor()
        self._take_back()
        tail = find_tail(self.folder)
        is_new = not self.path.exists()
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(self.path, flags, FILE_MODE)
        try:
            if tail.junk:
                kept_as = self._set_aside(tail.junk)
                os.ftruncate(descriptor, tail.end)
                os.fsync(descriptor)
                self._owe_repair(JournalRepaired(bytes_cut=len(tail.junk), kept_as=kept_as))
            if is_new:
                _sync_folder(self.folder)  # the name of a new file is not safe before that
        except OSError:
            os.close(descriptor)
            raise
        self._descriptor, self._tail = descriptor, tail
        self._compare_with_head()
        if tail.count and not tail.end:
            self._owe_continuation()

    def _take_back(self) -> None:
        """Cut off what an append wrote and then failed with, if the journal still ends there."""
        undo, self._undo = self._undo, None
        if undo is None:
            return
        inode, end, written_to = undo
        with suppress(FileNotFoundError):
            found = self.path.stat()
            if found.st_ino == inode and end < found.st_size <= written_to:
                os.truncate(self.path, end)

    def _compare_with_head(self) -> None:
        head = None if self._head is None else read_head(self._head)
        if head is None:
            return
        lost = head.count - self._tail.count
        if lost > 0:
            there = self._tail.count
            why = f"record {head.count} had been safe on disk; the last one there is {there}"
            self._owe_repair(JournalRepaired(records_lost=lost, why=why))
        elif lost == 0 and head.last_hash != self._tail.last_hash:
            why = f"record {head.count} is not the one that had been safe on disk"
            self._owe_repair(JournalRepaired(records_lost=1, why=why))

    def _owe_repair(self, event: JournalRepaired) -> None:
        known = [owed.why for owed in self._owed if isinstance(owed, JournalRepaired)]
        if not event.why or event.why not in known:
            self._owed.append(stamped(event, self._now()))

    def _set_aside(self, junk: bytes) -> str | None:
        """Keep what is cut off, unless it is a line that a crash left unfinished."""
        if b"\n" not in junk and junk.startswith(b'{"n":'):
            return None
        kept = sum(".corrupt." in path.name for path in self.folder.iterdir())
        name = f"{JOURNAL_NAME}.corrupt.{self._now():%Y%m%dT%H%M%S%fZ}-{kept}"
        with suppress(StorageError):  # no room for evidence is no reason to take no presses
            if kept < JOURNAL_CORRUPT_KEPT_MAX and write_new(self.folder / name, junk):
                return name
        return None

    # --- one file after the other ----------------------------------------------------------

    def _begin_file_if_due(self) -> list[Path]:
        """Finish the file if it is large or old; return those that are too many then."""
        tail = self._tail
        age = timedelta() if tail.began is None else self._now() - tail.began
        is_due = tail.end >= self._limits.file_bytes or age.days >= self._limits.file_days
        if not tail.end or not is_due:
            return self._victims() if not tail.end and tail.count else []
        assert self._descriptor is not None
        os.fsync(self._descriptor)
        self.path.rename(self._free_name(tail.count))
        _sync_folder(self.folder)
        self._close_descriptor()
        self._settle()
        return self._victims()

    def _free_name(self, count: int) -> Path:
        """Return the name of a file that ends with this record; numbers come again after a loss."""
        stem = f"journal-{count:012d}"
        names = [f"{stem}.jsonl", *(f"{stem}-{again}.jsonl" for again in range(1, 10_000))]
        return next(self.folder / name for name in names if not (self.folder / name).exists())

    def _owe_continuation(self) -> None:
        last = finished_files(self.folder)[-1:]
        known = any(isinstance(owed, JournalContinued) for owed in self._owed)
        if last and not known:
            continued = JournalContinued(previous=last[0].name, state=self._state())
            self._owed.insert(0, stamped(continued, self._now()))

    def _victims(self) -> list[Path]:
        """Return the oldest files if all are too much, and owe the record that says so."""
        finished = finished_files(self.folder)
        sizes = [path.stat().st_size for path in finished]
        excess = sum(sizes) + self._limits.file_bytes - self._limits.bytes_in_all
        victims: list[Path] = []
        while excess > 0 and len(victims) < len(finished) - 1:  # the youngest holds our link
            excess -= sizes[len(victims)]
            victims.append(finished[len(victims)])
        self._owed = [owed for owed in self._owed if not isinstance(owed, JournalPruned)]
        if victims:
            with ExitStack() as stack:
                last = read_parts(parts_of(stack, victims[-1:]), lambda _line: None)
            names = tuple(path.name for path in victims)
            pruned = JournalPruned(pruned_through=last.count, last_hash=last.last_hash, files=names)
            self._owed.append(stamped(pruned, self._now()))
        return victims

    def _remove(self, victims: Sequence[Path]) -> None:
        """Remove files, the oldest first; what stays behind is found with the next file."""
        if not victims:
            return
        with suppress(OSError):
            for path in victims:
                path.unlink(missing_ok=True)
            _sync_folder(self.folder)

    def _close_descriptor(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with suppress(OSError):
                os.close(descriptor)


def has_state(record: JournalRecord) -> bool:
    """Tell whether reading may begin with a record."""
    return record.event_type == CONTINUED and isinstance(record.data.get("state"), dict)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
