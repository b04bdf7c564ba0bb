"""Which trades are possible at all, with their sizes left open: a leg is a security and a side.

The search decides among candidates of a few sizes each. Legs are the same trades with any size
between the smallest allowed and the largest possible, so that sets of them ("supports") can be
compared by what they are worth at their best sizes. Lots, and a tax that bends, are rounded over
here; `refinement.py` returns to whole lots and exact figures.
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
        A candidate of each leg; one that repairs a limit if there is any.
    column : ndarray of shape (L,), int
    sign : ndarray of shape (L,)
        1 buys, -1 sells.
    low, high : ndarray of shape (L,)
    slope : ndarray of shape (L,)
        Gain of the first unit of size without CVaR95: what is proportional to the size.
    impact : ndarray of shape (L,)
        Cost per `size**1.5`.
    fixed : float
        Cost of a trade of any size.
    quadratic : ndarray of shape (L, L)
        M of the objective, signed by the sides.
    tail : ndarray of shape (n_windows, L)
        Loss that a unit of size adds in each 21-day window; empty: the term is off.
    tail_before : ndarray of shape (n_windows,)
        Loss without trading.
    rows, entry : ndarray of shape (n_rows, L)
        What each limit is charged per unit of size, and for trading at all.
    room : ndarray of shape (n_rows,)
    conflicts : ndarray of shape (L, L), bool
        Legs that must not stand in one plan; True on the diagonal.
    tail_penalty : float
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
    room: FloatArray
    conflicts: BoolArray
    tail_penalty: float

    @property
    def n(self) -> int:
        """How many legs there are."""
        return len(self.origin)

    def slope_at(self, size: FloatArray) -> FloatArray:
        """Return what a little more of each leg adds but for `quadratic`, at sizes (B, L)."""
        slope = self.slope - 1.5 * self.impact * np.sqrt(size)
        if self.tail_penalty:
            losses = self.tail_before + size @ self.tail.T
            weights = tail_weights(losses.shape[1])
            worst = np.argsort(-losses, axis=1, kind="stable")[:, : weights.size]
            share = np.zeros_like(losses)
            np.put_along_axis(share, worst, weights[None, :], axis=1)
            slope = slope - self.tail_penalty * (share @ self.tail)
        return slope

    def worth(self, size: FloatArray) -> FloatArray:
        """Return what trading legs at these sizes (B, L) adds to the score; (B,)."""
        gain: FloatArray = size @ self.slope - size**1.5 @ self.impact
        gain -= np.einsum("bi,bi->b", size @ self.quadratic, size)
        gain -= self.fixed * (size > 0).sum(axis=1)
        if self.tail_penalty:
            losses = self.tail_before[:, None] + self.tail @ size.T
            gain -= self.tail_penalty * (cvar(losses) - cvar(self.tail_before))
        return gain


def build_legs(candidates: Candidates, state: PlanningState) -> Legs:
    """Collect the legs that the candidates trade; conversions are none."""
    first: dict[tuple[int, Side], int] = {}
    for i in sorted(range(candidates.n), key=lambda i: (not candidates.mandatory[i], i)):
        action = candidates.actions[i]
        low, high = (0.0, 0.0) if action.convert_to else _bounds(action, state)
        if high - low > WIDTH_MIN:
            first.setdefault((action.security, action.side), i)
    ids = list(first.values())
    origin = tuple(candidates.actions[i] for i in ids)
    column = np.array([action.security for action in origin], dtype=np.int64)
    sign = np.array([1.0 if a.side is Side.BUY else -1.0 for a in origin])
    objective, nav = state.objective, state.nav
    weight = state.portfolio.weight
    bounds = np.array([_bounds(action, state) for action in origin]).reshape(-1, 2)
    tax = np.array([_tax_rate(action, state) for action in origin])
    rate = state.costs.rate[column]
    rows, entry, room = _limit_rows(origin, column, sign, rate + tax, state)
    scenarios = objective.scenarios
    return Legs(
        origin=origin,
        column=column,
        sign=sign,
        low=bounds[:, 0],
        high=bounds[:, 1],
        slope=sign * objective.gradient(weight)[column]
        - (rate + tax + objective.weights.turnover_penalty),
        impact=state.costs.impact[column] * np.sqrt(nav),
        fixed=state.costs.fixed / nav,
        quadratic=objective.quadratic()[np.ix_(column, column)] * np.outer(sign, sign),
        tail=-scenarios[:, column] * sign,
        tail_before=-(scenarios @ weight),
        rows=rows,
        entry=entry,
        room=room,
        conflicts=candidates.conflicts[np.ix_(ids, ids)],
        tail_penalty=objective.weights.tail_risk_penalty if len(scenarios) else 0.0,
    )


def _bounds(action: Action, state: PlanningState) -> tuple[float, float]:
    """Return the smallest and the largest size of a leg, weights."""
    column = action.security
    security = state.context.securities[column]
    unit = float(state.portfolio.unit_value[column])
    share = state.config.constraints.cost_ratio_max - float(state.costs.rate[column])
    smallest = max(
        state.limits.min_trade_value,
        security.min_trade_value,
        lot_step(security) * unit,
        state.costs.fixed / share if share > 0 else np.inf,
    )
    low = smallest / state.nav
    if action.side is Side.SELL:
        low = max(low, float(state.portfolio.weight[column] - state.limits.position_cap[column]))
    return low, largest_quantity(state, column, action.side) * unit / state.nav


def _tax_rate(action: Action, state: PlanningState) -> float:
    """Return the tax on selling all there is, per value."""
    if action.side is Side.BUY:
        return 0.0
    most = largest_quantity(state, action.security, Side.SELL)
    sold = price_trade(state, action.security, Side.SELL, most)
    return sold.tax_scored / abs(sold.value)


def _limit_rows(
    origin: Sequence[Action],
    column: IntArray,
    sign: FloatArray,
    spent: FloatArray,
    state: PlanningState,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return what a unit of size uses of each limit, what a trade uses, and what there is.

    The turnover cap forgives `min(repair, credit)` and `min(buys, credit)`: a row for each way to
    take the smaller one says the same.
    """
    limits, nav = state.limits, state.nav
    buys = (sign > 0).astype(np.float64)
    repairs = np.array([float(action.mandatory) for action in origin])
    fixed, nothing = np.full(len(origin), state.costs.fixed / nav), np.zeros(len(origin))
    settles = np.array([limits.cash_rows.row(action.currency) for action in origin], dtype=int)
    rows, entry, room = [], [], []
    for row in range(len(limits.cash_rows.currencies)):
        here = settles == row
        rows.append(np.where(here, sign + spent, 0.0))
        entry.append(np.where(here, fixed, 0.0))
        room.append((limits.cash_rows.free[row] - limits.cash_rows.required[row]) / nav)
    for repaired in (False, True) if limits.repair_credit > 0 else (False,):
        for deployed in (False, True) if limits.deposit_credit > 0 else (False,):
            rows.append(1.0 - repaired * repairs - deployed * buys)
            entry.append(nothing)
            credit = (not repaired) * limits.repair_credit + (not deployed) * limits.deposit_credit
            room.append(limits.turnover_left + credit)
    if np.isfinite(limits.settled_budget):
        rows.append(buys * (1.0 + spent))
        entry.append(buys * fixed)
        room.append(limits.settled_budget / nav)
    for row in range(len(limits.groups.names)):
        rows.append(limits.groups.membership[row, column] * sign)
        entry.append(nothing)
        room.append(float(limits.groups.cap[row] - limits.groups.weight[row]))
    return np.array(rows), np.array(entry), np.array(room)
