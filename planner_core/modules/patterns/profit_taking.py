"""Take profits, then put the proceeds to work."""

from __future__ import annotations

from collections.abc import Sequence

from planner_core.market.state import PlanningState
from planner_core.model.candidates import Candidates
from planner_core.modules.module import ModuleMetadata, PatternGenerator
from planner_core.modules.patterns.assembly import (
    PatternParameters,
    add_affordable_buys,
    add_sells,
    distinct,
    rotations,
)


class ProfitTakingPattern(PatternGenerator[PatternParameters]):
    """Sells proposed by profit_taking, followed by the best buys they pay for.

    Source: our own; a greedy start, as for knapsacks (G. B. Dantzig, Operations Research 5
    (1957), 266-288).
    """

    metadata = ModuleMetadata(
        name="profit_taking",
        version="1.0.0",
        description="Take profits, then put the proceeds to work",
        tags=("sell", "buy"),
    )
    parameters_model = PatternParameters

    def generate(
        self, candidates: Candidates, state: PlanningState, parameters: PatternParameters
    ) -> Sequence[tuple[int, ...]]:
        """Return the sets, best first."""
        depth = state.config.max_plan_depth
        plans: list[list[int]] = []
        for order in rotations(candidates.from_source("profit_taking"), parameters.variants):
            # At most half of the steps sell, so that the others can reinvest.
            sells = add_sells(candidates, [], order, max(1, depth // 2))
            plans.append(sells)
            # A copy, because the set without buys is proposed as well.
            plans.append(add_affordable_buys(candidates, [*sells], candidates.buys(), state, depth))
        return distinct(plans)
