"""The ranking keeps exactly the best sets: least violation first, then the highest score."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from planner_core.market.state import value
from planner_core.model.records import CashBalance
from planner_core.planner import choose_set
from planner_core.search.evaluator import BLOCK_SEQUENCES, Evaluator, as_block
from planner_core.search.ranking import Ranking
from tests.builders import make_action, make_config, make_context, make_evaluator, make_state
from tests.planner_core.reference import DUST
from tests.planner_core.strategies import Portfolio, portfolios, prepare

TOP = 10
SCORE_TIE = 1e-12
"""Closer than this, either order is right."""


def every_set(k: int, depth: int) -> list[tuple[int, ...]]:
    return [ids for n in range(min(k, depth) + 1) for ids in combinations(range(k), n)]


def ranked(evaluator: Evaluator, sets: Sequence[tuple[int, ...]], depth: int, size: int) -> Ranking:
    """A ranking that was offered the empty set first, as the planner does, then small blocks."""
    ranking = Ranking(evaluator, size)
    ranking.offer(as_block([()], 1, evaluator.null_id))
    for start in range(0, len(sets), 50):
        ranking.offer(as_block(sets[start : start + 50], depth, evaluator.null_id))
    return ranking


def check_against_brute_force(portfolio: Portfolio, seed: int) -> None:
    assume(value(portfolio.context, portfolio.config)[1].nav > 0)
    prepared = prepare(portfolio, at_most=8)
    depth = min(3, portfolio.config.max_plan_depth)
    sets = every_set(prepared.candidates.n, depth)
    shuffled = [sets[i] for i in np.random.default_rng(seed).permutation(len(sets))]
    best = ranked(prepared.evaluator, shuffled, depth, TOP).sets
    expected = prepared.reference.best_sets(prepared.proposals, depth)
    assert len(best) == min(TOP, len(expected))
    for place, (ranked_set, (ids, verdict)) in enumerate(zip(best, expected, strict=False)):
        assert ranked_set.violation == pytest.approx(verdict.violation, abs=2 * DUST)
        assert ranked_set.score == pytest.approx(verdict.score, rel=1e-9, abs=1e-9)
        around = [expected[i][1].score for i in (place - 1, place + 1) if 0 <= i < len(expected)]
        if all(abs(score - verdict.score) > SCORE_TIE for score in around):
            assert ranked_set.ids == ids


@settings(max_examples=30)
@given(portfolios(), st.integers(0, 2**16))
def test_the_top_ten_are_those_of_brute_force_by_the_reference(
    portfolio: Portfolio, seed: int
) -> None:
    check_against_brute_force(portfolio, seed)


@pytest.mark.soak
@settings(max_examples=1_000)
@given(portfolios(), st.integers(0, 2**16))
def test_the_top_ten_are_those_of_brute_force_by_the_reference_for_long(
    portfolio: Portfolio, seed: int
) -> None:
    check_against_brute_force(portfolio, seed)


def crowded(n_days: int = 600) -> Evaluator:
    """Sixteen candidates over four holdings and some cash, CVaR on."""
    config = make_config(
        objective={"tail_risk_penalty": 5.0}, constraints={"turnover_max": 1.0, "cash_reserve": 0.0}
    )
    state = make_state(make_context(n_days=n_days), config)
    sizes = (-40, -15, 5, 20)
    return make_evaluator(
        state, [make_action(state, s.id, n) for s in state.context.securities for n in sizes]
    )


def test_bounds_skip_exact_scores_and_change_nothing() -> None:
    evaluator = crowded()
    sets = every_set(evaluator.candidates.n, 4)
    block = as_block(sets, 4, evaluator.null_id)
    lazy = Ranking(evaluator, TOP)
    lazy.offer(block)
    legal = evaluator.check_block(block).legal
    scores = evaluator.exact_scores(block)[legal]
    best = sorted(scores, reverse=True)[:TOP]
    assert [s.score for s in lazy.sets] == pytest.approx(best, abs=1e-12)
    assert lazy.n_exact < int(legal.sum()) / 2
    assert lazy.n_legal == int(legal.sum())


def test_the_order_in_which_sets_are_offered_does_not_matter() -> None:
    evaluator = crowded()
    sets = every_set(evaluator.candidates.n, 3)
    forward, backward = ranked(evaluator, sets, 3, TOP), ranked(evaluator, sets[::-1], 3, TOP)
    assert forward.sets == backward.sets


def test_a_set_offered_twice_or_in_another_order_is_one_set() -> None:
    evaluator = crowded()
    ranking = ranked(evaluator, [(0, 6), (6, 0), (0, 6)], 2, TOP)
    assert sorted(s.ids for s in ranking.sets) == [(), (0, 6)]


def test_two_tens_of_equal_sets_are_ordered_by_length_and_ids() -> None:
    config = make_config(objective={"tail_risk_penalty": 0.0}, constraints={"turnover_max": 1.0})
    state = make_state(make_context(), config)
    # The same trade under many ids, as a plugin may well propose it.
    evaluator = make_evaluator(state, [make_action(state, "AAA", -20) for _ in range(20)])
    ranking = ranked(evaluator, [(i,) for i in range(20)][::-1], 1, TOP)
    ids = [s.ids for s in ranking.sets if s.ids]
    assert ids == sorted(ids)
    assert ids[0] == (0,)


def test_an_illegal_set_is_never_ranked() -> None:
    evaluator = crowded()
    ranking = ranked(evaluator, [(0, 1), (2, 3)], 2, TOP)
    assert [s.ids for s in ranking.sets] == [()]


def test_a_repair_outranks_every_score() -> None:
    # Nothing but costs counts here, so that every trade makes the score worse.
    penalties = ("risk_aversion", "concentration_penalty", "drift_penalty", "tail_risk_penalty")
    config = make_config(
        objective=dict.fromkeys(penalties, 0.0),
        estimation={"mean_min": 0.0, "mean_max": 0.0},
        constraints={"turnover_max": 1.0, "position_weight_max": 1.0},
    )
    state = make_state(make_context(cash=-5_000.0), config)
    sizes = (-60, -30, -10)
    actions = [make_action(state, "AAA", n, mandatory=True) for n in sizes]
    ranking = ranked(make_evaluator(state, actions), [(0,), (1,), (2,)], 1, TOP)
    assert [s.ids for s in ranking.sets] == [(0,), (1,), (2,), ()]
    assert [s.score for s in ranking.sets] == sorted(s.score for s in ranking.sets)
    assert [s.violation == 0 for s in ranking.sets] == [True, False, False, False]
    assert choose_set(ranking, state).ids == (0,)


def test_a_repair_enters_a_ranking_that_is_full_of_better_scores() -> None:
    config = make_config(constraints={"turnover_max": 1.0, "position_weight_max": 1.0})
    state = make_state(make_context(cash=-5_000.0), config)
    actions = [make_action(state, "AAA", -60, mandatory=True)]
    actions += [make_action(state, "BBB", -1.0 - i) for i in range(8)]
    evaluator = make_evaluator(state, actions)
    others = [(i,) for i in range(1, 9)]
    ranking = ranked(evaluator, others, 1, size=4)
    repair, worst = (0,), ranking.sets[-1]
    assert evaluator.exact_scores(as_block([repair], 1, evaluator.null_id))[0] < worst.score
    ranking.offer(as_block([repair], 1, evaluator.null_id))
    assert ranking.best.ids == repair


def test_doing_nothing_is_kept_aside_when_better_sets_crowd_it_out() -> None:
    evaluator = crowded()
    sets = every_set(evaluator.candidates.n, 3)
    ranking = ranked(evaluator, sets, 3, size=1)
    assert ranking.nothing.ids == ()
    assert ranking.nothing.score == pytest.approx(evaluator.score_before, abs=1e-12)
    assert len(ranking.sets) == 1


def test_an_offer_says_whether_there_is_a_new_best() -> None:
    evaluator = crowded()
    ranking = ranked(evaluator, [], 3, TOP)
    best = max(
        (s for s in every_set(evaluator.candidates.n, 2)),
        key=lambda ids: (
            bool(evaluator.check_block(as_block([ids], 2, evaluator.null_id)).legal[0]),
            float(evaluator.exact_scores(as_block([ids], 2, evaluator.null_id))[0]),
        ),
    )
    block = as_block([best], 2, evaluator.null_id)
    assert ranking.offer(block)
    assert not ranking.offer(block)


def test_large_blocks_and_small_blocks_find_the_same() -> None:
    evaluator = crowded()
    sets = every_set(evaluator.candidates.n, 5)
    assert len(sets) < BLOCK_SEQUENCES
    whole = Ranking(evaluator, TOP)
    whole.offer(as_block(sets, 5, evaluator.null_id))
    assert whole.sets == ranked(evaluator, sets, 5, TOP).sets


@pytest.mark.parametrize("leverage", [3.0, 30.0, 300.0])
def test_a_bucket_deep_in_debt_is_ranked_as_exactly_as_any_other(leverage: float) -> None:
    # Weights are far above 1 there, and float32 loses digits: the margin must grow with them.
    debt = 40_000.0 * (1 - 1 / leverage)
    config = make_config(
        constraints={"turnover_max": 10.0, "position_weight_max": 1.0, "min_trade_value": 0.0}
    )
    state = make_state(make_context(cash=(CashBalance("EUR", -debt),)), config)
    sizes = (-10.0, -10.5, -11.0, -11.5)
    evaluator = make_evaluator(
        state, [make_action(state, s.id, n) for s in state.context.securities for n in sizes]
    )
    sets = every_set(evaluator.candidates.n, 3)
    best = ranked(evaluator, sets, 3, TOP).sets
    block = as_block(sets, 3, evaluator.null_id)
    check, scores = evaluator.check_block(block), evaluator.exact_scores(block)
    order = sorted(
        (round(float(check.violation[i]) / DUST), -float(scores[i]))
        for i in range(len(sets))
        if check.legal[i]
    )
    assert [-s.score for s in best] == pytest.approx([score for _, score in order[:TOP]], rel=1e-12)
