"""Verifying the journal: every line, every link, its beginning, and its end against the head.

A quick look takes a chain that holds for lines that are whole, because each was hashed as it was
written: it parses only those that tell of repairs, and the last of each file. Whatever does not fit
is read in full, and described.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from host.telemetry.journal.head import Head, read_head
from host.telemetry.journal.reader import (
    DAMAGE_KEPT_MAX,
    JOURNAL_NAME,
    PRUNED,
    Damage,
    Part,
    Reading,
    lines_of,
    opened,
    read_parts,
)
from host.telemetry.journal.record import NO_HASH, ChainEntry, JournalLine, decode, line_hash

REPAIRED = "JournalRepaired"
BEGINNING = re.compile(
    rb'\{"n":([1-9]\d{0,17}),"prev":"([0-9a-f]{64})",'
    rb'"timestamp":"([\dT:.-]{1,32}\+00:00)","event_type":"(\w{1,64})"'
)
TELLING = frozenset({REPAIRED.encode(), PRUNED.encode()})
"""Records that verifying looks into."""


@dataclass(frozen=True, slots=True)
class Repair:
    """Something that was put right, and recorded, in the past."""

    n: int
    at: str
    data: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Verification:
    """What verifying found.

    Parameters
    ----------
    files : int
    records : int
    first, last : int
        Numbers of the first and the last record; 0 for none.
    pruned_through : int
        Records up to this one were removed because of their age; 0: none were.
    head : Head, optional
        How far the journal had been safe on disk; None when that is not known.
    n_damaged : int
        How many things are wrong; `damage` describes the first of them.
    damage : tuple of Damage
    repairs : tuple of Repair
        The last ones.
    latest : datetime, optional
        The latest time that a record is of.
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
        """Whether nothing is wrong."""
        return not self.n_damaged


class _Look:
    """What is noticed on the way through the journal."""

    def __init__(self, head: Head | None) -> None:
        self._head = head
        self.repairs: list[Repair] = []
        self.hash_at_head = ""
        self.latest: datetime | None = None

    def take(self, line: JournalLine) -> None:
        """Look at a line."""
        self.pass_by(line.entry.n, line.hash)
        self.note_time(line.record.timestamp)
        if line.record.event_type == REPAIRED:
            at = line.record.timestamp.isoformat()
            self.repairs.append(Repair(line.entry.n, at, line.record.data))
            del self.repairs[:-DAMAGE_KEPT_MAX]

    def pass_by(self, n: int, its_hash: str) -> None:
        """Note a record by its place alone."""
        if self._head is not None and n == self._head.count:
            self.hash_at_head = its_hash

    def note_time(self, at: datetime) -> None:
        """Note a time that a record is of."""
        self.latest = max(self.latest or at, at)


def verify_journal(folder: Path, head_path: Path, *, is_quick: bool = False) -> Verification:
    """Read the whole journal and say what is wrong with it; nothing is changed.

    Parameters
    ----------
    folder, head_path : Path
    is_quick : bool
        Parse only what has to be parsed, as long as nothing is wrong.

    Raises
    ------
    StorageError
        When a file is there and cannot be read.
    """
    head = read_head(head_path)  # first: a writer at work may only add to the journal after that
    look = _Look(head)
    with opened(folder) as parts:
        reading = _read_soundly(parts, look) if is_quick else None
        if reading is None:
            look = _Look(head)
            reading = read_parts(parts, look.take)
        files = len(parts)
    more = [
        *_unfinished_end(reading),
        *_wrong_beginning(reading),
        *_lost_end(reading, head, look.hash_at_head),
    ]
    pruned = max((n for n in reading.pruned if reading.first and n < reading.first.n), default=0)
    return Verification(
        files=files,
        records=reading.records,
        first=reading.first.n if reading.first else 0,
        last=reading.count,
        pruned_through=pruned,
        head=head,
        n_damaged=reading.lines_damaged + reading.links_broken + len(more),
        damage=(*reading.damage, *more),
        repairs=tuple(look.repairs),
        latest=look.latest,
    )


def _read_soundly(parts: Sequence[Part], look: _Look) -> Reading | None:
    """Read by hashes alone; None as soon as anything is not as it is written."""
    reading = Reading()
    try:
        for part in parts:
            at = 0
            latest = b""
            for data in lines_of(part):
                at += len(data)
                begins = BEGINNING.match(data)
                if begins is None or not data.endswith(b"\n"):
                    return None
                n, prev, timestamp, event_type = begins.groups()
                if not _follows(reading, ChainEntry(int(n), prev.decode())):
                    return None
                reading.count += 1
                reading.records += 1
                reading.last_hash = line_hash(data[:-1])
                look.pass_by(reading.count, reading.last_hash)
                latest = max(latest, timestamp)
                if event_type in TELLING or at == part.size:
                    line = decode(data)
                    if line is None:
                        return None
                    _take_telling(line, reading)
                    look.take(line)
            reading.end = at
            if latest:
                look.note_time(datetime.fromisoformat(latest.decode()))
    except (OSError, ValueError):
        return None
    return reading


def _follows(reading: Reading, entry: ChainEntry) -> bool:
    """Put a line to the chain; the first one may have any place."""
    if reading.first is None:
        reading.first, reading.count = entry, entry.n - 1
        return True
    return entry.n == reading.count + 1 and entry.prev == reading.last_hash


def _take_telling(line: JournalLine, reading: Reading) -> None:
    through = line.record.data.get("pruned_through")
    if line.record.event_type == PRUNED and isinstance(through, int):
        reading.pruned[through] = str(line.record.data.get("last_hash"))


def _unfinished_end(reading: Reading) -> list[Damage]:
    if not reading.bytes_cut:
        return []
    what = (
        f"{reading.bytes_cut} bytes behind the last whole record (the next record repairs that:"
        " a crash leaves such an end)"
    )
    return [Damage(JOURNAL_NAME, 0, "unfinished", what)]


def _wrong_beginning(reading: Reading) -> list[Damage]:
    first = reading.first
    if first is None or (first.n == 1 and first.prev == NO_HASH):
        return []
    before = first.n - 1
    if reading.pruned.get(before) == first.prev or before < max(reading.pruned, default=0):
        return []
    what = f"begins with record {first.n}, and nothing says that those before were to be removed"
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
