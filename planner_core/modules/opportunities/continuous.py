"""The continuous optimum of the objective: which weights would be best if any size could trade."""

from __future__ import annotations

import numpy as np

from planner_core.market.returns import tail_weights
from planner_core.market.state import PlanningState
from planner_core.model.arrays import FloatArray

COST_SMOOTHING = 0.002
"""Weight change over which the kink of proportional costs is rounded off."""
BISECTIONS = 60


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
    Y. Nesterov's acceleration with restart on the smooth part (B. O'Donoghue, E. Candes, 2015),
    CVaR95 by its subgradient, proportional costs with a rounded kink. The projection onto a box
    with a budget is a bisection on the budget's multiplier. O(iterations * (n^2 + n_windows * n)).
    """
    start = state.portfolio.weight
    lower, upper = _box(state)
    budget = max(1.0 - state.limits.cash_required / state.nav, float(lower.sum()))
    cost = state.costs.rate + state.objective.weights.turnover_penalty
    quadratic = state.objective.quadratic()
    curvature = 2 * float(np.linalg.norm(quadratic, 2)) + float(cost.max()) / COST_SMOOTHING
    step = 1.0 / curvature
    weight = best = project(start, lower, upper, budget)
    best_score = _score(state, best, cost)
    ahead, momentum = weight, 1.0
    for _ in range(iterations):
        slope = _slope(state, ahead, cost)
        moved = project(ahead + step * slope, lower, upper, budget)
        if float((ahead - moved) @ (moved - weight)) > 0:
            momentum = 1.0
        following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        ahead = moved + (momentum - 1) / following * (moved - weight)
        weight, momentum = moved, following
        score = _score(state, weight, cost)
        if score > best_score:
            best, best_score = weight, score
    return best


def project(point: FloatArray, lower: FloatArray, upper: FloatArray, budget: float) -> FloatArray:
    """Return the nearest point with `lower <= w <= upper` and `sum(w) <= budget`; (n,)."""
    clipped: FloatArray = np.clip(point, lower, upper)
    if clipped.sum() <= budget:
        return clipped
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
    """Return how low and how high each weight may go by the rules on single securities."""
    weight = state.portfolio.weight
    held_fast = np.array(
        [0.0 if state.can_sell(c) else 1.0 for c in range(weight.size)], dtype=np.float64
    )
    sellable = state.portfolio.sellable * np.nan_to_num(state.portfolio.unit_value) / state.nav
    lower = np.maximum(np.where(held_fast > 0, weight, weight - sellable), 0.0)
    may_buy = np.array([state.can_buy(c) for c in range(weight.size)], dtype=bool)
    upper = np.where(may_buy, np.maximum(state.limits.position_cap, lower), weight)
    return lower, np.maximum(upper, lower)


def _score(state: PlanningState, weight: FloatArray, cost: FloatArray) -> float:
    trading = float(cost @ np.abs(weight - state.portfolio.weight))
    return sum(state.objective.terms(weight).values()) - trading


def _slope(state: PlanningState, weight: FloatArray, cost: FloatArray) -> FloatArray:
    objective = state.objective
    kink = np.clip((weight - state.portfolio.weight) / COST_SMOOTHING, -1.0, 1.0)
    slope: FloatArray = objective.gradient(weight) - cost * kink
    if len(objective.scenarios):
        losses = -(objective.scenarios @ weight)
        tail = tail_weights(losses.size)
        worst = np.argsort(-losses, kind="stable")[: tail.size]
        slope = slope + objective.weights.tail_risk_penalty * (tail @ objective.scenarios[worst])
    return slope
