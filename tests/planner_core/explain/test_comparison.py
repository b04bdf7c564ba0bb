"""Which of two plans is better: by one objective, by both, or not at all."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner_core.explain import comparison
from planner_core.explain.comparison import Basis, Contender, Verdict, compare_plans
from planner_core.model.context import PlanningContext
from planner_core.model.plan import Outcome
from planner_core.planner import plan
from tests.builders import make_config, make_context, make_lot, make_securities
from tests.planner_core.sample_plans import drifted_context
from tests.planner_core.strategies import Portfolio, configs, portfolios

MIRROR = {Verdict.A: Verdict.B, Verdict.B: Verdict.A}
CONTEXT = drifted_context()


def contender(context: PlanningContext = CONTEXT, **config: Any) -> Contender:  # noqa: ANN401
    """The plan of a configuration."""
    configuration = make_config(**config)
    return Contender(context, configuration, plan(context, configuration))


DEFAULT = contender()
SHALLOW = contender(max_plan_depth=1)
HELD = replace(DEFAULT, plan=replace(DEFAULT.plan, outcome=Outcome.HELD, steps=()))


def mirrored(verdict: Verdict) -> Verdict:
    return MIRROR.get(verdict, verdict)


def test_the_same_trades_are_a_tie() -> None:
    assert DEFAULT.plan.steps
    answer = compare_plans(DEFAULT, DEFAULT)
    assert (answer.verdict, answer.basis) == (Verdict.TIE, Basis.SAME_PLAN)
    assert answer.same_objective
    assert answer.same_limits


def test_with_the_same_objective_the_higher_score_wins() -> None:
    answer = compare_plans(SHALLOW, DEFAULT)
    assert (answer.verdict, answer.basis) == (Verdict.B, Basis.SCORE)
    assert answer.same_objective
    assert answer.by_a is not None
    assert answer.by_b is not None
    assert (answer.by_a.allows_a, answer.by_a.allows_b) == (True, False), "one step at most"
    assert answer.by_b.allows_a
    assert DEFAULT.plan.score is not None
    assert answer.by_a.gain_b == pytest.approx(DEFAULT.plan.score.gain, abs=1e-12)


def test_a_difference_below_the_least_gain_is_a_tie() -> None:
    assert SHALLOW.plan.score is not None
    assert DEFAULT.plan.score is not None
    difference_bps = (DEFAULT.plan.score.gain - SHALLOW.plan.score.gain) * 1e4
    assert difference_bps > 0
    for least, verdict in (
        (difference_bps * 1.01, Verdict.TIE),
        (difference_bps * 0.99, Verdict.B),
    ):
        config = make_config(max_plan_depth=1, constraints={"min_gain_bps": least})
        answer = compare_plans(replace(SHALLOW, config=config), DEFAULT)
        assert (answer.verdict, answer.basis) == (verdict, Basis.SCORE)


def test_of_plans_with_the_same_limits_the_one_that_repairs_more_wins() -> None:
    context = make_context(cash=-8_000.0)
    repaired, half = contender(context), contender(context)
    assert repaired.plan.violation_after < repaired.plan.violation_before
    half = replace(half, plan=replace(half.plan, steps=(), outcome=Outcome.NOTHING_TO_DO))
    answer = compare_plans(half, repaired)
    assert (answer.verdict, answer.basis) == (Verdict.B, Basis.LIMITS)


def test_a_plan_that_both_objectives_prefer_wins() -> None:
    """A fee more is another objective; it does not make one step better than five."""
    other = contender(max_plan_depth=1, costs={"fixed_cost": 2.5})
    answer = compare_plans(DEFAULT, other)
    assert not answer.same_objective
    assert (answer.verdict, answer.basis) == (Verdict.A, Basis.BOTH_OBJECTIVES)


def test_where_each_plan_wins_under_its_own_objective_there_is_no_winner() -> None:
    """Without targets, the bold one and the cautious one want different things."""
    context, free = make_context(cash=100_000.0), {"turnover_max": 10.0, "position_weight_max": 1.0}
    bold, cautious = (
        contender(context, objective={"risk_aversion": aversion}, constraints=free)
        for aversion in (0.5, 20.0)
    )
    answer = compare_plans(bold, cautious)
    assert (answer.verdict, answer.basis) == (Verdict.NO_WINNER, Basis.NONE)
    assert answer.by_a is not None
    assert answer.by_b is not None
    assert (answer.by_a.prefers, answer.by_b.prefers) == (Verdict.A, Verdict.B)
    assert answer.by_b.allows_a, "it is a question of what is wanted, not of limits"


def blind_side() -> tuple[Contender, Contender]:
    """Two plans, of which the second one's snapshot has no price of what the first one buys."""
    securities = make_securities(4, target=0.25)
    lots = tuple(make_lot(security.id) for security in securities[:3])
    context = make_context(securities=securities, lots=lots, cash=15_000.0, seed=4)
    prices = np.array(context.prices)
    prices[:, 3] = np.nan
    return contender(context), contender(replace(context, prices=prices))


