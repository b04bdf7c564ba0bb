"""A record of the journal and its line: one JSON object, with its place in the hash chain.

The data of a record may come from anywhere: infinite numbers, text that is not Unicode, objects of
any type or size. A line is made of it all the same, because a press whose record cannot be written
could not be answered. Secrets are left out, by the name of their key and by their form in a text.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from host.limits import JOURNAL_LINE_BYTES_MAX

if TYPE_CHECKING:
    from planner_core.events import Event

NO_HASH: Final = "0" * 64
"""In place of a hash in the first line."""
HASH_LENGTH: Final = len(NO_HASH)
CUT_CHARACTERS: Final = 4_000
"""How much of data that is too long for a line is kept."""
DEPTH_MAX: Final = 12
PLAIN_TYPES: Final = frozenset({str, int, bool, type(None)})
ENCODER: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)


@dataclass(frozen=True, slots=True)
class JournalRecord:
    """An event as the journal holds it; the envelope is that of the planner's events."""

    event_type: str
    timestamp: datetime
    trace_id: str = ""
    bucket_id: str = ""
    data: Mapping[str, object] = field(default_factory=dict)
    schema_version: int = 1

    @classmethod
    def of(cls, event: Event) -> JournalRecord:
        """Return the record of an event, as a reader of the journal would get it."""
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


def clean_record(event: Event) -> JournalRecord:
    """Return the record of an event without secrets, as it may be written to a disk."""
    record = JournalRecord.of(event)
    return replace(record, data=redacted(record.data))


# --- lines of the chain -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ChainEntry:
    """The place of a line in the chain: its number, and the hash of the line before."""

    n: int
    prev: str


@dataclass(frozen=True, slots=True)
class JournalLine:
    """A line that could be read."""

    entry: ChainEntry
    record: JournalRecord
    hash: str


def encode(record: JournalRecord, entry: ChainEntry) -> bytes:
    """Return the line of a record, with its line feed."""
    line = _encoded(record.to_json(), entry)
    if len(line) <= JOURNAL_LINE_BYTES_MAX:
        return line
    short = record.to_json()
    text = json.dumps(plain(dict(record.data)), ensure_ascii=True)
    short["data"] = {"cut_bytes": len(text), "begins": text[:CUT_CHARACTERS]}
    short |= {key: str(short[key])[:200] for key in ("event_type", "bucket_id", "trace_id")}
    line = _encoded(short, entry)
    assert len(line) <= JOURNAL_LINE_BYTES_MAX, "a shortened record fits"
    return line


def decode(line: bytes) -> JournalLine | None:
    """Parse a line with its line feed; None when it is damaged."""
    if not line.endswith(b"\n"):
        return None
    try:
        content = json.loads(line)
        n, prev, data = content["n"], content["prev"], content["data"]
        timestamp = datetime.fromisoformat(content["timestamp"])
        is_whole = type(n) is int and n > 0 and isinstance(data, dict) and timestamp.tzinfo
        if not is_whole or not isinstance(prev, str) or len(prev) != HASH_LENGTH:
            return None
        version = content["schema_version"]
        record = JournalRecord(
            str(content["event_type"]),
            timestamp.astimezone(UTC),
            str(content["trace_id"]),
            str(content["bucket_id"]),
            data,
            version if type(version) is int else 1,
        )
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError):
        return None
    return JournalLine(ChainEntry(n, prev), record, line_hash(line[:-1]))


def line_hash(line: bytes) -> str:
    """Return the hash that the next line carries; without the line feed."""
    return hashlib.sha256(line).hexdigest()


def plain(value: object, depth: int = 0) -> object:  # noqa: PLR0911 - a return per kind of value
    """Return a value that JSON can hold: infinite numbers and objects become text."""
    if type(value) in PLAIN_TYPES:  # nearly always, so it is tested first
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
        return {str(key): plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item, depth + 1) for item in value]
    return str(value)[:CUT_CHARACTERS]


