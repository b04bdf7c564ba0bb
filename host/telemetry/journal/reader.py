"""Reader of the journal: its files in order, line by line, in whatever state they are.

    journal/journal-000000004711.jsonl    finished; the number of its last record
    journal/journal.jsonl                 the one that is written
    state/journal.head                    how far the journal has been safe on disk

Nothing here writes. Damage never stops a reader: it is counted, described with its place, and the
other records are read.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Final

from host.home.storage.atomic_file import lock_held, open_file, storage_error
from host.limits import JOURNAL_LINE_BYTES_MAX
from host.telemetry.journal.record import (
    HASH_LENGTH,
    NO_HASH,
    ChainEntry,
    JournalLine,
    JournalRecord,
    decode,
)

JOURNAL_NAME: Final = "journal.jsonl"
LOCK_NAME: Final = ".lock"
HEAD_NAME: Final = "journal.head"
HEAD_BYTES: Final = 128
"""A fixed size, so that writing it in place never leaves the end of an older one."""
FINISHED: Final = re.compile(r"journal-(\d{12})(?:-(\d{1,4}))?\.jsonl")
CONTINUED: Final = "JournalContinued"
PRUNED: Final = "JournalPruned"
DAMAGE_MAX: Final = 20
"""How many pieces of damage are described."""
TAIL_BYTES: Final = 2 * JOURNAL_LINE_BYTES_MAX


@dataclass(frozen=True, slots=True)
class Damage:
    """A problem of the journal. `line` counts from 1; 0: the file as a whole."""

    file: str
    line: int
    kind: str
    what: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.what}"


@dataclass(frozen=True, slots=True)
class Head:
    """The last record that was safe on disk."""

    count: int
    last_hash: str


@dataclass(slots=True)
class Reading:
    """The result of reading: how far the chain goes, and its damage.

    `count` and `last_hash` are those of the last good line, `end` is where it ends in its file,
    and `bytes_cut` is the number of bytes after it.
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
        """True without any damage."""
        return not (self.bytes_cut or self.lines_damaged or self.links_broken or self.damage)

    def add_damage(self, file: str, line: int, kind: str, what: str) -> None:
        """Describe some damage, unless much is described already."""
        if len(self.damage) < DAMAGE_MAX:
            self.damage.append(Damage(file, line, kind, what))


@dataclass(frozen=True, slots=True)
class Tail:
    """The end of the chain, for appending to it."""

    count: int = 0
    last_hash: str = NO_HASH
    end: int = 0
    """Where the last good line ends in the file that is written."""
    junk: bytes = b""
    """The bytes after it."""
    began: datetime | None = None
    """When the file that is written was begun."""


@dataclass(frozen=True, slots=True)
class JournalFile:
    """An open file of the journal, with its size at that moment; a writer may append to it."""

    name: str
    file: IO[bytes]
    size: int


