"""Climb from good sets by exchanging one or two candidates."""

from __future__ import annotations

from collections.abc import Iterator

from planner_core.evaluator import IdBlock, as_block
from planner_core.local_search import PAIR_CANDIDATES, STEPS_MAX, climb
from planner_core.module import (
    ModuleMetadata,
    ModuleParameters,
    SequenceGenerator,
    parameter,
)
from planner_core.search import SearchSpace
from planner_core.state import PlanningState


class SwapParameters(ModuleParameters):
    """How far to climb."""

    starts: int = parameter(
        4, unit="sets", ge=1, le=64, description="best sets so far that are climbed from"
    )
    steps_max: int = parameter(
        STEPS_MAX, unit="steps", ge=1, le=1000, description="most improvements per start"
    )
    pair_candidates: int = parameter(
        PAIR_CANDIDATES,
        unit="candidates",
        ge=2,
        le=2048,
        description="candidates tried in exchanges of two, most promising first",
    )


class Swap(SequenceGenerator[SwapParameters]):
    """Best-improvement local search from the best sets so far that differ in more than one place.

    Add, drop, exchange one; when that ends, exchange two: `planner_core/local_search.py`.
    """

    metadata = ModuleMetadata(
        name="swap",
        version="1.0.0",
        description="Climb from good sets by exchanging one or two candidates",
        tags=("heuristic", "local search"),
    )
    parameters_model = SwapParameters

    def generate(
        self, space: SearchSpace, state: PlanningState, parameters: SwapParameters
    ) -> Iterator[IdBlock]:
        """Yield every improvement found, as blocks."""
        if not space.candidates.n:
            return
        seen: set[tuple[int, ...]] = set()
        for start in _starts(space, parameters.starts):
            for better in climb(
                space.evaluator,
                start,
                space.depth,
                steps_max=parameters.steps_max,
                pair_candidates=parameters.pair_candidates,
            ):
                if better in seen:
                    break
                seen.add(better)
                yield as_block([better], space.depth, space.null_id)


def _starts(space: SearchSpace, limit: int) -> list[tuple[int, ...]]:
    """Return the best sets so far that do not merely differ in one candidate."""
    starts: list[tuple[int, ...]] = []
    for ranked in space.ranking.sets:
        chosen = ranked.ids
        if all(len(set(chosen) ^ set(other)) > 2 for other in starts):  # noqa: PLR2004 - one swap
            starts.append(chosen)
        if len(starts) == limit:
            break
    return starts
