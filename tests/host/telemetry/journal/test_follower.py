"""The follower: every record once, whatever happens to its files meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.telemetry.journal import follower as follower_module
from host.telemetry.journal.follower import Backlog, Follower, RecordFilter, select
from host.telemetry.journal.journal import JOURNAL_NAME, Journal, JournalLimits
from host.telemetry.journal.reader import Damage
from host.telemetry.journal.record import JournalLine, JournalRecord, decode

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
EVERYTHING = RecordFilter()


def record(number: int) -> JournalRecord:
    return JournalRecord("Counted", NOON, data={"number": number})


def numbers(lines: list[JournalLine]) -> list[object]:
    return [line.record.data["number"] for line in lines if line.record.event_type == "Counted"]


def fail(damage: Damage) -> None:
    raise AssertionError(damage)


def follower(folder: Path) -> Follower:
    _, position = select(folder, EVERYTHING, fail)
    return Follower(folder, position, fail)


@given(steps=st.lists(st.integers(0, 7), min_size=1, max_size=12))
def test_every_record_is_read_once(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    journal = Journal(folder, limits=JournalLimits(file_bytes=700))
    journal.append_now(record(0), durable=False)
    following, numbers_read, number = follower(folder), [], 0
    for step in steps:
        for _ in range(step):
            number += 1
            journal.append_now(record(number), durable=False)
        numbers_read += numbers(following.read())
    journal.close()
    assert numbers_read == list(range(1, number + 1))
    assert following.read() == []


@given(
    steps=st.lists(st.integers(0, 7), min_size=1, max_size=12),
    after=st.integers(0, 60),
    most=st.integers(1, 9),
    data_bytes=st.sampled_from([1, 400, 10**6]),
)
def test_a_backlog_has_every_record_once_in_small_pieces(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[int],
    after: int,
    most: int,
    data_bytes: int,
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    journal = Journal(folder, limits=JournalLimits(file_bytes=700))
    backlog, pieces, number = Backlog(folder, after, fail), [], 0
    for step in steps:
        for _ in range(step):
            number += 1
            journal.append_now(record(number), durable=False)
        pieces.append(backlog.read(most, data_bytes))
    while piece := backlog.read(most, data_bytes):
        pieces.append(piece)
    journal.close()
    every, _ = select(folder, EVERYTHING, fail)
    expected = [line.entry.n for line in every if line.entry.n > after]
    assert [line.entry.n for piece in pieces for line in piece] == expected
    assert max(map(len, pieces)) <= most
    if data_bytes == 1:
        assert max(map(len, pieces)) <= 1


def test_a_backlog_goes_on_where_it_was_and_not_at_the_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path)
    for number in range(100):
        journal.append_now(record(number), durable=False)
    journal.close()
    decoded: list[bytes] = []

    def counted(data: bytes) -> JournalLine | None:
        decoded.append(data)
        return decode(data)

    monkeypatch.setattr(follower_module, "decode", counted)
    backlog = Backlog(tmp_path, 40, fail)
    pieces = [backlog.read(10, 10**6) for _ in range(7)]
    assert [len(piece) for piece in pieces] == [10] * 6 + [0]
    assert len(decoded) == 100


def test_half_a_line_waits_for_its_other_half(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append_now(record(0), durable=True)
    following = follower(tmp_path)
    journal.append_now(record(1), durable=True)
    journal.close()
    whole = (tmp_path / JOURNAL_NAME).read_bytes()
    (tmp_path / JOURNAL_NAME).write_bytes(whole[:-20])
    assert numbers(following.read()) == []
    (tmp_path / JOURNAL_NAME).write_bytes(whole)
    assert numbers(following.read()) == [1]


def test_a_journal_that_begins_later_is_followed_from_its_beginning(tmp_path: Path) -> None:
    following = follower(tmp_path / "journal")
    assert following.read() == []
    journal = Journal(tmp_path / "journal")
    journal.append_now(record(0), durable=True)
    journal.close()
    assert numbers(following.read()) == [0]


def test_a_damaged_line_is_reported_and_the_next_one_read(tmp_path: Path) -> None:
    damage: list[Damage] = []
    journal = Journal(tmp_path)
    journal.append_now(record(0), durable=True)
    _, position = select(tmp_path, EVERYTHING, damage.append)
    following = Follower(tmp_path, position, damage.append)
    journal.append_now(record(1), durable=True)
    journal.append_now(record(2), durable=True)
    journal.close()
    path = tmp_path / JOURNAL_NAME
    lines = path.read_bytes().splitlines(keepends=True)
    with path.open("r+b") as file:
        file.seek(len(lines[0]))
        file.write(b"x" * (len(lines[1]) - 1))
    assert numbers(following.read()) == [2]
    assert [damage.kind for damage in damage] == ["damaged"]


@pytest.mark.parametrize("newest", [1, 5, 17, 100, None])
def test_the_newest_records_are_found_across_files(tmp_path: Path, newest: int | None) -> None:
    journal = Journal(tmp_path, limits=JournalLimits(file_bytes=700))
    for number in range(30):
        journal.append_now(record(number), durable=False)
    journal.close()
    record_filter = RecordFilter(types=frozenset({"Counted"}))
    lines, _ = select(tmp_path, record_filter, fail, newest)
    assert numbers(list(lines)) == list(range(30))[-(newest or 30) :]
