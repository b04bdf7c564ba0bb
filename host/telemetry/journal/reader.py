"""Reading the journal: its files in order, line by line, whatever happened to them.

    journal/journal-000000004711.jsonl    finished; the number of its last record
    journal/journal.jsonl                 the one that is written

Nothing here writes. Damage never stops a reader: it is counted, described with its place, and
what can be read is handed over.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Final

from host.home.storage.atomic_file import open_file, storage_error
from host.limits import JOURNAL_LINE_BYTES_MAX
from host.telemetry.journal.record import NO_HASH, ChainEntry, JournalLine, JournalRecord, decode

JOURNAL_NAME: Final = "journal.jsonl"
LOCK_NAME: Final = ".lock"
FINISHED: Final = re.compile(r"journal-(\d{12})(?:-(\d{1,4}))?\.jsonl")
CONTINUED: Final = "JournalContinued"
PRUNED: Final = "JournalPruned"
DAMAGE_KEPT_MAX: Final = 20
FILE_MODE: Final = 0o600
TAIL_BYTES: Final = 2 * JOURNAL_LINE_BYTES_MAX
LOCK_WAIT_S: Final = 5.0
LOCK_RETRY_S: Final = 0.001


@dataclass(frozen=True, slots=True)
class Damage:
    """Something that is wrong with the journal. `line` counts from 1; 0: the file as a whole."""

    file: str
    line: int
    kind: str
    what: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.what}"


@dataclass(slots=True)
class Reading:
    """What reading found: how far the chain goes, and what was wrong.

    `count` and `last_hash` are those of the last good line, `end` is where it ends in its file,
    and `bytes_cut` is what stands behind it there.
    """

    count: int = 0
    end: int = 0
    last_hash: str = NO_HASH
    bytes_cut: int = 0
    lines_damaged: int = 0
    links_broken: int = 0
    records: int = 0
    first: ChainEntry | None = None
    pruned: dict[int, str] = field(default_factory=dict)
    damage: list[Damage] = field(default_factory=list)

    @property
    def is_sound(self) -> bool:
        """Whether nothing at all was wrong."""
        return not (self.bytes_cut or self.lines_damaged or self.links_broken or self.damage)

    def note(self, file: str, line: int, kind: str, what: str) -> None:
        """Describe some damage, the first of it."""
        if len(self.damage) < DAMAGE_KEPT_MAX:
            self.damage.append(Damage(file, line, kind, what))


@dataclass(frozen=True, slots=True)
class Tail:
    """Where the chain ends, for whoever appends."""

    count: int = 0
    last_hash: str = NO_HASH
    end: int = 0
    """Of the last good line in the file that is written."""
    junk: bytes = b""
    """What stands behind it."""
    began: datetime | None = None
    """When the file that is written was begun."""


@dataclass(frozen=True, slots=True)
class Part:
    """A file of the journal as it was when it was looked at; it may grow, or go, meanwhile."""

    name: str
    file: IO[bytes]
    size: int


def finished_files(folder: Path) -> list[Path]:
    """Return the files that are not written any more, oldest first."""
    found = []
    with suppress(FileNotFoundError, NotADirectoryError):
        for path in folder.iterdir():
            match = FINISHED.fullmatch(path.name)
            if match:
                found.append((int(match[1]), int(match[2] or 0), path))
    return [path for _, _, path in sorted(found)]


@contextmanager
def held_lock(folder: Path, kind: int) -> Iterator[None]:
    """Hold the journal's lock; OSError when it cannot be had, never for letting go of it.

    Closing gives it back whatever happens. An error after the work is done would make whoever asked
    for it do it again.
    """
    flags = os.O_RDONLY if kind == fcntl.LOCK_SH else os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
    descriptor = os.open(folder / LOCK_NAME, flags | os.O_CLOEXEC, FILE_MODE)
    try:
        until_s = time.monotonic() + LOCK_WAIT_S
        while not _is_locked(descriptor, kind):
            if time.monotonic() >= until_s:
                what = f"another process has held {LOCK_NAME} for {LOCK_WAIT_S:.0f} s"
                raise TimeoutError(None, what)
            time.sleep(LOCK_RETRY_S)  # flock either waits for ever or not at all
        yield
    finally:
        with suppress(OSError):
            os.close(descriptor)


def _is_locked(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def opened(folder: Path) -> Iterator[list[Part]]:
    """Open all files of the journal as they stand at one moment, oldest first.

    Raises
    ------
    StorageError
        When a file that is there cannot be read.
    """
    with ExitStack() as stack:
        try:
            with _shared_lock(folder):
                parts = parts_of(stack, [*finished_files(folder), folder / JOURNAL_NAME])
        except OSError as error:
            raise storage_error(folder, "cannot be read", error) from error
        yield parts


def parts_of(stack: ExitStack, paths: Iterable[Path]) -> list[Part]:
    """Open files as they are now, for as long as the stack stands; those that are gone are not."""
    parts = []
    for path in paths:
        with suppress(FileNotFoundError):
            file = stack.enter_context(open_file(path))
            parts.append(Part(path.name, file, os.fstat(file.fileno()).st_size))
    return parts


@contextmanager
def _shared_lock(folder: Path) -> Iterator[None]:
    """Keep writers out for a moment; where there never was one there is nothing to lock."""
    if (folder / LOCK_NAME).exists():
        with held_lock(folder, fcntl.LOCK_SH):
            yield
    else:
        yield


def read_journal(folder: Path, on_record: Callable[[JournalRecord], None]) -> Reading:
    """Hand over every record that can be read, oldest first.

    Raises
    ------
    StorageError
        When a file is there and cannot be read.
    """
    with opened(folder) as parts:
        return read_parts(parts, lambda line: on_record(line.record))


def read_parts(parts: Iterable[Part], on_line: Callable[[JournalLine], None]) -> Reading:
    """Read files of the journal, which follow on each other, and check the chain."""
    reading = Reading()
    waiting: list[Part] = list(parts)
    for part in waiting:
        _read_part(part, reading, on_line, is_last=part is waiting[-1])
    return reading


def _read_part(
    part: Part, reading: Reading, on_line: Callable[[JournalLine], None], *, is_last: bool
) -> None:
    at = reading.end = 0
    number = skipped = 0  # damaged lines since the last good one: a tail if no good one follows
    try:
        for data in lines_of(part):
            at += len(data)
            number += 1
            line = decode(data)
            if line is None:
                skipped += 1
                continue
            _take_link(part, number, line, reading, skipped)
            skipped = 0
            reading.end = at
            on_line(line)
    except OSError as error:
        raise storage_error(Path(part.name), "cannot be read", error) from error
    if is_last:
        reading.bytes_cut = at - reading.end
    elif skipped:
        reading.lines_damaged += skipped
        reading.note(part.name, number - skipped + 1, "damaged", "its end is damaged")


def _take_link(part: Part, number: int, line: JournalLine, reading: Reading, skipped: int) -> None:
    """Put a good line to the chain, and tell where it does not fit."""
    if skipped:
        reading.lines_damaged += skipped
        reading.note(
            part.name, number - skipped, "damaged", f"{skipped} damaged before line {number}"
        )
    if reading.first is None:
        reading.first = line.entry
    elif line.entry.n != reading.count + 1:
        reading.links_broken += 1
        what = f"record {line.entry.n} follows on record {reading.count}"
        reading.note(part.name, number, "gap", what)
    elif line.entry.prev != reading.last_hash:
        reading.links_broken += 1
        what = f"record {line.entry.n - 1} is not what record {line.entry.n} was chained to"
        reading.note(part.name, number, "broken", what)
    reading.count = line.entry.n
    reading.last_hash = line.hash
    reading.records += 1
    if line.record.event_type == PRUNED:
        through = line.record.data.get("pruned_through")
        if isinstance(through, int):
            reading.pruned[through] = str(line.record.data.get("last_hash"))


def lines_of(part: Part, begin: int = 0) -> Iterator[bytes]:
    """Yield the lines with their ends, never holding more than one, none longer than allowed."""
    left = part.size - begin
    part.file.seek(begin)
    while left > 0 and (line := part.file.readline(min(left, JOURNAL_LINE_BYTES_MAX))):
        left -= len(line)
        yield line


def parts_since(parts: list[Part], is_beginning: Callable[[JournalRecord], bool]) -> list[Part]:
    """Return the youngest files of which the first begins with such a record; else all."""
    for at in range(len(parts) - 1, 0, -1):
        line = decode(next(lines_of(parts[at]), b""))
        if line is not None and is_beginning(line.record):
            return parts[at:]
    return parts


def find_tail(folder: Path) -> Tail:
    """Return where the chain ends; OSError when that cannot be read."""
    path = folder / JOURNAL_NAME
    tail = _tail_of(path) if path.exists() else Tail()
    if tail.count:
        return tail
    for finished in reversed(finished_files(folder)):
        before = _tail_of(finished)
        if before.count:
            return Tail(before.count, before.last_hash, 0, tail.junk)
    return tail


def _tail_of(path: Path) -> Tail:
    with open_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        first = decode(file.readline(JOURNAL_LINE_BYTES_MAX))
        began = None if first is None else first.record.timestamp
        begin = max(0, size - TAIL_BYTES)
        file.seek(begin)
        window = file.read()
        found = _last_line(window)
        if found is None and begin:
            file.seek(0)
            begin, window = 0, file.read()
            found = _last_line(window)
    if found is None:
        return Tail(junk=window)
    line, end = found
    return Tail(line.entry.n, line.hash, begin + end, window[end:], began)


def _last_line(window: bytes) -> tuple[JournalLine, int] | None:
    """Return the last good line of some bytes, and where it ends."""
    end = len(window)
    while end > 0:
        feed = window.rfind(b"\n", 0, end)
        if feed < 0:
            return None
        begin = window.rfind(b"\n", 0, feed) + 1
        line = decode(window[begin : feed + 1])
        if line is not None:
            return line, feed + 1
        end = feed
    return None
