"""Trade toward the weights that the objective itself would choose.

These weights are the continuous optimum: the best ones if any size could be traded,

    maximise  smooth(w) - eta CVaR95(w) - drag idle(w) - b'(w - w0)^+ - s'(w0 - w)^+
    over      low <= w <= high,  sum(w) <= budget

with b and s the charges of buys and sells in proportion to their value, and w0 the weights before
trading. The objective is concave,
so an ascent along its gradient, with each step projected back onto the constraints, reaches the
optimum. Nesterov's extrapolation speeds that up from O(1/k) to O(1/k^2) on the smooth part; it is
restarted whenever it points downhill. CVaR95 and the costs have kinks: CVaR95 enters by a
subgradient, and |x| is rounded off near 0. The best point seen is returned, by the exact score.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from pydantic import Field

from planner_core.market.returns import tail_weights
from planner_core.market.state import PlanningState
from planner_core.market.trade_sizing import target_reason
from planner_core.model.arrays import FloatArray
from planner_core.model.plan import Opportunity
from planner_core.model.records import Side
from planner_core.modules.cacheable import CALCULATOR_TTL_S, cacheable
from planner_core.modules.module import (
    ModuleMetadata,
    ModuleParameters,
    OpportunityCalculator,
    parameter,
)

COST_SMOOTHING = 0.002
"""Weight change over which the kink of proportional costs is rounded off."""
BISECTIONS = 60
"""Halvings of the multiplier's interval: more than a float has bits for."""


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

    @cacheable(ttl=CALCULATOR_TTL_S)
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
                # fraction * |w_opt - w| * NAV
                notional=fraction * abs(float(gap[column])) * state.nav,
                # Following the targets, the optimum is the target as far as costs and limits allow.
                reason=target_reason(state, int(column))
                if state.follows_targets
                else f"the best weight before lots and fees is {optimum[column]:.1%}",
            )
            for column in np.flatnonzero((np.abs(gap) >= parameters.gap_min) & (gap != 0))
            for fraction in parameters.gap_fractions
        ]


def solve_target_weights(state: PlanningState, iterations: int = 200) -> FloatArray:
    """Maximise the objective over weights, by accelerated projected (sub)gradient ascent.

    Parameters
    ----------
    state : PlanningState
    iterations : int
        Fixed, so that the answer is repeatable.

    Returns
    -------
    ndarray of shape (n_securities,)
        Weights within caps, with the reserve kept; what may not be traded stays where it is.

    Notes
    -----
    A. Beck, M. Teboulle, "A fast iterative shrinkage-thresholding algorithm", SIAM Journal on
    Imaging Sciences 2 (2009), 183-202; the restart is that of B. O'Donoghue, E. Candes, Foundations
    of Computational Mathematics 15 (2015), 715-732. O(iterations * (n^2 + n_windows * n)).
    """
    start = state.portfolio.weight
    lower, upper = _box(state)
    budget = _budget(state, float(lower.sum()))
    buy_cost, sell_cost = _cost_per_value(state)
    quadratic = state.objective.quadratic
    # Largest second derivative: 2 |M| of the smooth part, c / COST_SMOOTHING of a rounded kink.
    curvature = 2 * float(np.linalg.norm(quadratic, 2)) + float((buy_cost + sell_cost).max()) / (
        2 * COST_SMOOTHING
    )
    # A step of 1 / L never overshoots a function whose gradient changes by at most L per unit.
    step = 1.0 / curvature
    weight = best = project(start, lower, upper, budget)
    best_score = _score(state, best, buy_cost, sell_cost)
    # y (`extrapolated`) and t (`momentum`) of the paper.
    extrapolated, momentum = weight, 1.0
    for _ in range(iterations):
        slope = _slope(state, extrapolated, buy_cost, sell_cost)
        next_weight = project(extrapolated + step * slope, lower, upper, budget)
        # Restart: the step goes against the direction of the last move.
        if float((extrapolated - next_weight) @ (next_weight - weight)) > 0:
            momentum = 1.0
        # t' = (1 + sqrt(1 + 4 t^2)) / 2;  y = w' + (t - 1) / t' (w' - w)
        next_momentum = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        extrapolated = next_weight + (momentum - 1) / next_momentum * (next_weight - weight)
        weight, momentum = next_weight, next_momentum
        # A subgradient step need not ascend, so the best iterate is kept.
        score = _score(state, weight, buy_cost, sell_cost)
        if score > best_score:
            best, best_score = weight, score
    return best