def _encoded(record: Mapping[str, object], entry: ChainEntry) -> bytes:
    chained = {"n": entry.n, "prev": entry.prev, **record}
    try:
        text = ENCODER.encode(chained)
    except (ValueError, TypeError, RecursionError):
        chained["data"] = plain(record["data"])
        text = ENCODER.encode(chained)
    # Half a surrogate pair, as in some file names, is not valid UTF-8: JSON's escape replaces it.
    return text.encode("utf-8", "backslashreplace") + b"\n"


# --- secrets ------------------------------------------------------------------------------------

REDACTED: Final = "[redacted]"
CACHED_KEYS_MAX: Final = 1_000
CACHED_KEY_LENGTH_MAX: Final = 64
"""Fields have a few hundred short names that come again and again; a longer key is not a field."""
ONE_WORD: Final = re.compile(r"[\w.]*")
"""An id, a name or a number: no pattern below matches in it."""
KEY_WORDS: Final = (
    r"password|passwd|passphrase|pwd|secret|token|api[_-]?key|apikey|access[_-]?key|private[_-]?key"
    r"|credentials?|authorization|cookie|session[_-]?id|bearer"
)
SECRET_KEY: Final = re.compile(rf"(?:^|[^a-z])(?:{KEY_WORDS})(?:$|[^a-z])", re.IGNORECASE)
CAMEL_CASE: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
ASSIGNED: Final = re.compile(
    # key = value, "key": "value", --key value. Every repetition is bounded: a text may be hostile.
    rf"(?P<key>(?:{KEY_WORDS})(?:[_-]\w{{1,30}})?[\"']?\s{{0,4}}[=:]\s{{0,4}}"
    rf"|--[\w-]{{0,30}}(?:{KEY_WORDS})\s{{1,4}})"
    r"(?P<scheme>(?:bearer|basic|digest)\s{1,4})?"
    r"(?P<value>\"[^\"]{0,999}\"|'[^']{0,999}'|[\"']?[^\s,;&\"']{1,999})",
    re.IGNORECASE,
)
BEARER: Final = re.compile(
    r"\b(?P<scheme>bearer|basic)\s{1,4}[A-Za-z0-9._~+/=-]{8,999}", re.IGNORECASE
)
USERINFO: Final = re.compile(
    r"\b(?P<scheme>[a-z][a-z0-9+.-]{0,30}://)[^\s/@:]{0,200}:[^\s/@]{1,200}@", re.IGNORECASE
)


def is_secret_key(key: str) -> bool:
    """Return whether the value of a key is a secret, by the words in the key."""
    return _is_secret_cached(key) if len(key) <= CACHED_KEY_LENGTH_MAX else _is_secret(key)


def _is_secret(key: str) -> bool:
    return SECRET_KEY.search(CAMEL_CASE.sub("_", key)) is not None


_is_secret_cached = lru_cache(CACHED_KEYS_MAX)(_is_secret)


def redacted(data: Mapping[str, object]) -> dict[str, object]:
    """Return a copy of the data without secrets."""
    return {key: _redacted_item(key, value, 0) for key, value in data.items()}


def redacted_text(text: str) -> str:
    """Return a text without what looks like a secret."""
    if ONE_WORD.fullmatch(text):
        return text
    text = USERINFO.sub(rf"\g<scheme>{REDACTED}@", text)
    text = ASSIGNED.sub(rf"\g<key>{REDACTED}", text)
    return BEARER.sub(rf"\g<scheme> {REDACTED}", text)


def _redacted_item(key: str, value: object, depth: int) -> object:
    if is_secret_key(key) and value is not None:
        return REDACTED
    return _redacted_value(value, depth)


def _redacted_value(value: object, depth: int) -> object:
    if isinstance(value, str):
        return redacted_text(value)
    if isinstance(value, int | float):
        return value
    if depth >= DEPTH_MAX:
        return redacted_text(str(value)) if isinstance(value, Mapping | list | tuple) else value
    if isinstance(value, Mapping):
        return {str(key): _redacted_item(str(key), item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted_value(item, depth + 1) for item in value]
    return value
