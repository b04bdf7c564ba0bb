"""How robust a plan is: what is reported changes it, a little less does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from planner_core.explain import robustness as module
from planner_core.explain.robustness import (
    MOVE_STEP,
    Robustness,
    robustness,
    with_fill,
    with_move,
)
from planner_core.market.state import PlanningState
from planner_core.model.context import PlanningContext
from planner_core.model.plan import Outcome, Plan
from planner_core.model.records import Side
from planner_core.planner import plan
from planner_core.runtime import Runtime
from tests.builders import make_config, make_context, make_lot, make_security, make_state


def two_funds(stocks: float, bonds: float, cash: float) -> PlanningContext:
    """60 % stocks and 40 % bonds are wanted; a unit of each is worth 100."""
    return make_context(
        securities=(make_security("STK", target=0.6), make_security("BND", target=0.4)),
        lots=(make_lot("STK", stocks), make_lot("BND", bonds)),
        cash=cash,
    )


def answer_for(context: PlanningContext) -> tuple[PlanningState, Plan, Robustness]:
    state = make_state(context, make_config())
    result = plan(context, make_config())
    return state, result, robustness(state, result, Runtime())


def has_first_step(context: PlanningContext, first: Plan) -> bool:
    other = plan(context, make_config())
    step = first.steps[0]
    return (step.side, step.security) in {(s.side, s.security) for s in other.steps}


def test_the_least_move_changes_the_first_step_and_a_little_less_does_not() -> None:
    context = two_funds(583.0, 387.0, 3_000.0)
    _, result, answer = answer_for(context)
    assert answer.price_move is not None
    move, column = answer.price_move.move, context.security_index()[answer.price_move.security]
    assert not has_first_step(with_move(context, column, move), result)
    less = move - MOVE_STEP if move > 0 else move + MOVE_STEP
    assert has_first_step(with_move(context, column, less), result)
    then = plan(with_move(context, column, move), make_config()).steps
    assert answer.price_move.instead == (then[0] if then else None)
    assert answer.is_complete
    assert 0 < answer.n_plans <= module.PLANS_MAX


def test_the_least_fill_ends_the_step_and_a_lot_less_does_not() -> None:
    state, result, answer = answer_for(two_funds(580.0, 400.0, 2_000.0))
    assert (answer.can_fill_in_part, answer.partial_fill is not None) == (True, True)
    assert answer.partial_fill is not None
    filled = answer.partial_fill.quantity
    assert 0 < filled < result.steps[0].quantity
    assert not has_first_step(with_fill(state, result, filled), result)
    if filled > 1:
        assert has_first_step(with_fill(state, result, filled - 1), result)


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_a_fill_moves_units_and_money_and_leaves_the_rest_accepted(side: Side) -> None:
    cash = 20_000.0 if side is Side.BUY else 500.0
    stocks = 400.0 if side is Side.BUY else 800.0
    context = two_funds(stocks, 200.0, cash)
    state, result, _ = answer_for(context)
    first = result.steps[0]
    assert first.side is side
    after = with_fill(state, result, 3.0)
    sign = 1 if side is Side.BUY else -1
    held = sum(lot.quantity for lot in after.lots if lot.security == first.security)
    before = sum(lot.quantity for lot in context.lots if lot.security == first.security)
    assert held == pytest.approx(before + sign * 3)
    assert (after.cash[0].settled - cash) * sign < 0
    assert after.trades[-1].quantity == 3.0
    assert after.incumbent is not None
    assert after.incumbent.steps[0].quantity == pytest.approx(first.quantity - 3)


def test_where_no_price_changes_the_step_none_is_named() -> None:
    _, result, answer = answer_for(two_funds(300.0, 400.0, 30_000.0))
    assert result.steps[0].security == "STK"
    assert answer.price_move is None
    assert answer.is_complete


def test_doing_nothing_is_left_once_a_price_moves_far_enough() -> None:
    context = two_funds(597.0, 398.0, 500.0)
    _, result, answer = answer_for(context)
    assert result.outcome is Outcome.NOTHING_TO_DO
    assert answer.price_move is not None
    column = context.security_index()[answer.price_move.security]
    moved = with_move(context, column, answer.price_move.move)
    assert plan(moved, make_config()).steps[0] == answer.price_move.instead
    assert (answer.partial_fill, answer.can_fill_in_part) == (None, False)


def test_what_was_not_tried_in_time_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PLANS_MAX", 3)
    _, _, answer = answer_for(two_funds(583.0, 387.0, 3_000.0))
    assert (answer.is_complete, answer.n_plans) == (False, 3)


def test_a_clock_ends_it() -> None:
    context = two_funds(583.0, 387.0, 3_000.0)
    seconds = iter(range(0, 10_000, 4))
    clocked = replace(Runtime(), monotonic=lambda: float(next(seconds)))
    answer = robustness(make_state(context), plan(context, make_config()), clocked)
    assert not answer.is_complete
