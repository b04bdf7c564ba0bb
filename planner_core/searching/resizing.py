"""The same trades in other sizes: what exchanges of one or two candidates cannot reach.

A good set is often stuck because three or four of its trades want to move together: a smaller buy
here, a larger one there, and the sell that pays for both. There are few sizes of each trade, so
the combinations are enumerated and scanned on the pair tables.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from math import prod

import numpy as np
from numpy.typing import NDArray

from planner_core.candidates import Candidates
from planner_core.evaluator import BLOCK_SEQUENCES, IdBlock


def resized_sets(candidates: Candidates, chosen: Sequence[int], sets_max: int) -> Iterator[IdBlock]:
    """Yield the sets in which several trades have other sizes, in blocks.

    Parameters
    ----------
    candidates : Candidates
    chosen : sequence of int
        Candidate ids, not empty.
    sets_max : int
        First every set with one other size is yielded, then every set with two, ...: all that
        have so many, or none, if they would be more than this together with those before.

    Yields
    ------
    ndarray of shape (len(chosen), up to BLOCK_SEQUENCES), int16
    """
    sizes = [_other_sizes(candidates, candidate) for candidate in chosen]
    left = sets_max
    for resized in range(1, len(chosen) + 1):
        places = [
            members
            for members in combinations(range(len(chosen)), resized)
            if all(sizes[member].size for member in members)
        ]
        left -= sum(prod(sizes[member].size for member in members) for members in places)
        if left < 0 or not places:
            return
        sets = np.concatenate([_combined(chosen, members, sizes) for members in places], axis=1)
        for start in range(0, sets.shape[1], BLOCK_SEQUENCES):
            yield np.ascontiguousarray(sets[:, start : start + BLOCK_SEQUENCES])


def _other_sizes(candidates: Candidates, candidate: int) -> NDArray[np.int16]:
    """Return the candidates that trade the same security on the same side."""
    same = candidates.security == candidates.security[candidate]
    same &= candidates.is_buy == candidates.is_buy[candidate]
    same &= candidates.is_sell == candidates.is_sell[candidate]
    same[candidate] = False
    return np.flatnonzero(same).astype(np.int16)


def _combined(
    chosen: Sequence[int], members: Sequence[int], sizes: Sequence[NDArray[np.int16]]
) -> IdBlock:
    """Return the chosen set with every combination of other sizes of some members."""
    grid = np.meshgrid(*(sizes[member] for member in members), indexing="ij")
    sets = np.tile(np.array(chosen, dtype=np.int16)[:, None], (1, grid[0].size))
    for member, column in zip(members, grid, strict=True):
        sets[member] = column.ravel()
    return sets
