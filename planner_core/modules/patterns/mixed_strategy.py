"""The best sells fund the best buys."""

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


class MixedStrategy(PatternGenerator[PatternParameters]):
    """Up to depth - 1 of the best sells, then the best buys they pay for.

    Variants begin with the second best buy, the third, and so on.

    Source: our own; a greedy start, as for knapsacks (G. B. Dantzig, Operations Research 5
    (1957), 266-288).
    """

    metadata = ModuleMetadata(
        name="mixed_strategy",
        version="1.0.0",
        description="The best sells fund the best buys",
        tags=("sell", "buy"),
    )
    parameters_model = PatternParameters

    def generate(
        self, candidates: Candidates, state: PlanningState, parameters: PatternParameters
    ) -> Sequence[tuple[int, ...]]:
        """Return the sets, best first."""
        depth = state.config.max_plan_depth
        plans: list[list[int]] = []
        # `or [[]]`: without any buy the sells alone are proposed.
        for buys in rotations(candidates.buys(), parameters.variants) or [[]]:
            # One step at least is left for a buy.
            for n_sells in range(depth):
                chosen = add_sells(candidates, [], candidates.sells(), n_sells)
                plans.append(add_affordable_buys(candidates, chosen, buys, state, depth))
        return distinct(plans)
