"""combinatorial, against itertools: all sets, each once, no more than counted, block by block."""

from __future__ import annotations

import itertools
import tracemalloc
from dataclasses import dataclass
from math import comb
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner_core.market.state import PlanningState
from planner_core.modules.sequences.combinatorial import (
    Combinatorial,
    CombinatorialParameters,
    combinations_in_blocks,
    count_sets,
    plan_depths,
)
from planner_core.search.evaluator import BLOCK_SEQUENCES
from planner_core.search.ranking import SearchSpace


@dataclass
class Candidates:
    n: int


@dataclass
class Space:
    """As much of a SearchSpace as the generator looks at."""

    candidates: Candidates
    depth: int
    promising: tuple[int, ...]

    @property
    def null_id(self) -> int:
        return self.candidates.n


def sets_of(
    n: int, depth: int, sets_max: int, promising: tuple[int, ...] | None = None
) -> list[tuple[int, ...]]:
    """Everything the generator yields, in its order."""
    space = Space(Candidates(n), depth, promising or tuple(range(n)))
    sets: list[tuple[int, ...]] = []
    for block in Combinatorial().generate(
        cast("SearchSpace", space),
        cast("PlanningState", None),
        CombinatorialParameters(sets_max=sets_max),
    ):
        assert block.dtype == np.int16
        assert 0 < block.shape[0] <= depth
        assert 0 < block.shape[1] <= BLOCK_SEQUENCES
        sets += [tuple(int(i) for i in column if i != n) for column in block.T]
    return sets


@given(st.integers(0, 9), st.integers(1, 10))
def test_within_the_budget_it_yields_exactly_every_set(n: int, depth: int) -> None:
    sets = sets_of(n, depth, 200_000)
    expected = [
        chosen
        for length in range(1, min(depth, n) + 1)
        for chosen in itertools.combinations(range(n), length)
    ]
    assert sorted(sets) == sorted(expected)
    assert [len(chosen) for chosen in sets] == sorted(len(chosen) for chosen in sets)
    assert count_sets(n, depth, 200_000) == len(expected)


@settings(max_examples=60)
@given(st.integers(0, 60), st.integers(1, 10), st.integers(1, 5_000))
def test_it_yields_as_many_sets_as_counted_each_once_and_within_the_budget(
    n: int, depth: int, sets_max: int
) -> None:
    sets = sets_of(n, depth, sets_max)
    assert len(sets) == count_sets(n, depth, sets_max) <= sets_max
    assert len({frozenset(chosen) for chosen in sets}) == len(sets)
    assert all(len(set(chosen)) == len(chosen) <= depth for chosen in sets)


@given(st.integers(0, 2_048), st.integers(1, 10), st.integers(1, 5_000_000))
def test_the_plan_of_depths_is_exhaustive_first_and_then_ever_narrower(
    n: int, depth: int, sets_max: int
) -> None:
    planned = plan_depths(n, depth, sets_max)
    lengths = [length for length, _ in planned]
    assert lengths == sorted(set(lengths))
    assert all(length <= width <= n for length, width in planned)
    assert sum(comb(width, length) for length, width in planned) <= sets_max
    exhaustive = [width == n for _, width in planned]
    cumulative = 0
    for (length, _), full in zip(planned, exhaustive, strict=True):
        cumulative += comb(n, length)
        if cumulative <= sets_max and all(exhaustive[: lengths.index(length)]):
            assert full, "what can be afforded in full is taken in full"


@pytest.mark.parametrize(
    ("n", "depth", "sets_max", "planned"),
    [
        (0, 5, 100, []),
        (1, 5, 100, [(1, 1)]),
        (3, 10, 100, [(1, 3), (2, 3), (3, 3)]),  # deeper than there are candidates
        (100, 3, 200_000, [(1, 100), (2, 100), (3, 100)]),
        (100, 5, 200_000, [(1, 100), (2, 100), (3, 100), (4, 26), (5, 20)]),
        (10, 2, 5, [(1, 2), (2, 2)]),  # not even the singles fit
        (10, 1, 1, [(1, 1)]),
    ],
)
def test_hand_table_of_the_budget(
    n: int, depth: int, sets_max: int, planned: list[tuple[int, int]]
) -> None:
    assert plan_depths(n, depth, sets_max) == planned


def test_beyond_the_budget_the_most_promising_are_combined() -> None:
    promising = (7, 3, 9, *(i for i in range(20) if i not in {7, 3, 9}))
    sets = sets_of(20, 3, 30, promising)
    assert {frozenset(chosen) for chosen in sets if len(chosen) == 2} >= {
        frozenset({7, 3}),
        frozenset({7, 9}),
        frozenset({3, 9}),
    }
    assert frozenset({7, 3, 9}) in {frozenset(chosen) for chosen in sets}


@pytest.mark.parametrize(("width", "length"), [(1, 1), (5, 5), (30, 3), (400, 2), (60, 4)])
def test_blocks_hold_the_combinations_of_itertools_in_their_order(width: int, length: int) -> None:
    blocks = list(combinations_in_blocks(width, length))
    together = np.hstack(blocks)
    flat = itertools.chain.from_iterable(itertools.combinations(range(width), length))
    expected = np.fromiter(flat, dtype=np.intp).reshape(-1, length)
    assert (expected == together.T).all()
    assert max(block.shape[1] for block in blocks) <= BLOCK_SEQUENCES


@pytest.mark.parametrize(("width", "length"), [(2_048, 2), (180, 3), (40, 5), (26, 10)])
def test_memory_does_not_grow_with_the_number_of_sets(width: int, length: int) -> None:
    tracemalloc.start()
    n_sets = 0
    for block in itertools.islice(combinations_in_blocks(width, length), 120):
        n_sets += block.shape[1]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert n_sets > 500_000
    # A few blocks of 8 * 8,192 prefixes per place of the set, 8 bytes each.
    assert peak < 12 * 8 * BLOCK_SEQUENCES * 8 * length


def test_the_same_budget_gives_the_same_sets() -> None:
    assert sets_of(40, 5, 3_000) == sets_of(40, 5, 3_000)


def test_the_budget_has_bounds() -> None:
    bad: list[dict[str, Any]] = [{"sets_max": 0}, {"sets_max": 5_000_001}, {"sets_max": 1.5}]
    for fields in bad:
        with pytest.raises(ValueError, match="sets_max"):
            CombinatorialParameters(**fields)
