"""The pair tables say what the formula says, for every set of every portfolio."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from planner_core.market.state import PlanningState, value
from planner_core.model.plan import Action
from planner_core.model.records import CashBalance, GroupRule
from planner_core.search.evaluator import (
    FLOAT32_MARGIN,
    UNFILTERED_SEQUENCES_MAX,
    Evaluator,
    IdBlock,
    LimitCheck,
    as_block,
    as_set,
)
from tests.builders import (
    make_action,
    make_config,
    make_context,
    make_evaluator,
    make_securities,
    make_security,
    make_state,
)
from tests.planner_core.reference import DUST, Verdict
from tests.planner_core.strategies import Portfolio, Prepared, portfolios, prepare

FREE = {"turnover_max": 10.0, "position_weight_max": 1.0, "cash_reserve": 0.0}
"""Constraints out of the way of what a test looks at."""


def random_sets(
    security: NDArray[np.int64], depth: int, seed: int, n_sets: int
) -> list[tuple[int, ...]]:
    """Sets of every length, most of them on different securities; the empty one first."""
    generator = np.random.default_rng(seed)
    sets: list[tuple[int, ...]] = [()]
    for turn in range(n_sets if security.size else 0):
        drawn = generator.permutation(security.size)[: generator.integers(1, depth + 1)]
        if turn % 4:
            drawn = drawn[np.unique(security[drawn], return_index=True)[1]]
        sets.append(tuple(sorted(map(int, drawn))))
    return sets


def verdict_of(prepared: Prepared, ids: tuple[int, ...]) -> Verdict:
    return prepared.reference.judge([prepared.proposals[i] for i in ids])


def check_sets(portfolio: Portfolio, seed: int, n_sets: int) -> None:
    assume(make_state_or_none(portfolio) is not None)
    prepared = prepare(portfolio)
    evaluator, depth = prepared.evaluator, portfolio.config.max_plan_depth
    sets = random_sets(evaluator.candidates.security, depth, seed, n_sets)
    block = as_block(sets, depth, evaluator.null_id)
    features, exact = evaluator.check_block(block), evaluator.exact_scores(block)
    upper = evaluator.upper_scores(block)
    largest = max(1.0, float(np.abs(evaluator.tables.lin).max()))
    for place, ids in enumerate(sets):
        verdict = verdict_of(prepared, ids)
        assert bool(features.legal[place]) is (not verdict.complaint), (ids, verdict.complaint)
        if not prepared.reference.conflict([prepared.proposals[i] for i in ids]):
            assert features.violation[place] == pytest.approx(verdict.violation, abs=DUST)
        assert exact[place] == pytest.approx(verdict.score, rel=1e-9, abs=1e-9)
        assert upper[place] >= exact[place] - FLOAT32_MARGIN * largest
    check_legal_sets(evaluator, block)


def check_legal_sets(evaluator: Evaluator, block: IdBlock) -> None:
    """Checking limit by limit gives the same legal sets as checking all at once."""
    many = np.tile(block, (1, 1 + UNFILTERED_SEQUENCES_MAX // block.shape[1]))
    for sets in (block, many):
        expected = evaluator.check_block(sets)
        places, violation = evaluator.filter_legal(sets)
        assert places.tolist() == np.flatnonzero(expected.legal).tolist()
        assert (violation == expected.violation[places]).all()


def make_state_or_none(portfolio: Portfolio) -> PlanningState | None:

    return (
        make_state(portfolio.context, portfolio.config)
        if value(portfolio.context, portfolio.config)[1].nav > 0
        else None
    )


@settings(max_examples=40)
@given(portfolios(), st.integers(0, 2**16))
def test_every_set_scores_and_judges_as_the_slow_reference_does(
    portfolio: Portfolio, seed: int
) -> None:
    check_sets(portfolio, seed, n_sets=25)


@pytest.mark.soak
@settings(max_examples=1_000)
@given(portfolios(), st.integers(0, 2**16))
def test_every_set_scores_and_judges_as_the_slow_reference_does_for_long(
    portfolio: Portfolio, seed: int
) -> None:
    check_sets(portfolio, seed, n_sets=60)


@settings(max_examples=20)
@given(portfolios())
def test_every_candidate_is_a_legal_trade_by_itself(portfolio: Portfolio) -> None:
    assume(make_state_or_none(portfolio) is not None)
    prepared = prepare(portfolio)
    for action, proposal in zip(prepared.candidates.actions, prepared.proposals, strict=True):
        assert not prepared.reference.trade_complaint(proposal)
        cost, tax = prepared.reference.cost(proposal), prepared.reference.tax(proposal)
        assert action.cost == pytest.approx(cost, rel=1e-9)
        assert action.tax == pytest.approx(tax, rel=1e-9, abs=1e-9)
        assert action.value + action.cash_delta == pytest.approx(-(cost + tax), abs=1e-6)


# -- by hand --------------------------------------------------------------------------------------


def bare_state(cash: float = 10_000.0) -> PlanningState:
    """Four holdings of 100 units at 100 EUR, and cash."""
    return make_state(make_context(cash=cash), make_config(constraints=FREE))


def one(evaluator: Evaluator, *ids: int) -> LimitCheck:
    return evaluator.check_block(as_block([ids], max(len(ids), 1), evaluator.null_id))


def test_an_action_changes_the_weight_of_its_own_security_only() -> None:
    state = bare_state()
    evaluator = make_evaluator(state, [make_action(state, "BBB", -50)])
    assert evaluator.weights_after([0]) == pytest.approx([0.2, 0.1, 0.2, 0.2])
    assert evaluator.weights_after([]) == pytest.approx(state.portfolio.weight)


def test_a_buy_may_use_cash_down_to_the_reserve_and_not_beyond() -> None:
    config = make_config(constraints={**FREE, "cash_reserve": 0.1})
    state = make_state(make_context(), config)
    # 10,000 EUR less the reserve of 5,000: 49 units at 100 with costs of 2 + 0.25 % fit, 50 do not.
    evaluator = make_evaluator(state, [make_action(state, "AAA", n) for n in (49, 50)])
    assert one(evaluator, 0).legal.all()
    assert not one(evaluator, 1).legal.any()


def test_a_sell_pays_for_a_buy() -> None:
    state = bare_state(cash=0.0)
    actions = [make_action(state, "AAA", 30), make_action(state, "BBB", -31)]
    evaluator = make_evaluator(state, actions)
    assert not one(evaluator, 0).legal.any()
    assert one(evaluator, 0, 1).legal.all()


def test_settled_cash_mode_ignores_what_this_plan_sells() -> None:
    config = make_config(constraints={**FREE, "settled_cash_only": True})
    state = make_state(make_context(cash=(CashBalance("EUR", 1_000.0, 9_000.0),)), config)
    actions = [make_action(state, "AAA", n) for n in (9, 11)] + [make_action(state, "BBB", -50)]
    evaluator = make_evaluator(state, actions)
    assert one(evaluator, 0).legal.all()
    assert one(evaluator, 0, 2).legal.all()
    assert not one(evaluator, 1, 2).legal.any()


def test_settled_cash_pays_for_the_costs_of_buys_too() -> None:
    reserve = {"cash_reserve": 0.0, "settled_cash_only": True}
    for costs, affordable in ((0.0, True), (2.0, False)):
        config = make_config(
            constraints={**FREE, **reserve}, costs={"fixed_cost": costs, "cost_bps": 0.0}
        )
        state = make_state(make_context(cash=(CashBalance("EUR", 1_001.0, 9_000.0),)), config)
        evaluator = make_evaluator(state, [make_action(state, "AAA", 10)])
        assert bool(one(evaluator, 0).legal.all()) is affordable


def test_both_sides_count_towards_turnover() -> None:
    config = make_config(constraints={**FREE, "turnover_max": 0.2})
    state = make_state(make_context(), config)
    actions = [make_action(state, "AAA", 50), make_action(state, "BBB", -50)]
    actions.append(make_action(state, "CCC", -51))
    evaluator = make_evaluator(state, actions)
    assert one(evaluator, 0, 1).legal.all()
    assert not one(evaluator, 0, 2).legal.any()


def test_a_repair_does_not_use_up_turnover_as_far_as_it_is_needed() -> None:
    config = make_config(constraints={**FREE, "turnover_max": 0.0, "cash_reserve": 0.3})
    state = make_state(make_context(), config)
    # 5,000 EUR are missing: that much may be sold, with a little for costs and the last lot.
    enough = int(state.limits.repair_credit * state.nav // 100)
    assert 51 <= enough <= 55
    actions = [make_action(state, "AAA", -n, mandatory=True) for n in (enough, enough + 1)]
    actions.append(make_action(state, "BBB", -10))
    evaluator = make_evaluator(state, actions)
    assert one(evaluator, 0).legal.all()
    assert not one(evaluator, 1).legal.any()
    assert not one(evaluator, 2).legal.any()


def test_a_group_at_its_cap_takes_a_buy_only_against_a_sell_of_its_own() -> None:
    securities = tuple(
        make_security(name, groups={"industry": "energy" if name < "CCC" else "tools"})
        for name in ("AAA", "BBB", "CCC", "DDD")
    )
    rule = GroupRule("industry", "energy", cap=0.4)
    context = make_context(securities=securities, group_rules=(rule,))
    state = make_state(context, make_config(constraints=FREE))
    actions = [make_action(state, "AAA", 10), make_action(state, "BBB", -10)]
    actions.append(make_action(state, "CCC", -10))
    evaluator = make_evaluator(state, actions)
    assert not one(evaluator, 0).legal.any()
    assert not one(evaluator, 0, 2).legal.any()
    assert one(evaluator, 0, 1).legal.all()


def test_two_actions_on_one_security_exclude_each_other_and_one_twice_too() -> None:
    state = bare_state()
    evaluator = make_evaluator(state, [make_action(state, "AAA", -n) for n in (5, 10)])
    assert not one(evaluator, 0, 1).legal.any()
    assert not one(evaluator, 0, 0).legal.any()


def test_the_first_place_of_a_set_does_not_matter() -> None:
    state = bare_state()
    actions = [make_action(state, s.id, -5.0 - i) for i, s in enumerate(make_securities(4))]
    evaluator = make_evaluator(state, actions)
    orders = as_block([(0, 1, 3), (3, 0, 1), (1, 3, 0)], 3, evaluator.null_id)
    assert np.ptp(evaluator.exact_scores(orders)) < 1e-15


def test_the_bound_from_a_cut_touches_the_score_where_it_was_taken() -> None:
    state = make_state(make_context(n_days=600), make_config(constraints=FREE))
    actions = [make_action(state, s.id, -20.0) for s in make_securities(4)]
    evaluator = make_evaluator(state, actions)
    sets = [(), (0,), (1, 2), (0, 1, 2, 3)]
    for cut_at in sets:
        constant, per_candidate = evaluator.tail_tangent(cut_at)
        for ids in sets:
            block = as_block([ids], 4, evaluator.null_id)
            smooth = evaluator.tables.score_before + evaluator.tables.lin[block].sum()
            smooth += sum(evaluator.tables.pair[i, j] for i in ids for j in ids if i < j)
            bound = smooth + constant + per_candidate[block].sum()
            assert bound >= evaluator.exact_scores(block)[0] - 1e-12
            if ids == cut_at:
                assert bound == pytest.approx(evaluator.exact_scores(block)[0], abs=1e-12)


def test_a_block_and_its_sets_are_the_same_thing() -> None:
    block = as_block([(3, 1), (), (2,)], 3, null_id=9)
    assert block.dtype == np.int16
    assert [as_set(column, 9) for column in block.T] == [(1, 3), (), (2,)]


def test_a_table_of_the_largest_size_is_addressed_without_overflow() -> None:
    state = bare_state()
    # 400 * 401 is far above what an int16 holds.
    actions: list[Action] = []
    for i in range(100):
        actions += [make_action(state, s.id, -1.0 - i / 1e3) for s in make_securities(4)]
    evaluator = make_evaluator(state, actions)
    ids = (396, 397, 398, 399)
    block = as_block([ids], 4, evaluator.null_id)
    small = make_evaluator(state, [actions[i] for i in ids])
    alone = small.exact_scores(as_block([(0, 1, 2, 3)], 4, small.null_id))
    assert evaluator.exact_scores(block) == pytest.approx(alone, abs=1e-14)
    assert evaluator.upper_scores(block) == pytest.approx(
        small.upper_scores(as_block([(0, 1, 2, 3)], 4, small.null_id)), abs=1e-6
    )
