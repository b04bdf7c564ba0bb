"""Costs and tax, against tables: fixed + (commission + half spread + fx) v + impact v^1.5."""

# ruff: noqa: ANN401 - overrides are of any type

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner_core.market.costs import CostModel, build_costs, in_selling_order, realised_gain
from planner_core.market.trade_sizing import price_trade
from planner_core.model.records import Side, TaxLot
from tests.builders import (
    constant_rate,
    days_ago,
    make_config,
    make_context,
    make_lot,
    make_security,
    make_state,
)


def model(security: dict[str, Any], volatility: float = 0.02, **costs: Any) -> CostModel:
    context = make_context(
        securities=(make_security("AAA", **security),),
        fx_rates={"USD": constant_rate(0.9)},
        lots=(),
    )
    return build_costs(context, np.array([volatility]), make_config(costs=costs).costs)


@pytest.mark.parametrize(
    ("security", "costs", "value", "cost"),
    [
        ({}, {}, 1_000.0, 2 + 2.5),  # 20 + 5 bp
        ({}, {}, 10_000.0, 2 + 25.0),
        ({"currency": "USD"}, {}, 10_000.0, 2 + 35.0),  # and 10 bp to convert
        ({"half_spread_bps": 50.0}, {}, 10_000.0, 2 + 70.0),
        ({"half_spread_bps": 0.0}, {}, 10_000.0, 2 + 20.0),
        ({}, {"fixed_cost": 0, "cost_bps": 0, "half_spread_bps": 0}, 10_000.0, 0.0),
        # 10,000 x 1 x 2 % x sqrt(10,000 / 1,000,000) = 20
        ({"adv_value": 1e6}, {}, 10_000.0, 2 + 25.0 + 20.0),
        ({"adv_value": 1e6}, {"impact_coefficient": 0.5}, 10_000.0, 2 + 25.0 + 10.0),
        ({"adv_value": 1e6}, {}, 40_000.0, 2 + 100.0 + 160.0),  # twice the size, 2^1.5 the impact
    ],
)
def test_what_a_trade_costs(
    security: dict[str, Any], costs: dict[str, Any], value: float, cost: float
) -> None:
    assert model(security, **costs).cost(0, value) == pytest.approx(cost)


LOTS = (
    make_lot("AAA", 10, unit_cost=50.0, acquired=days_ago(300)),
    make_lot("AAA", 10, unit_cost=120.0, acquired=days_ago(200)),
    make_lot("AAA", 10, unit_cost=90.0, acquired=days_ago(100)),
    make_lot("AAA", 10, unit_cost=60.0, acquired=None),
)


@pytest.mark.parametrize(
    ("method", "quantity", "gain"),
    [
        ("hifo", 5, 5 * -20.0),
        ("hifo", 15, 10 * -20 + 5 * 10),
        ("hifo", 40, -200 + 100 + 400 + 500),
        ("fifo", 10, 400.0),  # the lot of unknown date counts as the oldest
        ("fifo", 15, 400 + 5 * 50),
        ("fifo", 25, 400 + 500 - 100),
        ("fifo", 40, 800.0),
        ("hifo", 0, 0.0),
    ],
)
def test_the_gain_depends_on_which_lots_are_sold(method: str, quantity: float, gain: float) -> None:
    assert realised_gain(LOTS, quantity, 100.0, method) == pytest.approx(gain)


def test_a_gain_is_in_base_currency_at_both_ends() -> None:
    lot = make_lot("AAA", 10, unit_cost=100.0, fx_rate=0.8)
    # Bought for 80 EUR; worth 100 USD at 0.9.
    assert realised_gain([lot], 10, 90.0, "hifo") == pytest.approx(100.0)


def test_hifo_compares_costs_in_base_currency() -> None:
    dear = make_lot("AAA", 1, unit_cost=90.0, fx_rate=1.0)
    cheap = make_lot("AAA", 1, unit_cost=100.0, fx_rate=0.8)
    assert in_selling_order([cheap, dear], "hifo") == [dear, cheap]


def test_tax_is_the_rate_times_a_gain_and_never_negative() -> None:
    config = make_config(costs={"tax_rate": 0.25})
    lots = (make_lot("AAA", 50, unit_cost=80.0), make_lot("AAA", 50, unit_cost=130.0))
    state = make_state(make_context(lots=lots), config)
    loss = price_trade(state, 0, Side.SELL, 50)
    assert loss.tax == 0.0
    both = price_trade(state, 0, Side.SELL, 100)
    assert both.tax == 0.0  # a gain of 1,000 and a loss of 1,500 within one trade
    winner = make_context(lots=(make_lot("AAA", 100, unit_cost=80.0),))
    gain = price_trade(make_state(winner, config), 0, Side.SELL, 10)
    assert gain.tax == pytest.approx(0.25 * 200)
    assert gain.cash_delta == pytest.approx(1_000 - 4.5 - 50)
    buy = price_trade(state, 0, Side.BUY, 10)
    assert buy.tax == 0.0
    assert buy.value == pytest.approx(1_000.0)
    assert buy.cash_delta == pytest.approx(-1_004.5)


lots_strategy = st.lists(
    st.builds(
        TaxLot,
        security=st.just("AAA"),
        quantity=st.integers(1, 50).map(float),
        unit_cost=st.floats(1, 200),
        fx_rate=st.floats(0.5, 2.0),
        acquired=st.integers(0, 3_000).map(days_ago),
    ),
    min_size=1,
    max_size=6,
)


@given(lots_strategy, st.floats(0, 1), st.floats(1, 200))
def test_hifo_never_realises_more_than_fifo_and_selling_all_is_the_same(
    lots: list[TaxLot], part: float, unit_value: float
) -> None:
    held = sum(lot.quantity for lot in lots)
    hifo = realised_gain(lots, part * held, unit_value, "hifo")
    fifo = realised_gain(lots, part * held, unit_value, "fifo")
    assert hifo <= fifo + 1e-6
    everything = sum(q.quantity * (unit_value - q.unit_cost * q.fx_rate) for q in lots)
    for method in ("hifo", "fifo"):
        assert realised_gain(lots, held, unit_value, method) == pytest.approx(everything, abs=1e-6)


@given(lots_strategy)
def test_the_order_of_lots_does_not_depend_on_how_they_are_written_down(
    lots: list[TaxLot],
) -> None:
    for method in ("hifo", "fifo"):
        forward = realised_gain(lots, 10, 100.0, method)
        backward = realised_gain(lots[::-1], 10, 100.0, method)
        assert forward == pytest.approx(backward)
