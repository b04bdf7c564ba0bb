"""A home is saved whole, as of one moment, while others write in it."""

from __future__ import annotations

import os
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from host.errors import BackupError, HomeError, StorageError
from host.home.backup import backup
from host.home.backup.archive import ArchiveWriter
from host.home.backup.backup import create_backup, is_secret
from host.home.backup.restore import open_archive, restore_backup
from host.home.config.history import ConfigHistory
from host.home.home import Home
from host.telemetry.journal.journal import Journal
from host.telemetry.journal.reader import HEAD_NAME
from host.telemetry.journal.record import JournalRecord
from host.telemetry.journal.verifier import verify_journal
from tests.host.small_home import small_home

NOW = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return small_home(tmp_path / "home")


def saved(home: Home, target: Path, *, with_secrets: bool = False) -> set[str]:
    backup = create_backup(home, target, with_secrets=with_secrets)
    return {file.path for file in backup.manifest.files}


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_every_file_is_in_it_and_the_folder_gets_nothing_else(home: Home, tmp_path: Path) -> None:
    backup = create_backup(home, tmp_path, now=lambda: NOW)
    assert backup.path == tmp_path / "arduino-trader-20261122T123000Z.zip"
    assert names_in(tmp_path) == {"home", backup.path.name}
    assert backup.path.stat().st_mode & 0o777 == 0o600
    paths = {str(p.relative_to(home.root)) for p in home.root.rglob("*") if p.is_file()}
    assert {file.path for file in backup.manifest.files} == paths
    assert backup.left_out == ()


@pytest.mark.parametrize(
    ("path", "secret"),
    [
        ("secrets/anything", True),
        ("state/api.token", True),
        ("token", True),
        ("plugins/broker.key", True),
        ("secrets", False),
        ("portfolios/token.toml", False),
        ("buckets/monkey", False),
        ("state/tokens", False),
    ],
)
def test_it_is_known_what_a_secret_is(path: str, secret: bool) -> None:
    assert is_secret(path) is secret


def test_secrets_stay_out_unless_they_are_asked_for(home: Home, tmp_path: Path) -> None:
    (home.root / "secrets").mkdir()
    (home.root / "secrets" / "mqtt").write_text("hush")
    (home.root / "api.token").write_text("hush")
    backup = create_backup(home, tmp_path / "a.zip")
    assert backup.manifest.secrets_left_out == ("api.token", "secrets/mqtt")
    assert "api.token" not in {file.path for file in backup.manifest.files}
    assert {"api.token", "secrets/mqtt"} <= saved(home, tmp_path / "b.zip", with_secrets=True)


def test_links_are_followed_and_what_cannot_be_saved_is_named(home: Home, tmp_path: Path) -> None:
    other = tmp_path / "usb"
    other.mkdir()
    home.market_dir.rename(other / "market")
    home.market_dir.symlink_to(other / "market")
    (home.root / ".#core.toml").symlink_to("nobody@nowhere")
    os.mkfifo(home.root / "pipe")
    locks = ("state/daemon.lock", "state/advice/core.lock", "history/config/core/lock")
    for name in (".tmp-1-0123456789ab", *locks):
        (home.root / name).parent.mkdir(parents=True, exist_ok=True)
        (home.root / name).touch()
    backup = create_backup(home, tmp_path / "a.zip")
    assert backup.left_out == ((".#core.toml", "a broken link"), ("pipe", "not a regular file"))
    paths = {file.path for file in backup.manifest.files}
    assert "market/prices.csv" in paths
    assert not any("lock" in path or ".tmp" in path for path in paths)


def test_a_folder_that_holds_itself_is_refused(home: Home, tmp_path: Path) -> None:
    (home.root / "again").symlink_to(home.root)
    with pytest.raises(BackupError, match="leads back to itself"):
        create_backup(home, tmp_path / "a.zip")


