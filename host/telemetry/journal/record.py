"""A record of the journal and its line: one JSON object, with its place in the chain.

What the record holds may come from anywhere: a number that is none, text that is no text, an object
of any kind or size. A line is made of it all the same, because a record that cannot be written
would be a press that cannot be answered.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING, Final

from host.limits import JOURNAL_LINE_BYTES_MAX
from host.telemetry.events.redaction import redacted

if TYPE_CHECKING:
    from planner_core.events import Event

NO_HASH: Final = "0" * 64
"""What stands in place of a hash in the first line."""
HASH_LENGTH: Final = len(NO_HASH)
CUT_CHARACTERS: Final = 4_000
"""How much is kept of data that is too long for a line."""
DEPTH_MAX: Final = 12
PLAIN_TYPES: Final = frozenset({str, int, bool, type(None)})
ENCODER: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)


@dataclass(frozen=True, slots=True)
class JournalRecord:
    """Something that happened; the envelope is that of the planner's events."""

    event_type: str
    timestamp: datetime
    trace_id: str = ""
    bucket_id: str = ""
    data: Mapping[str, object] = field(default_factory=dict)
    schema_version: int = 1

    @classmethod
    def of(cls, event: Event) -> JournalRecord:
        """Return an event as the record that a reader would find of it."""
        return cls(
            event.event_type,
            event.timestamp,
            event.trace_id,
            event.bucket_id,
            {key: plain(value) for key, value in event.payload().items()},
            event.schema_version,
        )

    def to_json(self) -> dict[str, object]:
        """Return the record as plain data."""
        return {
            "timestamp": self.timestamp.isoformat(),
            "event_type": self.event_type,
            "bucket_id": self.bucket_id,
            "trace_id": self.trace_id,
            "schema_version": self.schema_version,
            "data": dict(self.data),
        }


@dataclass(frozen=True, slots=True)
class Link:
    """The place of a line in the chain: its number, and the hash of the line before."""

    n: int
    prev: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line that could be read."""

    link: Link
    record: JournalRecord
    hash: str


def encode(record: JournalRecord, link: Link) -> bytes:
    """Return the line of a record, with its end."""
    line = _encoded(record.to_json(), link)
    if len(line) <= JOURNAL_LINE_BYTES_MAX:
        return line
    short = record.to_json()
    text = json.dumps(plain(dict(record.data)), ensure_ascii=True)
    short["data"] = {"cut_bytes": len(text), "begins": text[:CUT_CHARACTERS]}
    short |= {key: str(short[key])[:200] for key in ("event_type", "bucket_id", "trace_id")}
    line = _encoded(short, link)
    assert len(line) <= JOURNAL_LINE_BYTES_MAX, "what was cut fits"
    return line


def decode(line: bytes) -> Line | None:
    """Parse a line with its end; None when it is damaged."""
    if not line.endswith(b"\n"):
        return None
    try:
        found = json.loads(line)
        n, prev, data = found["n"], found["prev"], found["data"]
        timestamp = datetime.fromisoformat(found["timestamp"])
        is_whole = type(n) is int and n > 0 and isinstance(data, dict) and timestamp.tzinfo
        if not is_whole or not isinstance(prev, str) or len(prev) != HASH_LENGTH:
            return None
        version = found["schema_version"]
        record = JournalRecord(
            str(found["event_type"]),
            timestamp.astimezone(UTC),
            str(found["trace_id"]),
            str(found["bucket_id"]),
            data,
            version if type(version) is int else 1,
        )
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError):
        return None
    return Line(Link(n, prev), record, line_hash(line[:-1]))


def line_hash(line: bytes) -> str:
    """Return the hash that the next line carries; the line feed is not part of it."""
    return hashlib.sha256(line).hexdigest()


def plain(value: object, depth: int = 0) -> object:  # noqa: PLR0911 - a return per kind of value
    """Return what JSON has for a value: numbers that are none, and objects, become text."""
    if type(value) in PLAIN_TYPES:  # nearly always: asked first, because it is asked so often
        return value
    if isinstance(value, Enum):
        return plain(value.value, depth)
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if depth >= DEPTH_MAX:
        return str(value)[:CUT_CHARACTERS]
    if isinstance(value, Mapping):
        return {str(key): plain(found, depth + 1) for key, found in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(found, depth + 1) for found in value]
    return str(value)[:CUT_CHARACTERS]


def _encoded(record: Mapping[str, object], link: Link) -> bytes:
    linked = {"n": link.n, "prev": link.prev, **record}
    try:
        text = ENCODER.encode(linked)
    except (ValueError, TypeError, RecursionError):
        linked["data"] = plain(record["data"])
        text = ENCODER.encode(linked)
    # Half a surrogate pair, as file names may bring it, is no UTF-8: it becomes JSON's own escape.
    return text.encode("utf-8", "backslashreplace") + b"\n"


def clean_record(event: Event) -> JournalRecord:
    """Return an event as it may stand on disk: without secrets."""
    record = JournalRecord.of(event)
    return replace(record, data=redacted(record.data))
