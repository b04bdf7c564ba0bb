"""The journal over many files and writers: one chain, and every loss is found."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from host.errors import StorageError
from host.limits import JOURNAL_CORRUPT_KEPT_MAX
from host.telemetry.journal.journal import Journal, JournalLimits
from host.telemetry.journal.reader import HEAD_NAME, finished_files
from host.telemetry.journal.record import JournalRecord
from host.telemetry.journal.verifier import Verification, verify_journal
from tests.host.journals import read_journal

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def record(number: int) -> JournalRecord:
    return JournalRecord("Counted", NOON, "trace", "core", {"number": number})


def numbers(records: list[JournalRecord]) -> list[object]:
    return [r.data["number"] for r in records]


SMALL = JournalLimits(file_bytes=900, total_bytes=4_000)


Clock = Callable[[], datetime]
State = Callable[[], dict[str, object] | None]


def at_noon() -> datetime:
    return NOON


def no_state() -> None:
    return None


def rotating(
    home: Path, limits: JournalLimits = SMALL, now: Clock = at_noon, state: State = no_state
) -> Journal:
    return Journal(
        home / "journal", home / "state" / HEAD_NAME, limits=limits, now=now, state=state
    )


def filled(
    home: Path, count: int, limits: JournalLimits = SMALL, state: State = no_state
) -> Journal:
    journal = rotating(home, limits, state=state)
    for number in range(count):
        journal.append_now(record(number), durable=True)
    journal.close()
    return journal


def verified(home: Path) -> Verification:
    """Verify in full; a quick verification must give the same result."""
    paths = (home / "journal", home / "state" / HEAD_NAME)
    verification = verify_journal(*paths)
    assert verify_journal(*paths, is_quick=True) == verification
    return verification


def counted(home: Path) -> list[object]:
    records: list[JournalRecord] = []
    read_journal(home / "journal", records.append)
    return [r.data["number"] for r in records if r.event_type == "Counted"]


def test_a_full_file_is_finished_and_the_chain_goes_on_in_the_next(tmp_path: Path) -> None:
    filled(tmp_path, 20, JournalLimits(file_bytes=900))
    files = finished_files(tmp_path / "journal")
    assert len(files) > 2
    assert all(900 <= path.stat().st_size < 1_400 for path in files)
    assert counted(tmp_path) == list(range(20))
    verification = verified(tmp_path)
    assert (verification.is_sound, verification.first, verification.files) == (
        True,
        1,
        len(files) + 1,
    )
    for path in files:
        last = json.loads(path.read_bytes().splitlines()[-1])
        assert int(path.stem.removeprefix("journal-")) == last["n"]


def test_an_old_file_is_finished_and_a_clock_that_goes_back_finishes_none(tmp_path: Path) -> None:
    days = [0]
    journal = rotating(
        tmp_path, JournalLimits(file_days=31), now=lambda: NOON + timedelta(days=days[0])
    )
    journal.append_now(record(0), durable=True)
    for day, finished in ((30, 0), (-400, 0), (31, 1)):
        days[0] = day
        journal.append_now(record(day), durable=True)
        assert len(finished_files(tmp_path / "journal")) == finished
    journal.close()


def test_the_oldest_files_are_removed_after_a_record_of_it(tmp_path: Path) -> None:
    filled(tmp_path, 100)
    folder = tmp_path / "journal"
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 4_000 + 1_400
    numbers = counted(tmp_path)
    assert numbers == list(range(100))[-len(numbers) :]
    verification = verified(tmp_path)
    assert verification.is_sound, verification.damage
    assert verification.pruned_through == verification.first - 1 > 0
    oldest = finished_files(folder)[0]
    oldest.unlink()
    lost = verified(tmp_path)
    assert not lost.is_sound, "no record says that this file was removed"
    assert lost.damage[-1].kind == "beginning"


def test_files_that_a_crash_did_not_remove_are_sound_and_removed_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as crash:
        crash.setattr(Journal, "_remove", lambda _self, _victims: None)
        filled(tmp_path, 100)
    assert verified(tmp_path).is_sound
    filled(tmp_path, 10)
    assert verified(tmp_path).is_sound
    assert verified(tmp_path).first > 50


def test_a_start_reads_from_the_last_state_or_else_everything(tmp_path: Path) -> None:
    filled(tmp_path, 20, JournalLimits(file_bytes=900), state=lambda: {"a": 1})
    records: list[JournalRecord] = []
    rotating(tmp_path).open(records.append)
    assert records[0].event_type == "JournalContinued"
    assert records[0].data["state"] == {"a": 1}
    assert len(records) < 6
    filled(tmp_path / "b", 20, JournalLimits(file_bytes=900))
    records.clear()
    rotating(tmp_path / "b").open(records.append)
    assert numbers([r for r in records if r.event_type == "Counted"]) == list(range(20))


def test_two_writers_side_by_side_keep_one_chain(tmp_path: Path) -> None:
    one, two = rotating(tmp_path), rotating(tmp_path)
    for number in range(30):
        (one if number % 3 else two).append_now(record(number), durable=number % 2 == 0)
    one.close()
    two.close()
    verification = verified(tmp_path)
    assert verification.is_sound, verification.damage
    assert counted(tmp_path)[-1] == 29
    there = [int(str(number)) for number in counted(tmp_path)]
    assert there == list(range(30))[-len(there) :]


def test_an_unfinished_line_of_another_writer_is_cut_and_recorded(tmp_path: Path) -> None:
    journal = rotating(tmp_path)
    journal.append_now(record(0), durable=True)
    with journal.path.open("ab") as other:
        other.write(b'{"n":2,"prev":"torn')
    journal.append_now(record(1), durable=True)
    journal.close()
    assert verified(tmp_path).is_sound
    (repair,) = verified(tmp_path).repairs
    assert repair.data["bytes_cut"] == 19
    assert repair.data["kept_as"] is None


def test_other_bytes_that_are_cut_are_kept_in_a_file(tmp_path: Path) -> None:
    journal = filled(tmp_path, 2)
    rubbish = b"\0" * 300 + b"\nrubbish\n"
    journal.path.write_bytes(journal.path.read_bytes() + rubbish)
    filled(tmp_path, 1)
    (repair,) = verified(tmp_path).repairs
    assert (tmp_path / "journal" / str(repair.data["kept_as"])).read_bytes() == rubbish


def test_the_number_of_kept_files_is_limited(tmp_path: Path) -> None:
    for _ in range(JOURNAL_CORRUPT_KEPT_MAX + 3):
        journal = filled(tmp_path, 1)
        journal.path.write_bytes(journal.path.read_bytes() + b"rubbish\n")
    evidence = [p for p in (tmp_path / "journal").iterdir() if ".corrupt." in p.name]
    assert len(evidence) == JOURNAL_CORRUPT_KEPT_MAX


def test_a_lost_end_is_found_against_the_head_and_recorded_by_the_next_writer(
    tmp_path: Path,
) -> None:
    journal = filled(tmp_path, 5, JournalLimits())
    lines = journal.path.read_bytes().splitlines(keepends=True)
    journal.path.write_bytes(b"".join(lines[:3]))
    verification = verified(tmp_path)
    assert [damage.kind for damage in verification.damage] == ["lost"]
    assert "2 records" in verification.damage[0].what
    filled(tmp_path, 1, JournalLimits())
    after = verified(tmp_path)
    assert after.is_sound
    assert [repair.data["records_lost"] for repair in after.repairs] == [2]


def test_an_edited_last_record_is_found_against_the_head(tmp_path: Path) -> None:
    journal = filled(tmp_path, 5, JournalLimits())
    data = journal.path.read_bytes()
    journal.path.write_bytes(data.replace(b'"number":4', b'"number":7'))
    assert [damage.kind for damage in verified(tmp_path).damage] == ["edited"]


def test_records_that_are_not_durable_do_not_move_the_head(tmp_path: Path) -> None:
    journal = rotating(tmp_path)
    journal.append_now(record(0), durable=True)
    journal.append_now(record(1), durable=False)
    journal.close()
    head = verified(tmp_path).head
    assert head is not None
    assert head.count == 1
    lines = journal.path.read_bytes().splitlines(keepends=True)
    journal.path.write_bytes(lines[0])
    assert verified(tmp_path).is_sound, "a power cut may take records that are not durable"


@pytest.mark.parametrize("head", [b"", b"{}", b"[1]", b'{"count": -1, "hash": 3}', b"\0" * 128])
def test_a_damaged_head_is_ignored(tmp_path: Path, head: bytes) -> None:
    filled(tmp_path, 2)
    (tmp_path / "state" / HEAD_NAME).write_bytes(head)
    assert verified(tmp_path).head is None
    filled(tmp_path, 1)
    assert verified(tmp_path).head is not None


def test_a_failed_append_leaves_nothing_behind_for_other_writers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, other = rotating(tmp_path), rotating(tmp_path)
    journal.append_now(record(0), durable=True)

    def full_disk(_descriptor: int, _length: int = 0) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", full_disk)
        broken.setattr(os, "ftruncate", full_disk)
        with pytest.raises(StorageError, match="full"):
            journal.append_now(record(1), durable=True)
    journal.append_now(record(1), durable=True)
    other.append_now(record(2), durable=True)
    assert counted(tmp_path) == [0, 1, 2]
    assert verified(tmp_path).is_sound


@pytest.mark.parametrize("file_in_the_way", ["journal", "journal/.lock"])
def test_a_file_in_the_way_is_a_storage_error(tmp_path: Path, file_in_the_way: str) -> None:
    path = tmp_path / file_in_the_way
    path.parent.mkdir(exist_ok=True)
    path.mkdir() if path.name == ".lock" else path.touch()
    journal = rotating(tmp_path)
    with pytest.raises(StorageError, match=str(tmp_path)):
        journal.append_now(record(0), durable=True)
    journal.close()


def test_a_journal_on_a_read_only_disk_can_be_opened_and_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(tmp_path, 3, JournalLimits())
    os_open = os.open

    def read_only(path: Path, flags: int, mode: int = 0o777) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR):
            raise OSError(30, "Read-only file system")
        return os_open(path, flags, mode)

    monkeypatch.setattr(os, "open", read_only)
    records: list[JournalRecord] = []
    rotating(tmp_path).open(records.append)
    assert numbers(records) == [0, 1, 2]
    with pytest.raises(StorageError, match="read-only"):
        rotating(tmp_path).append_now(record(3), durable=True)
