"""Follower of the journal: the last records, and new ones as they are written."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from host.home.storage.atomic_file import open_file, storage_error
from host.limits import JOURNAL_FILE_BYTES_MAX
from host.telemetry.journal.reader import (
    FINISHED,
    JOURNAL_NAME,
    Damage,
    JournalFile,
    lines_of,
    open_journal,
)
from host.telemetry.journal.record import JournalLine, JournalRecord, decode

CLOCK_SLACK: Final = timedelta(days=1)
"""Clocks jump, so a file may hold records that are older than its first one."""
OnDamage = Callable[[Damage], None]


@dataclass(frozen=True, slots=True)
class RecordFilter:
    """A choice of records: every condition has to hold; an empty one always does."""

    buckets: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()
    trace_id: str = ""
    """A trace id or its beginning."""
    since: datetime | None = None

    def __call__(self, record: JournalRecord) -> bool:
        """Return whether a record is chosen."""
        return (
            (not self.buckets or record.bucket_id in self.buckets)
            and (not self.types or record.event_type in self.types)
            and record.trace_id.startswith(self.trace_id)
            and (self.since is None or record.timestamp >= self.since)
        )


@dataclass(frozen=True, slots=True)
class Position:
    """How far a reader is: the last record, and where it ends in which file."""

    n: int = 0
    inode: int = 0
    at: int = 0


def select(
    folder: Path, record_filter: RecordFilter, on_damage: OnDamage, newest: int | None = None
) -> tuple[Iterator[JournalLine], Position]:
    """Return the chosen records, oldest first, and the position after them.

    Parameters
    ----------
    folder : Path
    record_filter : RecordFilter
    on_damage : callable taking a Damage
        Called for every line that could not be read.
    newest : int, optional
        At most so many, the last ones; then only the files that hold them are read.

    Raises
    ------
    StorageError
        When a file exists and cannot be read.
    """
    chosen: deque[list[JournalLine]] = deque()
    count, position = 0, Position()
    with open_journal(folder) as files:
        for file in reversed(files):
            lines, end = _read(file, on_damage)
            if end.n and not position.n:
                position = end if file.name == JOURNAL_NAME else Position(end.n)
            matches = [line for line in lines if record_filter(line.record)]
            chosen.appendleft(matches)
            count += len(matches)
            is_before = record_filter.since is not None and _is_before(lines, record_filter.since)
            if is_before or (newest is not None and count >= newest):
                break
    skipped = 0 if newest is None else max(0, count - newest)
    flat = (line for matches in chosen for line in matches)
    return (line for at, line in enumerate(flat) if at >= skipped), position


def read_after(folder: Path, n: int, on_damage: OnDamage, most: int) -> list[JournalLine]:
    """Return the records after number `n`, oldest first, at most `most` of them from one file.

    Raises
    ------
    StorageError
        When a file exists and cannot be read.
    """
    return Backlog(folder, n, on_damage).read(most, JOURNAL_FILE_BYTES_MAX)


class Backlog:
    """Reads the records after a number, a few at a time: a long journal takes no more memory.

    Parameters
    ----------
    folder : Path
    n : int
    on_damage : callable taking a Damage
    """

    def __init__(self, folder: Path, n: int, on_damage: OnDamage) -> None:
        self._folder = folder
        self._position = Position(n)
        self._on_damage = on_damage

    def read(self, most: int, bytes_max: int) -> list[JournalLine]:
        """Return the next records, oldest first; an empty list when there are none now.

        Parameters
        ----------
        most : int
        bytes_max : int
            Of their lines together; the first record is returned however long it is.

        Raises
        ------
        StorageError
            When a file exists and cannot be read.
        """
        with open_journal(self._folder) as files:
            for file in files:
                match = FINISHED.fullmatch(file.name)
                if match is None or int(match[1]) > self._position.n:
                    lines = self._read_file(file, most, bytes_max)
                    if lines:
                        return lines
        return []

    def _read_file(self, file: JournalFile, most: int, bytes_max: int) -> list[JournalLine]:
        """Read the next records of a file, from the place where the last ones ended."""
        before, inode = self._position, os.fstat(file.file.fileno()).st_ino
        at = before.at if inode == before.inode and before.at <= file.size else 0
        is_begin = at == 0
        lines: list[JournalLine] = []
        n_bytes = 0
        for number, data in enumerate(lines_of(file, at), 1):
            line = decode(data)
            if line is None and not data.endswith(b"\n"):
                break  # a line that is being written, or that a crash cut off
            if line is not None and line.entry.n > before.n:
                n_bytes += len(data)
                if lines and n_bytes > bytes_max:
                    break
                lines.append(line)
            elif line is None:
                self._on_damage(damaged_line(file, number if is_begin else 0))
            at += len(data)
            if len(lines) == most:
                break
        n = max([before.n, *(line.entry.n for line in lines)])
        self._position = Position(n, inode, at)
        return lines


class Follower:
    """Reads new records of a journal, from one file to the next.

    Parameters
    ----------
    folder : Path
    position : Position
        As `select` returned it.
    on_damage : callable taking a Damage
    """

    def __init__(self, folder: Path, position: Position, on_damage: OnDamage) -> None:
        self._folder = folder
        self._position = position
        self._on_damage = on_damage

    def read(self) -> list[JournalLine]:
        """Return the records since the last call, whole lines only.

        Raises
        ------
        StorageError
            When a file exists and cannot be read.
        """
        path = self._folder / JOURNAL_NAME
        try:
            lines = self._read_on(path)
            return self._catch_up() if lines is None else lines
        except OSError as error:
            raise storage_error(path, "cannot be read", error) from error

    def _read_on(self, path: Path) -> list[JournalLine] | None:
        """Return the new records of the same file; None when it is another file now."""
        before = self._position
        try:
            file = open_file(path)
        except FileNotFoundError:
            return None
        with file:
            status = os.fstat(file.fileno())
            if status.st_ino != before.inode or status.st_size < before.at:
                return None
            if status.st_size == before.at:
                return []
            current = JournalFile(path.name, file, status.st_size)
            lines, end = _read(current, self._on_damage, before.at)
            self._position = Position(end.n or before.n, end.inode, end.at)
            return lines

    def _catch_up(self) -> list[JournalLine]:
        """Read on in another file: the last one was finished, or an older one was restored."""
        last_n = self._position.n
        lines: list[JournalLine] = []
        with open_journal(self._folder) as files:
            current = files[-1] if files and files[-1].name == JOURNAL_NAME else None
            for file in files:
                match = FINISHED.fullmatch(file.name)
                if match is None or int(match[1]) > last_n:
                    more, position = _read(file, self._on_damage)
                    lines += [line for line in more if line.entry.n > last_n]
                    if file is current:
                        self._position = position
        n = max([last_n, *(line.entry.n for line in lines)])
        self._position = Position(n, self._position.inode, self._position.at)
        return lines


def _read(
    file: JournalFile, on_damage: OnDamage, begin: int = 0
) -> tuple[list[JournalLine], Position]:
    """Read whole lines of a file from a place on."""
    lines: list[JournalLine] = []
    n, at = 0, begin
    for number, data in enumerate(lines_of(file, begin), 1):
        line = decode(data)
        if line is not None:
            lines.append(line)
            n = line.entry.n
        elif data.endswith(b"\n"):
            on_damage(damaged_line(file, number if not begin else 0))
        else:
            break  # a line that is being written, or that a crash cut off
        at += len(data)
    return lines, Position(n, os.fstat(file.file.fileno()).st_ino, at)


def damaged_line(file: JournalFile, number: int) -> Damage:
    """Describe a damaged line; 0: its number is not known."""
    return Damage(file.name, number, "damaged", "a damaged line is left out")


def _is_before(lines: list[JournalLine], since: datetime) -> bool:
    return bool(lines) and lines[0].record.timestamp < since - CLOCK_SLACK
