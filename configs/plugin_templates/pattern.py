"""MyModule: sets that make sense together. Written by `trader plugin new`; it works as it is.

A pattern generator proposes sets of candidates: starts of the search, which improves them and
checks every limit. They need not be the best, only good and different.

    trader plugin check my_module      after every change
    trader help plugin                 the other commands

Only the names of `planner_core.api` stay as they are (docs/plugin-api.md).
"""

from __future__ import annotations

from collections.abc import Sequence

from planner_core.api import (
    Candidates,
    ModuleMetadata,
    ModuleParameters,
    PatternGenerator,
    PlanningState,
    cacheable,
    parameter,
    pattern_registry,
)


class MyModuleParameters(ModuleParameters):
    """How many sets to propose."""

    # Each parameter has a default, a unit and bounds. The bucket's TOML sets it:
    # my_module = { sets = 8 }. A bool, int, float, str, Literal or tuple is possible.
    sets: int = parameter(4, unit="sets", ge=1, le=50, description="sets to propose")


class MyModule(PatternGenerator[MyModuleParameters]):
    """Propose the best sells, each with the best buy that it may be combined with.

    Without a sell or without a buy there is no set. Say here what the rule is, what happens without
    data, and where the rule is from: `trader modules show my_module` prints it.

    Source: our own rule.
    """

    metadata = ModuleMetadata(
        name="my_module",
        version="0.1.0",  # raise it when results may change
        description="Pair each of the best sells with the best buy",
        author="you",
        requires_api=">=1,<2",
        tags=("swap",),
        enabled_by_default=False,  # only the buckets that name it use it
    )
    parameters_model = MyModuleParameters

    # Results may be used again for the same inputs: they depend on the arguments alone. Remove it
    # if yours read anything else. `async def generate` works as well.
    @cacheable(ttl=3600)
    def generate(
        self, candidates: Candidates, state: PlanningState, parameters: MyModuleParameters
    ) -> Sequence[tuple[int, ...]]:
        """Return sets of candidate ids, best first; each at most `max_plan_depth` long."""
        pair_length = 2
        if state.config.max_plan_depth < pair_length:
            return []
        sets: list[tuple[int, ...]] = []
        for sell in candidates.sells()[: parameters.sets]:
            for buy in candidates.buys():
                # Two candidates that exclude each other, such as two sizes of one trade.
                if not candidates.conflicts[sell, buy]:
                    sets.append((sell, buy))
                    break
        return sets


pattern_registry.register(MyModule())
