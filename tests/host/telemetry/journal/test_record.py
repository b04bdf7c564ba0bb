"""Any record becomes a line, and a line that is not a record is damaged."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.limits import JOURNAL_LINE_BYTES_MAX
from host.telemetry.journal.record import NO_HASH, ChainEntry, JournalRecord, decode, encode

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class Odd:
    """A value that JSON cannot hold."""

    def __str__(self) -> str:
        return "odd"


VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(st.characters(), max_size=30),
        st.just(Odd()),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(inner, inner),
        st.dictionaries(st.text(max_size=5), inner, max_size=4),
    ),
    max_leaves=20,
)


@given(data=st.dictionaries(st.text(max_size=8), VALUES, max_size=5), name=st.text(max_size=20))
def test_any_record_becomes_one_line_that_can_be_read(data: dict[str, object], name: str) -> None:
    line = encode(JournalRecord(name, NOON, name, name, data), ChainEntry(1, NO_HASH))
    assert line.count(b"\n") == 1
    line_read = decode(line)
    assert line_read is not None
    assert line_read.entry == ChainEntry(1, NO_HASH)


def test_a_record_that_is_too_long_is_cut_and_marked() -> None:
    line = encode(
        JournalRecord("X" * 10**6, NOON, data={"lines": ["é" * 10**6]}), ChainEntry(1, NO_HASH)
    )
    assert len(line) <= JOURNAL_LINE_BYTES_MAX
    line_read = decode(line)
    assert line_read is not None
    assert int(str(line_read.record.data["cut_bytes"])) > 6_000_000


@pytest.mark.parametrize(
    "edit",
    [
        {"n": 0}, {"n": "1"}, {"n": True}, {"n": 1.5}, {"prev": "x"}, {"prev": None}, {"data": []},
        {"timestamp": "2026-11-22"}, {"timestamp": "2026-11-22T12:00:00"}, {"timestamp": 5},
    ],
)  # fmt: skip
def test_a_line_that_is_json_but_not_a_record_is_damaged(edit: dict[str, object]) -> None:
    whole = json.loads(encode(JournalRecord("X", NOON), ChainEntry(1, NO_HASH)))
    assert decode(json.dumps(whole).encode() + b"\n") is not None
    assert decode(json.dumps(whole | edit).encode() + b"\n") is None
