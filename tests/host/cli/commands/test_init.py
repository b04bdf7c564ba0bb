"""`trader init`: a home is written once, and never over something."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.host.conftest import Trader


def test_init_writes_a_home_once_and_leaves_it_alone_then(trader: Trader, tmp_path: Path) -> None:
    home = tmp_path / "my new"
    first = trader("init", "--home", home, "--json")
    assert first.code == 0
    assert "portfolios/core.toml" in first.json["written"]
    second = trader("init", "--home", home)
    assert (second.code, "existing not changed" in second.out) == (0, True)
    assert f"trader plan core --home '{home}'" in second.out


def test_the_home_may_stand_before_and_after_the_command_and_in_the_environment(
    trader: Trader,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for number, place in enumerate(("before", "equals", "after", "environment")):
        home = tmp_path / place
        arguments: list[object] = ["init"]
        if place == "before":
            arguments = ["--home", home, "init"]
        elif place == "equals":
            arguments = [f"--home={home}", "init"]
        elif place == "after":
            arguments = ["init", "--home", home]
        else:
            monkeypatch.setenv("ARDUINO_TRADER_HOME", str(home))
        assert trader(*arguments).code == 0, number
        assert (home / "portfolios" / "core.toml").exists()


def test_demo_data_is_not_mixed_into_somebody_s_own_home(trader: Trader, tmp_path: Path) -> None:
    home = tmp_path / "own"
    trader("init", "--home", home)
    result = trader("init", "--demo", "--home", home)
    assert result.code == 2
    assert "not mixed into it" in result.err


def test_a_new_disk_and_hidden_files_are_as_good_as_an_empty_folder(
    trader: Trader, tmp_path: Path
) -> None:
    (tmp_path / "lost+found").mkdir()
    (tmp_path / ".DS_Store").touch()
    assert trader("init", "--home", tmp_path).code == 0
    assert (tmp_path / "portfolios" / "core.toml").exists()


@pytest.mark.parametrize("option", [(), ("--demo",)])
def test_init_refuses_a_folder_that_holds_something_else(
    trader: Trader, tmp_path: Path, option: tuple[str, ...]
) -> None:
    (tmp_path / "passwd").write_text("root\n")
    result = trader("init", *option, "--home", tmp_path)
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert "is not empty and not a trader home" in result.err
    assert [path.name for path in tmp_path.iterdir()] == ["passwd"]


@pytest.mark.parametrize("name", ["buckets/", "portfolios/", "device.toml", "log/", "README.txt"])
def test_init_completes_an_interrupted_home_or_one_that_a_daemon_began(
    trader: Trader, tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    path.mkdir() if name.endswith("/") else path.write_text("")
    assert trader("init", "--home", tmp_path).code == 0
    assert (tmp_path / "portfolios" / "core.toml").exists()
