"""The journal: durable before anything depends on it, and readable after any damage."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.errors import StorageError
from host.telemetry.journal.journal import Journal
from host.telemetry.journal.reader import Reading
from host.telemetry.journal.record import NO_HASH, JournalRecord, line_hash
from tests.host.journals import read_journal

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def record(number: int) -> JournalRecord:
    return JournalRecord("Counted", NOON, "trace", "core", {"number": number})


def open_new(folder: Path) -> tuple[Journal, list[JournalRecord], Reading]:
    records: list[JournalRecord] = []
    journal = Journal(folder)
    reading = journal.open(records.append)
    return journal, records, reading


def written(folder: Path, count: int) -> Path:
    journal, _, _ = open_new(folder)
    for number in range(count):
        journal.append_now(record(number), durable=True)
    journal.close()
    return journal.path


def numbers(records: list[JournalRecord]) -> list[object]:
    return [r.data["number"] for r in records]


def test_appended_records_are_read_again(tmp_path: Path) -> None:
    written(tmp_path, 3)
    journal, records, reading = open_new(tmp_path)
    journal.append_now(record(3), durable=False)
    journal.close()
    assert records == [record(number) for number in range(3)]
    assert (reading.bytes_cut, reading.lines_damaged, reading.links_broken) == (0, 0, 0)
    assert numbers(open_new(tmp_path)[1]) == [0, 1, 2, 3]


def test_each_line_carries_the_hash_of_the_one_before(tmp_path: Path) -> None:
    lines = written(tmp_path, 3).read_bytes().splitlines()
    assert [json.loads(line)["prev"] for line in lines] == [NO_HASH, *map(line_hash, lines[:2])]
    assert [json.loads(line)["n"] for line in lines] == [1, 2, 3]


@given(cut=st.integers(min_value=1, max_value=400))
def test_a_torn_tail_is_cut_and_the_rest_kept(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    path = written(folder, 3)
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    n_kept = whole[:-cut].count(b"\n")
    journal, records, reading = open_new(folder)
    assert numbers(records) == list(range(n_kept))
    assert path.read_bytes().count(b"\n") == n_kept
    assert reading.bytes_cut == len(whole[:-cut]) - len(path.read_bytes())
    journal.append_now(record(9), durable=True)
    journal.close()
    after = open_new(folder)[2]
    assert (after.bytes_cut, after.lines_damaged, after.links_broken) == (0, 0, 0)


@pytest.mark.parametrize("tail", [b"\0" * 500, b"\0" * 500 + b"\n", b'{"n": 4}\n', b"[[[[" * 9000])
def test_a_tail_of_rubbish_is_cut(tmp_path: Path, tail: bytes) -> None:
    path = written(tmp_path, 3)
    before = path.read_bytes()
    path.write_bytes(before + tail)
    _, records, reading = open_new(tmp_path)
    assert numbers(records) == [0, 1, 2]
    assert reading.bytes_cut == len(tail)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "edit",
    [
        lambda lines: [lines[0].replace(b'"number":0', b'"number":7'), *lines[1:]],
        lambda lines: [lines[0], b"rubbish\n", *lines[2:]],
        lambda lines: [lines[0], *lines[2:]],
        lambda lines: [lines[1], lines[0], *lines[2:]],
    ],
)
def test_an_edit_or_a_gap_breaks_the_chain_and_stops_nothing(
    tmp_path: Path, edit: Callable[[list[bytes]], list[bytes]]
) -> None:
    path = written(tmp_path, 4)
    path.write_bytes(b"".join(edit(path.read_bytes().splitlines(keepends=True))))
    _, records, reading = open_new(tmp_path)
    assert reading.links_broken
    assert numbers(records)[-1] == 3


def test_a_failed_append_raises_and_leaves_the_journal_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, _, _ = open_new(tmp_path)
    journal.append_now(record(0), durable=True)
    opened_before = journal._descriptor

    def full_disk(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", full_disk)
        with pytest.raises(StorageError, match="full"):
            journal.append_now(record(1), durable=True)
    assert journal._descriptor is None, "a descriptor whose fsync failed is not used again"
    assert opened_before is not None
    journal.append_now(record(2), durable=True)
    journal.close()
    records: list[JournalRecord] = []
    reading = read_journal(tmp_path, records.append)
    assert numbers(records) == [0, 2]
    assert reading.links_broken == 0


def test_a_durable_record_is_fsynced_before_append_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, _, _ = open_new(tmp_path)
    synced: list[bytes] = []
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        synced.append(journal.path.read_bytes())
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    asyncio.run(journal.append(record(0), durable=False))
    assert synced == []
    asyncio.run(journal.append(record(1), durable=True))
    journal.close()
    assert len(synced) == 1
    assert synced[0].count(b"\n") == 2


def test_a_missing_journal_is_empty(tmp_path: Path) -> None:
    assert read_journal(tmp_path / "none", lambda _record: None) == Reading()
