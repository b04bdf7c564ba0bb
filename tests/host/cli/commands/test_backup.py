"""`trader backup create, verify, restore`."""

from __future__ import annotations

from pathlib import Path

from host.home.home import Home
from tests.host.conftest import Trader


def test_a_home_goes_through_a_backup_and_plans_as_before(
    trader: Trader, own_home: Home, tmp_path: Path
) -> None:
    at = ("--home", own_home.root)
    planned = trader("plan", "core", *at, "--json").json
    made = trader("backup", "create", tmp_path / "a.zip", *at, "--json")
    assert (made.code, made.json["path"]) == (0, str(tmp_path / "a.zip"))
    assert "whole" in trader("backup", "verify", tmp_path / "a.zip").out
    other = ("--home", tmp_path / "other")
    restored = trader("backup", "restore", tmp_path / "a.zip", *other, "--json")
    assert restored.code == 0, restored.err
    assert (restored.json["files"], restored.json["problems"]) == (made.json["files"], [])
    again = trader("plan", "core", *other, "--json").json
    assert again["steps"] == planned["steps"]
    assert again["config_version"] == planned["config_version"] == 1


def test_the_words_say_what_is_not_in_it_and_where_the_old_home_is(
    trader: Trader, own_home: Home, tmp_path: Path
) -> None:
    (own_home.root / "api.token").write_text("hush")
    at = ("--home", own_home.root)
    made = trader("backup", "create", tmp_path / "a.zip", *at)
    assert "left out: api.token (a secret; add --with-secrets)" in made.err
    assert "read back and compared" in made.out
    refused = trader("backup", "restore", tmp_path / "a.zip", *at)
    assert (refused.code, "--replace" in refused.err) == (2, True)
    done = trader("backup", "restore", tmp_path / "a.zip", *at, "--replace")
    assert done.code == 0
    assert "the home before is in" in done.out
    assert "put it back yourself: api.token" in done.out
    assert trader("backup", "create", tmp_path / "a.zip", *at).code == 1
    assert trader("backup", "verify", tmp_path / "home").code == 1


def test_damage_that_was_there_already_is_restored_and_named(
    trader: Trader, own_home: Home, tmp_path: Path
) -> None:
    at = ("--home", own_home.root)
    trader("config", "commit", "core", *at)
    (own_home.config_history_dir("core") / "000001.toml").write_text("torn")
    trader("backup", "create", tmp_path / "a.zip", *at)
    done = trader("backup", "restore", tmp_path / "a.zip", "--home", tmp_path / "other")
    assert (done.code, "damaged" in done.err) == (0, True)
