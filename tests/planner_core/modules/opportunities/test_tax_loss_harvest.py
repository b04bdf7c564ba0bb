"""tax_loss_harvest, against a table: which lots, and the wash-sale window."""

# ruff: noqa: ANN401 - overrides are of any type

from __future__ import annotations

from typing import Any

import pytest

from planner_core.market.state import PlanningState
from planner_core.market.trade_sizing import size
from planner_core.model.config import PlannerConfig
from planner_core.model.plan import Action, Opportunity, Skip
from planner_core.model.records import Side, TaxLot, Trade
from planner_core.modules.opportunities.tax_loss_harvest import (
    TaxLossHarvest,
    TaxLossHarvestParameters,
)
from tests.builders import (
    days_ago,
    make_config,
    make_context,
    make_lot,
    make_security,
    make_state,
)


def state_of(
    *lots: TaxLot, price: float = 95.0, config: PlannerConfig | None = None, **fields: Any
) -> PlanningState:
    context = make_context(
        securities=(make_security("AAA"),), last_prices=[price], lots=lots, **fields
    )
    return make_state(context, config)


def judge(state: PlanningState, **parameters: Any) -> list[Opportunity | Skip]:
    return list(TaxLossHarvest().calculate(state, TaxLossHarvestParameters(**parameters)))


@pytest.mark.parametrize(
    ("price", "sold"), [(95.0, True), (95.01, False), (50.0, True), (120.0, False)]
)
def test_a_loss_of_at_least_5_percent_is_realised(price: float, sold: bool) -> None:
    opportunities = judge(state_of(make_lot("AAA", 100, unit_cost=100.0), price=price))
    assert bool(opportunities) is sold
    if sold:
        (sell,) = opportunities
        assert isinstance(sell, Opportunity)
        assert sell.side is Side.SELL
        assert sell.notional == pytest.approx(100 * price)


def test_only_the_losing_lots_are_sold() -> None:
    state = state_of(
        make_lot("AAA", 40, unit_cost=60.0),
        make_lot("AAA", 30, unit_cost=120.0),
        make_lot("AAA", 20, unit_cost=99.0),
    )
    (sell,) = judge(state)
    assert isinstance(sell, Opportunity)
    assert sell.notional == pytest.approx(30 * 95.0)
    assert sell.reason == "its lots stand at a loss of 750 EUR"


def test_a_loss_by_a_doubtful_cost_is_not_realised() -> None:
    doubtful = make_lot("AAA", 30, unit_cost=120.0, is_doubtful=True)
    assert judge(state_of(make_lot("AAA", 20, unit_cost=110.0), doubtful)) == []


def test_with_fifo_a_loss_behind_an_old_gain_is_not_reached() -> None:
    config = make_config(costs={"tax_lots": "fifo", "tax_rate": 0.25})
    gain = make_lot("AAA", 40, unit_cost=60.0, acquired=days_ago(900))
    loss = make_lot("AAA", 30, unit_cost=120.0, acquired=days_ago(800))
    assert judge(state_of(gain, loss, config=config)) == []
    older_loss = make_lot("AAA", 30, unit_cost=120.0, acquired=days_ago(1_000))
    state = state_of(gain, older_loss, config=config)
    (sell,) = judge(state)
    assert isinstance(sell, Opportunity)
    sized = size(sell, "x", state)
    assert isinstance(sized, Action)
    assert (sized.quantity, sized.tax) == (-30, 0.0)


@pytest.mark.parametrize(("days", "washed"), [(0, True), (29, True), (30, True), (31, False)])
def test_a_buy_within_30_days_makes_it_a_wash_sale(days: int, washed: bool) -> None:
    old = make_lot("AAA", 100, unit_cost=120.0)
    by_ledger = state_of(old, trades=(Trade(days_ago(days), "AAA", Side.BUY, 1, 100.0),))
    by_lot = state_of(old, make_lot("AAA", 1, unit_cost=95.0, acquired=days_ago(days)))
    for state in (by_ledger, by_lot):
        (result,) = judge(state)
        assert isinstance(result, Skip) is washed
        if washed:
            assert result.reason == "AAA: bought within 30 days (wash sale)"


def test_a_sell_does_not_open_the_window() -> None:
    old = make_lot("AAA", 100, unit_cost=120.0)
    state = state_of(old, trades=(Trade(days_ago(3), "AAA", Side.SELL, 1, 100.0),))
    assert isinstance(judge(state)[0], Opportunity)


def test_lots_that_may_not_be_sold_yet_are_left_out() -> None:
    young = make_lot("AAA", 100, unit_cost=120.0, acquired=days_ago(89))
    assert judge(state_of(young)) == []


def test_it_is_off_by_default() -> None:
    assert not TaxLossHarvest.metadata.enabled_by_default
