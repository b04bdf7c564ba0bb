"""Versions of a configuration: whole, never changed, never lost once acknowledged."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from host.errors import HistoryError, LostUpdateError, StorageError
from host.home.config import history as config_history
from host.home.config.history import ConfigHistory


def history_of(tmp_path: Path, versions_max: int = 200) -> ConfigHistory:
    return ConfigHistory(tmp_path / "core", versions_max=versions_max)


def test_a_version_keeps_its_bytes_and_who_when_why(tmp_path: Path) -> None:
    history = history_of(tmp_path)
    assert history.active() is None
    first = history.commit(b"a = 1\r\n", reason="begin", changed_by="system", parent=0)
    second = history.commit(b"a = 2\n", reason="more\n\x1b[31m", parent=1)
    assert (first.version, first.parent, first.changed_by) == (1, 0, "system")
    assert (second.version, second.parent, second.reason) == (2, 1, "more [31m")
    assert history.read(1).data == b"a = 1\r\n"
    assert first.sha256 == hashlib.sha256(b"a = 1\r\n").hexdigest()
    active = history.active()
    assert active is not None
    assert active.meta == second
    assert [stored.meta.version for stored in history.newest_first()] == [2, 1]


def test_a_lost_update_is_refused_with_advice(tmp_path: Path) -> None:
    history = history_of(tmp_path)
    history.commit(b"a", reason="one", parent=0)
    history.commit(b"b", reason="two", parent=1)
    with pytest.raises(
        LostUpdateError, match=r"changed meanwhile: version 2 .*config diff core 1 2"
    ):
        history.commit(b"c", reason="three", parent=1)
    assert len(list(history.newest_first())) == 2


def test_a_missing_version_is_refused_with_the_existing_ones(tmp_path: Path) -> None:
    history = history_of(tmp_path)
    history.commit(b"a", reason="one")
    with pytest.raises(HistoryError, match=r"core: no version 7 .versions 1 to 1 exist"):
        history.read(7)


@pytest.mark.parametrize("damage", [b"", b"#@ {", b"a = 1\n", None])
def test_a_damaged_version_gives_way_to_the_one_before_and_is_set_aside(
    tmp_path: Path, damage: bytes | None
) -> None:
    history = history_of(tmp_path)
    history.commit(b"a = 1\n", reason="one")
    history.commit(b"a = 2\n", reason="two")
    path = history.folder / "000002.toml"
    path.write_bytes(path.read_bytes()[:-2] + b"3\n" if damage is None else damage)
    active = history.active()
    assert active is not None
    assert active.meta.version == 1
    (history.folder / ".tmp-1-0123456789ab").write_bytes(b"x")
    recovery = history.recover()
    assert recovery.swept == 1
    assert recovery.active is not None
    assert recovery.active.version == 1
    assert "000002.toml: damaged" in recovery.problems[0]
    assert not path.exists()
    assert list(history.folder.glob("000002.toml.corrupt.*"))
    assert history.recover().problems == ()
    assert history.commit(b"a = 3\n", reason="three").parent == 1


def test_an_acknowledged_version_that_is_missing_is_reported(tmp_path: Path) -> None:
    history = history_of(tmp_path)
    history.commit(b"a", reason="one")
    history.commit(b"b", reason="two")
    (history.folder / "000002.toml").unlink()
    assert "version 2 was acknowledged and is missing" in history.problems()[0]
    assert history.commit(b"c", reason="three").version == 3


@pytest.mark.parametrize("head", [None, b"", b"7", b"\xff\xfe"])
def test_a_damaged_head_costs_nothing(tmp_path: Path, head: bytes | None) -> None:
    history = history_of(tmp_path)
    history.commit(b"a", reason="one")
    path = history.folder / "HEAD"
    path.unlink()
    if head is not None:
        path.write_bytes(head)
    assert "HEAD: missing or damaged" in history.problems()[0]
    assert history.recover().active is not None
    assert history.problems() == []


def test_a_version_is_never_written_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history = history_of(tmp_path)
    history.commit(b"a", reason="one")
    monkeypatch.setattr(config_history, "write_new", lambda _path, _data: False)
    with pytest.raises(StorageError, match="exists already"):
        history.commit(b"b", reason="two")
    assert history.read(1).data == b"a"


def test_old_versions_go_and_the_active_one_stays(tmp_path: Path) -> None:
    history = history_of(tmp_path, versions_max=2)
    for number in range(5):
        history.commit(b"%d" % number, reason="more")
    assert [stored.data for stored in history.newest_first()] == [b"4", b"3"]
    assert history.problems() == []
