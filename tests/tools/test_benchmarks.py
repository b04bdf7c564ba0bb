"""The contenders of a benchmark compute the same, on the inputs that it names."""

from __future__ import annotations

import json
import shutil
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from planner_core.planner import plan
from planner_core.search.evaluator import Evaluator, as_block
from planner_core.search.ranking import Ranking
from tools.benchmarks import evaluator as benchmark
from tools.benchmarks import opinion
from tools.benchmarks import plan as plan_benchmark
from tools.benchmarks._portfolios import (
    config_with,
    contexts_at_other_dates,
    demo_context,
    simulated_context,
    state_of,
)
from tools.benchmarks._rivals import greedy
from tools.benchmarks._scans import TOP, FullCvar, by_c, by_formula, by_pairs_in_python
from tools.benchmarks._timing import in_turns

DEPTH = 4


@pytest.fixture(scope="module")
def evaluator() -> Evaluator:
    return benchmark.random_evaluator(12, DEPTH)


def test_every_way_to_score_says_the_same(evaluator: Evaluator, tmp_path: Path) -> None:
    assert shutil.which("cc"), "the tests' set-up installs a compiler"
    block = benchmark.random_blocks(evaluator, DEPTH, 1)[0][:, :200]
    # The formula adds a security's trades up before it squares; pairs of one security conflict.
    block = np.ascontiguousarray(block[:, ~evaluator.conflicting(block)])
    assert block.shape[1] > 20
    bounds = evaluator.upper_scores(block)
    assert by_c(evaluator, tmp_path)(block) == pytest.approx(bounds, abs=1e-6)
    assert by_pairs_in_python(evaluator)(block) == pytest.approx(bounds, abs=1e-6)
    exact = evaluator.exact_scores(block)
    objective = evaluator.state.objective
    weights = [evaluator.weights_after(column) for column in block.T.tolist()]
    tail = objective.weights.tail_risk_penalty * np.array([objective.tail_risk(w) for w in weights])
    assert by_formula(evaluator)(block) == pytest.approx(exact + tail, abs=1e-12)
    for by_weights in (True, False):
        full = FullCvar(evaluator, by_weights=by_weights).scores(block)
        assert full == pytest.approx(exact, abs=1e-6)


def test_full_and_lazy_cvar_rank_the_same_ten(evaluator: Evaluator) -> None:
    blocks = benchmark.random_blocks(evaluator, DEPTH, 2)
    lazy = [ranked.ids for ranked in benchmark.ranked(evaluator, blocks).sets]
    assert len(lazy) == TOP
    assert FullCvar(evaluator, by_weights=True).top(blocks) == lazy


def test_greedy_is_legal_and_no_worse_than_nothing(evaluator: Evaluator) -> None:
    ranking = Ranking(evaluator, 2)
    ranking.offer(as_block([()], 1, evaluator.null_id))
    assert greedy(evaluator, DEPTH) >= ranking.nothing.score


def test_instances_are_real_prices_up_to_their_day_and_nothing_younger() -> None:
    contexts = contexts_at_other_dates(4)
    demo = demo_context()
    assert contexts[-1].as_of == demo.as_of
    assert len({context.as_of for context in contexts}) == 4
    for context in contexts:
        row = int(np.flatnonzero(demo.dates == context.dates[-1])[0])
        assert context.prices[-1] == pytest.approx(demo.prices[row], nan_ok=True)
        assert context.as_of == context.dates[-1].astype(object)
        assert all(trade.on <= context.as_of for trade in context.trades)
        assert all(flow.on - context.as_of < timedelta(days=365) for flow in context.cash_flows)
        assert 100_000 < state_of(context, config_with(5)).nav < 200_000


def test_a_simulated_portfolio_is_whole_and_the_same_every_time() -> None:
    first, second = simulated_context(40), simulated_context(40)
    assert first.lots == second.lots
    assert np.array_equal(first.prices, second.prices)
    assert sum(security.target or 0.0 for security in first.securities) == pytest.approx(0.97)
    correlation = np.corrcoef(np.diff(np.log(first.prices), axis=0).T)
    assert 0.1 < correlation[np.triu_indices(40, 1)].mean() < 0.6


def test_what_is_compared_takes_turns() -> None:
    calls: list[str] = []
    seconds = in_turns({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 2)
    assert calls == ["a", "b"] * 3
    assert set(seconds) == {"a", "b"}


def test_the_benchmark_of_plans_reaches_the_command() -> None:
    assert json.loads(plan_benchmark.planned(["modules", "list", "--json"]))


def test_a_week_that_is_carried_out_leaves_what_its_plan_says() -> None:
    context = opinion.drawn_portfolio(3)
    advice = plan(context, config_with(3))
    after = state_of(opinion.carried_out(context, advice), config_with(3))
    assert advice.steps
    assert after.nav == pytest.approx(advice.nav_after)
    assert after.limits.cash_free == pytest.approx(advice.cash_after)
