"""Grow sets one candidate at a time, keeping only the most promising."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from planner_core.context import FloatArray
from planner_core.evaluator import Evaluator, IdBlock
from planner_core.history import BoolArray
from planner_core.module import (
    ModuleMetadata,
    ModuleParameters,
    SequenceGenerator,
    parameter,
)
from planner_core.search import SearchSpace
from planner_core.state import PlanningState

VIOLATION_PRICE = 1e3
"""Score that a unit of violation costs while a beam grows; the ranking knows the true order."""
OFFERED_PER_WIDTH = 4
"""Legal sets offered to the ranking per place in the beam and depth."""


class BeamParameters(ModuleParameters):
    """The beams."""

    widths: tuple[Annotated[int, Field(ge=1, le=1000)], ...] = parameter(
        (1, 3, 10, 30),
        unit="sets",
        min_length=1,
        max_length=8,
        description="one beam per width; narrow ones find what wide ones crowd out",
    )
    repairable_fraction: float = parameter(
        0.34,
        unit="fraction of the width",
        ge=0,
        le=1,
        description="places for sets that still need a sell to be legal",
    )


class Beam(SequenceGenerator[BeamParameters]):
    """Several beams over sets of candidates, scored incrementally on the pair tables.

    A level grows every set of the beam by every candidate: O(width * K) sums, not O(depth^2). Part
    of the beam is kept for sets that a later sell makes legal, because the best plans often begin
    with the buy that needs funding.
    """

    metadata = ModuleMetadata(
        name="beam",
        version="1.0.0",
        description="Grow sets one candidate at a time, keeping only the most promising",
        tags=("heuristic",),
    )
    parameters_model = BeamParameters

    def generate(
        self, space: SearchSpace, state: PlanningState, parameters: BeamParameters
    ) -> Iterator[IdBlock]:
        """Yield the legal sets that each level of each beam found best."""
        for width in parameters.widths:
            places = int(np.ceil(width * parameters.repairable_fraction))
            yield from _grow(space, width, places)


@dataclass(frozen=True, slots=True, eq=False)
class _Level:
    """The sets of a beam at one depth.

    `ids` (depth, W); `score` (W,); `growth` (W, K), what adding each candidate adds to the score;
    `blocked` (W, K), which cannot be added; `total` (W, n_columns), the sums the limits look at.
    """

    ids: IdBlock
    score: FloatArray
    growth: FloatArray
    blocked: BoolArray
    total: FloatArray


def _grow(space: SearchSpace, width: int, repairable_places: int) -> Iterator[IdBlock]:
    evaluator, k = space.evaluator, space.candidates.n
    if k == 0:
        return
    level = _Level(
        ids=np.full((space.depth, 1), space.null_id, dtype=np.int16),
        score=np.array([evaluator.bound_before]),
        growth=evaluator.bound_lin[None, :k].copy(),
        blocked=np.zeros((1, k), dtype=bool),
        total=np.zeros((1, evaluator.columns.shape[1])),
    )
    for depth in range(space.depth):
        score = level.score[:, None] + level.growth
        judged = evaluator.judge(level.total[:, None, :] + evaluator.columns[None, :k, :])
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
    ids = np.sort(_extended(level, places, depth)[0], axis=0)
    for place, column in zip(places, ids.T, strict=True):
        identity = column.tobytes()
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
        total=level.total[parent] + evaluator.columns[added],
    )
