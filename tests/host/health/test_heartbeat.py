"""A sign of life is believed only from a living daemon, and asking keeps no daemon out."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

import pytest

from host.health import heartbeat
from host.health.heartbeat import HEARTBEAT_NAME, SILENT_S, Heartbeat, is_locked, read_beat
from host.home.storage import instance_lock
from host.home.storage.instance_lock import InstanceLock


def test_a_beat_is_fresh_until_it_is_too_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "boot_time_s", lambda: 1000.0)
    Heartbeat(tmp_path).beat()
    for later_s, is_fresh in ((0.0, True), (SILENT_S, True), (SILENT_S + 1, False)):
        monkeypatch.setattr(heartbeat, "boot_time_s", lambda later_s=later_s: 1000.0 + later_s)
        beat = read_beat(tmp_path)
        assert beat is not None
        assert (beat.pid, beat.is_fresh) == (os.getpid(), is_fresh)


def test_a_beat_from_before_a_restart_of_the_computer_is_no_sign_of_life(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "boot_time_s", lambda: 90_000.0)
    Heartbeat(tmp_path).beat()
    monkeypatch.setattr(heartbeat, "boot_time_s", lambda: 20.0)
    beat = read_beat(tmp_path)
    assert beat is not None
    assert not beat.is_fresh


@pytest.mark.parametrize("content", ["", "x", "1 2 3", "7 soon", "\xff\xff", "5 nan"])
def test_a_beat_that_makes_no_sense_is_no_sign_of_life(tmp_path: Path, content: str) -> None:
    (tmp_path / HEARTBEAT_NAME).write_bytes(content.encode("latin-1"))
    beat = read_beat(tmp_path)
    assert beat is None or not beat.is_fresh


def test_beating_where_nothing_can_be_written_fails_nobody(tmp_path: Path) -> None:
    Heartbeat(tmp_path / "none").beat()
    assert read_beat(tmp_path / "none") is None


def test_a_beat_is_written_over_and_needs_no_more_room(tmp_path: Path) -> None:
    heart = Heartbeat(tmp_path)
    heart.beat()
    first = (tmp_path / HEARTBEAT_NAME).stat()
    heart.beat()
    again = (tmp_path / HEARTBEAT_NAME).stat()
    assert (first.st_ino, first.st_size) == (again.st_ino, again.st_size)


def test_whether_a_daemon_is_there_is_found_without_writing_anything(tmp_path: Path) -> None:
    assert not is_locked(tmp_path / "state")
    assert not (tmp_path / "state").exists()
    with InstanceLock(tmp_path / "state"):
        assert is_locked(tmp_path / "state")
    assert not is_locked(tmp_path / "state")


def test_a_daemon_that_starts_while_somebody_asks_gets_its_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one who asks holds the lock for a moment; here until the daemon has tried once."""
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
