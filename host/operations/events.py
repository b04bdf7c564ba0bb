"""Events of the journal: a choice of them, the last ones, and those after a number."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from host.errors import NotFoundError, did_you_mean
from host.home.home import check_bucket_id
from host.telemetry.events import EVENT_TYPES
from host.telemetry.journal.export import line_to_json
from host.telemetry.journal.follower import RecordFilter, read_after, select

if TYPE_CHECKING:
    from host.home.home import Home
    from host.telemetry.journal.reader import Damage


def choose_records(
    buckets: Iterable[str],
    types: Iterable[str],
    trace_id: str | None,
    since: datetime | None = None,
) -> RecordFilter:
    """Return a choice of records; NotFoundError for a type that no event has."""
    types = frozenset(types)
    for name in sorted(types - EVENT_TYPES.keys()):
        hint = did_you_mean(name[:80], sorted(EVENT_TYPES), otherwise="docs/events.md has all")
        raise NotFoundError(f"no event is of type {name!r:.80} ({hint})")
    bucket_ids = frozenset(check_bucket_id(bucket_id) for bucket_id in buckets)
    return RecordFilter(bucket_ids, types, trace_id or "", since)


def last_events(home: Home, record_filter: RecordFilter, newest: int) -> dict[str, object]:
    """Return the last events of a choice, oldest first."""
    home.require_home()
    damages: list[Damage] = []
    lines, _ = select(home.journal_dir, record_filter, damages.append, newest)
    return {
        "events": [line_to_json(line) for line in lines],
        "damaged": [str(damage) for damage in damages],
    }


def events_after(home: Home, record_filter: RecordFilter, n: int, most: int) -> dict[str, object]:
    """Return the events of a choice among the next `most` after number `n`, oldest first."""
    home.require_home()
    damages: list[Damage] = []
    lines = read_after(home.journal_dir, n, damages.append, most)
    return {
        "events": [line_to_json(line) for line in lines if record_filter(line.record)],
        "damaged": [str(damage) for damage in damages],
    }
