"""Add to quality that fell, funded where it must be."""

from __future__ import annotations

from collections.abc import Sequence

from planner_core.market.state import PlanningState
from planner_core.model.candidates import Candidates
from planner_core.modules.module import ModuleMetadata, PatternGenerator
from planner_core.modules.patterns.assembly import (
    PatternParameters,
    distinct,
    fund_buys,
    rotations,
)


class AveragingDownPattern(PatternGenerator[PatternParameters]):
    """Buys proposed by averaging_down, with as many sells as they need.

    Source: our own; a greedy start, as for knapsacks (G. B. Dantzig, Operations Research 5
    (1957), 266-288).
    """

    metadata = ModuleMetadata(
        name="averaging_down",
        version="1.0.0",
        description="Add to quality that fell, funded where it must be",
        tags=("buy",),
    )
    parameters_model = PatternParameters

    def generate(
        self, candidates: Candidates, state: PlanningState, parameters: PatternParameters
    ) -> Sequence[tuple[int, ...]]:
        """Return the sets, best first."""
        # Each variant takes another of these buys first; the first one gets the best funding.
        return distinct(
            fund_buys(candidates, order, candidates.sells(), state)
            for order in rotations(candidates.from_source("averaging_down"), parameters.variants)
        )
