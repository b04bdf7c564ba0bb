"""A split that fits no column is an error; one that the closes contradict stops its security."""

from __future__ import annotations

from pathlib import Path

from host.home.portfolio.snapshot import take_snapshot
from planner_core.model.records import Severity
from tests.host.small_home import PORTFOLIO, small_home

HEADER = "date,security,ratio\n"
SPLIT_PRICES = """\
date,AAA,BBB
2024-01-02,400.0,50.0
2024-01-03,404.0,50.5
2024-01-04,102.0,51.0
2024-01-05,103.0,51.5
"""


def test_a_split_of_a_name_without_prices_holds_the_nearest_security(tmp_path: Path) -> None:
    home = small_home(tmp_path, actions=f"{HEADER}2024-01-04,AAAX,4\n", prices=SPLIT_PRICES)
    context = take_snapshot(home, "core")
    (finding,) = [f for f in context.findings if f.id == "split_security_unknown"]
    assert finding.severity is Severity.ERROR
    assert f"{home.corporate_actions_file}:2: there are no prices of AAAX" in finding.message
    assert "did you mean `AAA`?" in finding.action
    assert list(context.held_back) == ["AAA"]


def test_a_name_that_resembles_none_is_an_error_and_holds_nothing(tmp_path: Path) -> None:
    home = small_home(tmp_path, actions=f"{HEADER}2024-01-04,QQQQ,4\n")
    context = take_snapshot(home, "core")
    assert [f.id for f in context.findings] == ["split_security_unknown"]
    assert context.held_back == {}


def test_a_security_of_another_bucket_is_known_by_its_prices(tmp_path: Path) -> None:
    prices = (
        SPLIT_PRICES.replace("AAA,BBB", "AAA,BBB,OTHER")
        .replace("0\n", "0,7.0\n")
        .replace("5\n", "5,7.0\n")
    )
    # In any case: the other bucket reads it so.
    actions = f"{HEADER}2024-01-04,OTHER,4\n2024-01-05,other,2\n"
    home = small_home(tmp_path, actions=actions, prices=prices)
    assert "split_security_unknown" not in {f.id for f in take_snapshot(home, "core").findings}


def test_a_split_that_the_closes_contradict_stops_its_security(tmp_path: Path) -> None:
    home = small_home(tmp_path, actions=f"{HEADER}2024-01-04,AAA,4\n")
    context = take_snapshot(home, "core")
    (finding,) = [f for f in context.findings if f.id == "split_without_jump"]
    assert finding.severity is Severity.ERROR
    assert context.held_back == {"AAA": "its closes contradict its declared split"}
    # The lot is not doubted on top of it: which of the two is wrong is not settled.
    assert not any(lot.is_doubtful for lot in context.lots)


def test_a_split_that_the_closes_show_is_applied_in_silence(tmp_path: Path) -> None:
    # The id in another case is the same security, as in every table and in the ledger.
    actions = f"{HEADER}2024-01-04,aaa,4\n"
    portfolio = PORTFOLIO.replace("quantity = 10", "quantity = 40")
    home = small_home(tmp_path, actions=actions, prices=SPLIT_PRICES, portfolio=portfolio)
    context = take_snapshot(home, "core")
    assert (context.findings, context.held_back) == ((), {})


def test_lots_that_are_fewer_than_the_ledger_after_a_split_say_so(tmp_path: Path) -> None:
    home = small_home(tmp_path, actions=f"{HEADER}2024-01-04,AAA,4\n", prices=SPLIT_PRICES)
    (finding,) = take_snapshot(home, "core").findings
    assert finding.id == "fill_not_in_lots"
    assert "bought 10 (40 in today's units), but the lots have 10 in all" in finding.message
