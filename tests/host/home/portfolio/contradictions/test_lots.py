"""A lot against the close of its day: which factor fits, and what a plan then does with it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from host.home.portfolio.snapshot import take_snapshot
from planner_core.model.context import PlanningContext
from planner_core.model.records import Severity
from tests.host.small_home import small_home

DAYS = [date(2022, 1, 3) + timedelta(days=k) for k in range(600)]
BOUGHT, AS_OF = DAYS[10], DAYS[-1]
NO_LEDGER = "date,security,side,quantity,price,fx_rate\n"
PORTFOLIO = f"""\
base_currency = "USD"
as_of = {AS_OF}
{{market}}
[cash]
USD = {{{{ settled = 1000.0 }}}}

[securities.AAA]
currency = "{{currency}}"
{{unit}}
lots = [{{{{ date = {BOUGHT}, quantity = 10, unit_cost = {{cost}} }}}}]
"""


@dataclass(frozen=True)
class Market:
    """Closes of 600 days, 100 on the day of the purchase, and what the portfolio says of them."""

    close: float = 100.0
    growth: float = 0.0
    unit: str = ""
    closes: str = ""
    split: tuple[date, float] | None = None
    currency: str = "USD"
    rate: float = 1.0


def context_of(root: Path, cost: float, **settings: Any) -> PlanningContext:  # noqa: ANN401 - keys of [market]
    """Return the context of a lot bought at `cost`; the settings are those of Market."""
    own = Market(**settings)
    unit, closes, split, currency = own.unit, own.closes, own.split, own.currency
    market = f'[market]\ncloses = "{closes}"\n' if closes else ""
    portfolio = PORTFOLIO.format(cost=cost, unit=unit, market=market, currency=currency)
    rows = []
    for row, day in enumerate(DAYS):
        level = own.close * (1 + own.growth) ** ((row - 10) / 365.25) * (1 + 0.004 * (row % 2))
        if split is not None and day >= split[0]:
            level /= split[1]
        rows.append(f"{day},{level:.6f}")
    fx = [f"{day},{own.rate}" for day in DAYS]
    home = small_home(
        root,
        portfolio=portfolio,
        prices="\n".join(["date,AAA", *rows]) + "\n",
        fx="\n".join([f"date,{currency}", *fx]) + "\n" if currency != "USD" else None,
        ledger=NO_LEDGER,
        actions=f"date,security,ratio\n{split[0]},AAA,{split[1]:g}\n" if split else None,
    )
    return take_snapshot(home, "core")


def test_a_cost_in_pounds_beside_closes_in_pence_is_named_with_the_cost_to_write(
    tmp_path: Path,
) -> None:
    unit = 'price_unit = "GBX"'
    context = context_of(tmp_path, 10.5, close=1166.0, unit=unit, currency="GBP", rate=1.21)
    (finding,) = context.findings
    assert (finding.id, finding.severity) == ("lot_cost_doubtful", Severity.WARNING)
    assert "unit_cost = 10.5 is 1/111 of the close of 2022-01-13, 1166" in finding.message
    assert "a factor of 1/100" in finding.message
    assert "write unit_cost = 1050" in finding.action
    (lot,) = context.lots
    # The lower reading is the written one: a sell is taxed as if all of it were gain.
    assert lot.is_doubtful
    assert lot.unit_cost == pytest.approx(0.105)
    assert context.held_back == {}


def test_closes_that_may_be_in_pence_without_a_price_unit_hold_the_security(
    tmp_path: Path,
) -> None:
    context = context_of(tmp_path, 11.2, close=1166.0, currency="GBP", rate=1.21)
    (finding,) = context.findings
    assert (finding.id, finding.severity) == ("closes_in_minor_unit", Severity.ERROR)
    assert 'write price_unit = "GBX" and unit_cost = 1120' in finding.action
    assert context.held_back == {"AAA": "its closes may be in GBX"}


def test_a_cost_in_pence_beside_closes_in_pounds_counts_with_the_lower_cost(
    tmp_path: Path,
) -> None:
    context = context_of(tmp_path, 10_500.0)
    (finding,) = context.findings
    assert "105 times" in finding.message
    assert "a factor of 100" in finding.message
    (lot,) = context.lots
    assert lot.is_doubtful
    assert lot.unit_cost == pytest.approx(105.0)


def test_a_lot_from_before_a_declared_split_holds_the_security(tmp_path: Path) -> None:
    context = context_of(tmp_path, 101.0, split=(DAYS[300], 4.0))
    (finding,) = context.findings
    assert (finding.id, finding.severity) == ("lot_split_missing", Severity.ERROR)
    assert "unit_cost = 25.25, and quantity = 40 unless" in finding.action
    assert list(context.held_back) == ["AAA"]
    assert context.lots[0].unit_cost == pytest.approx(25.25)
    today = context_of(tmp_path / "today", 25.25, split=(DAYS[300], 4.0))
    assert (today.findings, today.held_back) == ((), {})


def test_two_splits_multiply(tmp_path: Path) -> None:
    portfolio = PORTFOLIO.format(cost=100.0, unit="", market="", currency="USD")
    levels = [100.0] * 300 + [50.0] * 100 + [10.0] * 200
    rows = [f"{day},{level}" for day, level in zip(DAYS, levels, strict=True)]
    home = small_home(
        tmp_path,
        portfolio=portfolio,
        prices="\n".join(["date,AAA", *rows]) + "\n",
        fx=None,
        ledger=NO_LEDGER,
        actions=f"date,security,ratio\n{DAYS[300]},AAA,2\n{DAYS[400]},AAA,5\n",
    )
    (finding,) = take_snapshot(home, "core").findings
    assert "unit_cost = 10, and quantity = 100 unless" in finding.action


def test_a_cost_in_base_currency_is_named(tmp_path: Path) -> None:
    context = context_of(tmp_path, 100 * 0.0105, currency="JPY", rate=0.0068, close=155.0)
    (finding,) = context.findings
    assert "the exchange rate: the cost is in base currency" in finding.message


@pytest.mark.parametrize(
    ("cost", "settings"),
    [
        (96.0, {}),
        (104.0, {}),
        (130.0, {}),  # dividends of a year and a half, counted back, and a bad day
        (60.0, {}),  # no factor: nothing is said unless closes are prices
        (170.0, {}),
        (60.0, {"closes": "total_return"}),
        (104.0, {"closes": "price"}),
        (0.0, {}),  # a gift
        (100.0, {"growth": 3.0}),
        (100.0, {"growth": -0.6}),
    ],
)
def test_what_a_day_and_dividends_explain_is_not_doubted(
    tmp_path: Path, cost: float, settings: dict[str, Any]
) -> None:
    context = context_of(tmp_path, cost, **settings)
    assert context.findings == ()
    assert not context.lots[0].is_doubtful


@pytest.mark.parametrize(("cost", "doubted"), [(60.0, 60.0), (120.0, 100.0)])
def test_where_closes_are_prices_any_cost_beyond_the_range_of_the_day_is_doubted(
    tmp_path: Path, cost: float, doubted: float
) -> None:
    context = context_of(tmp_path, cost, closes="price")
    (finding,) = context.findings
    assert "no factor explains it" in finding.message
    assert context.lots[0].unit_cost == pytest.approx(doubted)


def test_a_lot_of_a_day_without_a_close_nearby_cannot_be_compared(tmp_path: Path) -> None:
    portfolio = PORTFOLIO.format(cost=1.0, unit="", market="", currency="USD")
    prices = f"date,AAA\n{DAYS[20]},100\n{AS_OF},100\n"
    home = small_home(tmp_path, portfolio=portfolio, prices=prices, fx=None, ledger=NO_LEDGER)
    assert take_snapshot(home, "core").findings == ()
