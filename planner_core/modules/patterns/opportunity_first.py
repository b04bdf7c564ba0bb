"""The best buys first, funded by whatever costs least."""

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


class OpportunityFirst(PatternGenerator[PatternParameters]):
    """Buys by gain, each with the sells that it needs.

    Source: our own; a greedy start, as for knapsacks (G. B. Dantzig, Operations Research 5
    (1957), 266-288).
    """

    metadata = ModuleMetadata(
        name="opportunity_first",
        version="1.0.0",
        description="The best buys first, funded by whatever costs least",
        tags=("buy", "sell"),
    )
    parameters_model = PatternParameters

    def generate(
        self, candidates: Candidates, state: PlanningState, parameters: PatternParameters
    ) -> Sequence[tuple[int, ...]]:
        """Return the sets, best first."""
        # Each variant takes another buy first; the first one gets the best funding.
        return distinct(
            fund_buys(candidates, order, candidates.sells(), state)
            for order in rotations(candidates.buys(), parameters.variants)
        )
