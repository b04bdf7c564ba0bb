"""Buys that the cash at hand pays for."""

from __future__ import annotations

from collections.abc import Sequence

from planner_core.market.state import PlanningState
from planner_core.model.candidates import Candidates
from planner_core.modules.module import ModuleMetadata, PatternGenerator
from planner_core.modules.patterns.assembly import (
    PatternParameters,
    add_affordable_buys,
    distinct,
    rotations,
)


class DirectBuy(PatternGenerator[PatternParameters]):
    """Affordable buys by gain, without selling anything.

    Source: our own; a greedy start, as for knapsacks (G. B. Dantzig, Operations Research 5
    (1957), 266-288).
    """

    metadata = ModuleMetadata(
        name="direct_buy",
        version="1.0.0",
        description="Buys that the cash at hand pays for",
        tags=("buy",),
    )
    parameters_model = PatternParameters

    def generate(
        self, candidates: Candidates, state: PlanningState, parameters: PatternParameters
    ) -> Sequence[tuple[int, ...]]:
        """Return the sets, best first."""
        depth = state.config.max_plan_depth
        # Each variant takes another buy first; what is left of the cash goes to the others.
        return distinct(
            add_affordable_buys(candidates, [], order, state, depth)
            for order in rotations(candidates.buys(), parameters.variants)
        )
