"""Grow sets one candidate at a time, keep only the most promising, at prices of the limits.

A beam is a greedy search that keeps the best W sets of each size instead of one. Its sets are
ranked by score plus the priced use of the limits,

    score(set) + p_cash * cash that the set brings - p_turnover * its turnover

which is the Lagrangian of the limits on cash and turnover. On the pair tables, a set's score grows
by `growth[x] = lin[x] + sum_{k in set} pair[k, x]` when candidate x joins, and that vector itself
grows by `pair[x, :]`: one addition per candidate, whatever the size of the set.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from planner_core.market.state import PlanningState
from planner_core.model.arrays import BoolArray, FloatArray
from planner_core.modules.module import (
    ModuleMetadata,
    ModuleParameters,
    SequenceGenerator,
    parameter,
)
from planner_core.search.evaluator import Evaluator, IdBlock, LimitColumn
from planner_core.search.ranking import SearchSpace

VIOLATION_PRICE = 1e3
"""Score that a unit of violation costs while a beam grows; the ranking compares them by level."""
BLOCK_SETS = 256
"""Levels are joined to blocks of at least this many sets: most of a narrow beam in one."""
OFFERED_PER_WIDTH = 4
"""Legal sets offered to the ranking per place in the beam, at each depth."""


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
        description="advanced: weight of cash in the search, one beam per value; 0 is what the"
        " median sell costs, 1 what the median buy earns",
    )
    turnover_prices: tuple[Annotated[float, Field(ge=0, le=1)], ...] = parameter(
        (0.0, 0.35),
        unit="fraction",
        min_length=1,
        max_length=8,
        description="advanced: weight of turnover in the search, one beam per value and weight of"
        " cash; at 1 the median sell and buy gain nothing together",
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
        """Yield the best legal sets of each level of each beam."""
        places = int(np.ceil(parameters.width * parameters.repairable_fraction))
        for growth in _priced(space.evaluator, parameters):
            yield from _joined(_grow(space, growth, parameters.width, places))


def _joined(levels: Iterator[IdBlock]) -> Iterator[IdBlock]:
    """Yield the sets of several levels in one block: small blocks cost more per set."""
    pending: list[IdBlock] = []
    for sets in levels:
        pending.append(sets)
        if sum(block.shape[1] for block in pending) >= BLOCK_SETS:
            yield np.concatenate(pending, axis=1)
            pending = []
    if pending:
        yield np.concatenate(pending, axis=1)


def _priced(evaluator: Evaluator, parameters: BeamParameters) -> Iterator[FloatArray]:
    """Yield each candidate's priced score alone, for each pair of prices; (K,)."""
    k, usage = evaluator.candidates.n, evaluator.limit_usage
    change, alone = evaluator.tables.weight_change[:k], evaluator.bound_lin[:k]
    sells, buys = change < 0, change > 0
    if not (sells.any() and buys.any()):
        yield alone  # sells without buys, or buys without sells: a price would exchange nothing
        return
    # Score per unit of cash: what the median sell gives up (a sell's change is negative), and what
    # the median buy gains. A price in between makes both worth while.
    sell_score = float(np.median(alone[sells] / change[sells]))
    buy_score = float(np.median(alone[buys] / change[buys]))
    cash = usage[:k, evaluator.cash_columns].sum(axis=1)
    for cash_fraction in parameters.cash_prices:
        for turnover_fraction in parameters.turnover_prices:
            cash_price = max(0.0, sell_score + cash_fraction * (buy_score - sell_score))
            # A sell and a buy of a unit each gain the difference and turn over 2.
            turnover_price = max(0.0, turnover_fraction * (buy_score - sell_score) / 2)
            yield alone + cash_price * cash - turnover_price * usage[:k, LimitColumn.TURNOVER]


@dataclass(frozen=True, slots=True, eq=False)
class _Level:
    """The W sets of a beam at one depth.

    `ids` (depth, W); `score` (W,) and `growth` (W, K), what each candidate would add to it, both
    priced; `blocked` (W, K), the candidates that conflict with the set; `usage` (W, n_columns),
    sums of `Evaluator.limit_usage`.
    """

    ids: IdBlock
    score: FloatArray
    growth: FloatArray
    blocked: BoolArray
    usage: FloatArray


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
        usage=np.zeros((1, evaluator.limit_usage.shape[1])),
    )
    by_limit = np.ascontiguousarray(evaluator.limit_usage[:k].T)
    for depth in range(space.depth):
        # Entry (w, x) of the tables below is set w with candidate x added.
        score = level.score[:, None] + level.growth
        # Limit by limit in memory: `check_totals` takes one limit of all sets at a time.
        usage = level.usage.T[:, :, None] + by_limit[:, None, :]
        check = evaluator.check_totals(np.moveaxis(usage, 0, -1))
        free = ~level.blocked
        penalised = score - VIOLATION_PRICE * check.violation
        visited: set[bytes] = set()
        legal = _distinct(
            level,
            _best(penalised, check.legal & free, OFFERED_PER_WIDTH * width),
            depth,
            visited,
        )
        if legal.size:
            yield _extended(level, legal, depth)[0]
        # Illegal sets that one more sell could repair have places of their own: beside legal ones
        # they would win by spending cash that is not there yet.
        repairable = _distinct(
            level, _best(score, check.repairable & free, 2 * repairable_places), depth, visited
        )
        survivors = np.concatenate([legal[:width], repairable[:repairable_places]])
        if not survivors.size:
            return
        level = _next_level(evaluator, level, survivors, depth, score)


def _best(value: FloatArray, allowed: BoolArray, limit: int) -> NDArray[np.intp]:
    """Return the flat places of the best allowed entries, best first; ties by place."""
    places = np.flatnonzero(allowed) if limit else np.empty(0, dtype=np.intp)
    values = value.ravel()[places]
    if places.size > limit:
        # Everything at least as good as the limit-th: which of equal values `partition` leaves in
        # front is not defined.
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
    level: _Level, places: NDArray[np.intp], depth: int, visited: set[bytes]
) -> NDArray[np.intp]:
    """Return the places whose sets are new; {a, b} grows from a and from b."""
    fresh = []
    ids = np.sort(_extended(level, places, depth)[0], axis=0).T
    data, size = ids.tobytes(), ids.itemsize * ids.shape[1]
    for row, place in enumerate(places.tolist()):
        identity = data[row * size : (row + 1) * size]
        if identity not in visited:
            visited.add(identity)
            fresh.append(place)
    return np.array(fresh, dtype=np.intp)


def _next_level(
    evaluator: Evaluator, level: _Level, places: NDArray[np.intp], depth: int, score: FloatArray
) -> _Level:
    """Return the level of the sets at flat places of (W, K), each a set with one more candidate."""
    k = evaluator.candidates.n
    ids, parent, added = _extended(level, places, depth)
    return _Level(
        ids=ids,
        score=score.ravel()[places],
        # growth[y] of set + x is growth[y] of set + pair[x, y].
        growth=level.growth[parent] + evaluator.tables.pair[added, :k],
        blocked=level.blocked[parent] | evaluator.candidates.conflicts[added],
        usage=level.usage[parent] + evaluator.limit_usage[added],
    )