def read_head(path: Path) -> Head | None:
    """Return the head; None when it is missing or cannot be read."""
    try:
        with open_file(path) as file:
            content = json.loads(file.read(HEAD_BYTES))
        count, last_hash = content["count"], content["hash"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    is_whole = type(count) is int and count >= 0 and isinstance(last_hash, str)
    return Head(count, last_hash) if is_whole and len(last_hash) == HASH_LENGTH else None


def finished_files(folder: Path) -> list[Path]:
    """Return the files that are not written any more, oldest first."""
    numbered = []
    try:
        for path in folder.iterdir():
            match = FINISHED.fullmatch(path.name)
            if match:
                numbered.append((int(match[1]), int(match[2] or 0), path))
    except (FileNotFoundError, NotADirectoryError):
        pass  # a home without a journal
    return [path for _, _, path in sorted(numbered)]


@contextmanager
def open_journal(folder: Path) -> Iterator[list[JournalFile]]:
    """Open all files of the journal as they are at one moment, oldest first.

    Raises
    ------
    StorageError
        When a file exists and cannot be read.
    """
    with ExitStack() as stack:
        try:
            with _shared_lock(folder):
                files = open_files(stack, [*finished_files(folder), folder / JOURNAL_NAME])
        except OSError as error:
            raise storage_error(folder, "cannot be read", error) from error
        yield files


def open_files(stack: ExitStack, paths: Iterable[Path]) -> list[JournalFile]:
    """Open files until the stack is closed; missing ones are left out."""
    files = []
    for path in paths:
        try:
            file = stack.enter_context(open_file(path))
        except FileNotFoundError:
            continue
        files.append(JournalFile(path.name, file, os.fstat(file.fileno()).st_size))
    return files


@contextmanager
def _shared_lock(folder: Path) -> Iterator[None]:
    """Keep writers out for a moment; where no writer ever was there is nothing to lock."""
    if (folder / LOCK_NAME).exists():
        descriptor = os.open(folder / LOCK_NAME, os.O_RDONLY | os.O_CLOEXEC)
        with lock_held(descriptor, folder, fcntl.LOCK_SH):
            yield
    else:
        yield


def read_files(files: Iterable[JournalFile], on_line: Callable[[JournalLine], None]) -> Reading:
    """Read consecutive files of the journal, and check the chain."""
    reading = Reading()
    in_order: list[JournalFile] = list(files)
    for file in in_order:
        _read_file(file, reading, on_line, is_last=file is in_order[-1])
    return reading


def _read_file(
    file: JournalFile, reading: Reading, on_line: Callable[[JournalLine], None], *, is_last: bool
) -> None:
    at = reading.end = 0
    number = skipped = 0  # damaged lines since the last good one: a tail if no good one follows
    try:
        for data in lines_of(file):
            at += len(data)
            number += 1
            line = decode(data)
            if line is None:
                skipped += 1
                continue
            _add_to_chain(file, number, line, reading, skipped)
            skipped = 0
            reading.end = at
            on_line(line)
    except OSError as error:
        raise storage_error(Path(file.name), "cannot be read", error) from error
    if is_last:
        reading.bytes_cut = at - reading.end
    elif skipped:
        reading.lines_damaged += skipped
        reading.add_damage(file.name, number - skipped + 1, "damaged", "its end is damaged")


def _add_to_chain(
    file: JournalFile, number: int, line: JournalLine, reading: Reading, skipped: int
) -> None:
    """Append a good line to the chain, and report where it does not fit."""
    if skipped:
        reading.lines_damaged += skipped
        what = f"{skipped} damaged before line {number}"
        reading.add_damage(file.name, number - skipped, "damaged", what)
    n = line.entry.n
    if reading.first is None:
        reading.first = line.entry
    elif n != reading.count + 1:
        reading.links_broken += 1
        what = f"record {n} follows on record {reading.count}"
        reading.add_damage(file.name, number, "gap", what)
    elif line.entry.prev != reading.last_hash:
        reading.links_broken += 1
        what = f"record {n - 1} is not what record {n} was chained to"
        reading.add_damage(file.name, number, "broken", what)
    reading.count = n
    reading.last_hash = line.hash
    reading.records += 1
    note_pruned(line, reading)


def note_pruned(line: JournalLine, reading: Reading) -> None:
    """Note up to which record the journal was pruned, if the line records that."""
    through = line.record.data.get("pruned_through")
    if line.record.event_type == PRUNED and isinstance(through, int):
        reading.pruned[through] = str(line.record.data.get("last_hash"))


def lines_of(file: JournalFile, begin: int = 0) -> Iterator[bytes]:
    """Yield lines with their line feeds, one at a time, none longer than allowed."""
    remaining = file.size - begin
    file.file.seek(begin)
    while remaining > 0 and (line := file.file.readline(min(remaining, JOURNAL_LINE_BYTES_MAX))):
        remaining -= len(line)
        yield line


def files_since(
    files: list[JournalFile], is_beginning: Callable[[JournalRecord], bool]
) -> list[JournalFile]:
    """Return the newest files of which the first begins with such a record; else all."""
    for at in range(len(files) - 1, 0, -1):
        line = decode(next(lines_of(files[at]), b""))
        if line is not None and is_beginning(line.record):
            return files[at:]
    return files


def find_tail(folder: Path) -> Tail:
    """Return the end of the chain; OSError when it cannot be read."""
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
        last = _last_line(window)
        if last is None and begin:  # more junk than the window holds
            file.seek(0)
            begin, window = 0, file.read()
            last = _last_line(window)
    if last is None:
        return Tail(junk=window)
    line, end = last
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
