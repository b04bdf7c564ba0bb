"""Back toward the targets: overweight out, underweight in."""

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


class RebalancePattern(PatternGenerator[PatternParameters]):
    """Rebalancing sells by gain, then the rebalancing buys they pay for.

    Source: our own; a greedy start, as for knapsacks (G. B. Dantzig, Operations Research 5
    (1957), 266-288).
    """

    metadata = ModuleMetadata(
        name="rebalance",
        version="1.0.0",
        description="Back toward the targets: overweight out, underweight in",
        tags=("rebalance",),
    )
    parameters_model = PatternParameters

    def generate(
        self, candidates: Candidates, state: PlanningState, parameters: PatternParameters
    ) -> Sequence[tuple[int, ...]]:
        """Return the sets, best first."""
        depth = state.config.max_plan_depth
        buys = candidates.from_source("rebalance_buys")
        plans: list[list[int]] = []
        for order in rotations(candidates.from_source("rebalance_sells"), parameters.variants):
            # At most half of the steps sell, so that the others can buy what is underweight.
            sells = add_sells(candidates, [], order, max(1, depth // 2))
            plans.append(add_affordable_buys(candidates, sells, buys, state, depth))
        return distinct(plans)
