"""Grow sets one candidate at a time, keeping only the most promising, at prices of the limits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from planner_core.model.arrays import BoolArray, FloatArray
from planner_core.search.evaluator import Evaluator, IdBlock, LimitColumn
from planner_core.modules.module import (
    ModuleMetadata,
    ModuleParameters,
    SequenceGenerator,
    parameter,
)
from planner_core.search.evaluator import Evaluator, IdBlock
from planner_core.search.space import SearchSpace

VIOLATION_PRICE = 1e3
"""Score that a unit of violation costs while a beam grows; the ranking knows the true order."""
BLOCK_SETS = 256
"""Sets that levels are joined up to: little to wait for, and most of a narrow beam."""
OFFERED_PER_WIDTH = 4
"""Legal sets offered to the ranking per place in the beam and depth."""


class BeamParameters(ModuleParameters):
    """The beams."""

    width: int = parameter(
        10, unit="sets", ge=1, le=1000, description="sets kept at each depth of a beam"
    )
    repairable_fraction: float = parameter(
        0.34,
        unit="fraction of the width",
        ge=0,
        le=1,
        description="places for sets that still need a sell to be legal",
    )
    cash_prices: tuple[Annotated[float, Field(ge=0, le=1)], ...] = parameter(
        (0.25, 0.5, 0.75),
        unit="fraction",
        min_length=1,
        max_length=8,
        description="prices of cash, one beam each: 0 is what the median sell costs, 1 what the"
        " median buy earns",
    )
    turnover_prices: tuple[Annotated[float, Field(ge=0, le=1)], ...] = parameter(
        (0.0, 0.35),
        unit="fraction",
        min_length=1,
        max_length=8,
        description="prices of turnover for each price of cash: at 1 the median sell and buy gain"
        " nothing together",
    )


class Beam(SequenceGenerator[BeamParameters]):
    """Beams over sets of candidates, scored incrementally on the pair tables, at several prices.

    A buy needs cash that only a sell brings, and a sell alone rarely pays: grown by score alone a
    beam sells nothing. So each beam pays a price for cash and takes one for turnover, as a
    Lagrangian relaxation of the limits would (M. L. Fisher, Management Science 27 (1981), 1-18).
    The price of cash lies between the marginal scores of the median sell and the median buy. What
    is offered to the ranking is scored without prices.

    A level grows every set of the beam by every candidate: O(width * K) sums, not O(depth^2). Part
    of the beam is kept for sets that a later sell makes legal, because the best plans often begin
    with the buy that needs funding.

    Source: beams as in P. S. Ow, T. E. Morton, International Journal of Production Research 26
    (1988), 35-62; prices as in Fisher.
    """

    metadata = ModuleMetadata(
        name="beam",
        version="2.0.0",
        description="Grow sets one candidate at a time, with prices on cash and turnover",
        tags=("heuristic",),
    )
    parameters_model = BeamParameters

    def generate(
        self, space: SearchSpace, state: PlanningState, parameters: BeamParameters
    ) -> Iterator[IdBlock]:
        """Yield the legal sets that each level of each beam found best."""
        places = int(np.ceil(parameters.width * parameters.repairable_fraction))
        for growth in _priced(space.evaluator, parameters):
            yield from _joined(_grow(space, growth, parameters.width, places))


def _joined(levels: Iterator[IdBlock]) -> Iterator[IdBlock]:
    """Yield the sets of several levels in one block, so that a narrow beam is scored at once."""
    waiting: list[IdBlock] = []
    for sets in levels:
        waiting.append(sets)
        if sum(block.shape[1] for block in waiting) >= BLOCK_SETS:
            yield np.concatenate(waiting, axis=1)
            waiting = []
    if waiting:
        yield np.concatenate(waiting, axis=1)


def _priced(evaluator: Evaluator, parameters: BeamParameters) -> Iterator[FloatArray]:
    """Yield what each candidate adds to the score alone, at each pair of prices; (K,)."""
    k, usage = evaluator.candidates.n, evaluator.limit_usage
    change, alone = evaluator.tables.weight_change[:k], evaluator.bound_lin[:k]
    sells, buys = change < 0, change > 0
    if not (sells.any() and buys.any()):
        yield alone  # nothing is exchanged: no price leads anywhere
        return
    cheapest = float(np.median(alone[sells] / change[sells]))
    dearest = float(np.median(alone[buys] / change[buys]))
    cash = usage[:k, evaluator.cash_columns].sum(axis=1)
    for of_cash in parameters.cash_prices:
        for of_turnover in parameters.turnover_prices:
            cash_price = max(0.0, cheapest + of_cash * (dearest - cheapest))
            turnover_price = max(0.0, of_turnover * (dearest - cheapest) / 2)
            yield alone + cash_price * cash - turnover_price * usage[:k, LimitColumn.TURNOVER]


@dataclass(frozen=True, slots=True, eq=False)
class _Level:
    """The sets of a beam at one depth.

    `ids` (depth, W); `score` (W,) and what adding each candidate adds to it, `growth` (W, K), both
    with prices; `blocked` (W, K), which cannot be added; `total` (W, n_columns), the sums the
    limits look at.
    """

    ids: IdBlock
    score: FloatArray
    growth: FloatArray
    blocked: BoolArray
    total: FloatArray


def _grow(
    space: SearchSpace, alone: FloatArray, width: int, repairable_places: int
) -> Iterator[IdBlock]:
    """Yield the best legal sets of each level; `alone` (K,): each candidate's priced score."""
    evaluator, k = space.evaluator, space.candidates.n
    if k == 0:
        return
    level = _Level(
        ids=np.full((space.depth, 1), space.null_id, dtype=np.int16),
        score=np.array([evaluator.bound_before]),
        growth=alone[None, :].copy(),
        blocked=np.zeros((1, k), dtype=bool),
        total=np.zeros((1, evaluator.limit_usage.shape[1])),
    )
    by_limit = np.ascontiguousarray(evaluator.limit_usage[:k].T)
    for depth in range(space.depth):
        score = level.score[:, None] + level.growth
        # In memory limit by limit: each is asked of all sets in a row.
        total = level.total.T[:, :, None] + by_limit[:, None, :]
        judged = evaluator.judge(np.moveaxis(total, 0, -1))
        free = ~level.blocked
        worth = score - VIOLATION_PRICE * judged.violation
        seen: set[bytes] = set()
        legal = _distinct(
            level, _best(worth, judged.legal & free, OFFERED_PER_WIDTH * width), depth, seen
        )
        if legal.size:
            yield _extended(level, legal, depth)[0]
        pending = _distinct(
            level, _best(score, judged.repairable & free, 2 * repairable_places), depth, seen
        )
        kept = np.concatenate([legal[:width], pending[:repairable_places]])
        if not kept.size:
            return
        level = _next_level(evaluator, level, kept, depth, score)


