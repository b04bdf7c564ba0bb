"""The front: each number of trades has its best set, never a worse one than fewer trades."""

from __future__ import annotations

import time
from itertools import combinations
from typing import Any

import pytest

from planner_core.explain.front import TRADES_MAX, FrontPoint, front
from planner_core.market.state import assess, value
from planner_core.model.context import PlanningContext
from planner_core.model.plan import ProofAnswer
from planner_core.model.records import LedgerStatus, Side
from planner_core.pipeline.candidate_stage import prepare_candidates
from planner_core.pipeline.isolation import ModuleRunner
from planner_core.pipeline.opportunity_stage import find_opportunities
from planner_core.planner import plan
from planner_core.runtime import Runtime
from planner_core.search.evaluator import Evaluator, as_block
from planner_core.search.ranking import Ranking
from tests.builders import make_config, make_context, make_lot, make_securities


def skewed(**fields: Any) -> PlanningContext:  # noqa: ANN401 - fields of the context
    """Six targets of 16 %: three far above, three far below; 4 % of cash."""
    securities = make_securities(6, target=0.16)
    held = (260.0, 240.0, 220.0, 60.0, 80.0, 100.0)
    lots = tuple(make_lot(s.id, units) for s, units in zip(securities, held, strict=True))
    return make_context(securities=securities, lots=lots, cash=4_000.0, **fields)


@pytest.fixture(scope="module")
def points() -> tuple[FrontPoint, ...]:
    return front(skewed(), make_config(), Runtime(monotonic=time.monotonic))


def test_every_number_of_trades_has_its_point(points: tuple[FrontPoint, ...]) -> None:
    assert [point.trades_max for point in points] == list(range(1, TRADES_MAX + 1))
    assert all(len(point.trades) <= point.trades_max for point in points)


def test_more_trades_never_reach_less(points: tuple[FrontPoint, ...]) -> None:
    gains = [point.gain for point in points]
    assert gains == sorted(gains)
    assert gains[0] > 0
    assert points[-1].share == 1.0
    assert [p.share for p in points] == [pytest.approx(g / gains[-1]) for g in gains]
    distances = [point.distance for point in points if point.distance is not None]
    assert distances[0] > distances[2] > distances[-1]


def test_the_plan_is_the_point_of_its_depth(points: tuple[FrontPoint, ...]) -> None:
    config = make_config(max_plan_depth=4)
    result = plan(skewed(), config)
    assert result.score is not None
    # The point begins with the best set of three trades, so it may be better, never worse.
    assert points[3].gain >= result.score.gain - 1e-12
    assert points[3].gain == pytest.approx(result.score.gain, rel=1e-3)


def test_a_point_adds_up_its_trades(points: tuple[FrontPoint, ...]) -> None:
    sides = [trade.side for trade in points[5].trades]
    assert sides == sorted(sides, key=lambda side: side is Side.BUY), "sells first"
    value_traded = sum(trade.value for trade in points[5].trades)
    assert points[5].cost == pytest.approx(2 * len(sides) + 0.0025 * value_traded)


@pytest.mark.parametrize("depth", [1, 2])
def test_no_set_of_a_point_s_trades_beats_its_bound(
    points: tuple[FrontPoint, ...], depth: int
) -> None:
    """Every set of the plan's candidates, one by one."""
    config = make_config()
    context = skewed()
    history, portfolio = value(context, config)
    state = assess(context, config, history, portfolio)
    runner = ModuleRunner(Runtime())
    opportunities, _ = find_opportunities(state, runner)
    candidates, _ = prepare_candidates(opportunities, state, runner)
    ranking = Ranking(Evaluator(state, candidates), 1)
    every = [()] + [ids for n in (1, depth) for ids in combinations(range(candidates.n), n)]
    nothing = as_block([()], 1, candidates.null_id)
    ranking.offer(nothing)
    ranking.offer(as_block(every, depth, candidates.null_id))
    point = points[depth - 1]
    best = ranking.best.score - ranking.nothing.score
    # On a slow machine 0.3 s may not close the gap; the bound holds all the same.
    assert point.proof in (ProofAnswer.PROVEN, ProofAnswer.WITHIN)
    assert point.gain / point.reached_min >= best - 1e-12
    assert (point.proof is ProofAnswer.PROVEN) == (point.reached_min == 1.0)


def test_without_time_nothing_useful_is_claimed() -> None:
    """No proof can be shorter than its first look; a claim must still hold."""
    exact = front(skewed(), make_config(), Runtime(monotonic=time.monotonic))
    hurried = front(skewed(), make_config(), Runtime(monotonic=time.monotonic, proof_s=0.0))
    for whole, short in zip(exact, hurried, strict=True):
        assert short.reached_min <= 1.0
        if short.proof is ProofAnswer.WITHIN:
            assert short.gain >= short.reached_min * whole.gain - 1e-9
        if short.proof is ProofAnswer.PROVEN:
            assert short.gain >= whole.gain - 1e-9


def test_where_nothing_is_worth_a_trade_every_point_is_empty() -> None:
    securities = make_securities(4, target=0.24)
    lots = tuple(make_lot(s.id, 120.0) for s in securities)
    context = make_context(securities=securities, lots=lots, cash=2_000.0)
    points = front(context, make_config(), Runtime(monotonic=time.monotonic))
    assert all(point.trades == () for point in points)
    assert all(point.share is None for point in points)


def test_a_bucket_that_cannot_be_planned_has_no_front() -> None:
    held = skewed(ledger_status=LedgerStatus.INVALID)
    assert front(held, make_config(), Runtime()) == ()


def test_a_cancelled_front_has_the_points_so_far() -> None:
    calls = iter([False] * 40)
    cancelled = front(
        skewed(),
        make_config(),
        Runtime(monotonic=time.monotonic, is_cancelled=lambda: next(calls, True)),
    )
    assert len(cancelled) < TRADES_MAX
