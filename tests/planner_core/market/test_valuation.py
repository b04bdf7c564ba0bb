"""Holdings and their value, in base currency."""

# ruff: noqa: ANN401 - overrides are of any type

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from planner_core.errors import ContextError
from planner_core.market.prices import build_history
from planner_core.market.state import find_hold_reason, value
from planner_core.market.valuation import Portfolio, cash_yield, latest_rate
from planner_core.model.records import CashBalance, PendingOrder, Side
from tests.builders import (
    constant_rate,
    days_ago,
    make_config,
    make_context,
    make_lot,
    make_security,
    price_paths,
)

NAN = float("nan")
TWO = (make_security("AAA"), make_security("BBB", currency="USD"))
RATES = {"USD": constant_rate(0.9)}


def portfolio_of(lot_age_min: int = 90, **fields: Any) -> Portfolio:
    context = make_context(**{"securities": TWO, "fx_rates": RATES, **fields})
    return value(context, make_config(constraints={"lot_age_min": lot_age_min}))[1]


def test_hand_table_in_two_currencies() -> None:
    portfolio = portfolio_of(
        last_prices=[50.0, 200.0],
        lots=(
            make_lot("AAA", 100, unit_cost=40.0),
            make_lot("BBB", 10, unit_cost=100.0, fx_rate=0.8),
            make_lot("BBB", 20, unit_cost=250.0, fx_rate=1.0),
        ),
        cash=(CashBalance("EUR", 1_000.0, 100.0), CashBalance("USD", 2_000.0, -500.0)),
    )
    assert portfolio.quantity.tolist() == [100, 30]
    assert portfolio.unit_value.tolist() == [50.0, 180.0]
    assert portfolio.value.tolist() == [5_000.0, 5_400.0]
    assert portfolio.cash == pytest.approx(1_100 + 0.9 * 1_500)
    assert portfolio.cash_settled == pytest.approx(1_000 + 0.9 * 2_000)
    assert portfolio.nav == pytest.approx(10_400 + 2_450)
    np.testing.assert_allclose(portfolio.weight, np.array([5_000, 5_400]) / 12_850)
    # 10 x 100 x 0.8 and 20 x 250 x 1: the rate of the purchase, not of today.
    assert portfolio.cost_basis.tolist() == [4_000.0, 5_800.0]
    np.testing.assert_allclose(portfolio.gain, [0.25, 5_400 / 5_800 - 1])


def test_a_rate_is_base_units_per_one_unit_of_the_currency() -> None:
    yen = make_security("AAA", currency="JPY")
    portfolio = portfolio_of(
        securities=(yen,),
        last_prices=[10_000.0],
        lots=(make_lot("AAA", 3),),
        fx_rates={"JPY": constant_rate(0.006)},
        cash=0.0,
    )
    assert portfolio.nav == pytest.approx(180.0)


def test_an_account_below_zero_counts() -> None:
    portfolio = portfolio_of(cash=(CashBalance("EUR", 500.0), CashBalance("USD", -1_000.0)))
    assert portfolio.cash == pytest.approx(-400.0)


def test_a_missing_rate_is_an_error_and_never_one() -> None:
    context = make_context(fx_rates={"USD": np.full(400, NAN)}, cash=(CashBalance("USD", 1.0),))
    with pytest.raises(ContextError, match=r"no recent USD rate; add it to market/fx.csv"):
        value(context, make_config())


@pytest.mark.parametrize(("missing", "raises"), [(0, False), (5, False), (6, True)])
def test_the_rate_of_cash_may_be_five_days_old(missing: int, raises: bool) -> None:
    rates = np.linspace(0.5, 0.9, 400)
    last_rate = rates[399 - missing]
    rates[400 - missing :] = NAN
    context = make_context(fx_rates={"USD": rates})
    if raises:
        with pytest.raises(ContextError, match="no recent USD rate"):
            latest_rate(build_history(context, 100.0), "USD")
    else:
        assert latest_rate(build_history(context, 100.0), "USD") == last_rate
    assert latest_rate(build_history(make_context(), 100.0), "EUR") == 1.0


def test_something_held_without_a_price_is_an_error_that_names_all_of_them() -> None:
    prices = price_paths(400, [100.0] * 4)
    prices[:, 1:3] = NAN
    with pytest.raises(ContextError, match="no price for BBB, CCC, which you hold"):
        value(make_context(prices=prices), make_config())


def test_something_else_without_a_price_is_not() -> None:
    prices = price_paths(400, [100.0] * 4)
    prices[:, 1] = NAN
    portfolio = value(make_context(prices=prices, lots=(make_lot("AAA"),)), make_config())[1]
    assert portfolio.value.tolist() == [10_000, 0, 0, 0]
    assert np.isnan(portfolio.price[1])


def test_a_pending_buy_without_limit_and_price_is_an_error() -> None:
    prices = price_paths(400, [100.0] * 4)
    prices[:, 1] = NAN
    pending = (PendingOrder("BBB", Side.BUY, 5),)
    context = make_context(prices=prices, lots=(), pending_orders=pending)
    with pytest.raises(ContextError, match="a buy of BBB is pending without a limit price"):
        value(context, make_config())


