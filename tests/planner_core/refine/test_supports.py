"""The climb among supports: as good as trying all, and never two legs that exclude each other."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner_core.errors import PlanningCancelledError
from planner_core.refine.legs import Legs, build_legs
from planner_core.refine.supports import SupportSearch
from tests.builders import (
    make_action,
    make_candidates,
    make_config,
    make_context,
    make_lot,
    make_securities,
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
def test_it_ends_within_a_thousandth_of_the_best_of_all_supports(
    seed: int, depth: int, turnover: float
) -> None:
    legs = legs_of(seed, n=5, turnover=turnover)
    everything = SupportSearch(legs, depth)
    for size in range(1, depth + 1):
        for support in combinations(range(legs.n), size):
            if not np.triu(legs.conflicts[np.ix_(support, support)], 1).any():
                everything._solve([support], np.zeros(legs.n))
    search = SupportSearch(legs, depth)
    for start in range(3):
        search.climb((start,), never)
    best = everything.feasible[0].gain
    assert search.feasible[0].gain >= best - 0.001 * abs(best) - 1e-9


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
    search = SupportSearch(legs_of(5), 3)
    search.climb((0,), lambda: True)
    assert [sized.support for sized in search.feasible] == [(0,)]

    def cancelled() -> bool:
        raise PlanningCancelledError("cancelled")

    with pytest.raises(PlanningCancelledError):
        search.climb((1,), cancelled)
