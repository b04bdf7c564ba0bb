"""How good the plan is, proven: branch and bound over every set of the candidates.

Boxes of options (`relaxation.py`) are split until each one's bound has fallen to the best set
known, or holds so few sets that all are scored. Best bound first, many boxes at a time. Stopped
early, the largest open bound is still a true statement: no set scores more.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

import numpy as np

from planner_core.certificate.relaxation import Boxes, IntBlock, Relaxation
from planner_core.model.arrays import FloatArray
from planner_core.model.plan import Certificate
from planner_core.search.evaluator import as_block
from planner_core.search.ranking import Ranking

EXACT_TOLERANCE = 1e-9
"""A gap this small, in score units, is called exact."""
BATCH = 48
"""Boxes bounded at a time."""
ROOT_ROUNDS = 40
BOX_ROUNDS = 10
SETS_SCORED_MAX = 3000
"""A box with at most so many sets is scored rather than split."""


@dataclass(slots=True)
class _Progress:
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
        Its best set is in question; a better one that is found on the way is offered to it.
    depth : int
        Most trades in a set.
    out_of_time : callable returning bool
        Asked between batches.
    nodes_max : int
        Most boxes to look at.

    Returns
    -------
    Certificate
        `upper_bound` holds for every legal set at the best set's level of violation (or below it);
        `exact` only if the gap is closed and no set has a smaller violation. `elapsed_s` is the
        caller's to fill in.
    """
    evaluator = ranking.evaluator
    progress = _Progress()
    relaxation = Relaxation(evaluator, depth, ranking.best.violation)
    if evaluator.candidates.n == 0:
        return _certificate(ranking, relaxation, progress, ranking.best.score)
    boxes = relaxation.tighten(relaxation.root(), ranking.best.score, ROOT_ROUNDS, warm=False)
    heap: list[tuple[float, int, Boxes]] = []
    order = count()
    _keep(boxes, heap, order, ranking, progress)
    while heap and progress.nodes < nodes_max and not out_of_time():
        picked = _pick(heap, ranking.best.score)
        if picked is None:
            break
        small, large = _sort_by_size(relaxation, picked)
        _score_all(relaxation, small, ranking, progress)
        if not len(large):
            continue
        children = _split(relaxation, large)
        if not len(children):
            continue
        children = relaxation.tighten(children, ranking.best.score, BOX_ROUNDS)
        _offer_choices(relaxation, children, ranking)
        _keep(children, heap, order, ranking, progress)
    open_bound = max((-negative for negative, _, _ in heap), default=-np.inf)
    return _certificate(ranking, relaxation, progress, open_bound)


