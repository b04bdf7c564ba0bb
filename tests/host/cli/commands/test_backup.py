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
    created = trader("backup", "create", tmp_path / "a.zip", *at, "--json")
    assert (created.code, created.json["path"]) == (0, str(tmp_path / "a.zip"))
    assert "whole" in trader("backup", "verify", tmp_path / "a.zip").out
    other = ("--home", tmp_path / "other")
    restored = trader("backup", "restore", tmp_path / "a.zip", *other, "--json")
    assert restored.code == 0, restored.err
    assert (restored.json["files"], restored.json["problems"]) == (created.json["files"], [])
    again = trader("plan", "core", *other, "--json").json
    assert again["steps"] == planned["steps"]
    assert again["config_version"] == planned["config_version"] == 1


def test_the_words_say_what_is_not_in_it_and_where_the_old_home_is(
    trader: Trader, own_home: Home, tmp_path: Path
) -> None:
    (own_home.root / "api.token").write_text("hush")
    at = ("--home", own_home.root)
    created = trader("backup", "create", tmp_path / "a.zip", *at)
    assert "left out: api.token (a secret; add --with-secrets)" in created.err
    assert "read back and compared" in created.out
    refused = trader("backup", "restore", tmp_path / "a.zip", *at)
    assert (refused.code, "--replace" in refused.err) == (2, True)
    result = trader("backup", "restore", tmp_path / "a.zip", *at, "--replace")
    assert result.code == 0
    assert "the old home is now in" in result.out
    assert "restore it yourself: api.token" in result.out
    assert trader("backup", "create", tmp_path / "a.zip", *at).code == 1
    assert trader("backup", "verify", tmp_path / "home").code == 1


def test_damage_that_was_there_already_is_restored_and_named(
    trader: Trader, own_home: Home, tmp_path: Path
) -> None:
    at = ("--home", own_home.root)
    trader("config", "commit", "core", *at)
    (own_home.config_history_dir("core") / "000001.toml").write_text("torn")
    trader("backup", "create", tmp_path / "a.zip", *at)
    result = trader("backup", "restore", tmp_path / "a.zip", "--home", tmp_path / "other")
    assert (result.code, "damaged" in result.err) == (0, True)
