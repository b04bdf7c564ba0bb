"""Add a little to a good business that fell, but not to a falling knife.

Three gates: the unrealised loss lies within a band, quality is high enough, and recent momentum is
not among the worst of all securities.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
from pydantic import model_validator

from planner_core.market.returns import MOMENTUM_DAYS
from planner_core.market.state import PlanningState
from planner_core.model.arrays import BoolArray, FloatArray
from planner_core.model.plan import Opportunity
from planner_core.model.records import Side
from planner_core.modules.cacheable import CALCULATOR_TTL_S, cacheable
from planner_core.modules.module import (
    ModuleMetadata,
    ModuleParameters,
    OpportunityCalculator,
    parameter,
)


class AveragingDownParameters(ModuleParameters):
    """The band of losses, the gate, and the size."""

    loss_min: float = parameter(
        0.08, unit="fraction of cost", ge=0, lt=1, description="minimum loss to act on"
    )
    loss_max: float = parameter(
        0.25, unit="fraction of cost", gt=0, le=1, description="a larger loss is left alone"
    )
    quality_min: float = parameter(
        0.6,
        unit="score 0-1",
        ge=0,
        le=1,
        description="minimum quality; a security without one is not bought",
    )
    momentum_quantile: float = parameter(
        0.10,
        unit="quantile",
        ge=0,
        lt=1,
        description=f"a {MOMENTUM_DAYS}-day return in this worst part of all is a falling knife",
    )
    buy_fraction: float = parameter(
        0.10, unit="fraction of position", gt=0, le=1, description="how much to add"
    )

    @model_validator(mode="after")
    def _band_is_open(self) -> Self:
        if self.loss_max <= self.loss_min:
            raise ValueError("loss_max must lie above loss_min")
        return self


class AveragingDown(OpportunityCalculator[AveragingDownParameters]):
    """Buy where `-loss_max <= gain <= -loss_min`, quality passes, momentum is not the worst.

    The size is a fraction of the position, and never lifts it above its cap.

    Source: our own rule; momentum is a gate because losers of the last months tend to go on
    losing (N. Jegadeesh, S. Titman, Journal of Finance 48 (1993), 65-91).
    """

    metadata = ModuleMetadata(
        name="averaging_down",
        version="1.0.0",
        description="Add a little to a good business that fell, but not to a falling knife",
        tags=("buy", "contrarian"),
    )
    parameters_model = AveragingDownParameters

    @cacheable(ttl=CALCULATOR_TTL_S)
    def calculate(
        self, state: PlanningState, parameters: AveragingDownParameters
    ) -> Sequence[Opportunity]:
        """Return one buy per position that qualifies."""
        gain, quality = state.portfolio.gain, state.quality
        falling = falling_knives(state.market.momentum, parameters.momentum_quantile)
        # -loss_max <= gain <= -loss_min, quality >= quality_min, and no falling knife. A comparison
        # with NaN is False: a security without gain or quality score does not pass.
        with np.errstate(invalid="ignore"):
            qualifies = (
                (gain <= -parameters.loss_min)
                & (gain >= -parameters.loss_max)
                & (quality >= parameters.quality_min)
                & ~falling
            )
        return [
            Opportunity(
                security=int(column),
                side=Side.BUY,
                # A fraction of the position as it is worth now, not of what it cost.
                notional=parameters.buy_fraction * float(state.portfolio.value[column]),
                reason=f"it is {-gain[column]:.0%} below cost, its quality is"
                f" {quality[column]:.2f}",
            )
            for column in np.flatnonzero(qualifies)
        ]


def falling_knives(momentum: FloatArray, quantile: float) -> BoolArray:
    """Return which securities are in the worst part by momentum; NaN counts as falling."""
    finite = momentum[~np.isnan(momentum)]
    # Nothing is known of any momentum: then nothing may be averaged down.
    if not finite.size:
        return np.ones(momentum.shape, dtype=bool)
    # "<" below the quantile: with equal returns, or a quantile of 0, none of them is falling.
    limit = np.quantile(finite, quantile)
    # The -1 only keeps NaN out of the comparison: NaN is falling by the first test.
    falling: BoolArray = np.isnan(momentum) | (np.nan_to_num(momentum, nan=-1.0) < limit)
    return falling
