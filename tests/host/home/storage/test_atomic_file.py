"""Files that are written whole or not at all, and read without waiting."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
from pathlib import Path

import pytest

from host.cli.main import main
from host.errors import StorageError
from host.home.home import Home
from host.home.storage import atomic_file
from host.home.storage.atomic_file import (
    make_folder,
    may_exist,
    new_file,
    open_file,
    sweep_temporaries,
    sweep_tree,
    write_atomic,
    write_new,
)
from tests.host.conftest import Trader

STATE_FILES = (
    "journal/journal.jsonl",
    "state/journal.head",
    "state/metrics.json",
    "state/breakers.json",
    "history/config/core/HEAD",
    "history/config/core/000001.toml",
)


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_write_replaces_what_was_there_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_atomic(path, b"one")
    write_atomic(path, b"two")
    assert path.read_bytes() == b"two"
    assert files_in(tmp_path) == ["a"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_missing_folders_are_made_for_their_owner_only(tmp_path: Path) -> None:
    write_atomic(tmp_path / "x" / "y" / "a", b"")
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "x" / "y").stat().st_mode) == 0o700


def test_a_new_file_never_takes_the_place_of_another(tmp_path: Path) -> None:
    path = tmp_path / "a"
    assert write_new(path, b"one")
    assert not write_new(path, b"two")
    assert path.read_bytes() == b"one"
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    assert not write_new(tmp_path / "link", b"x")
    assert files_in(tmp_path) == ["a", "link"]


def test_a_file_that_appears_meanwhile_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("theirs")
    assert not atomic_file._write(path, b"ours", replace=False)
    assert path.read_text() == "theirs"
    assert files_in(tmp_path) == ["a"]


def test_without_hard_links_a_new_file_is_renamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_self: Path, _target: Path) -> None:
        raise OSError(errno.EPERM, "no links on this file system")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    assert write_new(tmp_path / "a", b"one")
    assert files_in(tmp_path) == ["a"]


def test_data_is_synced_before_the_rename_and_the_folder_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def logged_fsync(descriptor: int) -> None:
        mode = os.fstat(descriptor).st_mode
        log.append("sync folder" if stat.S_ISDIR(mode) else "sync file")
        fsync(descriptor)

    def logged_replace(self: Path, target: Path) -> Path:
        log.append("rename")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", logged_fsync)
    monkeypatch.setattr(Path, "replace", logged_replace)
    write_atomic(tmp_path / "a", b"one")
    assert log == ["sync file", "rename", "sync folder"]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EROFS, "the file system is read-only"),
        (errno.EIO, "the disk reports an error"),
        (errno.EACCES, "no permission"),
    ],
)
@pytest.mark.parametrize("call", ["write", "fsync", "open"])
def test_when_the_disk_fails_the_old_version_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, code: int, words: str
) -> None:
    path = tmp_path / "a"
    write_atomic(path, b"old")

    def fail(*_arguments: object) -> int:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(StorageError, match=words) as caught:
            write_atomic(path, b"new")
    assert str(caught.value).startswith(f"{path}: cannot be written")
    assert path.read_bytes() == b"old"
    assert files_in(tmp_path) == ["a"]


def test_a_writer_that_hangs_does_not_hang_us(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(atomic_file, "LOCK_WAIT_S", 0.02)
    descriptor = os.open(tmp_path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with pytest.raises(StorageError, match="another process has been writing here"):
            write_atomic(tmp_path / "a", b"")
    finally:
        os.close(descriptor)
    write_atomic(tmp_path / "a", b"")


def test_the_temporary_file_of_an_interrupted_write_is_removed(tmp_path: Path) -> None:
    write_atomic(tmp_path / "a", b"")
    (tmp_path / ".tmp-1-0123456789ab").write_bytes(b"half")
    (tmp_path / ".tmp-notes").write_bytes(b"somebody's")
    assert sweep_temporaries(tmp_path) == 1
    assert files_in(tmp_path) == [".tmp-notes", "a"]
    assert sweep_temporaries(tmp_path / "none") == 0


def test_a_folder_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    make_folder(tmp_path)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_a_tree_is_swept_but_not_what_its_links_lead_to(tmp_path: Path) -> None:
    for name in ("home", "home/plans/core", "elsewhere"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / ".tmp-1-0123456789ab").touch()
    (tmp_path / "home" / "link").symlink_to(tmp_path / "elsewhere")
    assert sweep_tree(tmp_path / "home") == 2
    assert files_in(tmp_path / "elsewhere") == [".tmp-1-0123456789ab"]


def test_a_long_file_gets_its_name_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with new_file(path) as file:
        file.write(b"one")
        assert not path.exists()
    assert path.read_bytes() == b"one"
    with pytest.raises(StorageError, match="exists already"), new_file(path):
        pass
    with pytest.raises(ZeroDivisionError), new_file(tmp_path / "b") as file:
        file.write(b"%d" % (1 // 0))
    assert files_in(tmp_path) == ["a"]


def test_opening_a_pipe_fails_at_once(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    assert may_exist(path)
    with pytest.raises(OSError, match="it is not a regular file"):
        open_file(path)
    (tmp_path / "file").write_bytes(b"abc")
    with open_file(tmp_path / "file") as file:
        assert file.read() == b"abc"


@pytest.fixture(scope="module")
def used_home(tmp_path_factory: pytest.TempPathFactory, demo_home: Home) -> Home:
    """A home with a plan, and so with a journal, metrics and a version."""
    home = Home(shutil.copytree(demo_home.root, tmp_path_factory.mktemp("used") / "home"))
    assert main(["plan", "core", "--json", "--home", str(home.root)]) == 0
    return home


@pytest.mark.parametrize("name", STATE_FILES)
def test_no_command_hangs_on_a_pipe_in_the_home(
    trader: Trader, used_home: Home, tmp_path: Path, name: str
) -> None:
    home = shutil.copytree(used_home.root, tmp_path / "home")
    path = home / name
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    for line in (
        "health",
        "metrics",
        "breakers",
        "events tail",
        "events verify",
        "config log core",
    ):
        result = trader(*line.split(), "--home", home)
        assert result.code in (0, 1)
        assert "unexpected" not in result.err
