"""The most gain per unit of cost."""

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
)


class CostOptimised(PatternGenerator[PatternParameters]):
    """Candidates by gain over cost and tax, sells before the buys they pay for.

    Source: our own; a greedy start, as for knapsacks (G. B. Dantzig, Operations Research 5
    (1957), 266-288).
    """

    metadata = ModuleMetadata(
        name="cost_optimised",
        version="1.0.0",
        description="The most gain per unit of cost",
        tags=("cost",),
    )
    parameters_model = PatternParameters

    def generate(
        self, candidates: Candidates, state: PlanningState, parameters: PatternParameters
    ) -> Sequence[tuple[int, ...]]:
        """Return the sets, best first."""
        depth = state.config.max_plan_depth
        # ratio = gain / (cost + tax); the floor keeps a free trade's ratio finite.
        spent = candidates.cost + candidates.tax
        worth = [i for i in range(candidates.n) if candidates.gain[i] > 0]
        order = sorted(
            worth, key=lambda i: (-float(candidates.gain[i]) / max(float(spent[i]), 1e-9), i)
        )
        sells = [i for i in order if not candidates.is_buy[i]]
        buys = [i for i in order if candidates.is_buy[i]]
        plans: list[list[int]] = []
        # With 0, 1, 2, ... sells: how much cash the buys are worth is left to the search.
        for n_sells in range(min(parameters.variants, depth)):
            chosen = add_sells(candidates, [], sells, n_sells)
            plans.append(add_affordable_buys(candidates, chosen, buys, state, depth))
        return distinct(plans)
