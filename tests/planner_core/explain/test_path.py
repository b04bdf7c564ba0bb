"""The outlook of a plan: later plans are really made, on what the earlier ones leave."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner_core.errors import PlanningCancelledError
from planner_core.explain.path import PLANS_MAX, carried_out, find_path
from planner_core.market.state import assess, value
from planner_core.model.context import PlanningContext, with_new_money
from planner_core.model.plan import Plan
from planner_core.model.records import CashBalance, Side, TaxLot
from planner_core.planner import plan
from planner_core.runtime import Runtime
from tests.builders import (
    LONG_AGO,
    make_config,
    make_context,
    make_lot,
    make_securities,
    make_security,
)


def new_investor(n: int = 9, cash: float = 60_000.0) -> PlanningContext:
    """Nothing is held, everything is targeted."""
    securities = make_securities(n, target=0.99 / n)
    return make_context(securities=securities, lots=(), cash=cash)


def path_of(context: PlanningContext, **config: Any) -> Any:  # noqa: ANN401 - optional in the code
    settings_ = make_config(**config)
    return find_path(context, settings_, plan(context, settings_), Runtime())


def test_a_new_investor_is_told_how_many_plans_lead_to_the_targets() -> None:
    path = path_of(new_investor(), max_plan_depth=4)
    assert path.n_trades == 4
    assert (path.n_later_trades, path.n_later_plans) == (5, 2)
    assert path.distance_before == pytest.approx(0.99, abs=1e-9)
    assert path.distance_before > path.distance_after > path.distance_end
    assert path.distance_end < 0.02
    assert path.is_complete


def test_the_outlook_is_what_carrying_out_plan_after_plan_gives() -> None:
    config, context = make_config(max_plan_depth=3), new_investor(8)
    first = plan(context, config)
    path = find_path(context, config, first, Runtime())
    plans: list[Plan] = [first]
    while plans[-1].steps:
        context = carried_out(context, plans[-1].steps, config)
        plans.append(plan(context, config))
    assert path is not None
    assert path.n_later_plans == len(plans) - 2
    assert path.n_later_trades == sum(len(other.steps) for other in plans[1:])
    # The last plan begins where the outlook ends.
    assert path.distance_end == pytest.approx(plans[-1].metrics_before["distance"], abs=1e-3)


def test_without_targets_or_steps_there_is_no_outlook() -> None:
    assert path_of(make_context(cash=20_000.0)) is None
    securities = make_securities(4, target=0.24)
    lots = tuple(make_lot(s.id, 120.0) for s in securities)
    assert path_of(make_context(securities=securities, lots=lots, cash=2_000.0)) is None


def test_a_deadline_ends_the_outlook_and_says_so() -> None:
    config, context = make_config(max_plan_depth=2), new_investor()
    first = plan(context, config)
    ticks = iter(range(100_000))
    path = find_path(
        context, config, first, Runtime(monotonic=lambda: float(next(ticks)), deadline_s=1.0)
    )
    assert path is not None
    assert not path.is_complete
    assert (path.n_later_plans, path.n_later_trades) == (0, 0)
    assert path.distance_end == path.distance_after


def test_no_more_plans_are_made_than_the_bound_allows() -> None:
    securities = make_securities(20, target=0.0495)
    context = make_context(securities=securities, lots=(), cash=200_000.0, n_days=300)
    path = path_of(context, max_plan_depth=1)
    assert path.n_later_plans == PLANS_MAX
    assert not path.is_complete


def test_a_cancelled_outlook_ends_at_once() -> None:
    config, context = make_config(), new_investor()
    with pytest.raises(PlanningCancelledError):
        find_path(context, config, plan(context, config), Runtime(is_cancelled=lambda: True))


@settings(max_examples=15, deadline=None)
@given(
    held=st.lists(st.integers(10, 300), min_size=3, max_size=5),
    cash=st.floats(1_000.0, 20_000.0),
    tax_lots=st.sampled_from(["hifo", "fifo"]),
)
def test_carried_out_is_what_the_plan_says_of_after(
    held: list[int], cash: float, tax_lots: str
) -> None:
    """Money, weights, lots and tax: the snapshot after the steps is that of the plan's figures."""
    securities = make_securities(len(held), target=0.97 / len(held))
    lots = tuple(
        TaxLot(s.id, units / 2, price, 1.0, LONG_AGO)
        for s, units in zip(securities, held, strict=True)
        for price in (60.0, 90.0)
    )
    context = make_context(securities=securities, lots=lots, cash=cash)
    config = make_config(costs={"tax_rate": 0.2, "tax_lots": tax_lots})
    result = plan(context, config)
    after = carried_out(context, result.steps, config)
    history, portfolio = value(after, config)
    assert portfolio.cash == pytest.approx(result.cash_after)
    assert portfolio.nav == pytest.approx(result.nav_after)
    state = assess(after, config, history, portfolio)
    # The plan's weights are fractions of the NAV before trading.
    nav = result.nav or np.nan
    weights = {
        s.id: w * portfolio.nav / nav for s, w in zip(securities, portfolio.weight, strict=True)
    }
    for step in result.steps:
        assert weights[step.security] == pytest.approx(step.weight_after, abs=1e-9)
    assert all(lot.quantity > 0 for lot in after.lots)
    assert state.portfolio.quantity.sum() == pytest.approx(
        sum(held) + sum(s.quantity if s.side is Side.BUY else -s.quantity for s in result.steps)
    )


def test_with_an_account_per_currency_each_step_moves_its_own_account() -> None:
    securities = (
        make_security("AAA", target=0.3),
        make_security("BBB", currency="USD", target=0.6),
    )
    context = make_context(
        securities=securities,
        lots=(make_lot("AAA", 300.0),),
        cash=(CashBalance("EUR", 20_000.0), CashBalance("USD", 100.0)),
        fx_rates={"USD": np.linspace(0.79, 0.8, 400)},
    )
    config = make_config(constraints={"multi_currency": True})
    result = plan(context, config)
    assert Side.CONVERT in {step.side for step in result.steps}
    after = carried_out(context, result.steps, config)
    total = sum(b.settled * (1.0 if b.currency == "EUR" else 0.8) for b in after.cash)
    assert total == pytest.approx(result.cash_after)
    assert all(balance.settled >= -1e-6 for balance in after.cash)


def test_new_money_that_is_spent_is_not_spent_again() -> None:
    securities = make_securities(4, target=0.24)
    lots = tuple(make_lot(s.id, 120.0) for s in securities)
    context = with_new_money(make_context(securities=securities, lots=lots, cash=2_000.0), 900.0)
    config = make_config()
    first = plan(context, config)
    assert first.steps
    after = carried_out(context, first.steps, config)
    assert first.new_money is not None
    assert after.invest == pytest.approx(max(0.0, 900.0 - first.new_money.spent))
    path = find_path(context, config, first, Runtime())
    assert path is not None
    assert path.n_later_trades <= 1
    assert replace(context, invest=0.0).cash == context.cash
