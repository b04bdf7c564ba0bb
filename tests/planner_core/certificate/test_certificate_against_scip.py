"""The certificate against what needs no trust: every set looked at, and a solver of others.

A bound is only worth something if it is never false. So it is asked for early as well: stopped
after the first box, after a few, or allowed to finish.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from planner_core.certificate.certificate import EXACT_TOLERANCE, prove
from planner_core.market.limits import VIOLATION_TOLERANCE
from planner_core.market.state import value
from planner_core.search.evaluator import Evaluator, as_block
from planner_core.search.ranking import Ranking
from tests.builders import make_config, make_context, make_evaluator, make_state
from tests.planner_core.odd_states import rich_context
from tests.planner_core.strategies import Portfolio, portfolios, prepare
from tools.benchmarks._scip import solve

DEPTH = 3
CANDIDATES_MAX = 40
ROUNDING = 1e-12
SCIP_AGREES = 1e-6
NODES = (0, 1, 8, 10_000_000)


def enumerated(evaluator: Evaluator, depth: int) -> tuple[int, float]:
    """The violation level and the exact score of the best of all sets."""
    k = evaluator.candidates.n
    sets = [ids for n in range(min(depth, k) + 1) for ids in combinations(range(k), n)]
    block = as_block(sets, depth, evaluator.null_id)
    check = evaluator.check_block(block)
    level = np.rint(check.violation / VIOLATION_TOLERANCE)
    least = level[check.legal].min()
    scores = evaluator.exact_scores(block)
    return int(least), float(scores[check.legal & (level == least)].max())


def ranking_that_knows_nothing(evaluator: Evaluator) -> Ranking:
    """A ranking in which only doing nothing was looked at: the proof finds the rest itself."""
    ranking = Ranking(evaluator, size=8)
    ranking.offer(as_block([()], 1, evaluator.null_id))
    return ranking


def check_bounds(evaluator: Evaluator, depth: int) -> None:
    level, best = enumerated(evaluator, depth)
    for nodes_max in NODES:
        ranking = ranking_that_knows_nothing(evaluator)
        nothing = ranking.best
        certificate = prove(ranking, depth, lambda: False, nodes_max)
        assert certificate.gap == certificate.upper_bound - ranking.best.score
        assert certificate.upper_bound >= ranking.best.score
        if level == nothing.violation_level:
            assert certificate.upper_bound >= best - ROUNDING, "the bound is false"
        if certificate.exact:
            assert ranking.best.violation_level == level
            assert ranking.best.score == pytest.approx(best, abs=2 * EXACT_TOLERANCE)
            assert certificate.gap <= EXACT_TOLERANCE


def check_portfolio(portfolio: Portfolio) -> None:
    assume(value(portfolio.context, portfolio.config)[1].nav > 0)
    evaluator = prepare(portfolio, at_most=CANDIDATES_MAX).evaluator
    assume(evaluator.candidates.n > 0)
    check_bounds(evaluator, min(DEPTH, portfolio.config.max_plan_depth))


@settings(max_examples=30)
@given(portfolios())
def test_no_bound_is_false_and_what_is_called_exact_is_the_best_of_all_sets(
    portfolio: Portfolio,
) -> None:
    check_portfolio(portfolio)


@pytest.mark.soak
@settings(max_examples=1_000)
@given(portfolios())
def test_no_bound_is_false_and_what_is_called_exact_is_the_best_of_all_sets_for_long(
    portfolio: Portfolio,
) -> None:
    check_portfolio(portfolio)


def rich_evaluator(seed: int, **constraints: float) -> Evaluator:
    """Up to 40 candidates of a portfolio with groups, caps, a foreign name and CVaR on."""
    config = make_config(
        max_plan_depth=DEPTH,
        constraints=constraints,
        objective={"tail_risk_penalty": 1.0},
        estimation={"tail_windows_max": 120, "tail_windows_min": 50},
    )
    portfolio = Portfolio(rich_context(cash=9_000.0, seed=seed), config)
    return prepare(portfolio, at_most=CANDIDATES_MAX).evaluator


@pytest.mark.parametrize("seed", [3, 14, 15])
def test_an_ordinary_portfolio_is_proven_to_the_end(seed: int) -> None:
    evaluator = rich_evaluator(seed)
    assert evaluator.candidates.n > 20
    check_bounds(evaluator, DEPTH)
    ranking = ranking_that_knows_nothing(evaluator)
    assert prove(ranking, DEPTH, lambda: False).exact
    assert ranking.best.ids


@pytest.mark.parametrize("turnover_max", [0.2, 10.0])
@pytest.mark.parametrize("seed", [3, 14])
def test_scip_finds_the_same_optimum_from_its_own_model(seed: int, turnover_max: float) -> None:
    evaluator = rich_evaluator(seed, turnover_max=turnover_max)
    ranking = ranking_that_knows_nothing(evaluator)
    certificate = prove(ranking, DEPTH, lambda: False)
    answer = solve(evaluator, DEPTH, limit_s=60.0)
    assert certificate.exact
    assert answer.closed
    assert ranking.best.score == pytest.approx(answer.score, abs=SCIP_AGREES)
    assert certificate.upper_bound >= answer.score - ROUNDING


@given(st.integers(0, 2**16))
@settings(max_examples=5)
def test_a_better_start_changes_the_work_and_not_the_answer(seed: int) -> None:
    evaluator = rich_evaluator(3)
    warm = ranking_that_knows_nothing(evaluator)
    generator = np.random.default_rng(seed)
    some = [tuple(generator.permutation(evaluator.candidates.n)[:DEPTH]) for _ in range(500)]
    warm.offer(as_block(some, DEPTH, evaluator.null_id))
    cold = ranking_that_knows_nothing(evaluator)
    bounds = [prove(r, DEPTH, lambda: False).upper_bound for r in (warm, cold)]
    assert bounds[0] == pytest.approx(bounds[1], abs=2 * EXACT_TOLERANCE)
    assert warm.best == cold.best


def test_nothing_to_choose_from_is_proven_at_once() -> None:
    evaluator = make_evaluator(make_state(make_context(), make_config()), [])
    certificate = prove(ranking_that_knows_nothing(evaluator), DEPTH, lambda: False)
    assert certificate.exact
    assert certificate.gap == 0.0
