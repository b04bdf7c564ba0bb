"""Other sizes of the same trades: every combination, by the number of trades that change."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from planner_core.market.state import PlanningState
from planner_core.model.records import CashBalance
from planner_core.search.evaluator import BLOCK_SEQUENCES, Evaluator
from planner_core.search.local_search import Neighbourhood, climb
from planner_core.search.resizing import resized_sets
from tests.builders import (
    make_action,
    make_config,
    make_context,
    make_evaluator,
    make_state,
)

SIZES = (-60, -40, -20, 10, 20, 30)


def without_cash() -> PlanningState:
    """Every buy needs a sell that pays for it: sizes depend on each other."""
    context = make_context(cash=(CashBalance("EUR", settled=0.0),))
    return make_state(context, make_config(constraints={"cash_reserve": 0.0, "turnover_max": 0.3}))


def crowded(state: PlanningState | None = None) -> Evaluator:
    """Three sells and three buys of each of three securities."""
    state = state or make_state()
    return make_evaluator(
        state, [make_action(state, s.id, n) for s in state.context.securities for n in SIZES]
    )


def sets_of(evaluator: Evaluator, chosen: tuple[int, ...], sets_max: int) -> list[tuple[int, ...]]:
    sets = []
    for block in resized_sets(evaluator.candidates, chosen, sets_max):
        assert block.dtype == np.int16
        assert block.shape[0] == len(chosen)
        assert 0 < block.shape[1] <= BLOCK_SEQUENCES
        sets += [tuple(int(i) for i in column) for column in block.T]
    return sets


def traded(evaluator: Evaluator, chosen: tuple[int, ...]) -> list[tuple[int, bool]]:
    candidates = evaluator.candidates
    return [(int(candidates.security[i]), bool(candidates.is_buy[i])) for i in chosen]


def test_every_combination_of_sizes_is_yielded_once_and_trades_the_same() -> None:
    evaluator = crowded()
    chosen = (1, 10)  # a sell of the first security, a buy of the second
    sets = sets_of(evaluator, chosen, 1_000)
    assert len(sets) == len(set(sets)) == 3 * 3 - 1
    assert all(traded(evaluator, ids) == traded(evaluator, chosen) for ids in sets)


@pytest.mark.parametrize(("sets_max", "expected"), [(0, 0), (3, 0), (4, 4), (7, 4), (8, 8)])
def test_a_number_of_changed_trades_is_tried_wholly_or_not_at_all(
    sets_max: int, expected: int
) -> None:
    assert len(sets_of(crowded(), (1, 10), sets_max)) == expected


def test_a_trade_of_one_size_stays_and_does_not_stop_the_others() -> None:
    state = make_state()
    evaluator = make_evaluator(
        state, [make_action(state, "AAA", -20), *(make_action(state, "BBB", n) for n in (10, 20))]
    )
    assert sets_of(evaluator, (0, 1), 100) == [(0, 2)]


def test_a_climb_ends_where_no_combination_of_sizes_is_better() -> None:
    evaluator = crowded()
    *_, last = climb(evaluator, (0,), 3)
    best = evaluator.exact_scores(np.array(last, dtype=np.int16)[:, None])[0]
    for ids in sets_of(evaluator, last, 10_000):
        block = np.array(ids, dtype=np.int16)[:, None]
        legal = bool(evaluator.check(block).legal[0])
        assert not legal or evaluator.exact_scores(block)[0] <= best + 1e-12


def test_the_best_sizes_are_those_of_brute_force() -> None:
    evaluator = crowded(without_cash())
    improved = 0
    for chosen in combinations(range(evaluator.candidates.n), 3):
        if len({place // len(SIZES) for place in chosen}) < len(chosen):
            continue  # two trades of one security
        sets = [chosen, *sets_of(evaluator, chosen, 10_000)]
        block = np.array(sets, dtype=np.int16).T
        legal = evaluator.check(block).legal
        if not legal[0]:
            continue
        scores = np.where(legal, evaluator.exact_scores(block), -np.inf)
        better = Neighbourhood(evaluator, chosen, 3).best_resized(10_000)
        if scores.max() <= scores[0] + 1e-9:
            assert better is None
        else:
            assert better == tuple(sorted(sets[int(scores.argmax())]))
            improved += 1
    assert improved
