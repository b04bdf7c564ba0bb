"""Sizes in whole lots: legal, no worse than before, and as good as trying every one."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner_core.errors import PlanningCancelledError
from planner_core.market.state import PlanningState
from planner_core.market.trade_sizing import largest_quantity, single_trade_complaint
from planner_core.model.plan import NO_SECURITY, Action
from planner_core.refine.lots import Rank, resized, tune
from planner_core.search.evaluator import as_block
from tests.builders import (
    make_action,
    make_config,
    make_context,
    make_evaluator,
    make_lot,
    make_security,
    make_state,
)


def never() -> bool:
    return False


def state_of(seed: int = 1, cash: float = 900.0, **overrides: Any) -> PlanningState:  # noqa: ANN401
    securities = (
        make_security("AAA", target=0.1),
        make_security("BBB", target=0.5),
        make_security("CCC", target=0.35),
    )
    lots = (make_lot("AAA", 120.0), make_lot("BBB", 20.0), make_lot("CCC", 50.0))
    context = make_context(
        securities=securities,
        lots=lots,
        cash=cash,
        seed=seed,
        last_prices=[50.0, 230.0, 90.0],
    )
    limits = {"position_weight_max": 0.6, **overrides}
    return make_state(context, make_config(constraints=limits))


def rank_of(actions: tuple[Action, ...], state: PlanningState) -> Rank | None:
    evaluator = make_evaluator(state, actions)
    block = as_block([tuple(range(len(actions)))], len(actions), evaluator.null_id)
    check = evaluator.check_block(block)
    if not check.legal[0]:
        return None
    return round(check.violation[0] * 1e9), -float(evaluator.exact_scores(block)[0])


def best_of_all(actions: tuple[Action, ...], state: PlanningState) -> Rank:
    """The best rank over every whole number of lots of every trade."""
    menus = [
        [
            sized
            for lots in range(1, 121)
            for sized in [resized(action, float(lots), state)]
            if lots <= largest_quantity(state, action.security, action.side)
            if single_trade_complaint(sized, state) is None
        ]
        for action in actions
    ]
    every = [action for menu in menus for action in menu]
    evaluator = make_evaluator(state, every)
    starts = np.cumsum([0, *map(len, menus)])
    sets = np.array(
        list(product(*(range(a, b) for a, b in pairwise(starts)))),
        dtype=np.int16,
    ).T
    check = evaluator.check_block(sets)
    scores = np.where(check.legal & (check.violation < 1e-9), evaluator.exact_scores(sets), -9.0)
    return 0, -float(scores.max())


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 500),
    sell=st.integers(10, 110),
    buy=st.integers(2, 20),
    cash=st.floats(50, 4_000),
)
def test_two_trades_end_at_the_best_of_all_their_sizes(
    seed: int, sell: int, buy: int, cash: float
) -> None:
    state = state_of(seed, cash, turnover_max=0.5)
    actions = (make_action(state, "AAA", -float(sell)), make_action(state, "BBB", float(buy)))
    tuned = tune(actions, state, never)
    assert tuned is not None
    level, negative = best_of_all(actions, state)
    assert tuned.rank[0] == level
    cash = state.limits.cash_free / state.nav
    nothing = -sum(state.objective.terms(state.portfolio.weight, cash).values())
    best_gain, gain = nothing - negative, nothing - tuned.rank[1]
    assert gain >= 0.999 * best_gain - 1e-9


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 500),
    quantities=st.tuples(st.integers(9, 119), st.integers(2, 19), st.integers(5, 49)),
    turnover=st.floats(0.1, 0.6),
)
def test_what_was_legal_stays_legal_and_gets_no_worse(
    seed: int, quantities: tuple[int, int, int], turnover: float
) -> None:
    state = state_of(seed, turnover_max=turnover)
    sell, buy, other = quantities
    actions = (
        make_action(state, "AAA", -float(sell)),
        make_action(state, "BBB", float(buy)),
        make_action(state, "CCC", float(other)),
    )
    before = rank_of(actions, state)
    tuned = tune(actions, state, never)
    if before is not None and all(single_trade_complaint(a, state) is None for a in actions):
        assert tuned is not None
        assert tuned.rank <= (before[0], before[1] + 1e-11)
    if tuned is not None:
        assert rank_of(tuned.actions, state) == pytest.approx(tuned.rank)
        assert all(single_trade_complaint(a, state) is None for a in tuned.actions)
        assert all(float(a.quantity).is_integer() for a in tuned.actions)


def test_a_size_between_lots_is_rounded_so_that_the_limits_hold() -> None:
    state = state_of(cash=250.0)
    sell = make_action(state, "AAA", -40.0)
    tuned = tune((replace(sell, quantity=-40.4), make_action(state, "BBB", 8.7)), state, never)
    assert tuned is not None
    assert rank_of(tuned.actions, state) == pytest.approx((0, tuned.rank[1]))


def test_trades_that_no_rounding_makes_legal_are_given_up() -> None:
    state = state_of(cash=0.0, turnover_max=0.05)
    actions = (make_action(state, "AAA", -100.0), make_action(state, "BBB", 20.0))
    assert tune(actions, state, never) is None


def test_what_is_too_small_to_trade_at_all_is_given_up() -> None:
    securities = (make_security("AAA", target=0.1), make_security("BBB", min_trade_value=1e9))
    state = make_state(make_context(securities=securities))
    assert tune((make_action(state, "AAA", -9.0),), state, never) is not None
    actions = (make_action(state, "AAA", -9.0), make_action(state, "BBB", 9.0))
    assert tune(actions, state, never) is None


def test_fractions_of_a_unit_are_tuned_to_what_matters_in_money() -> None:
    securities = (make_security("AAA", target=0.1, fractional=True), make_security("BBB"))
    context = make_context(
        securities=securities,
        last_prices=[3_000.0, 100.0],
        lots=(make_lot("AAA", 3.0), make_lot("BBB", 40.0)),
    )
    state = make_state(context, make_config(constraints={"turnover_max": 2.0}))
    tuned = tune((make_action(state, "AAA", -0.5),), state, never)
    assert tuned is not None
    assert tuned.rank[0] == 0, "half a unit leaves it far above its cap: more must go"
    better = [
        rank_of((resized(tuned.actions[0], -tuned.actions[0].quantity * factor, state),), state)
        for factor in (0.97, 0.99, 0.999)
    ]
    assert all(rank is None or rank[1] > tuned.rank[1] - 1e-8 for rank in better)


def test_clauses_sources_and_being_a_repair_go_with_every_size() -> None:
    state = state_of()
    start = make_action(state, "AAA", -40.0, mandatory=True, sources=("a", "b"))
    tuned = tune((start,), state, never)
    assert tuned is not None
    assert len(tuned.nearby) > 5
    assert {(a.sources, a.clauses, a.mandatory) for a in tuned.nearby} == {
        (("a", "b"), start.clauses, True)
    }


def test_a_conversion_keeps_its_amount() -> None:
    state = state_of()
    conversion = replace(
        make_action(state, "AAA", 1.0),
        security=NO_SECURITY,
        quantity=500.0,
        value=0.0,
        cost=0.5,
        cash_delta=-0.5,
        convert_to="USD",
    )
    tuned = tune((conversion, make_action(state, "AAA", -40.0)), state, never)
    assert tuned is not None
    assert tuned.actions[0] == conversion


def test_a_deadline_ends_the_tuning_with_something_legal_and_a_cancel_ends_it_at_once() -> None:
    state = state_of(turnover_max=0.5)
    actions = (make_action(state, "AAA", -20.0), make_action(state, "BBB", 3.0))
    tuned, best = tune(actions, state, lambda: True), tune(actions, state, never)
    assert tuned is not None
    assert best is not None
    assert rank_of(tuned.actions, state) is not None
    assert tuned.rank > best.rank

    def cancelled() -> bool:
        raise PlanningCancelledError("cancelled")

    with pytest.raises(PlanningCancelledError):
        tune(actions, state, cancelled)


def test_a_fraction_of_a_unit_is_sized_to_the_last_lot_that_the_cash_pays_for() -> None:
    """Spare cash is worth spending to the end: a lot of a millionth more does not fit."""
    securities = (make_security("AAA", target=0.9, fractional=True),)
    lots = (make_lot("AAA", 100.0),)
    context = make_context(securities=securities, lots=lots, cash=20_000.0, last_prices=[50.0])
    state = make_state(context, make_config())
    tuned = tune((make_action(state, "AAA", 171.0),), state, never)
    assert tuned is not None
    (sized,) = tuned.actions
    lot_value = 1e-6 * 50.0
    unspent = state.limits.idle_before * state.nav + sized.cash_delta
    # Limits forgive 1e-9 of NAV.
    assert abs(unspent) < lot_value + 1e-9 * state.nav
