"""Change the sizes of several trades of a set at once.

A good set is often stuck because three or four of its trades must change together: a smaller buy
here, a larger one there, and the sell that pays for both. Exchanges of one or two candidates cannot
reach that. Each trade has only a few sizes among the candidates, so all combinations are enumerated
and scanned on the pair tables.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from planner_core.model.candidates import Candidates
from planner_core.search.evaluator import BLOCK_SEQUENCES, IdBlock


def resized_sets(candidates: Candidates, chosen: Sequence[int], sets_max: int) -> Iterator[IdBlock]:
    """Yield the sets in which several trades have other sizes, in blocks.

    Parameters
    ----------
    candidates : Candidates
    chosen : sequence of int
        Candidate ids, not empty.
    sets_max : int
        Most sets to yield. Sets with one changed size come first, then those with two, and so on;
        a number of changes whose sets do not all fit is left out, and so are larger ones.

    Yields
    ------
    ndarray of shape (len(chosen), up to BLOCK_SEQUENCES), int16
    """
    sizes = [_other_sizes(candidates, candidate) for candidate in chosen]
    changes_max = _changes_max([size.size for size in sizes], sets_max)
    # [1:] leaves out the set itself.
    for sets in _by_changes(chosen, sizes, changes_max)[1:]:
        for start in range(0, sets.shape[1], BLOCK_SEQUENCES):
            yield np.ascontiguousarray(sets[:, start : start + BLOCK_SEQUENCES])


def _changes_max(counts: Sequence[int], sets_max: int) -> int:
    """Return how many trades may change at once for all such sets to fit into `sets_max`.

    The number of sets with r changes is the r-th elementary symmetric polynomial of the counts of
    other sizes: the sum over all choices of r trades of the product of their counts.
    """
    n_sets = [1] + [0] * len(counts)
    for count in counts:
        # e_r(c_1..c_j) = e_r(c_1..c_j-1) + c_j e_r-1(c_1..c_j-1); downwards, to use the old values.
        for changes in range(len(counts), 0, -1):
            n_sets[changes] += n_sets[changes - 1] * count
    changes_max, budget = 0, sets_max
    for changes in range(1, len(n_sets)):
        budget -= n_sets[changes]
        # All or none: a part of the sets would prefer the trades that happen to come first.
        if budget < 0 or not n_sets[changes]:
            break
        changes_max = changes
    return changes_max


def _by_changes(
    chosen: Sequence[int], sizes: Sequence[NDArray[np.int16]], changes_max: int
) -> list[IdBlock]:
    """Return the sets with 0, 1, ... `changes_max` changed sizes, one block each."""
    grown = [np.empty((0, 1), dtype=np.int16)]
    for candidate, others in zip(chosen, sizes, strict=True):
        # Each trade either stays, and the number of changes too, or changes, which is one more.
        unchanged = [_with_last(sets, np.full(1, candidate, dtype=np.int16)) for sets in grown]
        changed = [_with_last(sets, others) for sets in grown]
        # No set has more changes than trades so far: an empty block stands for those.
        unchanged.append(np.empty((len(grown[0]) + 1, 0), dtype=np.int16))
        grown = [unchanged[0]] + [
            np.concatenate([same, other], axis=1)
            for same, other in zip(unchanged[1 : changes_max + 1], changed, strict=False)
        ]
    return grown


def _other_sizes(candidates: Candidates, candidate: int) -> NDArray[np.int16]:
    """Return the candidates that trade the same security on the same side."""
    # Both flags: a conversion is neither a buy nor a sell, and its currencies are its security.
    same = candidates.security == candidates.security[candidate]
    same &= candidates.is_buy == candidates.is_buy[candidate]
    same &= candidates.is_sell == candidates.is_sell[candidate]
    same[candidate] = False
    return np.flatnonzero(same).astype(np.int16)


def _with_last(sets: IdBlock, last: NDArray[np.int16]) -> IdBlock:
    """Return every set extended by each of some candidates."""
    # All sets with the first candidate, then all with the second, and so on.
    return np.concatenate([np.tile(sets, (1, last.size)), np.repeat(last, sets.shape[1])[None, :]])
