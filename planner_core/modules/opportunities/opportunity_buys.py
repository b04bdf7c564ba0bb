"""Buy good businesses that trade well below their high, held or not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from pydantic import Field

from planner_core.market.state import PlanningState
from planner_core.model.plan import Opportunity
from planner_core.model.records import Side
from planner_core.modules.cacheable import CALCULATOR_TTL_S, cacheable
from planner_core.modules.module import (
    ModuleMetadata,
    ModuleParameters,
    OpportunityCalculator,
    parameter,
)


class OpportunityBuysParameters(ModuleParameters):
    """The gate, and the ticket sizes."""

    quality_min: float = parameter(
        0.7,
        unit="score 0-1",
        ge=0,
        le=1,
        description="minimum quality; a security without one is not bought",
    )
    discount_min: float = parameter(
        0.10, unit="fraction", ge=0, lt=1, description="minimum distance below the 252-day high"
    )
    tickets: tuple[Annotated[float, Field(gt=0, le=1)], ...] = parameter(
        (0.02, 0.04, 0.08),
        unit="fraction of NAV",
        min_length=1,
        max_length=8,
        description="sizes to offer",
    )


class OpportunityBuys(OpportunityCalculator[OpportunityBuysParameters]):
    """Buy where quality passes and `price <= (1 - discount_min) * high_252`; new names too.

    Source: our own rule; on average it is securities near their high that do better (T. J.
    George, C.-Y. Hwang, Journal of Finance 59 (2004), 2145-2176), which is why quality has to
    pass.
    """

    metadata = ModuleMetadata(
        name="opportunity_buys",
        version="1.0.0",
        description="Buy good businesses that trade well below their high, held or not",
        tags=("buy", "value"),
    )
    parameters_model = OpportunityBuysParameters

    @cacheable(ttl=CALCULATOR_TTL_S)
    def calculate(
        self, state: PlanningState, parameters: OpportunityBuysParameters
    ) -> Sequence[Opportunity]:
        """Return one buy per ticket size and security that qualifies."""
        # Without a high or a quality score a security is NaN there, and NaN passes no comparison.
        with np.errstate(invalid="ignore"):
            # discount = 1 - price / high of the last 252 days, for the reason only
            discount = 1 - state.portfolio.unit_value / state.market.high
            # Not `discount >= discount_min`: 1 - 90/100 is a hair below 0.10 in binary, but
            # 90 <= 0.9 * 100 holds exactly.
            low = state.portfolio.unit_value <= (1 - parameters.discount_min) * state.market.high
            qualifies = (state.quality >= parameters.quality_min) & low
        return [
            Opportunity(
                security=int(column),
                side=Side.BUY,
                notional=ticket * state.nav,
                reason=f"it is {discount[column]:.0%} below its high of a year, its quality is"
                f" {state.quality[column]:.2f}",
            )
            for column in np.flatnonzero(qualifies)
            for ticket in parameters.tickets
        ]