def _certificate(
    ranking: Ranking, relaxation: Relaxation, progress: _Progress, open_bound: float
) -> Certificate:
    score = ranking.best.score
    upper = max(score, open_bound, progress.closed_bound)
    return Certificate(
        upper_bound=upper,
        gap=upper - score,
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
    """Put boxes that may hold a better set on the heap; remember the bound of the others."""
    progress.nodes += len(boxes)
    score = ranking.best.score
    for row in range(len(boxes)):
        bound = float(boxes.bound[row])
        if bound <= score + EXACT_TOLERANCE:
            progress.closed_bound = max(progress.closed_bound, bound)
        else:
            heapq.heappush(heap, (-bound, next(order), boxes.take(np.array([row]))))


def _pick(heap: list[tuple[float, int, Boxes]], score: float) -> Boxes | None:
    """Take the boxes with the largest bounds; None when none can hold a better set."""
    picked: list[Boxes] = []
    while heap and len(picked) < BATCH:
        if -heap[0][0] <= score + EXACT_TOLERANCE:
            break
        picked.append(heapq.heappop(heap)[2])
    if not picked:
        return None
    return Boxes(
        *(
            np.concatenate([getattr(box, name) for box in picked])
            for name in ("low", "high", "point", "price", "bound", "choice")
        )
    )


def _sort_by_size(relaxation: Relaxation, boxes: Boxes) -> tuple[Boxes, Boxes]:
    """Part the boxes into those small enough to be scored set by set, and the others."""
    few = number_of_sets(relaxation, boxes) <= SETS_SCORED_MAX
    return boxes.take(few), boxes.take(~few)


def number_of_sets(relaxation: Relaxation, boxes: Boxes) -> FloatArray:
    """Return how many choices each box holds, before the depth is looked at; (B,)."""
    sets: FloatArray = np.prod((boxes.high - boxes.low + 1).astype(np.float64), axis=1)
    assert relaxation.depth > 0
    return sets


def _score_all(relaxation: Relaxation, boxes: Boxes, ranking: Ranking, progress: _Progress) -> None:
    """Offer every set of small boxes to the ranking: what is left of them is known exactly."""
    options = relaxation.options
    null = ranking.evaluator.null_id
    for low, high in zip(boxes.low, boxes.high, strict=True):
        sizes = high - low + 1
        open_groups = np.flatnonzero(sizes > 1)
        fixed = [
            int(options.candidate[g, low[g]])
            for g in np.flatnonzero(sizes == 1)
            if options.candidate[g, low[g]] not in (null, -1)
        ]
        grids = np.meshgrid(
            *(options.candidate[g, low[g] : high[g] + 1] for g in open_groups), indexing="ij"
        )
        rows = [grid.ravel() for grid in grids]
        n_sets = rows[0].size if rows else 1
        chosen = np.array([*rows, *(np.full(n_sets, i) for i in fixed)], dtype=np.int16)
        if not chosen.size:
            chosen = np.full((1, 1), null, dtype=np.int16)
        trades = (chosen != null).sum(axis=0)
        chosen = np.sort(chosen[:, trades <= relaxation.depth], axis=0)[: relaxation.depth]
        if chosen.shape[1]:
            ranking.offer(np.ascontiguousarray(chosen))
        progress.nodes += 1


def _offer_choices(relaxation: Relaxation, boxes: Boxes, ranking: Ranking) -> None:
    """Offer the maximisers: they are sets, and sometimes better ones than all known."""
    at = np.arange(relaxation.options.security.size)
    ids = relaxation.options.candidate[at, boxes.choice]
    null = ranking.evaluator.null_id
    sets = {tuple(sorted(int(i) for i in row if i not in (null, -1))) for row in ids}
    fitting = [chosen for chosen in sorted(sets) if len(chosen) <= relaxation.depth]
    if fitting:
        ranking.offer(as_block(fitting, relaxation.depth, null))


def _split(relaxation: Relaxation, boxes: Boxes) -> Boxes:
    """Split each box in two where its maximiser and its averaged point differ most."""
    options = relaxation.options
    at = np.arange(options.security.size)
    conflicted = _conflicted(relaxation, boxes)
    change = options.change[at, boxes.choice]
    spread = np.abs(change - boxes.point) * (boxes.high > boxes.low)
    widest = (boxes.high - boxes.low) * 1e-9
    group = np.where(conflicted >= 0, conflicted, (spread + widest).argmax(axis=1))
    rows = np.arange(len(boxes))
    cut = _cut_place(relaxation, boxes, group, conflicted)
    lower_high, upper_low = boxes.high.copy(), boxes.low.copy()
    lower_high[rows, group] = cut
    upper_low[rows, group] = cut + 1
    children = Boxes(
        low=np.concatenate([boxes.low, upper_low]),
        high=np.concatenate([lower_high, boxes.high]),
        point=np.concatenate([boxes.point, boxes.point]),
        price=np.concatenate([boxes.price, boxes.price]),
        bound=np.concatenate([boxes.bound, boxes.bound]),
        choice=np.concatenate([boxes.choice, boxes.choice]),
    )
    return _propagated(relaxation, children)


def _cut_place(
    relaxation: Relaxation, boxes: Boxes, group: IntBlock, conflicted: IntBlock
) -> IntBlock:
    """Return the last place that the lower child keeps: whether to trade first, how much later."""
    options, rows = relaxation.options, np.arange(len(boxes))
    low, high = boxes.low[rows, group], boxes.high[rows, group]
    point, none = boxes.point[rows, group], options.none[group]
    by_size = (options.change[group] <= point[:, None]).sum(axis=1) - 1
    by_trade = np.where((point > 0) | (conflicted >= 0), none, none - 1)
    undecided = (low <= none) & (none <= high) & (by_trade >= low) & (by_trade < high)
    return np.clip(np.where(undecided, by_trade, by_size), low, high - 1)


def _conflicted(relaxation: Relaxation, boxes: Boxes) -> IntBlock:
    """Return a security that the maximiser buys against a conflict and may leave; -1 without."""
    options = relaxation.options
    buying = boxes.choice > options.none
    clashes = (buying[:, :, None] & buying[:, None, :] & options.buys_conflict).any(axis=2)
    optional = clashes & (boxes.low <= options.none) & (boxes.high > options.none)
    return np.where(optional.any(axis=1), optional.argmax(axis=1), -1)


def _propagated(relaxation: Relaxation, boxes: Boxes) -> Boxes:
    """Forbid what conflicts with a buy that a box demands; drop boxes that hold nothing."""
    options = relaxation.options
    must_buy = boxes.low > options.none
    barred = (must_buy[:, :, None] & options.buys_conflict).any(axis=1)
    high = np.where(barred, np.minimum(boxes.high, options.none), boxes.high)
    must_trade = (boxes.low > options.none) | (high < options.none)
    possible = (boxes.low <= high).all(axis=1)
    possible &= must_trade.sum(axis=1) <= relaxation.depth
    return Boxes(boxes.low, high, boxes.point, boxes.price, boxes.bound, boxes.choice).take(
        possible
    )
