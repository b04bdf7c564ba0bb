"""The best sets so far, by the two levels: least violation first, then the highest score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner_core.market.limits import VIOLATION_TOLERANCE
from planner_core.model.arrays import FloatArray
from planner_core.search.evaluator import FLOAT32_MARGIN, Evaluator, IdBlock, as_block, as_set

RANKED_SETS = 64
"""Sets kept for the choice and its alternatives."""
EXACT_CHUNK = 64
"""Sets scored exactly at a time, best bound first."""
SCORE_DIGITS = 12
"""Scores that differ less are equal: sums of another batch differ in more than the last bit."""


@dataclass(frozen=True, slots=True, order=True)
class RankedSet:
    """A legal set; ordered so that the smallest is the best, ties broken for good."""

    violation_level: int
    negative_score: float
    n_steps: int
    ids: tuple[int, ...]

    @property
    def rank(self) -> tuple[int, float]:
        """The two levels; smaller is better."""
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
    """Keeps the best `size` legal sets of all blocks offered to it.

    Parameters
    ----------
    evaluator : Evaluator
    size : int
        How many sets are kept exactly right: bounds only ever skip sets that cannot be among them.
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
        """Doing nothing, as it was scored when it was offered."""
        assert self._nothing is not None, "offer the empty set first"
        return self._nothing

    def judged(self, ids: tuple[int, ...]) -> RankedSet | None:
        """Return how one set ranks, kept or not; None when it is not legal."""
        block = as_block([ids], max(1, len(ids)), self.evaluator.null_id)
        found = self.evaluator.check(block)
        if not found.legal[0]:
            return None
        level = int(np.rint(found.violation[0] / VIOLATION_TOLERANCE))
        score = float(self.evaluator.exact_scores(block)[0])
        return RankedSet(level, -round(score, SCORE_DIGITS), len(ids), tuple(sorted(ids)))

    def offer(self, ids: IdBlock) -> bool:
        """Look at a block of shape (depth, n_sequences); return whether the best set changed."""
        before = self._best[:1]
        self.n_sequences += ids.shape[1]
        upper = self.evaluator.upper_scores(ids).astype(np.float64) + FLOAT32_MARGIN
        columns = self._promising(upper)
        if columns.size < ids.shape[1]:
            self.n_pruned += ids.shape[1] - columns.size
            ids, upper = np.ascontiguousarray(ids[:, columns]), upper[columns]
        legal, violation = self.evaluator.legal_sets(ids)
        self.n_legal += legal.size
        level = np.rint(violation / VIOLATION_TOLERANCE).astype(np.int64)
        order = np.lexsort((-upper[legal], level))
        ids, upper, level = ids[:, legal[order]], upper[legal[order]], level[order]
        for start in range(0, ids.shape[1], EXACT_CHUNK):
            chunk = slice(start, start + EXACT_CHUNK)
            if not self._could_enter(int(level[start]), float(upper[start])):
                # Within a level bounds only fall; a worse level cannot enter either.
                break
            self._admit(ids[:, chunk], level[chunk])
        return self._best[:1] != before

    def _promising(self, upper: FloatArray) -> NDArray[np.intp]:
        """Return which sets are worth judging: without a violation to beat, the score decides."""
        if len(self._best) < self.size or self._best[-1].violation_level > 0:
            return np.arange(upper.size)
        return np.flatnonzero(upper >= self._best[-1].score)

    def _could_enter(self, level: int, upper: float) -> bool:
        if len(self._best) < self.size:
            return True
        last = self._best[-1]
        return (level, -upper) <= (last.violation_level, last.negative_score)

    def _admit(self, ids: IdBlock, level: NDArray[np.int64]) -> None:
        scores = self.evaluator.exact_scores(ids)
        self.n_exact += ids.shape[1]
        known = {ranked.ids: ranked for ranked in self._best}
        last = self._best[-1].rank if len(self._best) >= self.size else (np.inf, 0.0)
        for column, score in enumerate(scores.tolist()):
            rank = int(level[column]), -round(score, SCORE_DIGITS)
            if rank > last and self._nothing is not None:
                continue  # what is kept already ranks before it
            chosen = as_set(ids[:, column], self.evaluator.null_id)
            known[chosen] = RankedSet(*rank, len(chosen), chosen)
            if not chosen:
                self._nothing = known[chosen]
        self._best = sorted(known.values(), key=_place)[: self.size]


def _place(ranked: RankedSet) -> tuple[int, float, int, tuple[int, ...]]:
    """Return what sets are ordered by; as sets compare, but built once for each."""
    return ranked.violation_level, ranked.negative_score, ranked.n_steps, ranked.ids
