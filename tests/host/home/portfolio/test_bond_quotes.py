"""Bonds in percent of par: worth the same as in money, and a question where it is left open."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from host.home.portfolio.snapshot import take_snapshot
from host.home.storage.problems import MarketDataError, PortfolioFileError
from planner_core.market.groups import group_membership
from planner_core.market.state import value
from planner_core.model.context import PlanningContext
from planner_core.model.records import BondTerms, DayCount, SecurityKind
from tests.builders import make_config
from tests.host.small_home import small_home

BASE = 'base_currency = "USD"\nas_of = 2024-01-05\n[cash]\nUSD = { settled = 1000.0 }\n'
LEDGER = "date,security,side,quantity,price,fx_rate\n"
DAYS = ("2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05")


def table(closes: list[float]) -> str:
    rows = (f"{day},{close!r}\n" for day, close in zip(DAYS, closes, strict=True))
    return "date,BOND\n" + "".join(rows)


def snapshot_of(
    root: Path,
    lines: str,
    closes: list[float] | None = None,
    ledger: str = LEDGER,
) -> PlanningContext:
    portfolio = f'{BASE}[securities.BOND]\ncurrency = "USD"\n{lines}\n'
    closes = closes or [97.9, 98.0, 98.1, 98.0]
    return take_snapshot(
        small_home(root, portfolio=portfolio, prices=table(closes), ledger=ledger), "core"
    )


def refusal_of(root: Path, lines: str, closes: list[float] | None = None) -> str:
    with pytest.raises((MarketDataError, PortfolioFileError)) as caught:
        snapshot_of(root, lines, closes)
    (line,) = caught.value.lines
    return line.replace(f"{root}/", "")


HELD = "lots = [{ date = 2023-06-01, quantity = 10000, unit_cost = 98.2 }]\n"
IN_PERCENT = 'price_unit = "percent"\nlot_size = 1000\n' + HELD
TERMS = "coupon = 5.0\ncoupon_frequency = 1\nmaturity = 2030-06-15\n"


def test_nominal_at_98_percent_is_worth_98_percent_of_it(tmp_path: Path) -> None:
    context = snapshot_of(tmp_path, IN_PERCENT)
    (bond,) = context.securities
    assert (bond.kind, bond.lot_size, bond.diversified) == (SecurityKind.BOND, 1_000.0, False)
    assert (bond.quote_unit, bond.quote_factor) == ("percent", 0.01)
    assert context.lots[0].unit_cost == pytest.approx(0.982)
    assert value(context, make_config())[1].nav == pytest.approx(1_000 + 9_800)


@settings(max_examples=20, deadline=None)
@given(
    quantity=st.integers(1, 500).map(lambda hundreds: hundreds * 100),
    quotes=st.lists(st.floats(20.0, 180.0), min_size=4, max_size=4),
    cost=st.floats(1.0, 200.0),
)
def test_a_position_in_percent_equals_the_same_position_in_money(
    tmp_path_factory: pytest.TempPathFactory, quantity: int, quotes: list[float], cost: float
) -> None:
    root = tmp_path_factory.mktemp("home")
    lot = "lots = [{ date = 2023-06-01, quantity = %d, unit_cost = %r }]\n"
    ledger = LEDGER + "2024-01-03,BOND,buy,%d,%r,\n"
    percent = snapshot_of(
        root / "percent",
        'price_unit = "percent"\nlot_size = 100\n' + lot % (quantity, cost),
        quotes,
        ledger % (quantity, quotes[1]),
    )
    money = snapshot_of(
        root / "money",
        'price_unit = "unit"\nlot_size = 100\n' + lot % (quantity, cost / 100),
        [quote / 100 for quote in quotes],
        ledger % (quantity, quotes[1] / 100),
    )
    config = make_config()
    (history, portfolio), (other_history, other) = value(percent, config), value(money, config)
    np.testing.assert_allclose(portfolio.value, other.value, rtol=1e-12)
    np.testing.assert_allclose(portfolio.cost_basis, other.cost_basis, rtol=1e-12)
    np.testing.assert_allclose(history.base, other_history.base, rtol=1e-12)
    assert portfolio.nav == pytest.approx(other.nav, rel=1e-12)
    assert percent.trades[0].value == pytest.approx(money.trades[0].value, rel=1e-12)


def test_interest_is_computed_from_the_terms_or_typed(tmp_path: Path) -> None:
    context = snapshot_of(tmp_path, IN_PERCENT + TERMS)
    assert context.securities[0].bond == BondTerms(0.05, 1, date(2030, 6, 15), DayCount.ACT_ACT)
    # 204 days from 15 June 2023 to 5 January 2024, in a period of 366.
    interest = 10_000 * 0.05 * 204 / 366
    assert value(context, make_config())[1].nav == pytest.approx(10_800 + interest)
    typed = snapshot_of(tmp_path / "typed", IN_PERCENT + TERMS + "accrued = 1.5\n")
    assert value(typed, make_config())[1].nav == pytest.approx(10_800 + 150)


def test_a_fill_of_a_bond_counts_with_the_interest_of_its_day(tmp_path: Path) -> None:
    ledger = LEDGER + "2023-12-15,BOND,buy,1000,98.0,\n"
    (trade,) = snapshot_of(tmp_path, IN_PERCENT + TERMS, ledger=ledger).trades
    assert trade.value == pytest.approx(980 + 1_000 * 0.05 * 183 / 366)


def test_a_price_for_several_units_is_multiplied(tmp_path: Path) -> None:
    lots = "lots = [{ date = 2023-06-01, quantity = 2, unit_cost = 40.0 }]\n"
    context = snapshot_of(tmp_path, 'kind = "commodity"\nprice_multiplier = 100\n' + lots)
    assert context.lots[0].unit_cost == 4_000.0
    assert value(context, make_config())[1].nav == pytest.approx(1_000 + 2 * 100 * 98.0)
    assert context.securities[0].quote_factor == 100.0


@pytest.mark.parametrize(
    ("lines", "fractional"),
    [('kind = "crypto"', True), ('kind = "crypto"\nfractional = false', False), ("", False)],
)
def test_crypto_can_be_bought_in_parts(tmp_path: Path, lines: str, fractional: bool) -> None:
    assert snapshot_of(tmp_path, lines).securities[0].fractional is fractional


# -- the question -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lines",
    [
        'name = "5% 2030, nominal 10,000"\n',
        'name = "Bundesanleihe 2,5 % 2044"\n',
        'name = "US Treasury Note 2028"\n',
        'kind = "bond"\n',
        "",  # BOND is its id
    ],
)
def test_a_nominal_amount_counted_as_units_stops_the_plan(tmp_path: Path, lines: str) -> None:
    assert refusal_of(tmp_path, lines + HELD) == (
        "portfolios/core.toml:5:13: BOND looks like a bond quoted in percent of par:"
        " 10,000 x 98.00 counts as 980,000 USD, in percent it is 9,800"
        ' (write price_unit = "percent", or "unit" if one unit costs 98.00)'
    )


@pytest.mark.parametrize("answer", ['price_unit = "unit"\n', 'price_unit = "percent"\n'])
def test_either_answer_ends_the_question(tmp_path: Path, answer: str) -> None:
    context = snapshot_of(tmp_path, 'kind = "bond"\n' + HELD + answer)
    assert "quote_looks_like_percent" not in ids_of(context)


@pytest.mark.parametrize(
    "lines",
    [
        'name = "iShares USD Treasury Bond ETF"\n' + HELD,
        'kind = "fund"\n' + HELD,
        'name = "5% 2030"\nlots = [{ date = 2023-06-01, quantity = 12, unit_cost = 98.2 }]\n',
        'name = "5% 2030"\n' + HELD.replace("10000", "10037"),
    ],
)
def test_a_fund_or_a_few_units_are_no_nominal_amount(tmp_path: Path, lines: str) -> None:
    assert len(snapshot_of(tmp_path, lines).securities) == 1


def test_a_bond_of_few_units_is_a_question_in_the_plan(tmp_path: Path) -> None:
    lots = "lots = [{ date = 2023-06-01, quantity = 10, unit_cost = 98.2 }]\n"
    (finding,) = snapshot_of(tmp_path, 'kind = "bond"\n' + lots).findings
    assert (finding.id, finding.severity.value) == ("quote_looks_like_percent", "warning")
    assert "10 x 98.00 counts as 980 USD, in percent it is 10" in finding.message


def unnamed(root: Path, quantity: int, closes: list[float]) -> PlanningContext:
    held = HELD.replace("10000", str(quantity))
    portfolio = f'{BASE}[securities.XS1]\ncurrency = "USD"\n{held}'
    prices = table(closes).replace("BOND", "XS1")
    return take_snapshot(small_home(root, portfolio=portfolio, prices=prices), "core")


def ids_of(context: PlanningContext) -> list[str]:
    return [finding.id for finding in context.findings]


CALM, WILD = [97.9, 98.0, 98.1, 98.0], [80.0, 98.0, 75.0, 98.0]


def test_calm_thousands_are_held_without_a_name_whatever_their_size(tmp_path: Path) -> None:
    for quantity in (1_000, 10_000):
        context = unnamed(tmp_path / str(quantity), quantity, CALM)
        (finding,) = [f for f in context.findings if f.id == "quote_looks_like_percent"]
        assert finding.severity.value == "error"
        assert list(context.held_back) == ["XS1"]
        assert context.value_factors["XS1"] == (0.01, 1.0)
    assert "quote_looks_like_percent" not in ids_of(unnamed(tmp_path, 10_000, WILD))
    assert "quote_looks_like_percent" not in ids_of(unnamed(tmp_path, 10_100, CALM))
    assert "quote_looks_like_percent" not in ids_of(unnamed(tmp_path, 10_001, CALM))


@pytest.mark.parametrize("quantity", [100, 500, 10_000])
def test_a_small_bond_stops_the_plan_as_a_large_one_does(tmp_path: Path, quantity: int) -> None:
    held = HELD.replace("10000", str(quantity))
    for lines in ('kind = "bond"\n', 'name = "5% 2030"\n'):
        assert "looks like a bond quoted in percent" in refusal_of(tmp_path, lines + held)


# -- what is assumed, and what cannot be ----------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "finding", "part"),
    [
        ('price_unit = "percent"\n' + TERMS, "bond_lot_assumed", "multiples of 1,000 nominal"),
        (IN_PERCENT, "bond_without_terms", "accrued interest is left out"),
        (IN_PERCENT + "accrued = 1.2\n", "bond_without_terms", "accrued interest is as typed"),
        (IN_PERCENT + TERMS.replace("5.0", "0.05"), "bond_coupon_low", "is 0.05 % a year"),
        (IN_PERCENT + TERMS.replace("2030-06-15", "2024-01-05"), "bond_matured", "2024-01-05"),
    ],
)
def test_what_is_assumed_about_a_bond_is_a_finding(
    tmp_path: Path, lines: str, finding: str, part: str
) -> None:
    (only,) = snapshot_of(tmp_path, lines).findings
    assert only.id == finding
    assert part in only.message


def test_interest_far_from_the_coupon_is_a_finding(tmp_path: Path) -> None:
    # By the coupon it is 2.787 percent.
    fits = snapshot_of(tmp_path, IN_PERCENT + TERMS + "accrued = 2.8\n")
    assert fits.findings == ()
    (finding,) = snapshot_of(tmp_path, IN_PERCENT + TERMS + "accrued = 0.3\n").findings
    assert finding.id == "bond_accrued_differs"
    assert "accrued = 0.3, but by the coupon it is 2.787 on 2024-01-05" in finding.message


def test_closes_that_are_fractions_are_a_finding(tmp_path: Path) -> None:
    closes = [0.979, 0.98, 0.981, 0.98]
    (finding,) = snapshot_of(tmp_path, IN_PERCENT + TERMS, closes).findings
    assert finding.id == "quote_is_not_percent"
    assert "the last close is 0.98" in finding.message
    assert "write closes such as 98" in finding.action


MANUAL = Path(__file__).resolve().parents[4] / "docs" / "securities.md"


def test_the_numbers_of_the_manual_are_those_of_a_plan(tmp_path: Path) -> None:
    fund, bond = re.findall(r"```toml\n(.*?)```", MANUAL.read_text(encoding="utf-8"), re.DOTALL)
    prices = "".join(f"{day},100.0,100.0,98.40\n" for day in DAYS)
    nav, us = {}, 0.0
    for name, text in (("fund", fund), ("bond", bond)):
        home = small_home(
            tmp_path / name,
            portfolio="as_of = 2024-01-05\n" + text,
            prices="date,WORLD,USA,DE2032\n" + prices,
            ledger=LEDGER,
        )
        context = take_snapshot(home, "core")
        assert context.findings == ()
        _, portfolio = value(context, make_config())
        nav[name] = portfolio.nav
        if name == "fund":
            us = float((group_membership(context, [("region", "us")]) @ portfolio.weight)[0])
    assert nav == {"fund": pytest.approx(100_000), "bond": pytest.approx(9_937.68, abs=0.005)}
    assert us == pytest.approx(0.572)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (IN_PERCENT + "maturity = 2030-06-15\n", "maturity: coupon is missing"),
        (IN_PERCENT + "coupon = 5.0\ncoupon_frequency = 1\n", "coupon: maturity is missing"),
        (IN_PERCENT + "coupon = 5.0\nmaturity = 2030-06-15\n", "coupon_frequency is missing"),
        (IN_PERCENT + TERMS.replace("2030", "2930"), "is more than 150 years away"),
        (TERMS, 'is of a bond in percent of par (write price_unit = "percent", or delete it)'),
        (IN_PERCENT + 'kind = "fund"\n', "only a bond is quoted in percent"),
        (IN_PERCENT + "price_multiplier = 10\n", "a quote in percent is for 1 of nominal"),
    ],
)
def test_terms_that_contradict_or_are_half_there_are_refused(
    tmp_path: Path, lines: str, message: str
) -> None:
    assert message in refusal_of(tmp_path, lines)
