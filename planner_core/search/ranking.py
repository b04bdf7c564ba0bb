"""Keep the best sets: least violation first, then the highest score.

Exact scores need CVaR95 over every window, bounds do not. So a block is first bounded from above,
and what cannot enter the ranking is dropped; the rest is judged by the limits; only then are sets
scored exactly, best bound first, until a bound falls below the last set that is kept. A bound never
lies below the exact score, so nothing that belongs into the ranking is lost.

Violations are compared by level, a whole number of VIOLATION_TOLERANCE: rounding must not decide
between two sets that violate equally.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from planner_core.market.limits import VIOLATION_TOLERANCE
from planner_core.model.arrays import FloatArray
from planner_core.model.candidates import Candidates
from planner_core.search.evaluator import FLOAT32_MARGIN, Evaluator, IdBlock, as_block, as_set

RANKED_SETS = 64
"""Sets kept for the choice and its alternatives."""
EXACT_CHUNK = 64
"""Sets scored exactly at a time, best bound first."""
SCORE_DIGITS = 12
"""Decimal digits that count in a score: the same sum taken in another batch may differ beyond."""


@dataclass(frozen=True, slots=True, order=True)
class RankedSet:
    """A legal set. The smallest is the best; equal ones differ in length, then in ids."""

    violation_level: int
    negative_score: float
    n_steps: int
    ids: tuple[int, ...]

    @property
    def rank(self) -> tuple[int, float]:
        """Violation level and negative score; smaller is better."""
        return self.violation_level, self.negative_score

    @property
    def score(self) -> float:
        """Exact score, every term included."""
        return -self.negative_score

    @property
    def violation(self) -> float:
        """Total violation that remains, a fraction of NAV."""
        return self.violation_level * VIOLATION_TOLERANCE


class Ranking:
    """Keep the best `size` legal sets of all blocks offered, exactly.

    Parameters
    ----------
    evaluator : Evaluator
    size : int

    Attributes
    ----------
    n_sequences, n_pruned, n_legal, n_exact : int
        Sets offered; dropped by their bound alone; legal; scored exactly.
    """

    def __init__(self, evaluator: Evaluator, size: int) -> None:
        self.evaluator = evaluator
        self.size = size
        self.n_sequences = 0
        self.n_pruned = 0
        self.n_legal = 0
        self.n_exact = 0
        self._best: list[RankedSet] = []  # in order
        self._nothing: RankedSet | None = None

    @property
    def sets(self) -> list[RankedSet]:
        """The best sets, best first."""
        return list(self._best)

    @property
    def best(self) -> RankedSet:
        """The best set; `nothing` must have been offered."""
        return self._best[0]

    @property
    def nothing(self) -> RankedSet:
        """The empty set; it must have been offered."""
        assert self._nothing is not None, "offer the empty set first"
        return self._nothing

    def rank(self, ids: tuple[int, ...]) -> RankedSet | None:
        """Return a set with its rank, whether it is kept or not; None when it is not legal."""
        block = as_block([ids], max(1, len(ids)), self.evaluator.null_id)
        check = self.evaluator.check_block(block)
        if not check.legal[0]:
            return None
        # Level and rounding as in `offer`: the result compares with the sets that are kept.
        level = int(np.rint(check.violation[0] / VIOLATION_TOLERANCE))
        score = float(self.evaluator.exact_scores(block)[0])
        return RankedSet(level, -round(score, SCORE_DIGITS), len(ids), tuple(sorted(ids)))

    def offer(self, ids: IdBlock) -> bool:
        """Rank a block of shape (depth, n_sequences); return whether the best set changed."""
        before = self._best[:1]
        self.n_sequences += ids.shape[1]
        # upper >= exact score, float32 rounding included
        upper = self.evaluator.upper_scores(ids).astype(np.float64) + FLOAT32_MARGIN
        # 1. By bound alone: one comparison per set, and most sets end here.
        columns = self._promising(upper)
        if columns.size < ids.shape[1]:
            self.n_pruned += ids.shape[1] - columns.size
            ids, upper = np.ascontiguousarray(ids[:, columns]), upper[columns]
        # 2. By the limits.
        legal, violation = self.evaluator.filter_legal(ids)
        self.n_legal += legal.size
        level = np.rint(violation / VIOLATION_TOLERANCE).astype(np.int64)
        # 3. Exactly, in the order of rank: by level, then by bound (`lexsort` sorts by its last key
        # first). The best are admitted early, and raise the bar for all that follow.
        order = np.lexsort((-upper[legal], level))
        ids, upper, level = ids[:, legal[order]], upper[legal[order]], level[order]
        for start in range(0, ids.shape[1], EXACT_CHUNK):
            chunk = slice(start, start + EXACT_CHUNK)
            if not self._could_enter(int(level[start]), float(upper[start])):
                # All that follow have a lower bound or a higher level: none of them can enter.
                break
            self._admit(ids[:, chunk], level[chunk])
        return self._best[:1] != before

    def _promising(self, upper: FloatArray) -> NDArray[np.intp]:
        """Return the places of the sets whose bound could enter the ranking."""
        # While a kept set violates a limit, a lower violation beats any score: keep all.
        if len(self._best) < self.size or self._best[-1].violation_level > 0:
            return np.arange(upper.size)
        return np.flatnonzero(upper >= self._best[-1].score)

    def _could_enter(self, level: int, upper: float) -> bool:
        """Return whether a set of this level and bound may rank among the best."""
        if len(self._best) < self.size:
            return True
        last = self._best[-1]
        # "<=", because a tie is decided by length and ids, which only the exact pass compares.
        return (level, -upper) <= (last.violation_level, last.negative_score)

    def _admit(self, ids: IdBlock, level: NDArray[np.int64]) -> None:
        """Score a chunk exactly, and keep the best of it and of the sets so far."""
        scores = self.evaluator.exact_scores(ids)
        self.n_exact += ids.shape[1]
        # By ids, so that a set that is offered again is kept once.
        best_by_ids = {ranked.ids: ranked for ranked in self._best}
        # With fewer than `size` sets, any legal one is admitted.
        last = self._best[-1].rank if len(self._best) >= self.size else (np.inf, 0.0)
        for column, score in enumerate(scores.tolist()):
            # Rounded, so that a set ranks the same whichever block it was scored in.
            rank = int(level[column]), -round(score, SCORE_DIGITS)
            if rank > last and self._nothing is not None:
                continue  # `size` sets rank before it
            chosen = as_set(ids[:, column], self.evaluator.null_id)
            best_by_ids[chosen] = RankedSet(*rank, len(chosen), chosen)
            # Doing nothing is what gains are measured against: kept even where it does not rank.
            if not chosen:
                self._nothing = best_by_ids[chosen]
        self._best = sorted(best_by_ids.values(), key=_sort_key)[: self.size]


def _sort_key(ranked: RankedSet) -> tuple[int, float, int, tuple[int, ...]]:
    """Return the fields that sets compare by, as one tuple: faster than the dataclass's order."""
    return ranked.violation_level, ranked.negative_score, ranked.n_steps, ranked.ids


@dataclass(frozen=True, eq=False)
class SearchSpace:
    """The input of a sequence generator: candidates, the best sets so far, and seeds.

    Parameters
    ----------
    candidates : Candidates
    evaluator : Evaluator
    ranking : Ranking
        The best sets so far; a generator may start from them.
    seeds : tuple of tuple of int
        Sets that the pattern generators proposed: candidate ids, at most `depth` of them.
    depth : int
        Most steps of a sequence.
    """

    candidates: Candidates
    evaluator: Evaluator
    ranking: Ranking
    seeds: tuple[tuple[int, ...], ...]
    depth: int

    @property
    def null_id(self) -> int:
        """The id of the null candidate."""
        return self.candidates.null_id

    @cached_property
    def promising(self) -> tuple[int, ...]:
        """All candidate ids: those in seeds first, each part by the gain of a candidate alone."""
        # A pattern's candidate may look poor alone: a sell that funds a good buy is one.
        seeded = {i for seed in self.seeds for i in seed}
        return tuple(
            sorted(
                range(self.candidates.n),
                key=lambda i: (i not in seeded, -self.candidates.gain[i], i),
            )
        )
