"""Describe the possible trades with their sizes left open: a leg is a security and a side.

The search decides among candidates of a few sizes each. A leg is the same trade with any size
between the smallest allowed and the largest possible, so that sets of legs ("supports") can be
compared at their best sizes. For sizes x >= 0 (weights, the side is in the sign of a leg)

    gain(x)   = g'x - c'x^1.5 - x'Mx - fixed * |support| - eta * (CVaR95(after) - CVaR95(before))
    limits    : A x + entry[support] <= b

M, eta and CVaR95 are the objective's, g has its gradient less proportional costs, and c is the
square-root law of market impact. Two things are only approximate here: lots do not exist, and tax
is one rate for the whole position. `lots.py` returns to whole lots and exact figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from planner_core.market.returns import cvar, tail_weights
from planner_core.market.state import PlanningState
from planner_core.market.trade_sizing import largest_quantity, lot_step, price_trade
from planner_core.model.arrays import BoolArray, FloatArray, IntArray
from planner_core.model.candidates import Candidates
from planner_core.model.plan import Action
from planner_core.model.records import Side

WIDTH_MIN = 1e-6
"""A leg whose largest size is not this much above its smallest has no size to choose."""


@dataclass(frozen=True, slots=True, eq=False)
class Legs:
    """The L legs; sizes are weights, positive on both sides.

    Parameters
    ----------
    origin : tuple of Action
        One candidate of each leg; a mandatory one (it repairs a limit) if there is any.
    column : ndarray of shape (L,), int
        The security.
    sign : ndarray of shape (L,)
        1 buys, -1 sells.
    low, high : ndarray of shape (L,)
        Smallest and largest size.
    slope : ndarray of shape (L,)
        g: the part of the gain that is proportional to the size, without CVaR95.
    impact : ndarray of shape (L,)
        c: cost per `size**1.5`.
    fixed : float
        Cost of a trade of any size.
    quadratic : ndarray of shape (L, L)
        M of the objective, signed by the sides.
    tail : ndarray of shape (n_windows, L)
        Loss that a unit of size adds in each 21-day window; empty: the term is off.
    tail_before : ndarray of shape (n_windows,)
        Loss without trading.
    rows, entry : ndarray of shape (n_rows, L)
        A: what a unit of size uses of each limit. And what trading at all uses of it.
    rhs : ndarray of shape (n_rows,)
        b.
    conflicts : ndarray of shape (L, L), bool
        Legs that must not stand in one plan; True on the diagonal.
    tail_penalty : float
        eta; 0 when the term is off.
    """

    origin: tuple[Action, ...]
    column: IntArray
    sign: FloatArray
    low: FloatArray
    high: FloatArray
    slope: FloatArray
    impact: FloatArray
    fixed: float
    quadratic: FloatArray
    tail: FloatArray
    tail_before: FloatArray
    rows: FloatArray
    entry: FloatArray
    rhs: FloatArray
    conflicts: BoolArray
    tail_penalty: float

    @property
    def n(self) -> int:
        """Number of legs."""
        return len(self.origin)

    def slope_at(self, size: FloatArray) -> FloatArray:
        """Return the gradient of the gain without its quadratic part, at sizes (B, L); (B, L)."""
        # d/dx of c x^1.5
        slope = self.slope - 1.5 * self.impact * np.sqrt(size)
        if self.tail_penalty:
            losses = self.tail_before + size @ self.tail.T
            weights = tail_weights(losses.shape[1])
            # Subgradient of CVaR95: the weighted mean of the worst windows' loss per unit.
            worst = np.argsort(-losses, axis=1, kind="stable")[:, : weights.size]
            window_weight = np.zeros_like(losses)
            np.put_along_axis(window_weight, worst, weights[None, :], axis=1)
            slope = slope - self.tail_penalty * (window_weight @ self.tail)
        return slope

    def gain(self, size: FloatArray) -> FloatArray:
        """Return what trading legs at these sizes (B, L) adds to the score; (B,)."""
        # g'x - c'x^1.5 - x'Mx - fixed * |support|
        gain: FloatArray = size @ self.slope - size**1.5 @ self.impact
        # x_b'M x_b for each row b of the batch.
        gain -= np.einsum("bi,bi->b", size @ self.quadratic, size)
        gain -= self.fixed * (size > 0).sum(axis=1)
        # CVaR95 exactly, over the windows; that of doing nothing is part of the score before.
        if self.tail_penalty:
            losses = self.tail_before[:, None] + self.tail @ size.T
            gain -= self.tail_penalty * (cvar(losses) - cvar(self.tail_before))
        return gain


def build_legs(candidates: Candidates, state: PlanningState) -> Legs:
    """Collect the legs that the candidates trade; a conversion is not a leg."""
    first_of_leg: dict[tuple[int, Side], int] = {}
    # Mandatory candidates first: a leg that can repair a limit counts as a repair at any size.
    for i in sorted(range(candidates.n), key=lambda i: (not candidates.mandatory[i], i)):
        action = candidates.actions[i]
        low, high = (0.0, 0.0) if action.convert_to else _bounds(action, state)
        if high - low > WIDTH_MIN:
            first_of_leg.setdefault((action.security, action.side), i)
    # A dict keeps the order: legs are the same in every run.
    ids = list(first_of_leg.values())
    origin = tuple(candidates.actions[i] for i in ids)
    column = np.array([action.security for action in origin], dtype=np.int64)
    sign = np.array([1.0 if a.side is Side.BUY else -1.0 for a in origin])
    objective, nav = state.objective, state.nav
    weight = state.portfolio.weight
    bounds = np.array([_bounds(action, state) for action in origin]).reshape(-1, 2)
    tax = np.array([_tax_rate(action, state) for action in origin])
    rate = state.costs.rate[column]
    # Costs and tax both leave cash: the limits see them as one rate.
    rows, entry, rhs = _limit_rows(origin, column, sign, rate + tax, state)
    scenarios = objective.scenarios
    return Legs(
        origin=origin,
        column=column,
        sign=sign,
        low=bounds[:, 0],
        high=bounds[:, 1],
        # Per unit of size: the gradient along the side, less costs, tax and rho.
        slope=sign * objective.gradient(weight)[column]
        - (rate + tax + objective.weights.turnover_penalty),
        # impact * v^1.5 / V0 with v = x V0 is impact * sqrt(V0) * x^1.5.
        impact=state.costs.impact[column] * np.sqrt(nav),
        fixed=state.costs.fixed / nav,
        # d = sign * x, so d'Md = x'(M * sign sign')x.
        quadratic=objective.quadratic()[np.ix_(column, column)] * np.outer(sign, sign),
        tail=-scenarios[:, column] * sign,
        tail_before=-(scenarios @ weight),
        rows=rows,
        entry=entry,
        rhs=rhs,
        # The origin's conflicts stand for the leg: filters exclude by security and side.
        conflicts=candidates.conflicts[np.ix_(ids, ids)],
        tail_penalty=objective.weights.tail_risk_penalty if len(scenarios) else 0.0,
    )


def _bounds(action: Action, state: PlanningState) -> tuple[float, float]:
    """Return the smallest and the largest size of a leg, weights."""
    column = action.security
    security = state.context.securities[column]
    unit = float(state.portfolio.unit_value[column])
    # fixed + rate v <= cost_ratio_max v  <=>  v >= fixed / (cost_ratio_max - rate)
    fixed_share = state.config.constraints.cost_ratio_max - float(state.costs.rate[column])
    # Impact is left out of that: it is small where the smallest trade is.
    smallest = max(
        state.limits.min_trade_value,
        security.min_trade_value,
        lot_step(security) * unit,
        state.costs.fixed / fixed_share if fixed_share > 0 else np.inf,
    )
    low = smallest / state.nav
    if action.side is Side.SELL:
        # A sell of a position above its cap repairs it whole: less would leave a violation.
        low = max(low, float(state.portfolio.weight[column] - state.limits.position_cap[column]))
    return low, largest_quantity(state, column, action.side) * unit / state.nav


def _tax_rate(action: Action, state: PlanningState) -> float:
    """Return the scored tax per value sold, taken over the whole sellable position."""
    if action.side is Side.BUY:
        return 0.0
    # Tax by lots is piecewise linear in the size; the mean rate keeps the program a quadratic one.
    most = largest_quantity(state, action.security, Side.SELL)
    sold = price_trade(state, action.security, Side.SELL, most)
    return sold.tax_scored / abs(sold.value)


def _limit_rows(
    origin: Sequence[Action],
    column: IntArray,
    sign: FloatArray,
    spent_rate: FloatArray,
    state: PlanningState,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return A, entry and b of the limits: cash rows, turnover, settled cash, groups.

    `spent_rate` (L,): costs and tax per unit of size.
    """
    limits, nav = state.limits, state.nav
    buys = (sign > 0).astype(np.float64)
    repairs = np.array([float(action.mandatory) for action in origin])
    fixed, no_entry = np.full(len(origin), state.costs.fixed / nav), np.zeros(len(origin))
    cash_row = np.array([limits.cash_rows.row(action.currency) for action in origin], dtype=int)
    rows, entry, rhs = [], [], []
    for row in range(len(limits.cash_rows.currencies)):
        # A buy takes 1 + rate out of its row, a sell takes -1 + rate: it brings cash.
        settles_here = cash_row == row
        rows.append(np.where(settles_here, sign + spent_rate, 0.0))
        entry.append(np.where(settles_here, fixed, 0.0))
        rhs.append((limits.cash_rows.free[row] - limits.cash_rows.required[row]) / nav)
    # turnover - min(repair, c1) - min(buys, c2) <= left. As -min(x, c) = max(-x, -c), this is the
    # same as one linear row for each choice of x or c in each min.
    for take_repair in (False, True) if limits.repair_credit > 0 else (False,):
        for take_buys in (False, True) if limits.deposit_credit > 0 else (False,):
            rows.append(1.0 - take_repair * repairs - take_buys * buys)
            entry.append(no_entry)
            credit = (not take_repair) * limits.repair_credit
            credit += (not take_buys) * limits.deposit_credit
            rhs.append(limits.turnover_left + credit)
    if np.isfinite(limits.settled_budget):
        # Proceeds of sells are not settled yet: only buys count, with their costs.
        rows.append(buys * (1.0 + spent_rate))
        entry.append(buys * fixed)
        rhs.append(limits.settled_budget / nav)
    for row in range(len(limits.groups.names)):
        # weight of the group + sum of signed sizes of its members <= cap
        rows.append(limits.groups.membership[row, column] * sign)
        entry.append(no_entry)
        rhs.append(float(limits.groups.cap[row] - limits.groups.weight[row]))
    return np.array(rows), np.array(entry), np.array(rhs)
