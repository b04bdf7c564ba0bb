"""Leave alone what was traded a moment ago, in either direction."""

from __future__ import annotations

from planner_core.candidates import Candidates
from planner_core.module import Filter, ModuleMetadata, ModuleParameters, parameter
from planner_core.state import PlanningState


class RecentlyTradedParameters(ModuleParameters):
    """How long to leave it alone."""

    quiet_days: int = parameter(
        5, unit="days", ge=0, le=365, description="no trade of a security this soon after another"
    )


class RecentlyTraded(Filter[RecentlyTradedParameters]):
    """Drop candidates whose security was traded within `quiet_days`, whichever way.

    The cool-downs are constraints of their own and hold without this filter.

    Source: our own rule.
    """

    metadata = ModuleMetadata(
        name="recently_traded",
        version="1.0.0",
        description="Leave alone what was traded a moment ago, in either direction",
        tags=("cooldown",),
    )
    parameters_model = RecentlyTradedParameters

    def reject(
        self, candidates: Candidates, state: PlanningState, parameters: RecentlyTradedParameters
    ) -> dict[int, str]:
        """Return the candidates that come too soon; mandatory ones never do."""
        age: dict[str, int] = {}
        for trade in state.context.trades:
            days = (state.context.as_of - trade.on).days
            age[trade.security] = min(days, age.get(trade.security, days))
        rejected: dict[int, str] = {}
        for candidate, action in enumerate(candidates.actions):
            days = age.get(action.name(state.context.securities), parameters.quiet_days)
            if days < parameters.quiet_days and not action.mandatory:
                rejected[candidate] = f"traded {days} days ago"
        return rejected
