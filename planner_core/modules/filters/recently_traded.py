"""Drop candidates whose security was traded a few days ago, on either side."""

from __future__ import annotations

from planner_core.market.limits import days_ago
from planner_core.market.state import PlanningState
from planner_core.model.candidates import Candidates
from planner_core.model.records import Side
from planner_core.modules.module import Filter, ModuleMetadata, ModuleParameters, parameter


class RecentlyTradedParameters(ModuleParameters):
    """The quiet time after a trade."""

    quiet_days: int = parameter(
        5, unit="days", ge=0, le=365, description="no trade of a security this soon after another"
    )


class RecentlyTraded(Filter[RecentlyTradedParameters]):
    """Drop candidates whose security was traded within `quiet_days`, whichever way.

    A step of the accepted plan that was filled in part may go on: its own fills do not block it,
    and the limits allow no more than the rest of it. The cool-downs are constraints of their own
    and hold without this filter.

    Source: our own rule.
    """

    metadata = ModuleMetadata(
        name="recently_traded",
        version="1.0.0",
        description="Skip securities traded in the last days",
        tags=("cooldown",),
    )
    parameters_model = RecentlyTradedParameters

    def reject(
        self, candidates: Candidates, state: PlanningState, parameters: RecentlyTradedParameters
    ) -> dict[int, str]:
        """Return the candidates that come too soon; mandatory ones never do."""
        age = {Side.BUY: _ages(state, Side.BUY), Side.SELL: _ages(state, Side.SELL)}
        rejected: dict[int, str] = {}
        for candidate, action in enumerate(candidates.actions):
            # The fills of a step must not stop the rest of it; trades on the other side still do.
            goes_on = (action.security, action.side) in state.limits.continuation_units
            sides = [side for side in age if not goes_on or side is not action.side]
            name = action.name(state.context.securities)
            days = min(age[side].get(name, parameters.quiet_days) for side in sides)
            if days < parameters.quiet_days and not action.mandatory:
                rejected[candidate] = f"traded {days_ago(days)}"
        return rejected


def _ages(state: PlanningState, side: Side) -> dict[str, int]:
    """Return the days since the last trade of each security on a side."""
    age: dict[str, int] = {}
    for trade in state.context.trades:
        if trade.side is side:
            days = (state.context.as_of - trade.on).days
            age[trade.security] = min(days, age.get(trade.security, days))
    return age
