"""Legs have the numbers of candidates, and the climb among supports is as good as trying all."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner_core.errors import PlanningCancelledError
from planner_core.market.state import PlanningState
from planner_core.model.records import CashFlow, GroupRule, Side
from planner_core.refine.supports import Legs, SupportSearch, build_legs
from planner_core.search.evaluator import as_block
from tests.builders import (
    AS_OF,
    make_action,
    make_candidates,
    make_config,
    make_context,
    make_evaluator,
    make_lot,
    make_securities,
    make_security,
    make_state,
)


def never() -> bool:
    return False


def legs_of(seed: int, n: int = 6, turnover: float = 0.2, cash: float = 3_000.0) -> Legs:
    """Sell and buy of every security, held astray from its target."""
    generator = np.random.default_rng(seed)
    targets = 0.9 * generator.dirichlet(np.full(n, 3.0))
    securities = tuple(
        type(s)(id=s.id, name=s.name, currency=s.currency, target=float(t))
        for s, t in zip(make_securities(n), targets, strict=True)
    )
    held = generator.integers(10, 100, n)
    lots = tuple(make_lot(s.id, float(q)) for s, q in zip(securities, held, strict=True))
    context = make_context(securities=securities, lots=lots, seed=seed, cash=cash)
    limits = {"turnover_max": turnover, "position_weight_max": 0.9}
    state = make_state(context, make_config(constraints=limits))
    actions = [make_action(state, s.id, sign * 8.0) for s in securities for sign in (-1.0, 1.0)]
    return build_legs(make_candidates(state, actions), state)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 400), depth=st.integers(1, 3), turnover=st.floats(0.1, 0.5))
def test_it_ends_within_a_hundredth_of_the_best_of_all_supports(
    seed: int, depth: int, turnover: float
) -> None:
    """Most often within a thousandth: sizes where cash stops being idle are found less exactly."""
    legs = legs_of(seed, n=5, turnover=turnover)
    everything = SupportSearch(legs, depth)
    for size in range(1, depth + 1):
        for support in combinations(range(legs.n), size):
            if not np.triu(legs.conflicts[np.ix_(support, support)], 1).any():
                everything._solve([support], np.zeros(legs.n))
    search = SupportSearch(legs, depth)
    for start in range(legs.n):
        search.climb((start,), never)
    assert bool(search.feasible) is bool(everything.feasible)
    if everything.feasible:
        best = everything.feasible[0].gain
        assert search.feasible[0].gain >= best - 0.01 * abs(best) - 1e-9


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 400), depth=st.integers(1, 6), turnover=st.floats(0.05, 1.0))
def test_every_support_found_keeps_depth_conflicts_boxes_and_limits(
    seed: int, depth: int, turnover: float
) -> None:
    legs = legs_of(seed, turnover=turnover)
    search = SupportSearch(legs, depth)
    search.climb((0,), never)
    for sized in search.feasible:
        support = list(sized.support)
        assert 0 < len(support) <= depth
        assert not np.triu(legs.conflicts[np.ix_(support, support)], 1).any()
        assert np.flatnonzero(sized.size).tolist() == support
        assert (sized.size[support] >= legs.low[support]).all()
        assert (sized.size[support] <= legs.high[support]).all()
        used = legs.rows @ sized.size + legs.entry[:, support].sum(axis=1)
        assert (used <= legs.rhs + 1e-6).all()
        assert sized.gain == pytest.approx(float(legs.gain(sized.size[None, :])[0]))


def test_better_ones_come_first_and_the_same_question_has_the_same_answer() -> None:
    one, other = (SupportSearch(legs_of(5), 3) for _ in range(2))
    for search in (one, other):
        search.climb((0, 5), never)
    gain = [sized.gain for sized in one.feasible]
    assert gain == sorted(gain, reverse=True)
    assert [s.support for s in one.feasible] == [s.support for s in other.feasible]
    assert gain == [s.gain for s in other.feasible]


def test_a_start_that_cannot_be_carried_out_leads_nowhere() -> None:
    search = SupportSearch(legs_of(5, turnover=0.0), 3)
    search.climb((0, 5), never)
    assert search.feasible == []


def test_no_time_leaves_the_start_and_a_cancel_ends_the_climb() -> None:
    legs = legs_of(5)
    search = SupportSearch(legs, 3)
    # A sell: a buy of its own finds no cash beyond its neutral share.
    start = int(np.flatnonzero(legs.sign < 0)[0])
    search.climb((start,), lambda: True)
    assert [sized.support for sized in search.feasible] == [(start,)]

    def cancelled() -> bool:
        raise PlanningCancelledError("cancelled")

    with pytest.raises(PlanningCancelledError):
        search.climb((1,), cancelled)


TRADES = (("AAA", -20.0), ("BBB", -15.0), ("CCC", 12.0), ("DDD", 30.0))


def state_of(
    *,
    seed: int = 1,
    cash: float = 3_000.0,
    adv_value: float | None = None,
    targeted: bool = False,
    **document: Any,  # noqa: ANN401
) -> PlanningState:
    securities = tuple(
        make_security(
            name,
            target=target if targeted else None,
            groups={"industry": group},
            adv_value=adv_value,
        )
        for name, target, group in (
            ("AAA", 0.1, "old"),
            ("BBB", 0.2, "old"),
            ("CCC", 0.3, "new"),
            ("DDD", 0.3, "new"),
        )
    )
    context = make_context(
        securities=securities,
        lots=tuple(make_lot(name, 60.0) for name in ("AAA", "BBB", "CCC", "DDD")),
        cash=cash,
        seed=seed,
        group_rules=(GroupRule("industry", "new", None, 0.6),),
        cash_flows=(CashFlow(AS_OF - timedelta(days=3), 1_000.0),),
    )
    document.setdefault("constraints", {"position_weight_max": 0.5})
    return make_state(context, make_config(**document))


def legs_in(state: PlanningState, *, mandatory: bool = False) -> Legs:
    actions = [
        make_action(state, name, quantity, mandatory=mandatory and quantity < 0)
        for name, quantity in TRADES
    ]
    return build_legs(make_candidates(state, actions), state)


def sizes(legs: Legs, state: PlanningState, quantities: list[float]) -> np.ndarray[Any, Any]:
    """Quantities of the legs, in their order, as weights."""
    unit = state.portfolio.unit_value[legs.column]
    return np.array([quantities]) * unit / state.nav


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 300),
    adv_value=st.sampled_from([None, 50_000.0]),
    quantities=st.lists(st.integers(0, 55), min_size=4, max_size=4),
    targeted=st.booleans(),
)
def test_trades_are_worth_the_same_as_legs_and_as_candidates(
    seed: int, adv_value: float | None, quantities: list[int], *, targeted: bool
) -> None:
    state = state_of(seed=seed, adv_value=adv_value, targeted=targeted)
    legs = legs_in(state)
    traded = [i for i, quantity in enumerate(quantities) if quantity]
    actions = [
        make_action(state, TRADES[i][0], np.sign(TRADES[i][1]) * quantities[i]) for i in traded
    ]
    evaluator = make_evaluator(state, actions)
    block = as_block([tuple(range(len(actions)))], max(1, len(actions)), evaluator.null_id)
    gain = float(evaluator.exact_scores(block)[0]) - evaluator.score_before
    worth = legs.gain(sizes(legs, state, list(map(float, quantities))))
    # Legs leave the market impact out of the cash that is idle after it.
    impact = (
        sum(a.cost - 2.0 - state.costs.rate[a.security] * abs(a.value) for a in actions) / state.nav
    )
    assert worth[0] == pytest.approx(gain, abs=1e-12 + state.objective.drag * impact)


@settings(max_examples=60, deadline=None)
@given(
    cash=st.floats(-3_000, 4_000),
    turnover=st.floats(0.0, 0.6),
    mandatory=st.booleans(),
    settled=st.booleans(),
    targeted=st.booleans(),
    quantities=st.lists(st.integers(0, 55), min_size=4, max_size=4),
)
def test_the_rows_say_of_each_limit_how_far_it_is_kept(
    cash: float,
    turnover: float,
    mandatory: bool,
    settled: bool,
    targeted: bool,
    quantities: list[int],
) -> None:
    limits = {"position_weight_max": 0.5, "turnover_max": turnover, "settled_cash_only": settled}
    state = state_of(cash=cash, constraints=limits, targeted=targeted)
    legs = legs_in(state, mandatory=mandatory)
    traded = [
        make_action(state, name, np.sign(trade) * quantity, mandatory=mandatory and trade < 0)
        for (name, trade), quantity in zip(TRADES, quantities, strict=True)
        if quantity
    ]
    size = sizes(legs, state, list(map(float, quantities)))[0]
    over = legs.rows @ size + legs.entry @ (size > 0) - legs.rhs
    rules, nav = state.limits, state.nav
    raised = sum(action.cash_delta for action in traded)
    assert over[0] == pytest.approx((rules.cash_required - rules.cash_free - raised) / nav)
    value = {a.security: a.value / nav for a in traded}
    turned = sum(map(abs, value.values()))
    sold = sum(-v for v in value.values() if v < 0) if mandatory else 0.0
    bought = sum(v for v in value.values() if v > 0)
    charged = turned - min(sold, rules.repair_credit) - min(bought, rules.deposit_credit)
    n_ways = (1 + (rules.repair_credit > 0)) * (1 + (rules.deposit_credit > 0))
    assert over[1 : 1 + n_ways].max() == pytest.approx(charged - rules.turnover_left)
    added = sum(change for column, change in value.items() if column >= 2)
    assert over[-1] == pytest.approx(rules.groups.weight[0] + added - rules.groups.cap[0])
    if targeted:
        # The neutral share of cash, for what the buys leave.
        assert over[-2] == pytest.approx(rules.idle_min - rules.idle_before - raised / nav)
    assert over.size == 1 + n_ways + settled + targeted + 1


def test_the_slope_is_what_a_little_more_adds() -> None:
    state = state_of(adv_value=50_000.0)
    legs = legs_in(state)
    size = sizes(legs, state, [20.0, 15.0, 12.0, 30.0])
    slope = legs.slope_at(size)[0] - 2 * legs.quadratic @ size[0]
    for leg in range(legs.n):
        little = np.zeros((1, legs.n))
        little[0, leg] = 1e-7
        difference = (legs.gain(size + little) - legs.gain(size - little))[0] / 2e-7
        assert difference == pytest.approx(slope[leg], abs=2e-4)


def test_tax_is_that_of_selling_everything() -> None:
    state = state_of(costs={"tax_rate": 0.25, "cost_bps": 0.0, "half_spread_bps": 0.0})
    legs = legs_in(state)
    # Bought at 80, sold at 100: a quarter of a fifth.
    free = legs_in(state_of(costs={"cost_bps": 0.0, "half_spread_bps": 0.0}))
    assert (free.slope - legs.slope)[:2] == pytest.approx([0.05, 0.05])
    assert (free.slope - legs.slope)[2:] == pytest.approx([0.0, 0.0])


def test_a_leg_reaches_from_the_smallest_trade_to_all_that_may_be_sold_or_bought() -> None:
    state = state_of()
    legs = legs_in(state)
    nav = state.nav
    assert legs.sign.tolist() == [-1, -1, 1, 1]
    assert (legs.low >= state.limits.min_trade_value / nav).all()
    assert legs.high * nav == pytest.approx([6_000, 6_000, 7_500, 7_500], abs=100)
    assert (legs.high[2:] + state.portfolio.weight[2:] <= 0.5).all()


def test_what_is_above_its_cap_sells_at_least_the_excess() -> None:
    state = state_of(constraints={"position_weight_max": 0.15})
    legs = legs_in(state)
    excess = state.portfolio.weight[:2] - 0.15
    assert legs.low[:2] == pytest.approx(excess)


def test_sides_that_have_no_size_to_choose_and_conversions_are_no_legs() -> None:
    state = state_of()
    conversion = replace(make_action(state, "AAA", 5.0), security=-1, value=0.0, convert_to="USD")
    tiny = replace(state, limits=replace(state.limits, min_trade_value=5_950.0))
    actions = [make_action(state, "AAA", -20.0), conversion]
    assert build_legs(make_candidates(state, actions), state).n == 1
    assert build_legs(make_candidates(state, actions[:1]), tiny).n == 1
    tiny = replace(state, limits=replace(state.limits, min_trade_value=6_050.0))
    assert build_legs(make_candidates(state, actions[:1]), tiny).n == 0


def test_a_repair_stands_for_its_leg() -> None:
    state = state_of()
    actions = [
        make_action(state, "AAA", -20.0),
        make_action(state, "AAA", -30.0, mandatory=True),
        make_action(state, "CCC", 30.0),
    ]
    legs = build_legs(make_candidates(state, actions), state)
    assert [(a.side, a.mandatory) for a in legs.origin] == [(Side.SELL, True), (Side.BUY, False)]
