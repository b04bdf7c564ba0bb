"""Climbing from a set: one or two of its candidates exchanged, or several in other sizes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from planner_core.market.limits import VIOLATION_TOLERANCE
from planner_core.model.arrays import FloatArray
from planner_core.search.evaluator import Evaluator, as_block
from planner_core.search.ranking import Ranking
from planner_core.search.resizing import resized_sets as sets_in_other_sizes

EXACT_NEIGHBOURS = 48
"""Neighbours per step that are scored exactly, best bound first."""
JUDGED_NEIGHBOURS = 256
"""Neighbours judged at first; each time that too few are legal, twice as many."""
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
    together: `planner_core/search/resizing.py`.
    """
    current, standing = start, None
    for _ in range(steps_max):
        hood = Neighbourhood(evaluator, current, depth, standing)
        better = (
            hood.best(hood.exchanges_of_one())
            or hood.best(hood.exchanges_of_two(pair_candidates))
            or hood.best_resized(resized_sets)
        )
        if better is None:
            return
        current, standing = better, hood.reached
        yield current


_Standing = tuple[float, int]
"""Exact score, violation level."""
_Found = tuple[int, float, tuple[int, ...]]
"""Violation level, negative bound, set: as collected, before exact scoring; least is best."""


class Neighbourhood:
    """The sets around one set, bounded from above."""

    def __init__(
        self,
        evaluator: Evaluator,
        current: tuple[int, ...],
        depth: int,
        standing: _Standing | None = None,
    ) -> None:
        self.evaluator = evaluator
        self.current = current
        self.depth = depth
        self.k = evaluator.candidates.n
        constant, per_action = evaluator.tail_cut(current)
        self.lin = evaluator.tables.lin + per_action
        self.before = evaluator.tables.score_before + constant
        self.score, self.level = standing or self._exact([current])[0]
        self.reached: _Standing | None = None
        """Where the best neighbour stands, if that is known."""

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
        if not improved:
            return None
        level, negative, chosen = min(improved)
        self.reached = -negative, level
        return chosen

    def exchanges_of_one(self) -> list[_Found]:
        """Return neighbours with one candidate added, dropped or exchanged."""
        around = self._around(1)
        if not around.rests:
            return []
        gain = np.append(around.gain, np.zeros((len(around.rests), 1)), axis=1)
        bound = (around.base[:, None] + gain).ravel()
        places = np.flatnonzero(bound > self._to_beat())
        which, added = np.divmod(places, self.k + 1)
        return self._leading(around, bound[places], which, added[None, :])

    def exchanges_of_two(self, pair_candidates: int) -> list[_Found]:
        """Return neighbours with two candidates added, or exchanged for one or two that leave."""
        around = self._around(2, room=2)
        bounds, which, added = [], [], []
        ceilings = self.evaluator.ceilings if self.k else ()
        for rest, (base, gains) in enumerate(zip(around.base, around.gain, strict=True)):
            places = np.flatnonzero(gains > -np.inf)
            if places.size > pair_candidates:
                best = np.argsort(-gains[places], kind="stable")[:pair_candidates]
                places = np.sort(places[best])
            gain = gains[places]
            bound = self.evaluator.ordered_pair.take(places, 0).take(places, 1)
            bound += gain[:, None]
            bound += base + gain
            worth = bound > self._to_beat()
            for column, most in ceilings:
                change = column[places]
                left = most - column[list(around.rests[rest])].sum()
                worth &= change[:, None] <= left - change
            flat = np.flatnonzero(worth)
            bounds.append(bound.ravel()[flat])
            which.append(np.full(flat.size, rest))
            added.append(places[np.array(np.divmod(flat, places.size or 1))])
        if not bounds:
            return []
        joined = np.concatenate(added, axis=1)
        return self._leading(around, np.concatenate(bounds), np.concatenate(which), joined)

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

    def _to_beat(self) -> float:
        """Return the bound that a neighbour must exceed to be of interest."""
        # A repair may cost any score; a candidate that is not free has a bound of -inf.
        return -np.inf if self.level > 0 else self.score + SCORE_TOLERANCE

    def _around(self, most: int, room: int = 1) -> _Around:
        """Return what is left of the current set when up to `most` candidates leave."""
        full, members = len(self.current), list(self.current)
        kept = [
            places
            for dropped in range(min(most, full) + 1)
            for places in combinations(range(full), full - dropped)
            if len(places) + room <= self.depth
        ]
        stays = np.zeros((len(kept), full))
        for row, places in enumerate(kept):
            stays[row, list(places)] = 1.0
        tables, columns = self.evaluator.tables, self.evaluator.columns
        inner = tables.pair[np.ix_(members, members)]
        gain = self.lin[: self.k] + stays @ tables.pair[members, : self.k]
        # What has just left does not come back: that would be a smaller exchange.
        gain[stays @ self.evaluator.candidates.conflicts[members] > 0] = -np.inf
        gain[:, members] = -np.inf
        return _Around(
            rests=[tuple(self.current[place] for place in places) for places in kept],
            base=self.before + stays @ self.lin[members] + ((stays @ inner) * stays).sum(1) / 2,
            gain=gain,
            total=stays @ columns[members],
        )

    def _leading(
        self,
        around: _Around,
        bound: FloatArray,
        which: NDArray[np.intp],
        added: NDArray[np.intp],
    ) -> list[_Found]:
        """Return the legal neighbours that rank first, at most EXACT_NEIGHBOURS.

        The best bounds are judged first and, without a violation to repair, only until enough are
        legal. `bound`, `which` of the rests (n,); `added` to it (1 or 2, n).
        """
        order = np.argsort(-bound, kind="stable")
        found: list[_Found] = []
        start, size = 0, JUDGED_NEIGHBOURS if self.level == 0 else max(1, order.size)
        while start < order.size and len(found) < EXACT_NEIGHBOURS:
            part = order[start : start + size]
            total = around.total[which[part]]
            for row in added:
                total += self.evaluator.columns[row[part]]
            judged = self.evaluator.judge(total)
            level = np.rint(judged.violation / VIOLATION_TOLERANCE)
            keep = judged.legal & (
                (level < self.level) | ((level == self.level) & (bound[part] > self.score))
            )
            kept = np.flatnonzero(keep)
            kept = kept[np.argsort(level[kept], kind="stable")][:EXACT_NEIGHBOURS]
            found.extend(
                (
                    int(level[i]),
                    -float(bound[part[i]]),
                    _joined(around.rests[which[part[i]]], added[:, part[i]], self.k),
                )
                for i in kept
            )
            start, size = start + size, 2 * size
        return found


@dataclass(frozen=True, slots=True, eq=False)
class _Around:
    """What may be left of a set, R rests; `base` (R,): bound of each.

    `gain` (R, K): what each candidate adds to the bound, -inf for one that may not be added;
    `total` (R, n_columns): the sums the limits look at.
    """

    rests: list[tuple[int, ...]]
    base: FloatArray
    gain: FloatArray
    total: FloatArray


def _joined(rest: tuple[int, ...], added: NDArray[np.intp], null_id: int) -> tuple[int, ...]:
    return tuple(sorted([*rest, *(int(i) for i in added if i != null_id)]))
