"""Sell securities above their target's band."""

from __future__ import annotations

from collections.abc import Sequence

from planner_core.market.state import PlanningState
from planner_core.model.plan import Opportunity
from planner_core.model.records import Side
from planner_core.modules.cacheable import CALCULATOR_TTL_S, cacheable
from planner_core.modules.module import ModuleMetadata, OpportunityCalculator
from planner_core.modules.opportunities.bands import BandParameters, overweight


class RebalanceSells(OpportunityCalculator[BandParameters]):
    """Sell to the band's edge or to the target where `w > target + min(5 pp, 25 % of target)`.

    Applies to securities and to groups with a target.

    Source: the 5/25 rule (L. Swedroe).
    """

    metadata = ModuleMetadata(
        name="rebalance_sells",
        version="1.0.0",
        description="Sell securities above their target's band",
        tags=("sell", "rebalance"),
    )
    parameters_model = BandParameters

    @cacheable(ttl=CALCULATOR_TTL_S)
    def calculate(self, state: PlanningState, parameters: BandParameters) -> Sequence[Opportunity]:
        """Return two sells per overweight security or group member."""
        return [
            Opportunity(
                security=drift.column,
                side=Side.SELL,
                notional=size * state.nav,
                reason=drift.reason,
            )
            # A group may be above its band with members that are not held: those cannot be sold.
            for drift in overweight(state, parameters)
            if state.portfolio.quantity[drift.column] > 0
            for size in (drift.to_edge, drift.to_target)
        ]
