"""weight_based: parts of the gap between the continuous optimum and what is held."""

from __future__ import annotations

import numpy as np
import pytest

from planner_core.model.records import Side
from planner_core.modules.opportunities.continuous import solve_target_weights
from planner_core.modules.opportunities.weight_based import WeightBased, WeightBasedParameters
from tests.builders import make_context, make_state
from tests.planner_core.odd_states import odd_state


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