def test_hold_is_counted_per_lot_and_not_from_the_first_buy() -> None:
    lots = (
        make_lot("AAA", 10, acquired=days_ago(1_000)),
        make_lot("AAA", 20, acquired=days_ago(90)),
        make_lot("AAA", 40, acquired=days_ago(89)),
        make_lot("AAA", 80, acquired=None),
    )
    portfolio = portfolio_of(lots=lots)
    assert portfolio.quantity[0] == 150
    assert portfolio.sellable[0] == 30
    assert [lot.quantity for lot in portfolio.sellable_lots[0]] == [10, 20]
    assert portfolio_of(lots=lots, lot_age_min=0).sellable[0] == 150


def test_a_pending_sell_is_not_sellable_a_second_time() -> None:
    portfolio = portfolio_of(
        lots=(make_lot("AAA", 100), make_lot("BBB", 5)),
        pending_orders=(PendingOrder("AAA", Side.SELL, 30), PendingOrder("BBB", Side.SELL, 50)),
    )
    assert portfolio.sellable.tolist() == [70, 0]


def test_a_pending_buy_reserves_cash_at_its_limit_or_at_the_price() -> None:
    portfolio = portfolio_of(
        last_prices=[50.0, 100.0],
        pending_orders=(
            PendingOrder("AAA", Side.BUY, 10),
            PendingOrder("BBB", Side.BUY, 10, limit_price=80.0),
            PendingOrder("AAA", Side.SELL, 3),
        ),
    )
    assert portfolio.cash_pending == pytest.approx(10 * 50 + 10 * 80 * 0.9)


def test_holding_years_are_weighted_by_units_and_unknown_with_one_unknown_lot() -> None:
    lots = (
        make_lot("AAA", 30, acquired=days_ago(100)),
        make_lot("AAA", 10, acquired=days_ago(500)),
    )
    assert portfolio_of(lots=lots).holding_years[0] == pytest.approx(200 / 365.25)
    unknown = (*lots, make_lot("AAA", 1, acquired=None))
    assert np.isnan(portfolio_of(lots=unknown).holding_years[0])
    assert np.isnan(portfolio_of(lots=()).holding_years).all()


def test_what_cost_nothing_has_no_gain_as_a_fraction() -> None:
    portfolio = portfolio_of(lots=(make_lot("AAA", 10, unit_cost=0.0),))
    assert np.isnan(portfolio.gain).all()
    assert portfolio.value[0] > 0


def test_without_anything_of_value_weights_are_zero() -> None:
    portfolio = portfolio_of(lots=(make_lot("AAA", 1),), cash=-100.0)
    assert portfolio.nav <= 0
    assert portfolio.weight.tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("cash", "expected"),
    [
        ((), 0.0),
        ((CashBalance("EUR", 100.0),), 0.0),
        ((CashBalance("EUR", 0.0, 0.0, 0.02),), 0.02),
        # 900 at 2 % and 1,000 USD at 0.9 and 4 %: weights are equal in EUR.
        ((CashBalance("EUR", 800.0, 100.0, 0.02), CashBalance("USD", 1_000.0, 0.0, 0.04)), 0.03),
        # A debt earns nothing.
        ((CashBalance("EUR", 900.0, 0.0, 0.02), CashBalance("USD", -500.0, 0.0, 0.04)), 0.02),
    ],
)
def test_the_yield_of_the_cash_is_weighted_by_balances(
    cash: tuple[CashBalance, ...], expected: float
) -> None:
    context = make_context(securities=TWO, fx_rates=RATES, cash=cash)
    assert cash_yield(context, build_history(context, 100.0)) == pytest.approx(expected)


def test_a_bond_is_worth_its_price_and_its_interest_but_gains_only_by_the_price() -> None:
    bond = make_security("AAA", accrued=0.02, quote_factor=0.01, quote_unit="percent")
    portfolio = portfolio_of(
        securities=(bond, make_security("BBB", currency="USD")),
        last_prices=[0.98, 100.0],
        lots=(make_lot("AAA", 10_000, unit_cost=0.95),),
        cash=200.0,
    )
    assert portfolio.value[0] == pytest.approx(10_000)
    assert portfolio.nav == pytest.approx(10_200)
    assert portfolio.gain[0] == pytest.approx(0.98 / 0.95 - 1)


def test_a_pending_buy_of_a_bond_takes_its_interest_too() -> None:
    bond = make_security("AAA", accrued=0.02)
    order = PendingOrder("AAA", Side.BUY, 1_000.0, 0.97)
    portfolio = portfolio_of(
        securities=(bond, make_security("BBB")), last_prices=[0.98, 1.0], pending_orders=(order,)
    )
    assert portfolio.cash_pending == pytest.approx(990.0)


def test_a_doubtful_cost_is_no_gain_and_no_loss() -> None:
    lots = (make_lot("AAA", 50), make_lot("AAA", 50, is_doubtful=True), make_lot("BBB", 10))
    portfolio = portfolio_of(last_prices=[50.0, 200.0], lots=lots)
    assert np.isnan(portfolio.gain).tolist() == [True, False]
    # Value and cost, and so the tax of a sell, are there all the same.
    assert portfolio.cost_basis[0] == pytest.approx(8_000.0)


def test_a_context_that_contradicts_itself_is_held_with_its_reason() -> None:
    context = make_context(hold_reason="the rates of USD look upside down")
    history, portfolio = value(context, make_config())
    assert history.price.size
    assert find_hold_reason(context, portfolio) == "the rates of USD look upside down"
