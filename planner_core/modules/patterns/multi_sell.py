"""Several sells together."""

from __future__ import annotations

from collections.abc import Sequence

from planner_core.market.state import PlanningState
from planner_core.model.candidates import Candidates
from planner_core.modules.module import ModuleMetadata, PatternGenerator
from planner_core.modules.patterns.assembly import (
    PatternParameters,
    add_sells,
    distinct,
    rotations,
)


class MultiSell(PatternGenerator[PatternParameters]):
    """The best compatible sells, from one up to the depth.

    Variants begin with the second best, the third, and so on.

    Source: our own; a greedy start, as for knapsacks (G. B. Dantzig, Operations Research 5
    (1957), 266-288).
    """

    metadata = ModuleMetadata(
        name="multi_sell",
        version="1.0.0",
        description="Several sells together",
        tags=("sell",),
    )
    parameters_model = PatternParameters

    def generate(
        self, candidates: Candidates, state: PlanningState, parameters: PatternParameters
    ) -> Sequence[tuple[int, ...]]:
        """Return the sets, best first."""
        depth = state.config.max_plan_depth
        starts = rotations(candidates.sells(), parameters.variants)
        series = [add_sells(candidates, [], sells, depth) for sells in starts]
        # Every beginning of each series: fewer of the same sells may score better.
        return distinct(best[:length] for best in series for length in range(1, len(best) + 1))
