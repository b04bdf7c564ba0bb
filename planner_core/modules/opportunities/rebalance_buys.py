"""Buy securities below their target's band."""

from __future__ import annotations

from collections.abc import Sequence

from planner_core.market.state import PlanningState
from planner_core.model.plan import Opportunity
from planner_core.model.records import Side
from planner_core.modules.cacheable import CALCULATOR_TTL_S, cacheable
from planner_core.modules.module import ModuleMetadata, OpportunityCalculator
from planner_core.modules.opportunities.bands import BandParameters, underweight


class RebalanceBuys(OpportunityCalculator[BandParameters]):
    """Buy to the band's edge or to the target where `w < target - min(5 pp, 25 % of target)`.

    Applies to securities and to groups with a target.

    Source: the 5/25 rule (L. Swedroe).
    """

    metadata = ModuleMetadata(
        name="rebalance_buys",
        version="1.0.0",
        description="Buy securities below their target's band",
        tags=("buy", "rebalance"),
    )
    parameters_model = BandParameters

    @cacheable(ttl=CALCULATOR_TTL_S)
    def calculate(self, state: PlanningState, parameters: BandParameters) -> Sequence[Opportunity]:
        """Return two buys per underweight security or group member."""
        return [
            Opportunity(
                security=drift.column,
                side=Side.BUY,
                notional=size * state.nav,
                reason=drift.reason,
            )
            # Not held members of a group are offered too: a buy may open a new position.
            for drift in underweight(state, parameters)
            for size in (drift.to_edge, drift.to_target)
        ]
