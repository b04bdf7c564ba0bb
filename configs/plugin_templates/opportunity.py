"""MyModule: reasons to trade. Written by `trader plugin new`; it works as it is.

An opportunity calculator looks at the state and says what might be worth trading, why, and how
much. The planner sizes it in whole lots, checks every limit, and searches for the best plan.

    trader plugin check my_module      after every change
    trader help plugin                 the other commands

Only the names of `planner_core.api` stay as they are (docs/plugin-api.md).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from planner_core.api import (
    ModuleMetadata,
    ModuleParameters,
    Opportunity,
    OpportunityCalculator,
    PlanningState,
    Side,
    Skip,
    cacheable,
    opportunity_registry,
    parameter,
)


class MyModuleParameters(ModuleParameters):
    """The least rise, and the size of a purchase."""

    # Each parameter has a default, a unit and bounds. The bucket's TOML sets it:
    # my_module = { rise_min = 0.1 }. A bool, int, float, str, Literal or tuple is possible.
    rise_min: float = parameter(
        0.05, unit="fraction", ge=0, le=10, description="least rise in 60 market days"
    )
    share: float = parameter(
        0.02, unit="fraction of NAV", gt=0, le=1, description="size of a purchase"
    )


class MyModule(OpportunityCalculator[MyModuleParameters]):
    """Buy what rose: `price / price 60 market days ago - 1 >= rise_min`.

    A security with fewer closes than that is a Skip. Say here what the rule is, as a formula, what
    happens without data, and where the rule is from: `trader modules show my_module` prints it.

    Source: N. Jegadeesh, S. Titman, Journal of Finance 48 (1993), 65-91, for the idea.
    """

    metadata = ModuleMetadata(
        name="my_module",
        version="0.1.0",  # raise it when results may change
        description="Buy what rose in the last 60 market days",
        author="you",
        requires_api=">=1,<2",
        tags=("buy",),
        enabled_by_default=False,  # only the buckets that name it use it
    )
    parameters_model = MyModuleParameters

    # Results may be used again for the same inputs: they depend on the arguments alone. Remove it
    # if yours read anything else. `async def calculate` works as well.
    @cacheable(ttl=3600)
    def calculate(
        self, state: PlanningState, parameters: MyModuleParameters
    ) -> Sequence[Opportunity | Skip]:
        """Return a purchase of each security that rose, and a Skip for each without history."""
        results: list[Opportunity | Skip] = []
        # All arrays of the state have one entry per security; its place is the column.
        for column, rise in enumerate(state.market.momentum.tolist()):
            if np.isnan(rise):
                results.append(Skip(column, Side.BUY, "fewer than 60 market days of closes"))
            elif rise >= parameters.rise_min and state.can_buy(column):
                results.append(
                    Opportunity(
                        security=column,
                        side=Side.BUY,
                        notional=parameters.share * state.nav,  # base currency
                        reason=f"it rose by {rise:.1%} in 60 market days",
                    )
                )
        return results


opportunity_registry.register(MyModule())
