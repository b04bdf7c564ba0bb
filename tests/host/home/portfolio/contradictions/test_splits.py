"""A split that fits no column is an error; one that the closes contradict stops its security."""

from __future__ import annotations

from datetime import date, timedelta
from math import cos, sin
from pathlib import Path
from typing import Any

import pytest

from host.home.home import Home
from host.home.portfolio.snapshot import take_snapshot
from planner_core.model.records import Severity
from tests.host.conftest import Trader
from tests.host.small_home import PORTFOLIO, small_home, with_configuration

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


# -- a split that the closes do not show -----------------------------------------------------------

DAYS = [date(2022, 1, 3) + timedelta(days=k) for k in range(700)]
SPLIT_DAY = DAYS[500]
TWO_FUNDS = """\
base_currency = "USD"
as_of = {as_of}

[cash]
USD = {{ settled = 200.0 }}

[securities.AAA]
currency = "USD"
target = 0.5
lots = [{{ date = 2022-02-07, quantity = {quantity}, unit_cost = {cost} }}]

[securities.BBB]
currency = "USD"
target = 0.5
kind = "fund"
lots = [{{ date = 2022-02-07, quantity = 100, unit_cost = 100.0 }}]
"""


def split_home(root: Path, quantity: float, cost: float, ratio: str, day: date = SPLIT_DAY) -> Home:
    """100 units of AAA and BBB at about 100 each; AAA does not jump on the day of its split."""
    wave = [100 * (1 + 0.01 * sin(k)) for k in range(700)]
    other = [100 * (1 + 0.01 * cos(2 * k)) for k in range(700)]
    rows = [f"{d},{a:.4f},{b:.4f}" for d, a, b in zip(DAYS, wave, other, strict=True)]
    home = small_home(
        root,
        portfolio=TWO_FUNDS.format(as_of=DAYS[-1], quantity=quantity, cost=cost),
        prices="\n".join(["date,AAA,BBB", *rows]) + "\n",
        fx=None,
        ledger="date,security,side,quantity,price,fx_rate\n",
        actions=f"{HEADER}{day},AAA,{ratio}\n",
    )
    return with_configuration(home)


def plan_of(trader: Trader, home: Home) -> dict[str, Any]:
    plan: dict[str, Any] = trader("plan", "core", "--json", "--home", home.root).json
    return plan


def sells(plan: dict[str, Any]) -> list[str]:
    return [step["security"] for step in plan["steps"] if step["side"] == "sell"]


def warnings(plan: dict[str, Any]) -> list[str]:
    return [f["id"] for f in plan["findings"] if f["severity"] != "info"]


@pytest.mark.parametrize("ratio", ["2", "1:2", "10"])
def test_a_superfluous_split_sells_nothing_and_its_one_cure_works(
    tmp_path: Path, trader: Trader, ratio: str
) -> None:
    home = split_home(tmp_path, 100, 100.0, ratio)
    plan = plan_of(trader, home)
    errors = [f for f in plan["findings"] if f["severity"] == "error"]
    assert [f["id"] for f in errors] == ["split_without_jump"]
    assert errors[0]["action"] == "delete line 2: closes and lots agree without it"
    assert sells(plan) == []
    home.corporate_actions_file.write_text(HEADER)
    assert warnings(plan_of(trader, home)) == []


@pytest.mark.parametrize(("quantity", "cost", "ratio"), [(50, 200.0, "2"), (200, 50.0, "1:2")])
def test_lots_in_old_units_beside_adjusted_closes_sell_nothing_and_the_cure_works(
    tmp_path: Path, trader: Trader, quantity: float, cost: float, ratio: str
) -> None:
    # Half or twice what AAA is worth: BBB or AAA would be far above its target.
    home = split_home(tmp_path, quantity, cost, ratio)
    plan = plan_of(trader, home)
    (finding,) = [f for f in plan["findings"] if f["severity"] == "error"]
    assert finding["id"] == "split_without_jump"
    assert "delete line 2, and write the lots in today's units: at " in finding["action"]
    assert "quantity = 100, unit_cost = 100" in finding["action"]
    assert sells(plan) == []
    home.corporate_actions_file.write_text(HEADER)
    portfolio = TWO_FUNDS.format(as_of=DAYS[-1], quantity=100, cost=100.0)
    home.portfolio_file("core").write_text(portfolio)
    assert warnings(plan_of(trader, home)) == []
