"""The sets around a set, and those in other sizes: as brute force finds them, each once."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import pytest

from planner_core.market.limits import VIOLATION_TOLERANCE
from planner_core.market.state import PlanningState
from planner_core.model.records import CashBalance
from planner_core.search.evaluator import BLOCK_SEQUENCES, Evaluator, as_block
from planner_core.search.local_search import (
    EXACT_NEIGHBOURS,
    Neighbourhood,
    climb,
    sets_in_other_sizes,
)
from tests.builders import make_action, make_config, make_context, make_evaluator, make_state

DEPTH = 3
EVERY_CANDIDATE = 1_000
SIZES = (-60, -40, -20, -10, 5, 10, 20, 30)
CASH = {"plenty": 20_000.0, "none": 0.0, "a debt": -5_000.0}
STARTS = ((), (0,), (1, 12), (0, 9, 21))


def around(cash: float) -> Evaluator:
    """Four sells and four buys of each of three securities, CVaR on."""
    context = make_context(n_days=600, cash=(CashBalance("EUR", settled=cash),))
    config = make_config(constraints={"cash_reserve": 0.0, "turnover_max": 0.3})
    state = make_state(context, config)
    names = [security.id for security in context.securities][:3]
    actions = [make_action(state, name, n, mandatory=n < 0) for name in names for n in SIZES]
    return make_evaluator(state, actions)


def exchanged(n: int, current: tuple[int, ...], most: int, added: int) -> Iterator[tuple[int, ...]]:
    """Every set in which up to `most` of the current one leave and `added` others come."""
    others = [i for i in range(n) if i not in current]
    for dropped in range(min(most, len(current)) + 1):
        for rest in combinations(current, len(current) - dropped):
            for new in combinations(others, added):
                if len(rest) + added <= DEPTH:
                    yield tuple(sorted((*rest, *new)))


def by_brute_force(hood: Neighbourhood, sets: Iterator[tuple[int, ...]]) -> list[tuple[int, float]]:
    """Level and negative bound of every set that could be better, best first."""
    evaluator, tables = hood.evaluator, hood.evaluator.tables
    expected = []
    for ids in sets:
        check = evaluator.check_block(as_block([ids], DEPTH, evaluator.null_id))
        bound = hood.before + hood.lin[list(ids)].sum()
        bound += sum(tables.pair[i, j] for i, j in combinations(ids, 2))
        level = int(np.rint(check.violation[0] / VIOLATION_TOLERANCE))
        improves = (level, -bound) < (hood.level, -hood.score - 1e-12)
        if check.legal[0] and ids != hood.current and improves:
            expected.append((level, -float(bound)))
    return sorted(expected)


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("cash", CASH.values(), ids=CASH)
def test_neighbours_are_the_best_of_brute_force_each_once(
    cash: float, start: tuple[int, ...]
) -> None:
    evaluator = around(cash)
    n = evaluator.candidates.n
    check = evaluator.check_block(as_block([start], DEPTH, evaluator.null_id))
    if not check.legal[0]:
        start = ()
    hood = Neighbourhood(evaluator, start, DEPTH)
    ones = [*exchanged(n, start, 1, 1), *exchanged(n, start, 1, 0)]
    for neighbours, sets in (
        (hood.exchanges_of_one(), iter(ones)),
        (hood.exchanges_of_two(EVERY_CANDIDATE), exchanged(n, start, 2, 2)),
    ):
        expected = by_brute_force(hood, sets)[:EXACT_NEIGHBOURS]
        ordered = sorted(neighbours)[:EXACT_NEIGHBOURS]
        assert [level for level, _, _ in ordered] == [level for level, _ in expected]
        assert [bound for _, bound, _ in ordered] == pytest.approx([b for _, b in expected])
        assert len({ids for _, _, ids in neighbours}) == len(neighbours)


def test_some_of_these_neighbourhoods_have_more_neighbours_than_are_scored() -> None:
    sizes = [
        len(Neighbourhood(around(cash), (), DEPTH).exchanges_of_two(EVERY_CANDIDATE))
        for cash in CASH.values()
    ]
    assert max(sizes) >= EXACT_NEIGHBOURS
    assert min(sizes) > 0


@pytest.mark.parametrize("cash", CASH.values(), ids=CASH)
def test_a_climb_knows_the_score_and_level_of_its_steps(cash: float) -> None:
    evaluator = around(cash)
    hood = Neighbourhood(evaluator, (), DEPTH)
    better = hood.best(hood.exchanges_of_one())
    assert better is not None
    fresh = Neighbourhood(evaluator, better, DEPTH)
    assert hood.next_standing == pytest.approx((fresh.score, fresh.level), abs=1e-12)
    ranks = [
        (neighbours.level, -neighbours.score)
        for neighbours in (
            Neighbourhood(evaluator, ids, DEPTH) for ids in climb(evaluator, (), DEPTH)
        )
    ]
    assert ranks == sorted(ranks, reverse=True)


SIX_SIZES = (-60, -40, -20, 10, 20, 30)


def without_cash() -> PlanningState:
    """Every buy needs a sell that pays for it: sizes depend on each other."""
    context = make_context(cash=(CashBalance("EUR", settled=0.0),))
    return make_state(context, make_config(constraints={"cash_reserve": 0.0, "turnover_max": 0.3}))


def crowded(state: PlanningState | None = None) -> Evaluator:
    """Three sells and three buys of each of three securities."""
    state = state or make_state()
    return make_evaluator(
        state, [make_action(state, s.id, n) for s in state.context.securities for n in SIX_SIZES]
    )


def sets_of(evaluator: Evaluator, chosen: tuple[int, ...], sets_max: int) -> list[tuple[int, ...]]:
    sets = []
    for block in sets_in_other_sizes(evaluator.candidates, chosen, sets_max):
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
        legal = bool(evaluator.check_block(block).legal[0])
        assert not legal or evaluator.exact_scores(block)[0] <= best + 1e-12


def test_the_best_sizes_are_those_of_brute_force() -> None:
    evaluator = crowded(without_cash())
    improved = 0
    for chosen in combinations(range(evaluator.candidates.n), 3):
        if len({place // len(SIX_SIZES) for place in chosen}) < len(chosen):
            continue  # two trades of one security
        sets = [chosen, *sets_of(evaluator, chosen, 10_000)]
        block = np.array(sets, dtype=np.int16).T
        legal = evaluator.check_block(block).legal
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
