"""Putting a backup back: checked in full first, and nothing that was there is lost."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest

from host.errors import BackupError, HomeError, HostError, StorageError
from host.home.backup import restore
from host.home.backup.backup import create_backup
from host.home.backup.restore import open_archive, restore_backup
from host.home.home import Home
from host.home.storage.instance_lock import InstanceError, InstanceLock
from tests.host.small_home import small_home

NOW = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)


def tree(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and not path.name.endswith("lock")
    }


class SavedHome(NamedTuple):
    home: Home
    backup: Path
    files: dict[str, bytes]


@pytest.fixture
def saved(tmp_path: Path) -> SavedHome:
    """Return a home that has changed since its backup."""
    home = small_home(tmp_path / "home")
    backup = create_backup(home, tmp_path / "a.zip").path
    saved = tree(home.root)
    home.portfolio_file("core").write_text("changed")
    (home.root / "mine").write_text("only here")
    return SavedHome(home, backup, saved)


def test_a_missing_home_is_restored_for_its_owner_only(saved: SavedHome, tmp_path: Path) -> None:
    restored = restore_backup(saved.backup, tmp_path / "deep" / "other")
    assert tree(restored.root) == saved.files
    assert restored.aside is None
    for path in restored.root.rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600)
    (tmp_path / "empty").mkdir()
    assert tree(restore_backup(saved.backup, tmp_path / "empty").root) == saved.files


def test_a_home_that_is_there_is_kept_unless_it_may_be_moved_aside(
    saved: SavedHome, tmp_path: Path
) -> None:
    before = tree(saved.home.root)
    with pytest.raises(HomeError, match=r"is not empty \(add --replace"):
        restore_backup(saved.backup, saved.home.root)
    assert tree(saved.home.root) == before
    restored = restore_backup(saved.backup, saved.home.root, replace=True, now=lambda: NOW)
    assert tree(saved.home.root) == saved.files
    assert restored.aside == tmp_path / "home.before-20261122T123000.000000Z"
    assert tree(restored.aside) == before
    assert {path.name for path in tmp_path.iterdir()} == {"a.zip", "home", restored.aside.name}


def test_a_link_to_a_home_still_points_at_it(saved: SavedHome, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(saved.home.root)
    restore_backup(saved.backup, link, replace=True)
    assert link.is_symlink()
    assert tree(saved.home.root) == saved.files


def test_a_running_daemon_is_refused(saved: SavedHome) -> None:
    before = tree(saved.home.root)
    with (
        InstanceLock(saved.home.state_dir),
        pytest.raises(InstanceError, match="stop it with"),
    ):
        restore_backup(saved.backup, saved.home.root, replace=True)
    assert tree(saved.home.root) == before


def test_no_daemon_can_start_in_a_home_that_is_being_put_in_place(
    saved: SavedHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []
    put_in_place = restore._put_in_place

    def put(staging: Path, root: Path, now: datetime) -> Path | None:
        aside = put_in_place(staging, root, now)
        with pytest.raises(InstanceError) as caught, InstanceLock(root / "state"):
            pass
        tried.append(str(caught.value))
        return aside

    monkeypatch.setattr(restore, "_put_in_place", put)
    restore_backup(saved.backup, saved.home.root, replace=True)
    assert len(tried) == 1
    with InstanceLock(saved.home.state_dir):
        pass


@pytest.mark.parametrize("at", [0.1, 0.3, 0.6])
def test_a_damaged_backup_changes_nothing(saved: SavedHome, tmp_path: Path, at: float) -> None:
    before = tree(saved.home.root)
    data = bytearray(saved.backup.read_bytes())
    data[int(len(data) * at)] ^= 0xFF
    saved.backup.write_bytes(data)
    with pytest.raises(BackupError):
        restore_backup(saved.backup, saved.home.root, replace=True)
    assert tree(saved.home.root) == before
    assert {path.name for path in tmp_path.iterdir()} == {"a.zip", "home"}


def test_a_home_that_cannot_be_replaced_is_put_back(
    saved: SavedHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, rename = tree(saved.home.root), Path.rename

    def fail(self: Path, target: Path) -> Path:
        if ".restoring-" in self.name:
            raise OSError(5, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(StorageError, match="cannot be moved"):
        restore_backup(saved.backup, saved.home.root, replace=True)
    assert tree(saved.home.root) == before
    assert {path.name for path in tmp_path.iterdir()} == {"a.zip", "home"}


def test_what_a_restore_that_was_cut_off_left_is_swept_but_not_that_of_one_under_way(
    saved: SavedHome, tmp_path: Path
) -> None:
    dead, alive = tmp_path / ".home.restoring-1", tmp_path / ".home.restoring-2"
    for folder in (dead, alive):
        (folder / "state").mkdir(parents=True)
    aside = tmp_path / "home.before-1"
    shutil.copytree(saved.home.root, aside)
    with InstanceLock(alive / "state"):
        restore_backup(saved.backup, saved.home.root, replace=True)
        assert (dead.exists(), alive.exists()) == (False, True)
    assert aside.exists()


def test_what_does_not_fit_is_refused_before_it_is_unpacked(
    saved: SavedHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restore, "FREE_SPACE_FACTOR", 1e12)
    with pytest.raises(StorageError, match="do not fit"):
        restore_backup(saved.backup, saved.home.root, replace=True)


def test_a_file_that_is_not_a_backup_is_refused_in_a_line(saved: SavedHome, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "pipe", tmp_path / "none", tmp_path, tmp_path / "file"):
        with pytest.raises(HostError), open_archive(path):
            pass
    with pytest.raises(HomeError, match="is not a folder"):
        restore_backup(saved.backup, tmp_path / "file")
