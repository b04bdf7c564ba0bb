"""Every state of the disk that a power cut could leave has every acknowledged version."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from host.home.home import Home
from tools.crash.power_cut import cut_everywhere, final_state, put, state_on_disk, states_of
from tools.crash.recording import Disk, Op, record
from tools.crash.writers import (
    BUCKET,
    COMMIT,
    FIRST,
    IN_PLACE,
    ROLLBACK,
    STORAGE,
    WITHOUT_FILE_SYNC,
    WITHOUT_FOLDER_SYNC,
    CrashReport,
    Writer,
    check_home,
    make_home,
)

pytestmark = pytest.mark.usefixtures("strace")


@pytest.mark.parametrize("writer", [STORAGE, ROLLBACK], ids=lambda writer: writer.name)
def test_a_recording_ends_with_what_is_on_the_disk(tmp_path: Path, writer: Writer) -> None:
    make_home(tmp_path / "home")
    recording = record(writer, tmp_path / "home")
    assert final_state(recording) == state_on_disk(tmp_path / "home")
    assert recording.ops[-1].kind == "acknowledge"


def test_a_disk_applies_its_operations() -> None:
    disk = Disk(folders={0: {}})
    for op in (
        Op("name", 0, names=((0, "a", 1),)),
        Op("write", 1, 2, b"xyz"),
        Op("cut", 1, 4),
        Op("name", 0, names=((0, "b", 1), (0, "a", None))),
        Op("sync", 1),
    ):
        disk.apply(op)
    assert list(disk.tree()) == [("b", b"\0\0xy")]


@pytest.mark.parametrize("prelude", [IN_PLACE, WITHOUT_FILE_SYNC, WITHOUT_FOLDER_SYNC])
def test_a_writer_that_does_not_wait_for_the_disk_is_caught(tmp_path: Path, prelude: str) -> None:
    report = cut_everywhere(tmp_path, STORAGE, prelude=prelude, is_first_enough=True)
    assert not report.is_clean


@pytest.mark.parametrize("writer", [STORAGE, COMMIT, ROLLBACK], ids=lambda writer: writer.name)
def test_a_power_cut_at_any_moment_costs_nothing(tmp_path: Path, writer: Writer) -> None:
    report = cut_everywhere(tmp_path, writer)
    assert report.points >= 10
    assert report.is_clean, report.failures


def test_a_folder_that_a_killed_writer_made_is_on_disk_before_the_first_acknowledgement(
    tmp_path: Path,
) -> None:
    home = Home(tmp_path / "home")
    home.buckets_dir.mkdir(parents=True)
    home.bucket_file(BUCKET).write_bytes(FIRST)
    killed_before_it_synced = "history.folder.mkdir(parents=True)"
    recording = record(STORAGE.with_prelude(killed_before_it_synced), home.root)
    report = CrashReport()
    for acknowledged, state in states_of(recording):
        put(state, tmp_path / "state")
        check_home(tmp_path / "state", dict(acknowledged), f"state {report.points}", report)
        shutil.rmtree(tmp_path / "state")
    assert report.points >= 10
    assert report.is_clean, report.failures
