"""Climb from a set of candidates to better ones: a local search.

A neighbour drops up to two candidates of the set and adds up to two others; what remains of the set
in between is called a rest. On the pair tables, with CVaR95 replaced by its tangent at the current
set, the score of a rest R with x and y added is bounded by

    base[R] + gain[R, x] + gain[R, y] + pair[x, y]

    base[R]    = score(nothing) + sum_{k in R} lin[k] + sum_{k<l in R} pair[k, l]
    gain[R, x] = lin[x] + sum_{k in R} pair[k, x]

so that all exchanges of two cost one K x K table per rest. Only the neighbours with the best bounds
are judged by the limits, and only the best legal ones are scored exactly. The best improvement is
taken. Larger neighbourhoods are tried only where the smaller ones hold no improvement: exchanges of
one, exchanges of two, then several sizes at once.

The last of these is for sets that are stuck because three or four trades must change together: a
smaller buy here, a larger one there, and the sell that pays for both. Exchanges of one or two
candidates cannot reach that. Each trade has only a few sizes among the candidates, so all
combinations are enumerated and scanned on the pair tables.

Source: exchanges as in S. Lin, B. W. Kernighan, Operations Research 21 (1973), 498-516.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from planner_core.market.limits import VIOLATION_TOLERANCE
from planner_core.model.arrays import FloatArray
from planner_core.model.candidates import Candidates
from planner_core.search.evaluator import BLOCK_SEQUENCES, Evaluator, IdBlock, as_block
from planner_core.search.ranking import Ranking

EXACT_NEIGHBOURS = 48
"""Neighbours per step that are scored exactly, best bound first."""
JUDGED_NEIGHBOURS = 256
"""Neighbours that the limits judge at first; twice as many each time that too few are legal."""
SCORE_TOLERANCE = 1e-12
"""A step must improve by more than rounding."""
STEPS_MAX = 60
PAIR_CANDIDATES = 80
"""Candidates per rest that exchanges of two look at: the pairs grow with the square."""
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
    """Yield ever better sets, from a start to one without a better neighbour.

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
    """
    current, standing = start, None
    for _ in range(steps_max):
        # A larger neighbourhood costs far more: it is computed only when the smaller one is empty
        # of improvements (`or` stops at the first set).
        neighbourhood = Neighbourhood(evaluator, current, depth, standing)
        better = (
            neighbourhood.best(neighbourhood.exchanges_of_one())
            or neighbourhood.best(neighbourhood.exchanges_of_two(pair_candidates))
            or neighbourhood.best_resized(resized_sets)
        )
        if better is None:
            return
        # The exact score of the better set is computed already.
        current, standing = better, neighbourhood.next_standing
        yield current


_Standing = tuple[float, int]
"""Exact score, violation level."""
_Neighbour = tuple[int, float, tuple[int, ...]]
"""Violation level, negative bound, set: before exact scoring; the least is the best."""


class Neighbourhood:
    """The sets around one set, with bounds on their scores from above."""

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
        # The tangent of CVaR95 at the current set is exact there, and close for its neighbours.
        constant, per_candidate = evaluator.tail_tangent(current)
        self.lin = evaluator.tables.lin + per_candidate
        # bound(set) = before + sum_k lin[k] + sum_{k<l} pair[k, l]
        self.before = evaluator.tables.score_before + constant
        # `climb` passes on what the last step computed; only a start is scored here.
        self.score, self.level = standing or self._exact([current])[0]
        self.next_standing: _Standing | None = None
        """The standing of the best neighbour; None until `best` has computed it."""

    def _exact(self, sets: Sequence[tuple[int, ...]]) -> list[tuple[float, int]]:
        """Return exact score and violation level of sets; level -1 for those that are not legal."""
        block = as_block(sets, self.depth, self.evaluator.null_id)
        check = self.evaluator.check_block(block)
        levels = np.rint(check.violation / VIOLATION_TOLERANCE).astype(np.int64)
        # No level is negative, so that -1 marks what may not be compared at all.
        levels[~check.legal] = -1
        scores = self.evaluator.exact_scores(block)
        return [(float(s), int(level)) for s, level in zip(scores, levels, strict=True)]

    def best(self, neighbours: list[_Neighbour]) -> tuple[int, ...] | None:
        """Return the best neighbour by exact score, if it improves."""
        # The order is total: bounds that tie are decided by the ids, so a plan is repeatable.
        neighbours.sort()
        promising = [chosen for _, _, chosen in neighbours[:EXACT_NEIGHBOURS]]
        if not promising:
            return None
        # Two levels: a smaller violation at any score, or a higher score at the same violation.
        improved = [
            (level, -score, chosen)
            for (score, level), chosen in zip(self._exact(promising), promising, strict=True)
            if level >= 0 and (level, -score) < (self.level, -self.score - SCORE_TOLERANCE)
        ]
        if not improved:
            return None
        level, negative_score, chosen = min(improved)
        self.next_standing = -negative_score, level
        return chosen

    def exchanges_of_one(self) -> list[_Neighbour]:
        """Return neighbours with one candidate added, dropped or exchanged."""
        rests = self._rests(drop_max=1, add=1)
        if not rests.members:
            return []
        # A last column of 0 adds the null candidate: that only drops one.
        gain = np.append(rests.gain, np.zeros((len(rests.members), 1)), axis=1)
        bound = (rests.base[:, None] + gain).ravel()
        promising = np.flatnonzero(bound > self._bound_to_beat())
        # Row-major: flat place = rest * (K + 1) + candidate.
        rest, added = np.divmod(promising, self.k + 1)
        return self._leading(rests, bound[promising], rest, added[None, :])

    def exchanges_of_two(self, pair_candidates: int) -> list[_Neighbour]:
        """Return neighbours with two candidates added, or exchanged for one or two that leave."""
        rests = self._rests(drop_max=2, add=2)
        bounds, of_rest, added = [], [], []
        ceilings = self.evaluator.ceilings if self.k else ()
        for rest, (base, gains) in enumerate(zip(rests.base, rests.gain, strict=True)):
            ids = np.flatnonzero(gains > -np.inf)
            if ids.size > pair_candidates:
                # The pairs grow with the square: only those that add most alone are paired.
                best = np.argsort(-gains[ids], kind="stable")[:pair_candidates]
                ids = np.sort(ids[best])
            gain = gains[ids]
            # bound[x, y] = base + gain[x] + gain[y] + pair[x, y]; -inf where x and y exclude.
            bound = self.evaluator.ordered_pair.take(ids, 0).take(ids, 1)
            bound += gain[:, None]
            bound += base + gain
            promising = bound > self._bound_to_beat()
            # The cheap necessary conditions first: most pairs with high bounds lack the cash.
            for column, ceiling in ceilings:
                # usage(R) + usage[x] + usage[y] <= ceiling, for all x and y at once
                usage = column[ids]
                headroom = ceiling - column[list(rests.members[rest])].sum()
                promising &= usage[:, None] <= headroom - usage
            flat = np.flatnonzero(promising)
            bounds.append(bound.ravel()[flat])
            of_rest.append(np.full(flat.size, rest))
            # Row and column of each place, as candidate ids; (2, n). `or 1`: no ids, no places.
            added.append(ids[np.array(np.divmod(flat, ids.size or 1))])
        if not bounds:
            return []
        pairs = np.concatenate(added, axis=1)
        return self._leading(rests, np.concatenate(bounds), np.concatenate(of_rest), pairs)

    def best_resized(self, sets_max: int) -> tuple[int, ...] | None:
        """Return the best set of the same trades in other sizes, if it improves."""
        if not self.current:
            return None
        # A ranking of one: its bounds skip nearly every set once the current one is in it.
        ranking = Ranking(self.evaluator, size=1)
        ranking.offer(as_block([self.current], len(self.current), self.evaluator.null_id))
        for block in sets_in_other_sizes(self.evaluator.candidates, self.current, sets_max):
            ranking.offer(block)
        best = ranking.best
        improves = best.rank < (self.level, -self.score - SCORE_TOLERANCE)
        return best.ids if improves else None

    def _bound_to_beat(self) -> float:
        """Return the bound that a neighbour must exceed to be of interest."""
        # A repair may cost any score. A candidate that may not be added has a bound of -inf, which
        # does not exceed -inf.
        return -np.inf if self.level > 0 else self.score + SCORE_TOLERANCE

    def _rests(self, drop_max: int, add: int) -> _Rests:
        """Return the rests of the current set to which `add` candidates can still be added."""
        size, members = len(self.current), list(self.current)
        # With nothing dropped a rest is the set itself: then the exchange only adds.
        kept_places = [
            places
            for dropped in range(min(drop_max, size) + 1)
            for places in combinations(range(size), size - dropped)
            if len(places) + add <= self.depth
        ]
        # stays[R, i] = 1 where member i stays: every sum over a rest is a product with it.
        stays = np.zeros((len(kept_places), size))
        for row, places in enumerate(kept_places):
            stays[row, list(places)] = 1.0
        tables, usage = self.evaluator.tables, self.evaluator.limit_usage
        inner = tables.pair[np.ix_(members, members)]
        # gain[R, x] = lin[x] + sum_{k in R} pair[k, x]
        gain = self.lin[: self.k] + stays @ tables.pair[members, : self.k]
        # The product counts a candidate's conflicts within each rest.
        gain[stays @ self.evaluator.candidates.conflicts[members] > 0] = -np.inf
        # A candidate that leaves does not come back: that would be a smaller exchange.
        gain[:, members] = -np.inf
        return _Rests(
            members=[tuple(self.current[place] for place in places) for places in kept_places],
            # Each pair of a rest appears twice in stays' inner stays: halve it.
            base=self.before + stays @ self.lin[members] + ((stays @ inner) * stays).sum(1) / 2,
            gain=gain,
            usage=stays @ usage[members],
        )

    def _leading(
        self,
        rests: _Rests,
        bound: FloatArray,
        rest: NDArray[np.intp],
        added: NDArray[np.intp],
    ) -> list[_Neighbour]:
        """Return the legal neighbours that rank first, about EXACT_NEIGHBOURS of them.

        `bound` (n,); `rest` (n,), the rest that each neighbour grows from; `added` (1 or 2, n), the
        candidates added to it.
        """
        order = np.argsort(-bound, kind="stable")
        neighbours: list[_Neighbour] = []
        # Without a violation the bound alone decides: judge the best ones until enough are legal.
        # With one, a neighbour of any score may repair it: judge all of them.
        start, size = 0, JUDGED_NEIGHBOURS if self.level == 0 else max(1, order.size)
        while start < order.size and len(neighbours) < EXACT_NEIGHBOURS:
            part = order[start : start + size]
            # Sums over the neighbour: those of its rest, and of what is added.
            usage = rests.usage[rest[part]]
            for row in added:
                usage += self.evaluator.limit_usage[row[part]]
            check = self.evaluator.check_totals(usage)
            level = np.rint(check.violation / VIOLATION_TOLERANCE)
            # Conflicts need no check here: gain and pair are -inf where candidates exclude.
            improving = check.legal & (
                (level < self.level) | ((level == self.level) & (bound[part] > self.score))
            )
            chosen = np.flatnonzero(improving)
            # A stable sort by level leaves each level in the order of its bounds.
            chosen = chosen[np.argsort(level[chosen], kind="stable")][:EXACT_NEIGHBOURS]
            neighbours.extend(
                (
                    int(level[i]),
                    -float(bound[part[i]]),
                    _with_added(rests.members[rest[part[i]]], added[:, part[i]], self.k),
                )
                for i in chosen
            )
            # Doubling bounds the number of rounds where few neighbours are legal.
            start, size = start + size, 2 * size
        return neighbours


@dataclass(frozen=True, slots=True, eq=False)
class _Rests:
    """The R rests of a set; `members`, the candidate ids of each; `base` (R,), its bound.

    `gain` (R, K): what each candidate adds to the bound, -inf for one that may not be added.
    `usage` (R, n_columns): sums of `Evaluator.limit_usage`.
    """

    members: list[tuple[int, ...]]
    base: FloatArray
    gain: FloatArray
    usage: FloatArray


def _with_added(rest: tuple[int, ...], added: NDArray[np.intp], null_id: int) -> tuple[int, ...]:
    """Return a rest with candidates added, as a set; the null candidate adds nothing."""
    return tuple(sorted([*rest, *(int(i) for i in added if i != null_id)]))


# -- several sizes at once ------------------------------------------------------------------


def sets_in_other_sizes(
    candidates: Candidates, chosen: Sequence[int], sets_max: int
) -> Iterator[IdBlock]:
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
