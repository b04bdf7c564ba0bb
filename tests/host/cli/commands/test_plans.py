"""`trader plans`: what is stored, and one of it."""

from __future__ import annotations

from host.home.home import Home
from tests.host.conftest import Trader


def test_plans_are_listed_newest_first_and_one_is_printed(trader: Trader, own_home: Home) -> None:
    home = ("--home", own_home.root)
    assert "no plan is stored yet (trader plan core)" in trader("plans", "core", *home).out
    first, second = (trader("plan", "core", "--json", *home).json for _ in range(2))
    lines = trader("plans", "core", *home).out.splitlines()
    assert [line.split()[2] for line in lines] == [second["trace_id"], first["trace_id"]]
    steps = len(second["steps"])
    assert lines[0].endswith(f"{second['outcome']:<13}  {f'{steps} steps':>8}")
    assert len(trader("plans", "core", "-n", 1, *home).out.splitlines()) == 1
    assert trader("plans", "core", first["trace_id"], *home).json == first


def test_an_unknown_plan_is_an_error_with_exit_code_2(trader: Trader, own_home: Home) -> None:
    result = trader("plans", "core", "0" * 32, "--home", own_home.root)
    assert result.code == 2
    assert "no plan '00000000000000000000000000000000' is stored" in result.err


def test_a_damaged_plan_is_listed_as_such(trader: Trader, own_home: Home) -> None:
    home = ("--home", own_home.root)
    trader("plan", "core", *home)
    next(own_home.plans_dir("core").glob("*.json")).write_bytes(b"{")
    assert trader("plans", "core", *home).out.rstrip().endswith("damaged")
