"""Largest trades first, sells before the buys they pay for."""

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


class DeepRebalance(PatternGenerator[PatternParameters]):
    """One, two, ... of the largest sells that improve the score, then the largest such buys.

    Source: our own; a greedy start, as for knapsacks (G. B. Dantzig, Operations Research 5
    (1957), 266-288).
    """

    metadata = ModuleMetadata(
        name="deep_rebalance",
        version="1.0.0",
        description="Largest trades first, sells before the buys they pay for",
        tags=("rebalance", "deep"),
    )
    parameters_model = PatternParameters

    def generate(
        self, candidates: Candidates, state: PlanningState, parameters: PatternParameters
    ) -> Sequence[tuple[int, ...]]:
        """Return the sets, best first."""
        depth = state.config.max_plan_depth
        # By value, largest first; ties by id, so that the order is the same in every run.
        by_size = sorted(range(candidates.n), key=lambda i: (-abs(candidates.value[i]), i))
        # Only trades that improve the score alone: large ones of the others would fill the sets.
        improving = [i for i in by_size if candidates.gain[i] > 0]
        sells = [i for i in improving if not candidates.is_buy[i]]
        buys = [i for i in improving if candidates.is_buy[i]]
        plans: list[list[int]] = []
        for n_sells in range(1, min(parameters.variants, depth) + 1):
            chosen = add_sells(candidates, [], sells, n_sells)
            plans.append(add_affordable_buys(candidates, chosen, buys, state, depth))
        return distinct(plans)