def test_where_no_score_compares_both_distance_and_costs_decide_if_they_agree() -> None:
    a, b = blind_side()
    answer = compare_plans(a, b)
    assert answer.by_b is not None
    assert answer.by_b.gain_a is None
    assert answer.by_b.prefers is Verdict.NO_COMPARISON
    assert (answer.closer, answer.cheaper) == (Verdict.A, Verdict.B)
    assert (answer.verdict, answer.basis) == (Verdict.NO_WINNER, Basis.NONE)
    for_nothing = tuple(replace(step, cost=0.0) for step in a.plan.steps)
    answer = compare_plans(replace(a, plan=replace(a.plan, steps=for_nothing)), b)
    assert (answer.verdict, answer.basis) == (Verdict.A, Basis.DISTANCE_AND_COSTS)


@pytest.mark.parametrize(
    ("a", "b", "verdict"),
    [
        (DEFAULT, None, Verdict.A),
        (DEFAULT, HELD, Verdict.A),
        (HELD, DEFAULT, Verdict.B),
        (None, HELD, Verdict.NO_COMPARISON),
    ],
)
def test_a_side_without_a_plan_loses(
    a: Contender | None, b: Contender | None, verdict: Verdict
) -> None:
    answer = compare_plans(a, b)
    assert (answer.verdict, answer.basis, answer.by_a) == (verdict, Basis.NO_PLAN, None)


def test_costs_that_differ_by_less_than_the_least_gain_are_the_same() -> None:
    nav = DEFAULT.plan.nav
    assert nav is not None
    steps = DEFAULT.plan.steps
    dearer = replace(steps[0], cost=steps[0].cost + 0.00049 * nav)
    much = replace(steps[0], cost=steps[0].cost + 0.00051 * nav)
    for step, verdict in ((dearer, Verdict.TIE), (much, Verdict.A)):
        other = replace(SHALLOW, plan=replace(DEFAULT.plan, steps=(step, *steps[1:])))
        assert compare_plans(DEFAULT, other).cheaper is verdict


def test_without_targets_no_plan_is_closer_to_them() -> None:
    context = make_context(securities=make_securities(4))
    sides = contender(context), contender(context, max_plan_depth=1)
    assert compare_plans(*sides).closer is Verdict.NO_COMPARISON


@settings(max_examples=50)
@given(portfolios(4), st.data())
def test_exchanged_sides_exchange_the_answer_and_each_gain_is_that_of_its_plan(
    portfolio: Portfolio, data: st.DataObject
) -> None:
    both = [
        Contender(portfolio.context, config, plan(portfolio.context, config))
        for config in (portfolio.config, data.draw(configs()))
    ]
    there, back = compare_plans(*both), compare_plans(*reversed(both))
    assert back.verdict is mirrored(there.verdict)
    assert (back.basis, back.same_objective) == (there.basis, there.same_objective)
    assert (back.closer, back.cheaper) == (mirrored(there.closer), mirrored(there.cheaper))
    if there.by_a is None or there.by_b is None:
        return
    for own, side in ((there.by_a.gain_a, both[0]), (there.by_b.gain_b, both[1])):
        assert side.plan.score is not None
        assert own == pytest.approx(side.plan.score.gain, abs=comparison.SAME_SCORE)
    for judgement, plan_ in ((there.by_a, both[0].plan), (there.by_b, both[1].plan)):
        own_violation = judgement.violation_a if plan_ is both[0].plan else judgement.violation_b
        assert own_violation == pytest.approx(plan_.violation_after, abs=1e-9)
