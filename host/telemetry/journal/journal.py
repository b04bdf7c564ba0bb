"""Writer of the journal: one JSON object per line, and lines are only added.

A record is written, and if it is durable fsynced, before anything depends on it: the daemon
acknowledges a press to the board only when the press is in the journal. Each line carries the
sha256 of the line before it, so that an edit or a gap is found. `state/journal.head` records how
far the journal has been safe on disk, so that a lost end is found too.

A file that is large or old is finished and another one begun. When all files together take too
much space, the oldest are removed, after a record that says so. A daemon and commands may write
side by side: each holds the journal's lock for one append, and first finds the end of the chain.

    lock -> find the end -> cut off what a crash left there -> begin another file if it is time
    -> write -> fsync -> head -> remove the oldest files -> unlock

A kill -9 between any two of these steps leaves a journal that the next append can continue. What it
had to repair is recorded. The daemon writes in one thread, so a slow disk delays the answer to a
press and never the loop.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from host.clock import utc_now
from host.errors import StorageError
from host.home.storage.atomic_file import (
    lock_held,
    make_folder,
    storage_error,
    sync_folder,
    write_in_place,
    write_new,
)
from host.limits import (
    JOURNAL_BYTES_MAX,
    JOURNAL_CORRUPT_KEPT_MAX,
    JOURNAL_FILE_BYTES_MAX,
    JOURNAL_FILE_DAYS_MAX,
)
from host.telemetry.events import JournalContinued, JournalPruned, JournalRepaired, stamped
from host.telemetry.journal.reader import (
    CONTINUED,
    HEAD_BYTES,
    JOURNAL_NAME,
    LOCK_NAME,
    Head,
    Reading,
    Tail,
    files_since,
    find_tail,
    finished_files,
    open_files,
    open_journal,
    read_files,
    read_head,
)
from host.telemetry.journal.record import NO_HASH, ChainEntry, JournalRecord, encode, line_hash

if TYPE_CHECKING:
    from host.telemetry.events import HostEvent

__all__ = ["JOURNAL_NAME", "NO_HASH", "Journal", "JournalRecord", "Reading"]

State = Mapping[str, object]
FILE_MODE: Final = 0o600


def _no_state() -> State | None:
    return None


@dataclass(frozen=True, slots=True)
class JournalLimits:
    """Limits: of one file, after which it is finished, and of all, after which the oldest goes."""

    file_bytes: int = JOURNAL_FILE_BYTES_MAX
    file_days: int = JOURNAL_FILE_DAYS_MAX
    total_bytes: int = JOURNAL_BYTES_MAX


class Journal:
    """Appends to the journal of a home.

    Parameters
    ----------
    folder : Path
        Made when it is missing.
    head : Path, optional
        `state/journal.head`; without it a lost end is not found.
    limits : JournalLimits
    now : callable returning an aware datetime
    state : callable
        Returns what a reader needs of all files so far; called when another file begins.
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
        """Records about the journal itself that the last append wrote before those it got."""
        self._head = head
        self._limits = limits or JournalLimits()
        self._now = now
        self._state = state
        self._tail = Tail()
        self._descriptor: int | None = None
        self._pending: list[HostEvent] = []
        self._failed_append: tuple[int, int, int] | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")

    def open(self, on_record: Callable[[JournalRecord], None]) -> Reading:
        """Call `on_record` with all records since the last state, oldest first; repair the end.

        A repair is recorded with the next append.

        Raises
        ------
        StorageError
            When the journal cannot be read.
        """
        make_folder(self.folder)
        with open_journal(self.folder) as files:
            newest = files_since(files, has_state)
            self.reading = read_files(newest, lambda line: on_record(line.record))
        # A full or read-only disk is reported by the next append. Reading has succeeded.
        with suppress(OSError, StorageError), _write_lock(self.folder):
            self._find_end()
        return self.reading

    async def append(self, *records: JournalRecord, durable: bool) -> None:
        """Add records; durable ones survive a power cut after this returns.

        Raises
        ------
        StorageError
            When they could not be written. The journal is unchanged; a retry may succeed.
        """
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._append, records, durable)

    def append_now(self, *records: JournalRecord, durable: bool) -> None:
        """Do as `append`, in the calling thread."""
        self._append(records, durable)

    def close(self) -> None:
        """Finish the appends under way and close the files."""
        self._thread.shutdown(wait=True)
        self._close_descriptor()

    # --- appending -------------------------------------------------------------------------

    def _append(self, records: Sequence[JournalRecord], durable: bool) -> None:
        self.written = []
        try:
            make_folder(self.folder)
            with _write_lock(self.folder):
                self._find_end()
                outdated = self._begin_file_if_due()
                own = [JournalRecord.of(event) for event in self._pending]
                # A repair or a removal is on disk before the files are gone.
                self._write_lines([*own, *records], durable=durable or bool(own))
                self.written = own
                self._pending.clear()
                self._remove(outdated)
        except OSError as error:
            # After a failed fsync the kernel may report the next one as a success, so this
            # descriptor is not used again. What it wrote is cut off when the file is opened anew.
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
        self._failed_append = (os.fstat(self._descriptor).st_ino, tail.end, tail.end + len(data))
        try:
            self._write(data, durable=durable)
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._descriptor, tail.end)
            raise
        self._failed_append = None
        began = tail.began or (records[0].timestamp if records else None)
        self._tail = Tail(n, prev, tail.end + len(data), b"", began)
        self.reading.count, self.reading.last_hash = n, prev
        self.reading.end = self._tail.end
        if durable and self._head is not None:
            _write_head(self._head, Head(n, prev))

    def _write(self, data: bytes, *, durable: bool) -> None:
        assert self._descriptor is not None
        remaining = memoryview(data)
        while remaining:
            remaining = remaining[os.write(self._descriptor, remaining) :]
        if durable:
            os.fsync(self._descriptor)

    # --- the end of the chain --------------------------------------------------------------

    def _find_end(self) -> None:
        """Find the end of the chain, where another writer or a crash may have left it."""
        if self._is_unchanged():
            return
        self._close_descriptor()
        self._cut_failed_append()
        tail = find_tail(self.folder)
        is_new = not self.path.exists()
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(self.path, flags, FILE_MODE)
        try:
            if tail.junk:
                kept_as = self._set_aside(tail.junk)
                os.ftruncate(descriptor, tail.end)
                os.fsync(descriptor)
                self._add_repair(JournalRepaired(bytes_cut=len(tail.junk), kept_as=kept_as))
            if is_new:
                sync_folder(self.folder)  # until then the name of a new file may be lost
        except OSError:
            os.close(descriptor)
            raise
        self._descriptor, self._tail = descriptor, tail
        self._compare_with_head()
        if tail.count and not tail.end:
            self._add_continuation()

    def _is_unchanged(self) -> bool:
        """Return whether the file is as the last append left it."""
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return False
        return (
            self._descriptor is not None
            and status.st_size == self._tail.end
            and os.fstat(self._descriptor).st_ino == status.st_ino
        )

    def _cut_failed_append(self) -> None:
        """Cut off the bytes of a failed append, if the journal still ends with them."""
        failed, self._failed_append = self._failed_append, None
        if failed is None:
            return
        inode, end, written_to = failed
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return
        if status.st_ino == inode and end < status.st_size <= written_to:
            os.truncate(self.path, end)

    def _compare_with_head(self) -> None:
        head = None if self._head is None else read_head(self._head)
        if head is None:
            return
        lost = head.count - self._tail.count
        if lost > 0:
            count = self._tail.count
            why = f"record {head.count} was on disk before; the last record now is {count}"
            self._add_repair(JournalRepaired(records_lost=lost, why=why))
        elif lost == 0 and head.last_hash != self._tail.last_hash:
            why = f"record {head.count} is not the one that was on disk before"
            self._add_repair(JournalRepaired(records_lost=1, why=why))

    def _add_repair(self, event: JournalRepaired) -> None:
        reasons = [pending.why for pending in self._pending if isinstance(pending, JournalRepaired)]
        if not event.why or event.why not in reasons:
            self._pending.append(stamped(event, self._now()))

    def _set_aside(self, junk: bytes) -> str | None:
        """Save the bytes that are cut off, unless they are one unfinished line; return the name."""
        if b"\n" not in junk and junk.startswith(b'{"n":'):
            return None
        count = sum(".corrupt." in path.name for path in self.folder.iterdir())
        name = f"{JOURNAL_NAME}.corrupt.{self._now():%Y%m%dT%H%M%S%fZ}-{count}"
        if count >= JOURNAL_CORRUPT_KEPT_MAX:
            return None
        try:
            return name if write_new(self.folder / name, junk) else None
        except StorageError:  # on a full disk the evidence is lost, and presses go on
            return None

    # --- one file after the other ----------------------------------------------------------

    def _begin_file_if_due(self) -> list[Path]:
        """Finish the file if it is large or old; return the files that have to go then."""
        tail = self._tail
        age = timedelta() if tail.began is None else self._now() - tail.began
        is_due = tail.end >= self._limits.file_bytes or age.days >= self._limits.file_days
        if not tail.end or not is_due:
            return self._files_to_remove() if not tail.end and tail.count else []
        assert self._descriptor is not None
        os.fsync(self._descriptor)
        self.path.rename(self._free_name(tail.count))
        sync_folder(self.folder)
        self._close_descriptor()
        self._find_end()
        return self._files_to_remove()

    def _free_name(self, count: int) -> Path:
        """Return an unused name for a file that ends with this record; a loss repeats numbers."""
        stem = f"journal-{count:012d}"
        names = [f"{stem}.jsonl", *(f"{stem}-{again}.jsonl" for again in range(1, 10_000))]
        return next(self.folder / name for name in names if not (self.folder / name).exists())

    def _add_continuation(self) -> None:
        last = finished_files(self.folder)[-1:]
        is_pending = any(isinstance(event, JournalContinued) for event in self._pending)
        if last and not is_pending:
            continued = JournalContinued(previous=last[0].name, state=self._state())
            self._pending.insert(0, stamped(continued, self._now()))

    def _files_to_remove(self) -> list[Path]:
        """Return the oldest files while all are too large; their removal will be recorded."""
        finished = finished_files(self.folder)
        sizes = [path.stat().st_size for path in finished]
        excess = sum(sizes) + self._limits.file_bytes - self._limits.total_bytes
        outdated: list[Path] = []
        # The last file stays, because it holds the hash that the chain goes on from.
        while excess > 0 and len(outdated) < len(finished) - 1:
            excess -= sizes[len(outdated)]
            outdated.append(finished[len(outdated)])
        self._pending = [event for event in self._pending if not isinstance(event, JournalPruned)]
        if outdated:
            with ExitStack() as stack:
                last = read_files(open_files(stack, outdated[-1:]), lambda _line: None)
            names = tuple(path.name for path in outdated)
            pruned = JournalPruned(pruned_through=last.count, last_hash=last.last_hash, files=names)
            self._pending.append(stamped(pruned, self._now()))
        return outdated

    def _remove(self, outdated: Sequence[Path]) -> None:
        """Remove files, the oldest first; those that remain are removed with the next file."""
        if not outdated:
            return
        try:
            for path in outdated:
                path.unlink(missing_ok=True)
            sync_folder(self.folder)
        except OSError:
            return

    def _close_descriptor(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with suppress(OSError):
                os.close(descriptor)


def has_state(record: JournalRecord) -> bool:
    """Return whether reading may begin with this record."""
    return record.event_type == CONTINUED and isinstance(record.data.get("state"), dict)


def _write_lock(folder: Path) -> AbstractContextManager[None]:
    """Return the journal's lock, for writing."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    return lock_held(os.open(folder / LOCK_NAME, flags, FILE_MODE), folder)


def _write_head(path: Path, head: Head) -> None:
    """Write the head in place, without fsync; an error is ignored.

    So the head may be behind the journal, which is harmless. It is ahead of the journal only when
    the end of the journal is lost.
    """
    text = json.dumps({"count": head.count, "hash": head.last_hash})
    assert len(text) < HEAD_BYTES
    try:
        make_folder(path.parent)
        write_in_place(path, text.ljust(HEAD_BYTES - 1).encode() + b"\n")
    except (OSError, StorageError):
        return
