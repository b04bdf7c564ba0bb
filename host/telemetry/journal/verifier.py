"""Verifier of the journal: every line, the chain, its beginning, and its end against the head.

A quick verification checks the hashes alone: each line was hashed as it was written, so a chain
that holds has whole lines. It parses only records of repairs, and the last line of each file. When
anything does not fit, the journal is read in full and the damage described.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from host.telemetry.journal.reader import (
    DAMAGE_MAX,
    JOURNAL_NAME,
    PRUNED,
    Damage,
    Head,
    JournalFile,
    Reading,
    lines_of,
    note_pruned,
    open_journal,
    read_files,
    read_head,
)
from host.telemetry.journal.record import NO_HASH, ChainEntry, JournalLine, decode, line_hash

REPAIRED = "JournalRepaired"
BEGINNING = re.compile(
    rb'\{"n":([1-9]\d{0,17}),"prev":"([0-9a-f]{64})",'
    rb'"timestamp":"([\dT:.-]{1,32}\+00:00)","event_type":"(\w{1,64})"'
)
PARSED = frozenset({REPAIRED.encode(), PRUNED.encode()})
"""Types of records that a quick verification parses."""


@dataclass(frozen=True, slots=True)
class Repair:
    """A repair that a writer recorded."""

    n: int
    at: str
    data: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Verification:
    """The result of verifying.

    Parameters
    ----------
    files : int
    records : int
    first, last : int
        Numbers of the first and the last record; 0 for none.
    pruned_through : int
        Records up to this one were removed because of their age; 0: none were.
    head : Head, optional
        How far the journal was safe on disk; None: unknown.
    n_damaged : int
        Number of problems; `damage` describes the first of them.
    damage : tuple of Damage
    repairs : tuple of Repair
        The last ones.
    latest : datetime, optional
        The latest time of a record.
    """

    files: int
    records: int
    first: int
    last: int
    pruned_through: int
    head: Head | None
    n_damaged: int
    damage: tuple[Damage, ...]
    repairs: tuple[Repair, ...]
    latest: datetime | None

    @property
    def is_sound(self) -> bool:
        """True without damage."""
        return not self.n_damaged


class _Notes:
    """Notes on the way through the journal."""

    def __init__(self, head: Head | None) -> None:
        self._head = head
        self.repairs: list[Repair] = []
        self.hash_at_head = ""
        self.latest: datetime | None = None

    def add(self, line: JournalLine) -> None:
        """Note a line."""
        self.add_hash(line.entry.n, line.hash)
        self.add_time(line.record.timestamp)
        if line.record.event_type == REPAIRED:
            at = line.record.timestamp.isoformat()
            self.repairs.append(Repair(line.entry.n, at, line.record.data))
            del self.repairs[:-DAMAGE_MAX]

    def add_hash(self, n: int, its_hash: str) -> None:
        """Note the hash of a record, if it is the one of the head."""
        if self._head is not None and n == self._head.count:
            self.hash_at_head = its_hash

    def add_time(self, at: datetime) -> None:
        """Note the time of a record."""
        self.latest = max(self.latest or at, at)


def verify_journal(folder: Path, head_path: Path, *, is_quick: bool = False) -> Verification:
    """Read the whole journal and describe its damage; nothing is changed.

    Parameters
    ----------
    folder, head_path : Path
    is_quick : bool
        Check the hashes alone, unless there is damage.

    Raises
    ------
    StorageError
        When a file exists and cannot be read.
    """
    head = read_head(head_path)  # first, because a writer may add records meanwhile
    notes = _Notes(head)
    with open_journal(folder) as files:
        reading = _read_hashes(files, notes) if is_quick else None
        if reading is None:
            notes = _Notes(head)
            reading = read_files(files, notes.add)
    more = [
        *_unfinished_end(reading),
        *_wrong_beginning(reading),
        *_lost_end(reading, head, notes.hash_at_head),
    ]
    pruned = max((n for n in reading.pruned if reading.first and n < reading.first.n), default=0)
    return Verification(
        files=len(files),
        records=reading.records,
        first=reading.first.n if reading.first else 0,
        last=reading.count,
        pruned_through=pruned,
        head=head,
        n_damaged=reading.lines_damaged + reading.links_broken + len(more),
        damage=(*reading.damage, *more),
        repairs=tuple(notes.repairs),
        latest=notes.latest,
    )


def _read_hashes(files: Sequence[JournalFile], notes: _Notes) -> Reading | None:
    """Check the hashes alone; None when anything does not fit."""
    reading = Reading()
    try:
        for file in files:
            at = 0
            latest = b""
            for data in lines_of(file):
                at += len(data)
                match = BEGINNING.match(data)
                if match is None or not data.endswith(b"\n"):
                    return None
                n, prev, timestamp, event_type = match.groups()
                if not _follows(reading, ChainEntry(int(n), prev.decode())):
                    return None
                reading.count += 1
                reading.records += 1
                reading.last_hash = line_hash(data[:-1])
                notes.add_hash(reading.count, reading.last_hash)
                latest = max(latest, timestamp)
                if event_type in PARSED or at == file.size:
                    line = decode(data)
                    if line is None:
                        return None
                    note_pruned(line, reading)
                    notes.add(line)
            reading.end = at
            if latest:
                notes.add_time(datetime.fromisoformat(latest.decode()))
    except (OSError, ValueError):
        return None
    return reading


def _follows(reading: Reading, entry: ChainEntry) -> bool:
    """Return whether an entry continues the chain; the first one may have any number."""
    if reading.first is None:
        reading.first, reading.count = entry, entry.n - 1
        return True
    return entry.n == reading.count + 1 and entry.prev == reading.last_hash


def _unfinished_end(reading: Reading) -> list[Damage]:
    if not reading.bytes_cut:
        return []
    what = (
        f"{reading.bytes_cut} bytes after the last whole record (a crash leaves such an end;"
        " the next record repairs it)"
    )
    return [Damage(JOURNAL_NAME, 0, "unfinished", what)]


def _wrong_beginning(reading: Reading) -> list[Damage]:
    first = reading.first
    if first is None or (first.n == 1 and first.prev == NO_HASH):
        return []
    before = first.n - 1
    if reading.pruned.get(before) == first.prev or before < max(reading.pruned, default=0):
        return []
    what = f"begins with record {first.n}, and no record says that those before were removed"
    return [Damage(JOURNAL_NAME, 0, "beginning", what)]


def _lost_end(reading: Reading, head: Head | None, hash_at_head: str) -> list[Damage]:
    if head is None or not head.count:
        return []
    if head.count > reading.count:
        lost = head.count - reading.count
        what = f"its end is lost: {lost} records that were safe on disk, up to number {head.count}"
        return [Damage(JOURNAL_NAME, 0, "lost", what)]
    if hash_at_head not in ("", head.last_hash):
        what = f"record {head.count} is not the one that was safe on disk"
        return [Damage(JOURNAL_NAME, 0, "edited", what)]
    return []
