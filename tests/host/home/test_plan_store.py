"""Plans on disk: a saved plan is read again, a damaged one does not hide the others."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from host.errors import HomeError, StorageError
from host.home.home import Home
from host.home.plan_store import CORRUPT_FILES_MAX, PlanRecord, PlanStore
from host.limits import PLAN_BYTES_MAX
from host.planning.plan_json import plan_to_json
from tests.host.sample_plans import SHA256, TRACE_ID, planned

NOON = datetime(2022, 12, 28, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> PlanStore:
    return PlanStore(Home(tmp_path))


def record(trace_id: str = TRACE_ID) -> PlanRecord:
    return plan_to_json(planned(trace_id=trace_id), 0, SHA256)


def save(store: PlanStore, count: int) -> list[str]:
    names = []
    for number in range(count):
        file = store.save(record(f"{number:032x}"), NOON + timedelta(minutes=number))
        names.append(file.path.name)
    return names


def test_a_saved_plan_is_read_back_as_it_was(store: PlanStore) -> None:
    file = store.save(record(), NOON)
    assert file.path == store.home.root / f"plans/core/20221228T120000.123Z-{TRACE_ID}.json"
    assert file.path.stat().st_mode & 0o777 == 0o600
    latest = store.latest("core")
    assert latest is not None
    assert latest.record == record()
    assert latest.file.created_at == NOON.replace(microsecond=123000)
    assert store.load("core", TRACE_ID) == latest


def test_the_name_is_in_utc_whatever_zone_the_clock_has(store: PlanStore) -> None:
    there = timezone(timedelta(hours=9))
    file = store.save(record(), NOON.astimezone(there))
    assert file.path.name.startswith("20221228T120000")


def test_an_empty_store_has_no_plans_and_makes_no_folder(store: PlanStore) -> None:
    assert store.list("core") == ()
    assert store.latest("core") is None
    assert store.load("core", TRACE_ID) is None
    assert not list(store.home.root.iterdir())


def test_plans_are_listed_newest_first(store: PlanStore) -> None:
    names = save(store, 5)
    assert [file.path.name for file in store.list("core")] == names[::-1]


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    store = PlanStore(Home(tmp_path), plans_max=3)
    names = save(store, 6)
    assert sorted(path.name for path in (tmp_path / "plans/core").iterdir()) == names[-3:]


def test_other_files_and_other_buckets_are_left_alone(tmp_path: Path) -> None:
    store = PlanStore(Home(tmp_path), plans_max=1)
    other = store.save(dict(record(), bucket_id="satellite_a"), NOON)
    note = other.path.parent.parent / "core" / "notes.txt"
    note.parent.mkdir()
    note.write_text("mine")
    save(store, 3)
    assert note.exists()
    assert other.path.exists()
    assert len(store.list("core")) == 1


@pytest.mark.parametrize(
    ("damage", "description"),
    [
        (b"", "empty"),
        (b"\n", "empty"),
        (b'{"outcome": "PLAN', "not JSON"),
        (b"\x00" * 100, "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "not a plan"),
        (b"{}", "another bucket or run"),
        (b'{"bucket_id": "core", "trace_id": "other"}', "another bucket or run"),
        (b" " * 8 + b"x" * PLAN_BYTES_MAX, "larger than"),
    ],
)
def test_a_damaged_plan_is_set_aside_and_the_one_before_is_the_latest(
    store: PlanStore, damage: bytes, description: str
) -> None:
    good, bad = save(store, 2)
    path = store.home.plans_dir("core") / bad
    path.write_bytes(damage)
    latest = store.latest("core")
    assert latest is not None
    assert latest.file.path.name == good
    assert not path.exists()
    assert len(list(path.parent.glob(f"{bad}.corrupt.*"))) == 1
    (finding,) = store.findings
    assert finding.id == "plan_file_corrupt"
    assert description in finding.message
    assert bad in finding.action
    assert store.latest("core") == latest
    assert len(store.findings) == 1


def test_damaged_files_are_bounded_too(store: PlanStore) -> None:
    folder = store.home.plans_dir("core")
    save(store, 1)
    for number in range(CORRUPT_FILES_MAX + 5):
        (folder / f"x.json.corrupt.20221228T1200{number:02}Z").touch()
    save(store, 1)
    assert len(list(folder.glob("*.corrupt.*"))) == CORRUPT_FILES_MAX


def test_a_name_without_a_time_is_not_a_plan(store: PlanStore) -> None:
    save(store, 1)
    odd = store.home.plans_dir("core") / f"20229999T999999.000Z-{TRACE_ID}.json"
    odd.write_text("{}")
    assert len(store.list("core")) == 1


@pytest.mark.parametrize("bucket_id", ["", "..", "a/b", "A", ".hidden", "x" * 65])
def test_a_bucket_that_could_leave_the_home_is_refused(store: PlanStore, bucket_id: str) -> None:
    with pytest.raises(HomeError):
        store.list(bucket_id)
    with pytest.raises(HomeError):
        store.save(dict(record(), bucket_id=bucket_id), NOON)


def test_a_folder_that_cannot_be_created_is_reported_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "plans").write_text("in the way")
    with pytest.raises(StorageError, match="a part of the path is a file") as caught:
        PlanStore(Home(tmp_path)).save(record(), NOON)
    assert "\n" not in str(caught.value)


def test_nothing_half_written_is_left_when_the_disk_is_full(
    store: PlanStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    (name,) = save(store, 1)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StorageError, match="the disk is full"):
        store.save(record(), NOON + timedelta(hours=1))
    monkeypatch.undo()
    assert [path.name for path in store.home.plans_dir("core").iterdir()] == [name]


def test_the_stored_text_is_json_that_a_person_can_read(store: PlanStore) -> None:
    text = store.save(record(), NOON).path.read_text(encoding="utf-8")
    assert json.loads(text) == record()
    assert text.startswith('{\n  "schema_version": 1,\n')
    assert text.endswith("}\n")
