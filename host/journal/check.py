"""Verifying the journal: every line, every link, its beginning, and its end against the head."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from host.journal.head import Head, read_head
from host.journal.reading import (
    DAMAGE_KEPT_MAX,
    JOURNAL_NAME,
    Damage,
    Reading,
    opened,
    read_parts,
)
from host.observability.journal_record import NO_HASH, Line

REPAIRED = "JournalRepaired"


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


def verify_journal(folder: Path, head_path: Path) -> Verification:
    """Read the whole journal and say what is wrong with it; nothing is changed.

    Raises
    ------
    StorageError
        When a file is there and cannot be read.
    """
    head = read_head(head_path)  # first: a writer at work may only add to the journal after that
    repairs: list[Repair] = []
    hash_at_head = ""
    latest: datetime | None = None

    def look(line: Line) -> None:
        nonlocal hash_at_head, latest
        latest = max(latest or line.record.timestamp, line.record.timestamp)
        if head is not None and line.link.n == head.count:
            hash_at_head = line.hash
        if line.record.event_type == REPAIRED:
            at = line.record.timestamp.isoformat()
            repairs.append(Repair(line.link.n, at, line.record.data))
            del repairs[:-DAMAGE_KEPT_MAX]

    with opened(folder) as parts:
        reading = read_parts(parts, look)
        files = len(parts)
    more = [
        *_unfinished_end(reading),
        *_wrong_beginning(reading),
        *_lost_end(reading, head, hash_at_head),
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
        repairs=tuple(repairs),
        latest=latest,
    )


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
