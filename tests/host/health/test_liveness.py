"""Liveness counts only from a live daemon, and a check keeps no daemon out."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

import pytest

from host.health import liveness
from host.health.liveness import LIVENESS_NAME, SILENT_S, LivenessFile, is_locked, read_liveness
from host.home.storage import instance_lock
from host.home.storage.instance_lock import InstanceLock


def test_a_line_is_fresh_until_it_is_too_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveness, "boot_time_s", lambda: 1000.0)
    LivenessFile(tmp_path).write()
    for later_s, is_fresh in ((0.0, True), (SILENT_S, True), (SILENT_S + 1, False)):
        monkeypatch.setattr(liveness, "boot_time_s", lambda later_s=later_s: 1000.0 + later_s)
        beat = read_liveness(tmp_path)
        assert beat is not None
        assert (beat.pid, beat.is_fresh) == (os.getpid(), is_fresh)


def test_a_line_from_before_a_reboot_is_not_fresh(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveness, "boot_time_s", lambda: 90_000.0)
    LivenessFile(tmp_path).write()
    monkeypatch.setattr(liveness, "boot_time_s", lambda: 20.0)
    beat = read_liveness(tmp_path)
    assert beat is not None
    assert not beat.is_fresh


@pytest.mark.parametrize("content", ["", "x", "1 2 3", "7 soon", "\xff\xff", "5 nan"])
def test_a_line_that_makes_no_sense_is_not_fresh(tmp_path: Path, content: str) -> None:
    (tmp_path / LIVENESS_NAME).write_bytes(content.encode("latin-1"))
    beat = read_liveness(tmp_path)
    assert beat is None or not beat.is_fresh


def test_writing_where_nothing_can_be_written_raises_nothing(tmp_path: Path) -> None:
    LivenessFile(tmp_path / "none").write()
    assert read_liveness(tmp_path / "none") is None


def test_a_line_is_overwritten_in_place(tmp_path: Path) -> None:
    heart = LivenessFile(tmp_path)
    heart.write()
    first = (tmp_path / LIVENESS_NAME).stat()
    heart.write()
    again = (tmp_path / LIVENESS_NAME).stat()
    assert (first.st_ino, first.st_size) == (again.st_ino, again.st_size)


def test_the_lock_is_checked_without_writing(tmp_path: Path) -> None:
    assert not is_locked(tmp_path / "state")
    assert not (tmp_path / "state").exists()
    with InstanceLock(tmp_path / "state"):
        assert is_locked(tmp_path / "state")
    assert not is_locked(tmp_path / "state")


def test_a_daemon_that_starts_during_a_check_gets_its_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check holds the lock for a moment; here until the daemon has tried once."""
    with InstanceLock(tmp_path):
        pass
    asking = os.open(tmp_path / instance_lock.LOCK_NAME, os.O_RDONLY)
    fcntl.flock(asking, fcntl.LOCK_SH)
    monkeypatch.setattr(time, "sleep", lambda _s: fcntl.flock(asking, fcntl.LOCK_UN))
    try:
        with InstanceLock(tmp_path):
            assert is_locked(tmp_path)
    finally:
        os.close(asking)
