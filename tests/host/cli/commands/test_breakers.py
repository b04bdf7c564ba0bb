"""`trader breakers`: who is left out, since when, why, until when; and how to end it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from host.cli.main import main
from host.home.home import Home, create_home
from host.planning.breaker_store import BreakerStore
from planner_core.model.circuit_breaker import Signal

KEY = "filters.diversity"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return create_home(tmp_path / "home", demo=True).home


def run(home: Home, *arguments: str) -> int:
    return main(["breakers", *arguments, "--home", str(home.root)])


def listed(home: Home, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert run(home, "--json") == 0
    breakers: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["breakers"]
    return breakers


def test_an_open_breaker_is_listed_with_state_since_reason_and_next_trial(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    BreakerStore(home).signal(KEY, Signal.CRASH, "it died\x1b[31m")
    (record,) = listed(home, capsys)
    assert (record["key"], record["state"]) == (KEY, "open")
    assert 290 < record["retry_after_s"] <= 300
    ahead = datetime.fromisoformat(record["retry_at"]) - datetime.now(UTC)
    assert timedelta(minutes=4) < ahead <= timedelta(minutes=5)
    assert record["since"] is not None
    assert run(home) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"{KEY}  open  since ")
    assert "next trial " in text
    assert "it died" in text
    assert "\x1b" not in text


def test_a_plan_leaves_the_module_out_until_it_is_reset(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    def status() -> str:
        capsys.readouterr()
        assert main(["plan", "core", "--json", "--home", str(home.root)]) == 0
        modules = json.loads(capsys.readouterr().out)["modules"]
        return str(next(m["status"] for m in modules if m["key"] == KEY))

    BreakerStore(home).signal(KEY, Signal.CRASH, "it died")
    assert status() == "skipped_open"
    assert run(home, "reset", KEY) == 0
    assert status() == "ok"
    assert listed(home, capsys) == []


def test_a_module_can_be_switched_off_by_hand_and_all_be_reset(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(home, "disable", KEY) == 0
    assert [(b["state"], b["retry_at"]) for b in listed(home, capsys)] == [("disabled", None)]
    BreakerStore(home).signal("filters.eligibility", Signal.CRASH)
    assert run(home, "reset", "all") == 0
    assert listed(home, capsys) == []
    assert run(home) == 0
    assert capsys.readouterr().out == "All breakers are closed: no module is left out.\n"


def test_resetting_a_closed_breaker_is_no_error_and_an_unknown_module_is(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(home, "reset", KEY) == 0
    assert "nothing to reset" in capsys.readouterr().out
    for action in ("reset", "disable"):
        assert run(home, action, "filters.diversty") == 2
        assert f"did you mean `{KEY}`?" in capsys.readouterr().err


def test_a_short_name_will_do_where_one_module_has_it_and_else_all_are_named(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(home, "reset", "all") == 0
    assert capsys.readouterr().out == "nothing to reset: all breakers are closed\n"
    assert run(home, "disable", "diversity") == 0
    assert [b["key"] for b in listed(home, capsys)] == [KEY]
    assert run(home, "reset", "diversity") == 0
    assert listed(home, capsys) == []
    assert run(home, "disable", "profit_taking") == 2
    hint = "which one? opportunity_calculators.profit_taking or pattern_generators.profit_taking"
    assert hint in capsys.readouterr().err


def test_a_module_of_a_plugin_that_is_gone_can_still_be_reset(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    BreakerStore(home).signal("filters.of_a_plugin", Signal.CRASH)
    assert run(home, "reset", "filters.of_a_plugin") == 0
    assert listed(home, capsys) == []


def test_a_file_that_cannot_be_read_is_not_told_as_closed_breakers(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    path = home.state_dir / "breakers.json"
    path.parent.mkdir(exist_ok=True)
    path.symlink_to(path)  # neither root may read it
    assert run(home) == 1
    result = capsys.readouterr()
    assert result.out == ""
    assert "breakers.json: cannot be read" in result.err


def test_without_a_home_and_with_a_disk_that_refuses_it_says_so(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(Home(tmp_path / "nowhere")) == 2
    assert "no trader home found here" in capsys.readouterr().err
    BreakerStore(home).signal(KEY, Signal.CRASH)
    lock = home.state_dir / "breakers.lock"
    lock.unlink()
    lock.mkdir()
    for line in (("reset", KEY), ("disable", "beam")):
        assert run(home, *line) == 1
        result = capsys.readouterr()
        assert result.out == "", "nothing that was not kept is told as done"
        assert "breakers.lock" in result.err
