"""The sets around a set: those of brute force, best bound first, each once."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import pytest

from planner_core.market.limits import VIOLATION_TOLERANCE
from planner_core.model.records import CashBalance
from planner_core.search.evaluator import Evaluator, as_block
from planner_core.search.local_search import EXACT_NEIGHBOURS, Neighbourhood, climb
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
        check = evaluator.check(as_block([ids], DEPTH, evaluator.null_id))
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
    check = evaluator.check(as_block([start], DEPTH, evaluator.null_id))
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
