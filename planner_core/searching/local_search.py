"""Climbing from a set: one or two of its candidates exchanged, or several in other sizes."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from planner_core.arrays import BoolArray, FloatArray
from planner_core.evaluator import Evaluator, as_block
from planner_core.searching.ranking import Ranking
from planner_core.searching.resizing import resized_sets as sets_in_other_sizes
from planner_core.valuing.limits import VIOLATION_TOLERANCE

EXACT_NEIGHBOURS = 48
"""Neighbours per step that are scored exactly, best bound first."""
SCORE_TOLERANCE = 1e-12
"""A step must improve by more than rounding."""
STEPS_MAX = 60
PAIR_CANDIDATES = 80
RESIZED_SETS = 20_000


def climb(
    evaluator: Evaluator,
    start: tuple[int, ...],
    depth: int,
    *,
    steps_max: int = STEPS_MAX,
    pair_candidates: int = PAIR_CANDIDATES,
    resized_sets: int = RESIZED_SETS,
) -> Iterator[tuple[int, ...]]:
    """Yield ever better sets, from a start to where no exchange of one or two improves.

    Parameters
    ----------
    evaluator : Evaluator
    start : tuple of int
        Candidate ids of a legal set.
    depth : int
        Most candidates in a set.
    steps_max : int
    pair_candidates : int
        Candidates tried in exchanges of two, most promising first.
    resized_sets : int
        Most sets tried in which several trades change their size at once.

    Notes
    -----
    Neighbours are bounded from above on the pair tables, with the CVaR subgradient taken at the
    current set, and the best bounds are scored exactly. Exchanging two for two is one table per
    pair that leaves: `gain[x] + gain[y] + pair[x, y]`. Where neither improves, sizes are changed
    together: `planner_core/searching/resizing.py`.
    """
    current = start
    for _ in range(steps_max):
        hood = Neighbourhood(evaluator, current, depth)
        better = (
            hood.best(hood.exchanges_of_one())
            or hood.best(hood.exchanges_of_two(pair_candidates))
            or hood.best_resized(resized_sets)
        )
        if better is None:
            return
        current = better
        yield current


_Found = tuple[float, float, tuple[int, ...]]
"""Violation (negative is better first), bound, set: as collected, before exact scoring."""


class Neighbourhood:
    """The sets around one set, bounded from above."""

    def __init__(self, evaluator: Evaluator, current: tuple[int, ...], depth: int) -> None:
        self.evaluator = evaluator
        self.current = current
        self.depth = depth
        self.k = evaluator.candidates.n
        constant, per_action = evaluator.tail_cut(current)
        self.lin = evaluator.tables.lin + per_action
        self.before = evaluator.tables.score_before + constant
        self.score, self.level = self._exact([current])[0]

    def _exact(self, sets: Sequence[tuple[int, ...]]) -> list[tuple[float, int]]:
        """Return exact score and violation level of sets; level -1 for those that are not legal."""
        block = as_block(sets, self.depth, self.evaluator.null_id)
        judged = self.evaluator.check(block)
        levels = np.rint(judged.violation / VIOLATION_TOLERANCE).astype(np.int64)
        levels[~judged.legal] = -1
        scores = self.evaluator.exact_scores(block)
        return [(float(s), int(level)) for s, level in zip(scores, levels, strict=True)]

    def best(self, neighbours: list[_Found]) -> tuple[int, ...] | None:
        """Return the best neighbour by exact score, if it improves."""
        neighbours.sort()
        promising = [chosen for _, _, chosen in neighbours[:EXACT_NEIGHBOURS]]
        if not promising:
            return None
        improved = [
            (level, -score, chosen)
            for (score, level), chosen in zip(self._exact(promising), promising, strict=True)
            if level >= 0 and (level, -score) < (self.level, -self.score - SCORE_TOLERANCE)
        ]
        return min(improved)[2] if improved else None

    def exchanges_of_one(self) -> list[_Found]:
        """Return neighbours with one candidate added, dropped or exchanged."""
        found: list[_Found] = []
        for rest in self._left_by_dropping(1):
            base, gain, free, total = self._around(rest)
            places = np.append(np.flatnonzero(free), self.k)
            bound = base + np.append(gain, 0.0)[places]
            judged = self.evaluator.judge(total + self.evaluator.columns[places])
            keep = judged.legal & self._could_improve(bound, judged.violation)
            found.extend(
                (
                    float(judged.violation[i]),
                    -float(bound[i]),
                    _joined(rest, places[i : i + 1], self.k),
                )
                for i in _leading(bound, judged.violation, keep)
            )
        return found

    def exchanges_of_two(self, pair_candidates: int) -> list[_Found]:
        """Return neighbours with two candidates added, or exchanged for one or two that leave."""
        found: list[_Found] = []
        for rest in self._left_by_dropping(2):
            if len(rest) + 2 > self.depth:
                continue
            base, gain, free, total = self._around(rest)
            places = np.flatnonzero(free)
            places = places[np.argsort(-gain[places], kind="stable")][:pair_candidates]
            bound = self.evaluator.compatible_pair.take(places, 0).take(places, 1)
            bound += gain[places][:, None]
            bound += base + gain[places]
            first, second = np.nonzero(bound > self._to_beat(found))
            ordered = first < second
            first, second = first[ordered], second[ordered]
            if not first.size:
                continue
            values = bound[first, second]
            columns = self.evaluator.columns
            judged = self.evaluator.judge(total + columns[places[first]] + columns[places[second]])
            keep = judged.legal & self._could_improve(values, judged.violation)
            found.extend(
                (
                    float(judged.violation[i]),
                    -float(values[i]),
                    _joined(rest, places[[first[i], second[i]]], self.k),
                )
                for i in _leading(values, judged.violation, keep)
            )
        return found

    def best_resized(self, sets_max: int) -> tuple[int, ...] | None:
        """Return the best set of the same trades in other sizes, if it improves."""
        if not self.current:
            return None
        ranking = Ranking(self.evaluator, size=1)
        ranking.offer(as_block([self.current], len(self.current), self.evaluator.null_id))
        for block in sets_in_other_sizes(self.evaluator.candidates, self.current, sets_max):
            ranking.offer(block)
        best = ranking.best
        improves = best.rank < (self.level, -self.score - SCORE_TOLERANCE)
        return best.ids if improves else None

    def _to_beat(self, found: list[_Found]) -> float:
        """Return the bound below which a neighbour cannot be among those scored exactly."""
        if self.level > 0:
            return -np.inf  # a repair may cost any score
        if len(found) < EXACT_NEIGHBOURS:
            return self.score
        return -heapq.nsmallest(EXACT_NEIGHBOURS, (negative for _, negative, _ in found))[-1]

    def _left_by_dropping(self, most: int) -> list[tuple[int, ...]]:
        """Return what is left of the current set when up to `most` candidates leave."""
        full = len(self.current)
        return [
            rest
            for dropped in range(min(most, full) + 1)
            for rest in combinations(self.current, full - dropped)
            if len(rest) < self.depth
        ]

    def _around(self, rest: tuple[int, ...]) -> tuple[float, FloatArray, BoolArray, FloatArray]:
        """Return a set's bound, what each candidate would add, which are free, and its sums."""
        tables, members = self.evaluator.tables, list(rest)
        inner = tables.pair[np.ix_(members, members)].sum() / 2
        base = self.before + float(self.lin[members].sum() + inner)
        gain: FloatArray = self.lin[: self.k] + tables.pair[members, : self.k].sum(axis=0)
        blocked: BoolArray = np.any(self.evaluator.candidates.conflicts[members], axis=0)
        return base, gain, ~blocked, self.evaluator.columns[members].sum(axis=0)

    def _could_improve(self, bound: FloatArray, violation: FloatArray) -> BoolArray:
        level = np.rint(violation / VIOLATION_TOLERANCE)
        improves: BoolArray = (level < self.level) | (
            (level == self.level) & (bound > self.score + SCORE_TOLERANCE)
        )
        return improves


def _leading(bound: FloatArray, violation: FloatArray, keep: BoolArray) -> list[int]:
    """Return the places of the kept entries that rank first, at most EXACT_NEIGHBOURS."""
    places = np.flatnonzero(keep)
    order = np.lexsort((places, -bound[places], violation[places]))
    return [int(i) for i in places[order[:EXACT_NEIGHBOURS]]]


def _joined(rest: tuple[int, ...], added: NDArray[np.intp], null_id: int) -> tuple[int, ...]:
    return tuple(sorted([*rest, *(int(i) for i in added if i != null_id)]))