def _best(worth: FloatArray, allowed: BoolArray, limit: int) -> NDArray[np.intp]:
    """Return the flat places of the best allowed entries, best first; ties by place."""
    places = np.flatnonzero(allowed)
    values = worth.ravel()[places]
    if places.size > limit:
        # Everything at least as good as the limit-th, so that ties do not depend on partition.
        bound = np.partition(values, values.size - limit)[values.size - limit]
        within = values >= bound
        places, values = places[within], values[within]
    return places[np.lexsort((places, -values))][:limit]


def _extended(
    level: _Level, places: NDArray[np.intp], depth: int
) -> tuple[IdBlock, NDArray[np.intp], NDArray[np.intp]]:
    """Return the sets at flat places of (W, K), with the parent and the candidate of each."""
    parent, added = np.divmod(places, level.growth.shape[1])
    ids = level.ids[:, parent]
    ids[depth] = added
    return ids, parent, added


def _distinct(
    level: _Level, places: NDArray[np.intp], depth: int, seen: set[bytes]
) -> NDArray[np.intp]:
    """Return the places whose sets were not seen before; {a, b} grows from a and from b."""
    kept = []
    ids = np.sort(_extended(level, places, depth)[0], axis=0).T
    data, size = ids.tobytes(), ids.itemsize * ids.shape[1]
    for row, place in enumerate(places.tolist()):
        identity = data[row * size : (row + 1) * size]
        if identity not in seen:
            seen.add(identity)
            kept.append(place)
    return np.array(kept, dtype=np.intp)


def _next_level(
    evaluator: Evaluator, level: _Level, places: NDArray[np.intp], depth: int, score: FloatArray
) -> _Level:
    k = evaluator.candidates.n
    ids, parent, added = _extended(level, places, depth)
    return _Level(
        ids=ids,
        score=score.ravel()[places],
        growth=level.growth[parent] + evaluator.tables.pair[added, :k],
        blocked=level.blocked[parent] | evaluator.candidates.conflicts[added],
        total=level.total[parent] + evaluator.limit_usage[added],
    )
