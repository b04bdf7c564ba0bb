"""The same trades in other sizes: what exchanges of one or two candidates cannot reach.

A good set is often stuck because three or four of its trades want to move together: a smaller buy
here, a larger one there, and the sell that pays for both. There are few sizes of each trade, so
the combinations are enumerated and scanned on the pair tables.
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
        First every set with one other size is yielded, then every set with two, ...: all that
        have so many, or none, if they would be more than this together with those before.

    Yields
    ------
    ndarray of shape (len(chosen), up to BLOCK_SEQUENCES), int16
    """
    sizes = [_other_sizes(candidates, candidate) for candidate in chosen]
    most = _most_resized([size.size for size in sizes], sets_max)
    for sets in _resized(chosen, sizes, most)[1:]:
        for start in range(0, sets.shape[1], BLOCK_SEQUENCES):
            yield np.ascontiguousarray(sets[:, start : start + BLOCK_SEQUENCES])


def _most_resized(counts: Sequence[int], sets_max: int) -> int:
    """Return how many trades may change at once for all such sets to fit.

    There are as many sets with r changed as the r-th elementary symmetric polynomial of the counts.
    """
    n_sets = [1] + [0] * len(counts)
    for count in counts:
        for resized in range(len(counts), 0, -1):
            n_sets[resized] += n_sets[resized - 1] * count
    most, left = 0, sets_max
    for resized in range(1, len(n_sets)):
        left -= n_sets[resized]
        if left < 0 or not n_sets[resized]:
            break
        most = resized
    return most


def _resized(chosen: Sequence[int], sizes: Sequence[NDArray[np.int16]], most: int) -> list[IdBlock]:
    """Return the sets with 0, 1, ... `most` trades in other sizes, grown trade by trade."""
    grown = [np.empty((0, 1), dtype=np.int16)]
    for candidate, others in zip(chosen, sizes, strict=True):
        kept = [_with_last(sets, np.full(1, candidate, dtype=np.int16)) for sets in grown]
        changed = [_with_last(sets, others) for sets in grown]
        kept.append(np.empty((len(grown[0]) + 1, 0), dtype=np.int16))
        grown = [kept[0]] + [
            np.concatenate([same, other], axis=1)
            for same, other in zip(kept[1 : most + 1], changed, strict=False)
        ]
    return grown


def _other_sizes(candidates: Candidates, candidate: int) -> NDArray[np.int16]:
    """Return the candidates that trade the same security on the same side."""
    same = candidates.security == candidates.security[candidate]
    same &= candidates.is_buy == candidates.is_buy[candidate]
    same &= candidates.is_sell == candidates.is_sell[candidate]
    same[candidate] = False
    return np.flatnonzero(same).astype(np.int16)


def _with_last(sets: IdBlock, last: NDArray[np.int16]) -> IdBlock:
    """Return every set with every one of some candidates in a last place."""
    return np.concatenate([np.tile(sets, (1, last.size)), np.repeat(last, sets.shape[1])[None, :]])
