"""Trade toward the weights that the objective itself would choose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from pydantic import Field

from planner_core.market.state import PlanningState
from planner_core.model.plan import Opportunity
from planner_core.model.records import Side
from planner_core.modules.module import (
    ModuleMetadata,
    ModuleParameters,
    OpportunityCalculator,
    parameter,
)
from planner_core.modules.opportunities.continuous import solve_target_weights


class WeightBasedParameters(ModuleParameters):
    """The parts of the gap to offer, the smallest gap, and the effort of the solve."""

    gap_fractions: tuple[Annotated[float, Field(gt=0, le=2)], ...] = parameter(
        (0.5, 1.0, 1.5),
        unit="fraction of the gap",
        min_length=1,
        max_length=8,
        description="sizes to offer",
    )
    gap_min: float = parameter(
        0.005, unit="weight", ge=0, le=1, description="a smaller gap is left alone"
    )
    iterations: int = parameter(
        200, unit="iterations", ge=10, le=5000, description="effort of the continuous solve"
    )


class WeightBased(OpportunityCalculator[WeightBasedParameters]):
    """Offer parts of `w_opt - w`, with `w_opt` the continuous optimum of the objective.

    The optimum respects caps, the cash reserve and what may be traded, and counts proportional
    costs; lots and ticket fees are left to the sequence search.

    Source: H. Markowitz, Journal of Finance 7 (1952), 77-91, with the objective's other terms.
    """

    metadata = ModuleMetadata(
        name="weight_based",
        version="1.0.0",
        description="Trade toward the weights that the objective itself would choose",
        tags=("buy", "sell", "optimisation"),
    )
    parameters_model = WeightBasedParameters

    def calculate(
        self, state: PlanningState, parameters: WeightBasedParameters
    ) -> Sequence[Opportunity]:
        """Return sized trades for every security whose gap matters."""
        # Parts below and beyond the whole gap: with lots and fees the best size is often another.
        optimum = solve_target_weights(state, parameters.iterations)
        gap = optimum - state.portfolio.weight
        return [
            Opportunity(
                security=int(column),
                side=Side.BUY if gap[column] > 0 else Side.SELL,
                notional=fraction * abs(float(gap[column])) * state.nav,
                reason=f"the model would hold {optimum[column]:.1%} instead of"
                f" {state.portfolio.weight[column]:.1%}; this closes {fraction:.0%} of the gap",
            )
            for column in np.flatnonzero((np.abs(gap) >= parameters.gap_min) & (gap != 0))
            for fraction in parameters.gap_fractions
        ]
