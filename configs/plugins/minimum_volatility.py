"""A buyer of the portfolio with the least volatility, whatever returns are expected.

Source: R. Clarke, H. de Silva, S. Thorley, "Minimum-Variance Portfolios in the U.S. Equity Market",
Journal of Portfolio Management 33(1) (2006), 10-24. They found about three quarters of the market's
volatility at its return, with weights from 0 to a cap. R. Haugen and N. Baker, Journal of Portfolio
Management 17(3) (1991), 35-40, had the idea first.

It proposes purchases only. Limits, costs and your targets still decide what becomes of them.
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

STEPS_MAX = 2_000
"""Exchanges of weight; 60 securities need about 200."""
GRADIENT_DUST = 1e-10
"""Difference of two slopes, variance per weight, below which nothing is left to gain."""


class MinimumVolatilityParameters(ModuleParameters):
    """Largest weight, smallest gap, and how much of it to buy."""

    weight_max: float = parameter(
        0.25, unit="weight", gt=0, le=1, description="cap on each weight of the ideal portfolio"
    )
    gap_min: float = parameter(
        0.01, unit="weight", ge=0.001, le=1, description="a smaller gap is left alone"
    )
    gap_part: float = parameter(
        0.5, unit="fraction of the gap", gt=0, le=1, description="how much of a gap to buy at once"
    )


class MinimumVolatility(OpportunityCalculator[MinimumVolatilityParameters]):
    """Buy toward the weights that minimise `w' S w`, with `0 <= w <= weight_max`, `sum(w) = 1`.

    `S` is the covariance that the planner estimates. Only securities with enough history for an
    estimate take part; each of the others is a Skip. A gap is `w - weight now`; where it is at
    least `gap_min`, `gap_part` of it is offered as a purchase.

    Source: R. Clarke, H. de Silva, S. Thorley, Journal of Portfolio Management 33(1) (2006), 10-24.
    """

    metadata = ModuleMetadata(
        name="minimum_volatility",
        version="1.0.0",
        description="Buy toward the portfolio with the least volatility",
        requires_api=">=1,<2",
        tags=("risk", "buy"),
        enabled_by_default=False,
    )
    parameters_model = MinimumVolatilityParameters

    @cacheable(ttl=3600)
    def calculate(
        self, state: PlanningState, parameters: MinimumVolatilityParameters
    ) -> Sequence[Opportunity | Skip]:
        """Return a purchase for each gap, and a Skip for each security without an estimate."""
        has_estimate = state.market.has_history
        results: list[Opportunity | Skip] = [
            Skip(int(column), Side.BUY, "too little history to estimate its volatility")
            for column in np.flatnonzero(~has_estimate)
        ]
        columns = np.flatnonzero(has_estimate)
        if not columns.size:
            return results
        covariance = state.market.covariance[np.ix_(columns, columns)]
        ideal = minimum_variance_weights(covariance, parameters.weight_max)
        for column, weight in zip(columns.tolist(), ideal.tolist(), strict=True):
            gap = weight - float(state.portfolio.weight[column])
            if gap >= parameters.gap_min and state.can_buy(column):
                results.append(
                    Opportunity(
                        security=column,
                        side=Side.BUY,
                        notional=parameters.gap_part * gap * state.nav,
                        reason=f"the portfolio with the least volatility holds {weight:.1%} of it",
                    )
                )
        return results


def minimum_variance_weights(covariance: np.ndarray, weight_max: float) -> np.ndarray:
    """Return the weights that minimise `w' S w`, with `0 <= w <= weight_max` and `sum(w) = 1`.

    Parameters
    ----------
    covariance : ndarray of shape (n, n), per year
        Symmetric and positive semi-definite.
    weight_max : float
        At least 1 / n counts: fewer securities than that could not hold everything.

    Returns
    -------
    ndarray of shape (n,)

    Notes
    -----
    From equal weights, a weight moves again and again from the security with the steepest slope
    `2 (S w)_i` to that with the flattest, as far as the variance falls:
    `step = (g_i - g_j) / (2 (S_ii + S_jj - 2 S_ij))`. It ends where all slopes between the bounds
    are equal, which is the optimum (the conditions of Karush, Kuhn and Tucker). O(n) per move.
    """
    n = len(covariance)
    cap = max(weight_max, 1 / n)
    weight = np.full(n, 1 / n)
    slope = 2 * covariance @ weight
    for _ in range(STEPS_MAX):
        giver = int(np.argmax(np.where(weight > 0, slope, -np.inf)))
        taker = int(np.argmin(np.where(weight < cap, slope, np.inf)))
        gain = slope[giver] - slope[taker]
        if not (weight[taker] < cap and gain > GRADIENT_DUST):
            break
        curvature = 2 * (
            covariance[giver, giver] + covariance[taker, taker] - 2 * covariance[giver, taker]
        )
        step = min(weight[giver], cap - weight[taker])
        if curvature > 0:
            step = min(step, gain / curvature)
        weight[giver] -= step
        weight[taker] += step
        slope += 2 * step * (covariance[:, taker] - covariance[:, giver])
    return weight


opportunity_registry.register(MinimumVolatility())
