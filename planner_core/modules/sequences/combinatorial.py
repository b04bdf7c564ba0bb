"""Enumerate every set up to an affordable depth, then sets of the most promising candidates.

There are C(K, n) sets of n out of K candidates. All of them are yielded as long as they fit into
the budget, shallow ones first; after that, for each deeper n, all sets of the largest number of
most promising candidates that fits. The sets are grown in blocks: each prefix is repeated once for
every larger index that may follow it.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import comb

import numpy as np

from planner_core.market.state import PlanningState
from planner_core.modules.module import (
    Dependency,
    ModuleKind,
    ModuleMetadata,
    ModuleParameters,
    SequenceGenerator,
    parameter,
)
from planner_core.search.evaluator import BLOCK_SEQUENCES, IdBlock
from planner_core.search.ranking import SearchSpace


class CombinatorialParameters(ModuleParameters):
    """The budget."""

    sets_max: int = parameter(
        200_000, unit="sets", ge=1, le=5_000_000, description="maximum sets to enumerate"
    )


class Combinatorial(SequenceGenerator[CombinatorialParameters]):
    """Exhaustive to the largest depth whose sets, all shallower ones included, fit into `sets_max`.

    What is left of the budget goes to each deeper depth in equal parts, over as many of the most
    promising candidates (those in a pattern's set first, then by gain alone) as fit. The number of
    sets follows from the counts alone: `plan_depths` is the rule, for the dry run too.

    Source: D. E. Knuth, The Art of Computer Programming 4A (2011), section 7.2.1.3, for the
    counts; grown in blocks here.
    """

    metadata = ModuleMetadata(
        name="combinatorial",
        version="1.0.0",
        description="Every set up to an affordable depth, then sets of the most promising",
        dependencies=(Dependency(ModuleKind.PATTERN),),
        tags=("exhaustive",),
    )
    parameters_model = CombinatorialParameters

    def generate(
        self, space: SearchSpace, state: PlanningState, parameters: CombinatorialParameters
    ) -> Iterator[IdBlock]:
        """Yield the sets, shallow ones first."""
        order = np.array(space.promising, dtype=np.int16)
        for length, width in plan_depths(space.candidates.n, space.depth, parameters.sets_max):
            for block in combinations_in_blocks(width, length):
                yield order.take(block)


def plan_depths(n_candidates: int, depth: int, sets_max: int) -> list[tuple[int, int]]:
    """Return (length of the sets, number of candidates they are drawn from), shallow first.

    Examples
    --------
    >>> plan_depths(100, 3, 200_000)
    [(1, 100), (2, 100), (3, 100)]
    >>> plan_depths(100, 5, 200_000)
    [(1, 100), (2, 100), (3, 100), (4, 26), (5, 20)]
    """
    planned: list[tuple[int, int]] = []
    budget = sets_max
    longest = min(depth, n_candidates)
    for length in range(1, longest + 1):
        if comb(n_candidates, length) > budget:
            # The rest goes in equal parts to this length and all deeper ones.
            share = budget // (longest - length + 1)
            return planned + [
                (deeper, width)
                for deeper in range(length, longest + 1)
                if (width := _widest(deeper, n_candidates, share)) >= deeper
            ]
        planned.append((length, n_candidates))
        budget -= comb(n_candidates, length)
    return planned


def count_sets(n_candidates: int, depth: int, sets_max: int) -> int:
    """Return the exact number of sets that `generate` yields."""
    return sum(comb(width, length) for length, width in plan_depths(n_candidates, depth, sets_max))


def _widest(length: int, n_candidates: int, share: int) -> int:
    """Return the most candidates of which all sets of a length fit into a share; 0 for none."""
    width = 0
    while width < n_candidates and comb(width + 1, length) <= share:
        width += 1
    return width


def combinations_in_blocks(width: int, length: int) -> Iterator[IdBlock]:
    """Yield all increasing index sets, shape (length, up to BLOCK_SEQUENCES), in fixed order."""
    # The first index leaves room for `length - 1` larger ones.
    prefixes = np.arange(width - length + 1, dtype=np.int16)[None, :]
    yield from _grow(prefixes, width, length)


def _grow(prefixes: IdBlock, width: int, length: int) -> Iterator[IdBlock]:
    """Yield all increasing index sets of a length that begin with one of the prefixes."""
    if len(prefixes) == length:
        for start in range(0, prefixes.shape[1], BLOCK_SEQUENCES):
            yield prefixes[:, start : start + BLOCK_SEQUENCES]
        return
    # The next index lies between the last one and `end`, with room for those after it.
    end = width - (length - len(prefixes)) + 1
    counts = end - 1 - prefixes[-1]
    # Bounded memory: only as many prefixes at a time as grow into a few blocks.
    cuts = np.searchsorted(np.cumsum(counts), np.arange(1, counts.sum(), 8 * BLOCK_SEQUENCES))
    for part, numbers in zip(
        np.split(prefixes, np.unique(cuts[1:]), axis=1),
        np.split(counts, np.unique(cuts[1:])),
        strict=True,
    ):
        grown = np.repeat(part, numbers, axis=1)
        # Number the repeats of each prefix 0, 1, ...: the next index is its last one + 1 + that.
        first = np.cumsum(numbers) - numbers
        last = np.arange(grown.shape[1]) - np.repeat(first, numbers) + grown[-1] + 1
        longer = np.concatenate([grown, last[None, :].astype(np.int16)])
        yield from _grow(longer, width, length)
