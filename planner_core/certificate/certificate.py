"""Prove how good a plan is: branch and bound over every set of the candidates.

A box lets each security choose among a range of its options (`relaxation.py`); the root box holds
every set. Each box has a bound on the score of its sets from above. A box is closed once its bound
has fallen to the score of the best set so far, or once all of its few sets have been scored. Other
boxes are split in two, the one with the largest bound first, many at a time.

At the end no set scores above the best one: it is optimal. Stopped early, the largest bound of an
open box is still a true statement about every set, only a weaker one.

Source: A. H. Land, A. G. Doig, "An automatic method of solving discrete programming problems",
Econometrica 28 (1960), 497-520.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count

import numpy as np

from planner_core.certificate.relaxation import PADDING, Boxes, IntBlock, Relaxation
from planner_core.model.arrays import FloatArray
from planner_core.model.plan import Certificate
from planner_core.search.evaluator import as_block
from planner_core.search.ranking import Ranking

EXACT_TOLERANCE = 1e-9
"""A gap up to this, in score units, counts as closed."""
BATCH = 48
"""Boxes bounded at a time."""
ROOT_ROUNDS = 40
"""The root starts without multipliers, and all boxes inherit the ones it ends with."""
BOX_ROUNDS = 10
SETS_SCORED_MAX = 3000
"""A box with at most this many sets is scored rather than split."""
RANGE_WEIGHT = 1e-9
"""Breaks ties in the choice of a security to split: the one with the most options."""


@dataclass(slots=True)
class _Progress:
    """`nodes`: boxes looked at so far; `closed_bound`: the largest bound of a closed box."""

    nodes: int = 0
    closed_bound: float = -np.inf


def prove(
    ranking: Ranking,
    depth: int,
    out_of_time: Callable[[], bool],
    nodes_max: int = 10_000_000,
) -> Certificate:
    """Bound every set of the ranking's candidates from above.

    Parameters
    ----------
    ranking : Ranking
        Its best set is in question; better sets that turn up are offered to it.
    depth : int
        Most trades in a set.
    out_of_time : callable returning bool
        Called between batches.
    nodes_max : int
        Most boxes to look at.

    Returns
    -------
    Certificate
        `upper_bound` holds for every legal set at the best set's level of violation (or below it);
        `exact` only if the gap is closed and no set has a smaller violation. `elapsed_s` is 0: the
        caller fills it in.
    """
    evaluator = ranking.evaluator
    progress = _Progress()
    if evaluator.candidates.n == 0:
        # The only set is doing nothing: its score is the bound, and nothing repairs more.
        score = ranking.best.score
        return Certificate(upper_bound=score, gap=0.0, exact=True, nodes=0, elapsed_s=0.0)
    # The bound is for sets at this level of violation: the score decides only among those.
    relaxation = Relaxation(evaluator, depth, ranking.best.violation)
    # Much effort on the root: everything below inherits its multipliers.
    boxes = relaxation.tighten(relaxation.root(), ranking.best.score, ROOT_ROUNDS, warm=False)
    # (negative bound, number, box): the largest bound comes first, the oldest box on a tie.
    heap: list[tuple[float, int, Boxes]] = []
    order = count()
    _keep(boxes, heap, order, ranking, progress)
    while heap and progress.nodes < nodes_max and not out_of_time():
        batch = _pop_batch(heap, ranking.best.score)
        if batch is None:
            break
        # Scoring all sets closes a box for certain; splitting a small one would take longer.
        small, large = _parted_by_size(relaxation, batch)
        _score_all(relaxation, small, ranking, progress)
        if not len(large):
            continue
        children = _split(relaxation, large)
        if not len(children):
            continue
        # Children start from their parent's point and multipliers, which are nearly right.
        children = relaxation.tighten(children, ranking.best.score, BOX_ROUNDS)
        _offer_choices(relaxation, children, ranking)
        _keep(children, heap, order, ranking, progress)
    # Empty heap: no box is open.
    open_bound = max((-negative for negative, _, _ in heap), default=-np.inf)
    return _certificate(ranking, relaxation, progress, open_bound)


def _certificate(
    ranking: Ranking, relaxation: Relaxation, progress: _Progress, open_bound: float
) -> Certificate:
    """Return the certificate of what was proven so far."""
    score = ranking.best.score
    # Every set is in an open box, in a closed one, or was scored exactly.
    upper = max(score, open_bound, progress.closed_bound)
    return Certificate(
        upper_bound=upper,
        gap=upper - score,
        # A higher score is no proof while a set with a smaller violation may exist.
        exact=relaxation.violation_proven and upper - score <= EXACT_TOLERANCE,
        nodes=progress.nodes,
        elapsed_s=0.0,
    )


def _keep(
    boxes: Boxes,
    heap: list[tuple[float, int, Boxes]],
    order: count[int],
    ranking: Ranking,
    progress: _Progress,
) -> None:
    """Put boxes that may hold a better set on the heap; note the bound of the others."""
    progress.nodes += len(boxes)
    score = ranking.best.score
    for row in range(len(boxes)):
        bound = float(boxes.bound[row])
        # Closed: no set of the box beats the best one by more than the tolerance.
        if bound <= score + EXACT_TOLERANCE:
            progress.closed_bound = max(progress.closed_bound, bound)
        else:
            heapq.heappush(heap, (-bound, next(order), boxes.select(np.array([row]))))


def _pop_batch(heap: list[tuple[float, int, Boxes]], score: float) -> Boxes | None:
    """Take the boxes with the largest bounds; None when no box can hold a better set."""
    batch: list[Boxes] = []
    while heap and len(batch) < BATCH:
        # The best score has risen since these boxes were pushed: the rest of the heap is closed.
        if -heap[0][0] <= score + EXACT_TOLERANCE:
            break
        batch.append(heapq.heappop(heap)[2])
    return Boxes.concatenate(batch) if batch else None


def _parted_by_size(relaxation: Relaxation, boxes: Boxes) -> tuple[Boxes, Boxes]:
    """Return the boxes small enough to be scored set by set, and the others."""
    few = number_of_sets(relaxation, boxes) <= SETS_SCORED_MAX
    return boxes.select(few), boxes.select(~few)


def number_of_sets(relaxation: Relaxation, boxes: Boxes) -> FloatArray:
    """Return how many choices each box holds, those beyond the depth included; (B,)."""
    # In floating point: the product of many ranges is beyond any integer type.
    sets: FloatArray = np.prod((boxes.high - boxes.low + 1).astype(np.float64), axis=1)
    assert relaxation.depth > 0
    return sets


def _score_all(relaxation: Relaxation, boxes: Boxes, ranking: Ranking, progress: _Progress) -> None:
    """Offer every set of small boxes to the ranking: that closes them exactly."""
    options = relaxation.options
    null = ranking.evaluator.null_id
    for low, high in zip(boxes.low, boxes.high, strict=True):
        n_options = high - low + 1
        open_groups = np.flatnonzero(n_options > 1)
        fixed = [
            int(options.candidate[g, low[g]])
            for g in np.flatnonzero(n_options == 1)
            if options.candidate[g, low[g]] not in (null, PADDING)
        ]
        # One row per open security, one column per combination of their options.
        grids = np.meshgrid(
            *(options.candidate[g, low[g] : high[g] + 1] for g in open_groups), indexing="ij"
        )
        # Securities with one option left add a constant row each.
        rows = [grid.ravel() for grid in grids]
        n_sets = rows[0].size if rows else 1
        chosen = np.array([*rows, *(np.full(n_sets, i) for i in fixed)], dtype=np.int16)
        if not chosen.size:
            chosen = np.full((1, 1), null, dtype=np.int16)
        # A box may hold choices with more trades than the depth: those are no sets.
        trades = (chosen != null).sum(axis=0)
        # Sorted, the null id (the largest) comes last: the first `depth` rows hold all trades.
        chosen = np.sort(chosen[:, trades <= relaxation.depth], axis=0)[: relaxation.depth]
        # `offer` applies every limit, so that conflicts and exact cash are respected here.
        if chosen.shape[1]:
            ranking.offer(np.ascontiguousarray(chosen))
        progress.nodes += 1


def _offer_choices(relaxation: Relaxation, boxes: Boxes, ranking: Ranking) -> None:
    """Offer the maximisers of the bounds: they are sets too, sometimes better than the best."""
    row = np.arange(relaxation.options.security.size)
    ids = relaxation.options.candidate[row, boxes.choice]
    # The relaxation ignores conflicts and relaxes limits: `offer` drops what is not legal.
    null = ranking.evaluator.null_id
    sets = {tuple(sorted(int(i) for i in row if i not in (null, PADDING))) for row in ids}
    fitting = [chosen for chosen in sorted(sets) if len(chosen) <= relaxation.depth]
    if fitting:
        ranking.offer(as_block(fitting, relaxation.depth, null))


def _split(relaxation: Relaxation, boxes: Boxes) -> Boxes:
    """Split each box in two, at the security whose linearisation costs the bound most.

    The tangent at y is exact at y. Where the maximiser differs from y, the bound is loose, and a
    child that excludes one of the two is bounded more tightly. Conflicts between buys are not in
    the relaxation at all: a maximiser that breaks one is split there first.
    """
    options = relaxation.options
    conflicted = _conflicted(relaxation, boxes)
    change = options.change[np.arange(options.security.size), boxes.choice]
    spread = np.abs(change - boxes.linearization_point) * (boxes.high > boxes.low)
    tie_break = (boxes.high - boxes.low) * RANGE_WEIGHT
    security = np.where(conflicted >= 0, conflicted, (spread + tie_break).argmax(axis=1))
    rows = np.arange(len(boxes))
    cut = _cut_place(relaxation, boxes, security, conflicted)
    # The lower child keeps the places up to the cut, the upper child those behind it.
    lower_high, upper_low = boxes.high.copy(), boxes.low.copy()
    lower_high[rows, security] = cut
    upper_low[rows, security] = cut + 1
    lower, upper = replace(boxes, high=lower_high), replace(boxes, low=upper_low)
    return _propagated(relaxation, Boxes.concatenate([lower, upper]))


def _cut_place(
    relaxation: Relaxation, boxes: Boxes, security: IntBlock, conflicted: IntBlock
) -> IntBlock:
    """Return the last place that the lower child keeps; (B,).

    A box first decides whether to trade a security at all, and on which side; then how much.
    """
    options, rows = relaxation.options, np.arange(len(boxes))
    low, high = boxes.low[rows, security], boxes.high[rows, security]
    point, stay = boxes.linearization_point[rows, security], options.stay[security]
    # How much: between the options on both sides of the linearization point.
    by_size = (options.change[security] <= point[:, None]).sum(axis=1) - 1
    # Whether: buys apart from the rest where y buys, sells apart from the rest where it does not.
    by_trade = np.where((point > 0) | (conflicted >= 0), stay, stay - 1)
    undecided = (low <= stay) & (stay <= high) & (by_trade >= low) & (by_trade < high)
    # Both children must hold an option at least: the cut lies within [low, high - 1].
    return np.clip(np.where(undecided, by_trade, by_size), low, high - 1)


def _conflicted(relaxation: Relaxation, boxes: Boxes) -> IntBlock:
    """Return a security whose buy conflicts with another in the maximiser; (B,).

    Only one that may also stay or sell can be split for it; -1 where there is none.
    """
    options = relaxation.options
    buying = boxes.choice > options.stay
    clashes = (buying[:, :, None] & buying[:, None, :] & options.buys_conflict).any(axis=2)
    # The box holds buys and something else: splitting at `stay` parts the two.
    optional = clashes & (boxes.low <= options.stay) & (boxes.high > options.stay)
    return np.where(optional.any(axis=1), optional.argmax(axis=1), -1)


def _propagated(relaxation: Relaxation, boxes: Boxes) -> Boxes:
    """Take out the buys that conflict with a buy each set of a box holds; drop empty boxes."""
    options = relaxation.options
    # Options are sorted by change: buys lie behind `stay`, sells and conversions before it.
    must_buy = boxes.low > options.stay
    # barred[b, h]: some security g that box b must buy conflicts with buying h.
    barred = (must_buy[:, :, None] & options.buys_conflict).any(axis=1)
    high = np.where(barred, np.minimum(boxes.high, options.stay), boxes.high)
    # The range excludes `stay`: every set of the box trades this security.
    must_trade = (boxes.low > options.stay) | (high < options.stay)
    possible = (boxes.low <= high).all(axis=1)
    # More securities that must trade than the depth allows: no set is left.
    possible &= must_trade.sum(axis=1) <= relaxation.depth
    return replace(boxes, high=high).select(possible)
