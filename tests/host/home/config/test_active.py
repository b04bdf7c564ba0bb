"""The file as edited, and the version in force."""

from __future__ import annotations

from pathlib import Path

import pytest

from host.errors import LostUpdateError
from host.home.config.active import load_active, look, open_history, peek, pick_up, replace
from host.home.home import Home
from host.home.storage.toml_file import ConfigFileError
from tests.host.small_home import small_home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = small_home(tmp_path / "home")
    made.buckets_dir.mkdir()
    write(made, "max_plan_depth = 3\n")
    return made


def write(home: Home, text: str) -> None:
    home.bucket_file("core").write_bytes(text.encode())


def reasons(home: Home) -> list[str]:
    return [stored.meta.reason for stored in open_history(home, "core").newest_first()]


def test_an_edit_is_picked_up_once_with_its_reason(home: Home) -> None:
    assert pick_up(home, "core").version == 1
    assert pick_up(home, "core").version == 1
    write(home, "# reason: shorter plans\r\nmax_plan_depth = 2\r\n")
    loaded = pick_up(home, "core")
    assert (loaded.version, loaded.config.max_plan_depth) == (2, 2)
    stored = open_history(home, "core").read(2)
    assert (stored.data, stored.meta.sha256) == (
        home.bucket_file("core").read_bytes(),
        loaded.sha256,
    )
    write(home, "# reason: shorter plans\nmax_plan_depth = 1\n")
    pick_up(home, "core")
    assert reasons(home) == ["edited on disk", "shorter plans", "first version"]


@pytest.mark.parametrize("bad", [b"", b"max_plan_depth = 99\n", b"\xff", b"x = [\n"])
def test_a_bad_edit_never_goes_live(home: Home, bad: bytes) -> None:
    pick_up(home, "core")
    home.bucket_file("core").write_bytes(bad)
    with pytest.raises(ConfigFileError):
        pick_up(home, "core")
    active = load_active(home, "core")
    assert (active.version, active.config.max_plan_depth) == (1, 3)
    home.bucket_file("core").unlink()
    assert load_active(home, "core").version == 1


def test_an_edit_is_not_active_before_it_was_picked_up(home: Home) -> None:
    pick_up(home, "core")
    write(home, "max_plan_depth = 2\n")
    assert load_active(home, "core").config.max_plan_depth == 3
    assert (peek(home, "core").version, peek(home, "core").config.max_plan_depth) == (0, 2)
    assert len(reasons(home)) == 1


def test_without_any_version_the_file_is_active_and_a_bad_one_is_refused(home: Home) -> None:
    assert load_active(home, "core").version == 0
    write(home, "nothing = 1\n")
    with pytest.raises(ConfigFileError, match="nothing"):
        load_active(home, "core")


def test_a_version_that_no_longer_loads_gives_way_to_an_older_one(home: Home) -> None:
    pick_up(home, "core")
    open_history(home, "core").commit(b"from_the_future = 1\n", reason="other planner")
    assert load_active(home, "core").version == 1


def test_a_command_replaces_file_and_version_together(home: Home) -> None:
    pick_up(home, "core")
    seen = look(home, "core")
    meta = replace(home, "core", "max_plan_depth = 4\n", reason="deeper", seen=seen)
    assert home.bucket_file("core").read_text() == "max_plan_depth = 4\n"
    assert pick_up(home, "core").version == meta.version == 2


def test_a_command_never_writes_over_an_edit_or_a_version_it_has_not_seen(home: Home) -> None:
    pick_up(home, "core")
    seen = look(home, "core")
    write(home, "max_plan_depth = 2\n")
    with pytest.raises(LostUpdateError, match=r"was edited meanwhile .*config commit core"):
        replace(home, "core", "max_plan_depth = 4\n", reason="deeper", seen=seen)
    pick_up(home, "core")
    with pytest.raises(LostUpdateError, match="changed meanwhile: version 2"):
        replace(home, "core", "max_plan_depth = 4\n", reason="deeper", seen=seen)
    assert home.bucket_file("core").read_text() == "max_plan_depth = 2\n"


def test_a_command_that_began_with_an_edit_may_follow_its_commit(home: Home) -> None:
    pick_up(home, "core")
    write(home, "max_plan_depth = 2\n")
    seen = look(home, "core")
    pick_up(home, "core")
    meta = replace(home, "core", "max_plan_depth = 4\n", reason="deeper", seen=seen)
    assert (meta.version, meta.parent) == (3, 2)


def test_a_command_never_writes_what_the_loader_refuses(home: Home) -> None:
    pick_up(home, "core")
    seen = look(home, "core")
    with pytest.raises(ConfigFileError):
        replace(home, "core", "max_plan_depth = 11\n", reason="deeper", seen=seen)
    assert load_active(home, "core").version == 1


def test_a_bad_edit_that_a_command_writes_over_is_kept_aside(home: Home) -> None:
    pick_up(home, "core")
    write(home, "max_plan_depth = 99\n")
    replace(home, "core", "max_plan_depth = 4\n", reason="back", seen=look(home, "core"))
    (aside,) = home.config_history_dir("core").glob("edit.corrupt.*")
    assert aside.read_text() == "max_plan_depth = 99\n"
