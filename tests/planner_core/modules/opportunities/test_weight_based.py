"""weight_based: its optimum is feasible and no worse; parts of the gap to it are offered."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from planner_core.market.state import PlanningState
from planner_core.model.arrays import FloatArray
from planner_core.model.records import Side
from planner_core.modules.opportunities.weight_based import (
    WeightBased,
    WeightBasedParameters,
    _box,
    _budget,
    _cost_per_value,
    _score,
    project,
    solve_target_weights,
)
from tests.builders import make_config, make_context, make_securities, make_state
from tests.planner_core.odd_states import ODD_STATES, odd_state


def test_every_gap_that_matters_is_offered_in_three_parts() -> None:
    state = odd_state("rich with cash")
    gap = solve_target_weights(state) - state.portfolio.weight
    opportunities = list(WeightBased().calculate(state, WeightBasedParameters()))
    matters = np.flatnonzero(np.abs(gap) >= 0.005)
    assert matters.size
    assert [o.security for o in opportunities] == [int(c) for c in matters for _ in range(3)]
    for place, opportunity in enumerate(opportunities):
        column, fraction = opportunity.security, (0.5, 1.0, 1.5)[place % 3]
        assert opportunity.notional == pytest.approx(fraction * abs(gap[column]) * state.nav)
        assert opportunity.side is (Side.BUY if gap[column] > 0 else Side.SELL)
        assert not opportunity.mandatory


def test_a_gap_below_the_minimum_is_left_alone() -> None:
    state = odd_state("rich with cash")
    gap = np.abs(solve_target_weights(state) - state.portfolio.weight)
    smallest = float(gap[gap >= 0.005].min())
    opportunities = WeightBased().calculate(state, WeightBasedParameters(gap_min=smallest * 1.0001))
    assert len({o.security for o in opportunities}) == int((gap > smallest).sum())


def test_no_gap_at_all_is_no_opportunity_even_without_a_minimum() -> None:
    state = make_state(make_context(lots=(), cash=10_000.0, n_days=100))  # nothing may be bought
    assert list(WeightBased().calculate(state, WeightBasedParameters(gap_min=0.0))) == []


@pytest.mark.parametrize("fractions", [(), (0.0,), (-1.0,), (2.1,), (1.0,) * 9])
def test_a_fraction_of_the_gap_is_positive_and_at_most_two(fractions: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="gap_fractions"):
        WeightBasedParameters(gap_fractions=fractions)


N = 4
vectors = arrays(np.float64, N, elements=st.floats(-2, 2))
fractions = arrays(np.float64, N, elements=st.floats(0, 1))


@given(vectors, fractions, fractions, st.floats(0, 1), vectors)
def test_the_projection_is_feasible_and_nearest(
    point: FloatArray, lower: FloatArray, width: FloatArray, slack: float, other: FloatArray
) -> None:
    upper = lower + width
    budget = float(lower.sum() + slack * width.sum())
    projected = project(point, lower, upper, budget)
    assert (projected >= lower).all()
    assert (projected <= upper).all()
    assert projected.sum() <= budget + 1e-12
    # Nearest in a convex set: no feasible point lies at an acute angle (variational inequality).
    feasible = feasible_near(other, lower, upper, budget)
    assert (point - projected) @ (feasible - projected) <= 1e-7


def feasible_near(
    point: FloatArray, lower: FloatArray, upper: FloatArray, budget: float
) -> FloatArray:
    """Some feasible point: clipped, then drawn toward the lower corner until the sum fits."""
    clipped = np.clip(point, lower, upper)
    excess = clipped.sum() - budget
    if excess <= 0:
        return clipped
    room = clipped.sum() - lower.sum()
    drawn: FloatArray = clipped - (clipped - lower) * (excess / room if room else 0.0)
    return drawn


@given(vectors, fractions, fractions, st.floats(0, 1))
def test_projecting_twice_is_projecting_once(
    point: FloatArray, lower: FloatArray, width: FloatArray, slack: float
) -> None:
    upper, budget = lower + width, float(lower.sum() + slack * width.sum())
    once = project(point, lower, upper, budget)
    np.testing.assert_allclose(project(once, lower, upper, budget), once, atol=1e-9)


def test_hand_table_of_the_projection() -> None:
    lower, upper = np.zeros(3), np.array([0.5, 1.0, 1.0])
    inside = np.array([0.1, 0.2, 0.3])
    np.testing.assert_allclose(project(inside, lower, upper, 1.0), inside)
    # Too much by 0.6 in all: 0.2 off each.
    np.testing.assert_allclose(
        project(np.array([0.4, 0.6, 0.6]), lower, upper, 1.0), [0.2, 0.4, 0.4]
    )
    # The first stops at zero, the others carry the rest.
    np.testing.assert_allclose(
        project(np.array([0.1, 0.9, 0.9]), lower, upper, 1.0), [0.0, 0.5, 0.5]
    )


@pytest.mark.parametrize("name", ODD_STATES)
def test_the_answer_is_feasible_and_no_worse_than_the_start(name: str) -> None:
    state = odd_state(name)
    optimum = solve_target_weights(state)
    lower, upper = _box(state)
    budget = _budget(state, float(lower.sum()))
    assert np.isfinite(optimum).all()
    assert (optimum >= lower - 1e-9).all()
    assert (optimum <= upper + 1e-9).all()
    assert optimum.sum() <= budget + 1e-9
    start = project(state.portfolio.weight, lower, upper, budget)
    assert score_of(state, optimum) >= score_of(state, start) - 1e-12


def score_of(state: PlanningState, weight: FloatArray) -> float:
    return _score(state, weight, *_cost_per_value(state))


@pytest.mark.parametrize("name", ODD_STATES)
def test_what_may_not_be_traded_stays_where_it_is(name: str) -> None:
    state = odd_state(name)
    optimum, weight = solve_target_weights(state), state.portfolio.weight
    for column in range(weight.size):
        if not state.can_buy(column):
            assert optimum[column] <= weight[column] + 1e-9
        if not state.can_sell(column):
            assert optimum[column] >= weight[column] - 1e-9


@settings(max_examples=6)
@given(st.integers(0, 2**16), st.floats(0, 30_000), st.integers(1, 12))
def test_no_random_feasible_weights_score_higher(seed: int, cash: float, n: int) -> None:
    context = make_context(
        securities=make_securities(n, target=0.9 / n, cap=0.2), cash=cash, seed=seed, n_days=300
    )
    state = make_state(context)
    optimum = solve_target_weights(state, 1_000)
    best = score_of(state, optimum)
    lower, upper = _box(state)
    budget = _budget(state, float(lower.sum()))
    generator = np.random.default_rng(seed)
    for _ in range(50):
        nearby = optimum + generator.normal(0, generator.choice([0.3, 0.03, 0.003]), n)
        other = project(nearby, lower, upper, budget)
        assert score_of(state, other) <= best + 2e-5


def test_more_iterations_never_give_less_and_the_same_ones_the_same() -> None:
    state = odd_state("rich with cash")
    scores = [score_of(state, solve_target_weights(state, n)) for n in (10, 50, 200, 1_000)]
    assert scores == sorted(scores)
    again = solve_target_weights(state, 200)
    assert (again == solve_target_weights(state, 200)).all()


def test_with_nothing_but_drift_in_the_objective_the_targets_are_the_answer() -> None:
    only_drift = {
        "tracking_aversion": 0,
        "invested_return_assumed": 0,
        "concentration_penalty": 0,
        "group_drift_penalty": 0,
        "tail_risk_penalty": 0,
        "turnover_penalty": 0,
        "drift_penalty": 10,
    }
    free = {"fixed_cost": 0, "cost_bps": 0, "half_spread_bps": 0}
    config = make_config(
        objective=only_drift, costs=free, estimation={"mean_min": 0, "mean_max": 0}
    )
    targets = (0.05, 0.10, 0.15, 0.20)
    securities = tuple(
        security
        for target, name in zip(targets, range(4), strict=True)
        for security in make_securities(4, target=target)[name : name + 1]
    )
    state = make_state(make_context(securities=securities), config)
    np.testing.assert_allclose(solve_target_weights(state), targets, atol=1e-6)