def project(point: FloatArray, lower: FloatArray, upper: FloatArray, budget: float) -> FloatArray:
    """Return the nearest point with `lower <= w <= upper` and `sum(w) <= budget`; (n,).

    By the optimality conditions it is `clip(point - u, lower, upper)` with a multiplier u >= 0 of
    the budget, the least for which the sum fits. The sum falls in u: bisection.
    """
    clipped: FloatArray = np.clip(point, lower, upper)
    if clipped.sum() <= budget:
        return clipped
    # At the upper end every weight is at its lower bound.
    low, high = 0.0, float(np.max(point - lower))
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        if np.clip(point - middle, lower, upper).sum() > budget:
            low = middle
        else:
            high = middle
    projected: FloatArray = np.clip(point - high, lower, upper)
    return projected


def _box(state: PlanningState) -> tuple[FloatArray, FloatArray]:
    """Return the bounds of each weight by the rules on single securities."""
    weight = state.portfolio.weight
    can_sell = np.array([state.can_sell(c) for c in range(weight.size)], dtype=bool)
    can_buy = np.array([state.can_buy(c) for c in range(weight.size)], dtype=bool)
    sellable = state.portfolio.sellable * np.nan_to_num(state.portfolio.unit_value) / state.nav
    # Down to what young or promised lots leave, and up to the cap; a blocked side keeps the weight.
    lower = np.maximum(np.where(can_sell, weight - sellable, weight), 0.0)
    # A position that cannot be sold down to its cap stays above it: the box must not be empty.
    upper = np.where(can_buy, np.maximum(state.limits.position_cap, lower), weight)
    if state.follows_targets:
        # Between here and the target: without an opinion no trade leads away from it.
        lower = np.maximum(lower, np.minimum(weight, state.objective.neutral))
        upper = np.minimum(upper, np.maximum(weight, state.objective.neutral))
    return lower, np.maximum(upper, lower)


def _budget(state: PlanningState, held: float) -> float:
    """Return the most that may be invested, a weight; what cannot be sold stays in any case."""
    limits = state.limits
    # sum(w) <= 1 - required cash / NAV
    budget = 1.0 - limits.cash_required / state.nav
    if state.objective.targets is not None:
        # Buys may use idle cash: sum(w) <= sum(w0) + idle cash, as far as it may be used.
        idle = limits.idle_before - limits.idle_min
        budget = min(budget, float(state.portfolio.weight.sum()) + idle)
    return max(budget, held)


def _cost_per_value(state: PlanningState) -> tuple[FloatArray, FloatArray]:
    """Return what buys and sells are charged per value, without fees, impact and tax; (n,)."""
    rho = state.objective.weights.turnover_penalty
    charges, rate = state.charges, state.costs.rate
    return charges.per_cost_buy * rate + rho, charges.per_cost_sell * rate + rho


def _score(
    state: PlanningState, weight: FloatArray, buy_cost: FloatArray, sell_cost: FloatArray
) -> float:
    """Return the objective with exact CVaR95 and exact proportional charges."""
    change = weight - state.portfolio.weight
    trading = float(buy_cost @ np.maximum(change, 0.0) + sell_cost @ np.maximum(-change, 0.0))
    # Costs, a small part of what is traded, are left out of the cash.
    cash = state.limits.cash_free / state.nav - float(change.sum())
    return sum(state.objective.terms(weight, cash).values()) - trading


def _slope(
    state: PlanningState, weight: FloatArray, buy_cost: FloatArray, sell_cost: FloatArray
) -> FloatArray:
    """Return a gradient of the smoothed objective; (n,)."""
    objective = state.objective
    change = weight - state.portfolio.weight
    # From -s for sells to b for buys; linear within +-COST_SMOOTHING of no change.
    kink = np.clip(change / COST_SMOOTHING, -1.0, 1.0)
    charge = (buy_cost - sell_cost) / 2 + (buy_cost + sell_cost) / 2 * kink
    slope: FloatArray = objective.gradient(weight) - charge
    if state.limits.idle_before - float(change.sum()) > 0:
        # Each unit that is bought is a unit less of idle cash.
        slope = slope + objective.drag
    if len(objective.scenarios):
        losses = -(objective.scenarios @ weight)
        tail = tail_weights(losses.size)
        # -eta CVaR95 has the subgradient eta q'r, q the weights of the worst windows.
        worst = np.argsort(-losses, kind="stable")[: tail.size]
        slope = slope + objective.weights.tail_risk_penalty * (tail @ objective.scenarios[worst])
    return slope