def test_a_backup_inside_what_it_saves_is_refused(home: Home, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(home.root)
    for target in (home.root, home.root / "a.zip", tmp_path / "link" / "market"):
        with pytest.raises(BackupError, match="inside the home"):
            create_backup(home, target)


def test_nothing_is_written_over_and_nothing_is_left_of_a_failure(
    home: Home, tmp_path: Path
) -> None:
    (tmp_path / "a.zip").write_text("mine")
    with pytest.raises(StorageError, match="exists already"):
        create_backup(home, tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_text() == "mine"
    with pytest.raises(StorageError, match="create it first"):
        create_backup(home, tmp_path / "none" / "a.zip")
    with pytest.raises(HomeError, match="no trader home"):
        create_backup(Home(tmp_path / "nothing"), tmp_path / "b.zip")
    (home.root / "a\nb").touch()
    with pytest.raises(BackupError, match="rename it"):
        create_backup(home, tmp_path / "b.zip")
    assert names_in(tmp_path) == {"home", "a.zip"}


def test_a_backup_that_does_not_read_back_is_not_kept(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = ArchiveWriter.add

    def flip(self: ArchiveWriter, path: str, chunks: list[bytes]) -> None:
        add(self, path, chunks)
        self._files[-1] = type(self._files[-1])(path, self._files[-1].size, "0" * 64)

    monkeypatch.setattr(ArchiveWriter, "add", flip)
    with pytest.raises(BackupError, match="differs from its manifest"):
        create_backup(home, tmp_path / "a.zip")
    assert names_in(tmp_path) == {"home"}


def test_a_change_meanwhile_is_in_it_wholly_or_not_at_all(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two files that belong together: one was read, the other not, when both change."""
    first, second = home.root / "a", home.root / "z"
    for path in (first, second):
        path.write_text("old")
    add = ArchiveWriter.add
    changes: list[str] = []

    def change(self: ArchiveWriter, path: str, chunks: list[bytes]) -> None:
        add(self, path, chunks)
        if path == "a" and not changes:
            changes.append(path)
            for each in (first, second):
                each.write_text("new one")

    monkeypatch.setattr(ArchiveWriter, "add", change)
    monkeypatch.setattr(backup, "PAUSE_S", 0.01)
    create_backup(home, tmp_path / "a.zip")
    restored = restore_backup(tmp_path / "a.zip", tmp_path / "other").root
    assert (restored / "a").read_text() == (restored / "z").read_text() == "new one"


def test_a_home_that_never_rests_is_refused(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = ArchiveWriter.add

    def change(self: ArchiveWriter, path: str, chunks: list[bytes]) -> None:
        add(self, path, chunks)
        home.fx_file.write_text(f"{time.monotonic_ns()}")

    monkeypatch.setattr(ArchiveWriter, "add", change)
    monkeypatch.setattr(backup, "PAUSE_S", 0.0)
    with pytest.raises(BackupError, match=r"market/fx\.csv keeps changing"):
        create_backup(home, tmp_path / "a.zip")
    assert names_in(tmp_path) == {"home"}


def test_of_a_journal_the_whole_lines_are_saved_however_it_grows(
    home: Home, tmp_path: Path
) -> None:
    home.journal_dir.mkdir()
    (home.journal_dir / "journal.jsonl").write_bytes(b"one\n" * 30_000 + b"tor")
    create_backup(home, tmp_path / "a.zip")
    root = restore_backup(tmp_path / "a.zip", tmp_path / "other").root
    assert (root / "journal" / "journal.jsonl").read_bytes() == b"one\n" * 30_000


def test_a_home_that_is_written_to_is_saved_with_every_promise_kept(
    home: Home, tmp_path: Path
) -> None:
    """Versions and records go on being added; each backup restores to a sound home."""
    history = ConfigHistory(home.config_history_dir("core"), versions_max=5)
    journal = Journal(home.journal_dir, home.state_dir / HEAD_NAME)
    journal.open(lambda _record: None)
    is_over = threading.Event()

    def write() -> None:
        for number in range(10_000):
            if is_over.wait(0.05):
                return
            for _ in range(20):
                record = JournalRecord("Noted", NOW, "t" * 32, "core", {"n": number})
                journal.append_now(record, durable=True)
            history.commit(b"max_plan_depth = 3 # %d\n" % number, reason="more")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(5):
            create_backup(home, tmp_path / f"{number}.zip")
    finally:
        is_over.set()
        writer.join()
        journal.close()
    for number in range(5):
        root = restore_backup(tmp_path / f"{number}.zip", tmp_path / f"home{number}").root
        copy = ConfigHistory(Home(root).config_history_dir("core"))
        assert copy.problems() == []
        saved = Home(root)
        assert verify_journal(saved.journal_dir, saved.state_dir / HEAD_NAME).is_sound
        with open_archive(tmp_path / f"{number}.zip") as archive:
            archive.check()
