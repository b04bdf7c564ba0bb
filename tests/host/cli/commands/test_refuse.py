"""`trader refuse`: what it keeps and says, and that the next plan does without."""

from __future__ import annotations

import json

import pytest

from host.home.home import Home
from tests.host.conftest import Trader

KEYS = ["bucket_id", "as_of", "changed", "refused"]


def sides(home: Home) -> list[tuple[str, str, str]]:
    stored = json.loads(home.advice_file("core").read_text())
    return [(step["security"], step["side"], step["until"]) for step in stored["refused"]]


def test_a_step_that_was_refused_is_not_in_the_next_plan_and_its_reason_is(
    trader: Trader, own_home: Home
) -> None:
    home = ("--home", own_home.root)
    before = trader("plan", "core", *home, "--json").json
    step = before["steps"][-1]
    result = trader("refuse", "core", step["security"], *home, "--reason", "not this one")
    assert (result.code, result.err) == (0, "")
    assert result.out == (
        f"core: no {step['side']} of {step['security']} before 2023-01-27: not this one\n"
        f"Next: trader plan core --home {own_home.root}\n"
    )
    after = trader("plan", "core", *home, "--json").json
    assert (step["side"], step["security"]) not in {
        (s["side"], s["security"]) for s in after["steps"]
    }
    reasons = {(r["side"], r["security"]): r["reason"] for r in after["rejected"]}
    why = "you refused it until 2023-01-27: not this one"
    assert reasons[step["side"], step["security"]] == why
    assert trader("refuse", "core", step["security"], *home, "--undo").code == 0
    again = trader("plan", "core", *home, "--json").json
    assert again["steps"] == before["steps"]


def test_without_a_side_it_is_the_side_of_the_newest_plan_or_both(
    trader: Trader, own_home: Home
) -> None:
    home = ("--home", own_home.root)
    trader("refuse", "core", "WMT", *home, "--days", 1)
    assert sides(own_home) == [("WMT", "buy", "2022-12-29"), ("WMT", "sell", "2022-12-29")]
    trader("refuse", "core", "WMT", *home, "--undo")
    trader("plan", "core", *home)
    trader("refuse", "core", "WMT", *home)
    assert sides(own_home) == [("WMT", "buy", "2023-01-27")]
    trader("refuse", "core", "WMT", *home, "--side", "sell", "--days", 3650)
    assert ("WMT", "sell", "2032-12-25") in sides(own_home)


def test_the_list_and_the_json_say_what_is_refused(trader: Trader, own_home: Home) -> None:
    home = ("--home", own_home.root)
    assert trader("refuse", "core", "--list", *home).out == "core: nothing is refused\n"
    result = trader("refuse", "core", "KO", *home, "--side", "buy", "--json").json
    entry = {"security": "KO", "side": "buy", "until": "2023-01-27", "reason": ""}
    assert list(result) == ["schema_version", *KEYS]
    assert result["changed"] == result["refused"] == [entry]
    listed = trader("refuse", "core", "--list", *home, "--json").json
    assert (listed["changed"], listed["refused"]) == ([], [entry])
    assert trader("refuse", "core", "--list", *home).out == "core: no buy of KO before 2023-01-27\n"
    undone = trader("refuse", "core", "KO", "--undo", *home, "--json").json
    assert (undone["changed"], undone["refused"]) == ([entry], [])
    said_again = trader("refuse", "core", "KO", "--undo", *home)
    assert (said_again.code, said_again.out) == (0, "core: KO was not refused\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("wmtt",), "no security 'wmtt' in core (did you mean `WMT`?)"),
        (("qqqqqq", "--undo"), "no security 'qqqqqq' in core (see its portfolio)"),
        ((), "trader refuse: which SECURITY? (or --list shows what is refused)"),
        (("WMT", "--days", "0"), "'0': must be 1 to 3650"),
        (("WMT", "--days", "9" * 5_000), "must be 1 to 3650"),
        (("WMT", "--side", "lend"), "invalid choice: 'lend'"),
        (("WMT", "--reason", "x" * 201), "longer than 200 characters"),
        (("WMT", "--undo", "--list"), "not allowed with"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_exit_code_2(
    trader: Trader, demo_home: Home, arguments: tuple[str, ...], message: str
) -> None:
    result = trader("refuse", "core", *arguments, "--home", demo_home.root)
    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert result.err.count("\n") == 1
    assert not demo_home.state_dir.exists()


def test_a_refusal_of_what_left_the_portfolio_can_be_taken_back(
    trader: Trader, own_home: Home
) -> None:
    home = ("--home", own_home.root)
    trader("refuse", "core", "NVDA", *home)  # no such security: nothing is stored
    assert not own_home.advice_file("core").exists()
    path = own_home.advice_file("core")
    trader("refuse", "core", "KO", *home, "--side", "buy")
    path.write_text(path.read_text().replace("KO", "GONE"))
    result = trader("refuse", "core", "GONE", "--undo", *home)
    assert (result.code, result.err) == (0, "")
    assert sides(own_home) == []


def test_what_would_move_a_terminal_is_escaped(trader: Trader, own_home: Home) -> None:
    result = trader("refuse", "core", "KO", "--home", own_home.root, "--reason", "\x1b[2Jno")
    assert (result.code, "\x1b" in result.out) == (0, False)


def test_a_damaged_file_is_told_and_replaced(trader: Trader, own_home: Home) -> None:
    path = own_home.advice_file("core")
    path.parent.mkdir(parents=True)
    path.write_text("{")
    result = trader("refuse", "core", "KO", "--home", own_home.root, "--side", "buy")
    assert result.code == 0
    assert "earlier refusals and dismissals are lost" in result.err
    assert sides(own_home) == [("KO", "buy", "2023-01-27")]
