"""MyModule: a filter. Written by `trader plugin new`; it works as it is.

A filter drops candidates (`reject`), forbids pairs in one plan (`conflicts`), or selects the
alternatives to report (`select_alternatives`). Override one of them or more. No filter can switch a
limit off.

    trader plugin check my_module      after every change
    trader help plugin                 the other commands

Only the names of `planner_core.api` stay as they are (docs/plugin-api.md).
"""

from __future__ import annotations

from planner_core.api import (
    Candidates,
    Filter,
    ModuleMetadata,
    ModuleParameters,
    PlanningState,
    cacheable,
    filter_registry,
    parameter,
)


class MyModuleParameters(ModuleParameters):
    """The largest fall of a security that may be bought."""

    # Each parameter has a default, a unit and bounds. The bucket's TOML sets it:
    # my_module = { fall_max = 0.2 }. A bool, int, float, str, Literal or tuple is possible.
    fall_max: float = parameter(
        0.1, unit="fraction", ge=0, le=1, description="largest fall in 60 market days"
    )


class MyModule(Filter[MyModuleParameters]):
    """Reject a buy of what fell: `price / price 60 market days ago - 1 < -fall_max`.

    A security with fewer closes than that passes. Say here what the rule is, as a formula, what
    happens without data, and where the rule is from: `trader modules show my_module` prints it.

    Source: N. Jegadeesh, S. Titman, Journal of Finance 48 (1993), 65-91, for the idea.
    """

    metadata = ModuleMetadata(
        name="my_module",
        version="0.1.0",  # raise it when results may change
        description="Do not buy what fell in the last 60 market days",
        author="you",
        requires_api=">=1,<2",
        tags=("buy",),
        enabled_by_default=False,  # only the buckets that name it use it
    )
    parameters_model = MyModuleParameters

    # Results may be used again for the same inputs: they depend on the arguments alone. Remove it
    # if yours read anything else. `async def reject` works as well.
    @cacheable(ttl=3600)
    def reject(
        self, candidates: Candidates, state: PlanningState, parameters: MyModuleParameters
    ) -> dict[int, str]:
        """Return the buys to drop, each with the reason; the id of a candidate is its index."""
        rejected: dict[int, str] = {}
        for candidate in candidates.buys():
            column = int(candidates.security[candidate])
            # NaN without 60 market days of closes: no comparison with it is true.
            change = float(state.market.momentum[column])
            # A mandatory candidate repairs a limit: it must pass.
            if change < -parameters.fall_max and not candidates.mandatory[candidate]:
                rejected[candidate] = f"it fell by {-change:.1%} in 60 market days"
        return rejected


filter_registry.register(MyModule())
