"""Raise the cash that is required, as cheaply as the score allows."""

from __future__ import annotations

from collections.abc import Sequence

from planner_core.market.state import PlanningState
from planner_core.model.candidates import Candidates
from planner_core.modules.module import ModuleMetadata, PatternGenerator
from planner_core.modules.patterns.assembly import (
    PatternParameters,
    compatible,
    distinct,
    rotations,
    spare_cash,
)


class CashGeneration(PatternGenerator[PatternParameters]):
    """Mandatory sells first, by gain, until the deficit is covered; nothing without a deficit.

    Source: our own; a greedy start, as for knapsacks (G. B. Dantzig, Operations Research 5
    (1957), 266-288).
    """

    metadata = ModuleMetadata(
        name="cash_generation",
        version="1.0.0",
        description="Raise the cash that is required, as cheaply as the score allows",
        tags=("sell", "mandatory"),
    )
    parameters_model = PatternParameters

    def generate(
        self, candidates: Candidates, state: PlanningState, parameters: PatternParameters
    ) -> Sequence[tuple[int, ...]]:
        """Return the sets, best first."""
        # Any violated limit, not only missing cash: mandatory sells repair caps as well.
        if state.limits.violation <= 0:
            return []
        depth = state.config.max_plan_depth
        sells = candidates.sells()
        mandatory = [i for i in sells if candidates.mandatory[i]]
        plans: list[list[int]] = []
        # At least as many variants as steps: any of the first sells may be the one to begin with.
        for order in rotations(mandatory, max(parameters.variants, depth)):
            chosen: list[int] = []
            # Mandatory sells first; any other sell only where those do not suffice.
            for candidate in [*order, *sells]:
                enough = spare_cash(candidates, chosen, state) >= 0
                if len(chosen) >= depth or (chosen and enough):
                    break
                if compatible(candidates, chosen, candidate):
                    chosen.append(candidate)
            plans.append(chosen)
        return distinct(plans)
