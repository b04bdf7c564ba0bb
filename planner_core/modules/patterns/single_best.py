"""The best single trades, each as a plan of its own."""

from __future__ import annotations

from collections.abc import Sequence

from planner_core.market.state import PlanningState
from planner_core.model.candidates import Candidates
from planner_core.modules.module import ModuleMetadata, PatternGenerator
from planner_core.modules.patterns.assembly import (
    PatternParameters,
)


class SingleBest(PatternGenerator[PatternParameters]):
    """One candidate each, by gain alone: the least that can be done.

    Source: our own; a greedy start, as for knapsacks (G. B. Dantzig, Operations Research 5
    (1957), 266-288).
    """

    metadata = ModuleMetadata(
        name="single_best",
        version="1.0.0",
        description="The best single trades, each as a plan of its own",
        tags=("simple",),
    )
    parameters_model = PatternParameters

    def generate(
        self, candidates: Candidates, state: PlanningState, parameters: PatternParameters
    ) -> Sequence[tuple[int, ...]]:
        """Return the sets, best first."""
        # By gain alone: the best set is never worse than the best single trade.
        every = candidates.by_gain(list(range(candidates.n)))
        return [(candidate,) for candidate in every[: parameters.variants]]
