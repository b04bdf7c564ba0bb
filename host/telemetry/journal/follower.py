"""Looking at the journal: what was recorded last, and what is recorded from now on."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from host.home.storage.atomic_file import open_file, storage_error
from host.telemetry.journal.reader import (
    FINISHED,
    JOURNAL_NAME,
    Damage,
    Part,
    lines_of,
    opened,
)
from host.telemetry.journal.record import JournalLine, JournalRecord, decode

CLOCK_SLACK: Final = timedelta(days=1)
"""Clocks jump, so that a file may hold records that are older than its first one."""
Complain = Callable[[Damage], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which records: every condition has to hold; an empty one always does."""

    buckets: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()
    trace_id: str = ""
    """Or how it begins."""
    since: datetime | None = None

    def __call__(self, record: JournalRecord) -> bool:
        """Tell whether a record is wanted."""
        return (
            (not self.buckets or record.bucket_id in self.buckets)
            and (not self.types or record.event_type in self.types)
            and record.trace_id.startswith(self.trace_id)
            and (self.since is None or record.timestamp >= self.since)
        )


@dataclass(frozen=True, slots=True)
class Position:
    """How far somebody has read: the last record, and where that ends in which file."""

    n: int = 0
    inode: int = 0
    at: int = 0


def select(
    folder: Path, wanted: Wanted, complain: Complain, newest: int | None = None
) -> tuple[Iterator[JournalLine], Position]:
    """Return the records that are wanted, oldest first, and how far that reads.

    Parameters
    ----------
    folder : Path
    wanted : Wanted
    complain : callable taking a Damage
        Told of every line that could not be read.
    newest : int, optional
        No more than so many, the last ones; then only the files that hold them are read.

    Raises
    ------
    StorageError
        When a file is there and cannot be read.
    """
    found: deque[list[JournalLine]] = deque()
    count, position = 0, Position()
    with opened(folder) as parts:
        for part in reversed(parts):
            lines, position_here = _read(part, complain)
            if position_here.n and not position.n:
                position = position_here if part.name == JOURNAL_NAME else Position(position_here.n)
            chosen = [line for line in lines if wanted(line.record)]
            found.appendleft(chosen)
            count += len(chosen)
            is_before = wanted.since is not None and _is_before(lines, wanted.since)
            if is_before or (newest is not None and count >= newest):
                break
    skipped = 0 if newest is None else max(0, count - newest)
    flat = (line for chosen in found for line in chosen)
    return (line for at, line in enumerate(flat) if at >= skipped), position


class Follower:
    """Reads what is added to a journal, from one file to the next.

    Parameters
    ----------
    folder : Path
    position : Position
        As `select` returned it.
    complain : callable taking a Damage
    """

    def __init__(self, folder: Path, position: Position, complain: Complain) -> None:
        self._folder = folder
        self._position = position
        self._complain = complain

    def read(self) -> list[JournalLine]:
        """Return what was added since the last time; never half a line.

        Raises
        ------
        StorageError
            When a file is there and cannot be read.
        """
        path = self._folder / JOURNAL_NAME
        try:
            with suppress(FileNotFoundError), open_file(path) as file:
                found = os.fstat(file.fileno())
                before = self._position
                if found.st_ino == before.inode and found.st_size >= before.at:
                    part = Part(path.name, file, found.st_size)
                    return self._take(part, before.at) if found.st_size > before.at else []
            return self._catch_up()
        except OSError as error:
            raise storage_error(path, "cannot be read", error) from error

    def _take(self, part: Part, begin: int) -> list[JournalLine]:
        lines, position = _read(part, self._complain, begin)
        n = position.n or self._position.n
        self._position = Position(n, position.inode, position.at)
        return lines

    def _catch_up(self) -> list[JournalLine]:
        """Read on in another file: the last one was finished, or somebody put one back."""
        known = self._position.n
        lines: list[JournalLine] = []
        with opened(self._folder) as parts:
            last = parts[-1] if parts and parts[-1].name == JOURNAL_NAME else None
            for part in parts:
                match = FINISHED.fullmatch(part.name)
                if match is None or int(match[1]) > known:
                    more, position = _read(part, self._complain)
                    lines += [line for line in more if line.entry.n > known]
                    if part is last:
                        self._position = position
        n = max([known, *(line.entry.n for line in lines)]) if lines else known
        self._position = Position(n, self._position.inode, self._position.at)
        return lines


def _read(part: Part, complain: Complain, begin: int = 0) -> tuple[list[JournalLine], Position]:
    """Read whole lines of a file from a place on."""
    lines: list[JournalLine] = []
    n, at = 0, begin
    for number, data in enumerate(lines_of(part, begin), 1):
        line = decode(data)
        if line is not None:
            lines.append(line)
            n = line.entry.n
        elif data.endswith(b"\n"):
            place = number if not begin else 0
            complain(Damage(part.name, place, "damaged", "a damaged line is left out"))
        else:
            break  # it is being written, or a crash left it so
        at += len(data)
    return lines, Position(n, os.fstat(part.file.fileno()).st_ino, at)


def _is_before(lines: list[JournalLine], since: datetime) -> bool:
    return bool(lines) and lines[0].record.timestamp < since - CLOCK_SLACK
