"""Climb from good sets: exchange one or two candidates, or change several sizes.

The climb itself is `planner_core/search/local_search.py`; here are its starts. Starting from
sets that trade something else, rather than from the best few, keeps the climbs apart: the best sets
are often the same trades in other sizes, which one climb reaches from each other.
"""

from __future__ import annotations

from collections.abc import Iterator

from planner_core.market.state import PlanningState
from planner_core.modules.module import (
    ModuleMetadata,
    ModuleParameters,
    SequenceGenerator,
    parameter,
)
from planner_core.search.evaluator import IdBlock, as_block
from planner_core.search.local_search import PAIR_CANDIDATES, RESIZED_SETS, STEPS_MAX, climb
from planner_core.search.ranking import SearchSpace


class SwapParameters(ModuleParameters):
    """Starts and effort of the climbs."""

    starts: int = parameter(
        6, unit="sets", ge=1, le=64, description="best sets so far that are climbed from"
    )
    steps_max: int = parameter(
        STEPS_MAX, unit="steps", ge=1, le=1000, description="maximum improvements per start"
    )
    pair_candidates: int = parameter(
        PAIR_CANDIDATES,
        unit="candidates",
        ge=2,
        le=2048,
        description="candidates tried in exchanges of two, most promising first",
    )
    resized_sets: int = parameter(
        RESIZED_SETS,
        unit="sets",
        ge=0,
        le=1_000_000,
        description="maximum sets tried in which several trades change their size at once",
    )


class Swap(SequenceGenerator[SwapParameters]):
    """Best-improvement local search from the best sets so far that trade something else.

    Add, drop, exchange one; when that ends, exchange two; when that ends, change several sizes at
    once: `planner_core/search/local_search.py`.

    Source: exchanges as in S. Lin, B. W. Kernighan, Operations Research 21 (1973), 498-516.
    """

    metadata = ModuleMetadata(
        name="swap",
        version="1.1.0",
        description="Climb from good sets: exchange one or two candidates, or change sizes",
        tags=("heuristic", "local search"),
    )
    parameters_model = SwapParameters

    def generate(
        self, space: SearchSpace, state: PlanningState, parameters: SwapParameters
    ) -> Iterator[IdBlock]:
        """Yield every improvement, as blocks of one set."""
        if not space.candidates.n:
            return
        visited: set[tuple[int, ...]] = set()
        for start in _starts(space, parameters.starts):
            if start in visited:
                continue  # an earlier climb passed here and went on as this one would
            visited.add(start)
            for better in climb(
                space.evaluator,
                start,
                space.depth,
                steps_max=parameters.steps_max,
                pair_candidates=parameters.pair_candidates,
                resized_sets=parameters.resized_sets,
            ):
                if better in visited:
                    break
                visited.add(better)
                yield as_block([better], space.depth, space.null_id)


def _starts(space: SearchSpace, limit: int) -> list[tuple[int, ...]]:
    """Return the best sets so far of which no two trade the same in other sizes."""
    candidates = space.candidates
    starts: dict[frozenset[tuple[int, bool]], tuple[int, ...]] = {}
    for ranked in space.ranking.sets:
        traded = frozenset(
            (int(candidates.security[i]), bool(candidates.is_buy[i])) for i in ranked.ids
        )
        starts.setdefault(traded, ranked.ids)
        if len(starts) == limit:
            break
    return list(starts.values())
