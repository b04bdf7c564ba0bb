"""Choose which trades to make, with every set of them judged at its best sizes.

The search decides among candidates of a few sizes each. A leg, a security and a side, is the same
trade with any size between the smallest allowed and the largest possible. A support is a set of
legs. For sizes x >= 0 (weights, the side is in the sign of a leg)

    gain(x)   = g'x - c'x^1.5 - x'Mx - fixed'[x > 0] - eta * (CVaR95(after) - CVaR95(before))
                - drag * (idle(after) - idle(before))
    limits    : A x + entry[support] <= b

M, eta, drag and CVaR95 are the objective's, g has its gradient less proportional costs, and c is
the square-root law of market impact. Two things are only approximate here: lots do not exist, and
tax is one rate for the whole position. `lots.py` returns to whole lots and exact figures.

Over a support's sizes the gain is concave, so its best sizes follow from a small program,

    maximise  g'x - x'Mx   subject to   low <= x <= high   and   A x <= b - entry[support]

and a batch of supports costs one call of `interior_point.solve`. CVaR95 and market impact enter g
by their slopes at a nearby point, and the exact gain is computed at the solution.

From good supports, those of the search, this climbs by adding, dropping or exchanging one leg. A
support has hundreds of such neighbours. The dual variables of the limits say what a unit of cash or
turnover is worth at the current sizes, and so estimate what each leg would add beside the others.
Only the neighbours with the best estimates are solved.

Source: pricing by the dual variables is that of column generation (L. R. Ford, D. R. Fulkerson,
Management Science 5 (1958), 97-101); the climb is our own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from planner_core.market.returns import cvar, tail_weights
from planner_core.market.state import PlanningState
from planner_core.market.trade_sizing import largest_quantity, lot_step, price_trade
from planner_core.model.arrays import BoolArray, FloatArray, IntArray
from planner_core.model.candidates import Candidates
from planner_core.model.plan import Action, Trade
from planner_core.model.records import Side
from planner_core.refine.interior_point import Programs, Solutions, solve

Support = tuple[int, ...]
"""Legs in increasing order."""

_Estimate = tuple[float, Support]
"""The most that a neighbour is likely to add to the score, and the neighbour."""

NEIGHBOURS = 24
"""Neighbours of a support that are solved, best estimate first."""
CLIMB_MAX = 40
"""Steps of a climb; each one improves, so this is only a bound on time."""
GAIN_TOLERANCE = 1e-9
"""A step must gain more than the solver's own error."""
CURVATURE_MIN = 1e-12
"""Without risk or penalties M is 0: the floor makes a leg's best size one of its two bounds."""
PADDING = -1
"""Fills the places that a support shorter than the depth leaves open."""
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
    fixed : ndarray of shape (L,)
        Charge of a trade of any size.
    cash : ndarray of shape (L,)
        What a unit of size adds to cash, costs and tax included.
    fee : float
        Cash that a trade of any size takes.
    idle_before, drag : float
        Cash beyond its neutral share, and the charge on a unit of it.
    quadratic : ndarray of shape (L, L)
        M of the objective, signed by the sides.
    loss_of_leg : ndarray of shape (n_windows, L)
        Loss that a unit of size adds in each 21-day window; empty: the term is off.
    loss_before : ndarray of shape (n_windows,)
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
    fixed: FloatArray
    cash: FloatArray
    fee: float
    idle_before: float
    drag: float
    quadratic: FloatArray
    loss_of_leg: FloatArray
    loss_before: FloatArray
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
            losses = self.loss_before + size @ self.loss_of_leg.T
            weights = tail_weights(losses.shape[1])
            # Subgradient of CVaR95: the weighted mean of the worst windows' loss per unit.
            worst = np.argsort(-losses, axis=1, kind="stable")[:, : weights.size]
            window_weight = np.zeros_like(losses)
            np.put_along_axis(window_weight, worst, weights[None, :], axis=1)
            slope = slope - self.tail_penalty * (window_weight @ self.loss_of_leg)
        # The limits keep cash at its neutral share or above: there idle cash is linear.
        return slope - self.drag * self.cash

    def idle(self, size: FloatArray) -> FloatArray:
        """Return cash beyond its neutral share after trading sizes (B, L); (B,), below 0 too."""
        idle: FloatArray = self.idle_before + size @ self.cash - self.fee * (size > 0).sum(axis=1)
        return idle

    def gain(self, size: FloatArray) -> FloatArray:
        """Return what trading legs at these sizes (B, L) adds to the score; (B,)."""
        # g'x - c'x^1.5 - x'Mx - fixed'[x > 0]
        gain: FloatArray = size @ self.slope - size**1.5 @ self.impact
        # x_b'M x_b for each row b of the batch.
        gain -= np.einsum("bi,bi->b", size @ self.quadratic, size)
        gain -= (size > 0) @ self.fixed
        if self.drag:
            idle_change = np.maximum(self.idle(size), 0.0) - max(self.idle_before, 0.0)
            gain -= self.drag * idle_change
        # CVaR95 exactly, over the windows; that of doing nothing is part of the score before.
        if self.tail_penalty:
            losses = self.loss_before[:, None] + self.loss_of_leg @ size.T
            gain -= self.tail_penalty * (cvar(losses) - cvar(self.loss_before))
        return gain


def build_legs(candidates: Candidates, state: PlanningState) -> Legs:
    """Collect the legs that the candidates trade; a conversion is not a leg."""
    first_of_leg: dict[Trade, int] = {}
    # Mandatory candidates first: a leg that can repair a limit counts as a repair at any size.
    for i in sorted(range(candidates.n), key=lambda i: (not candidates.mandatory[i], i)):
        action = candidates.actions[i]
        low, high = (0.0, 0.0) if action.convert_to else _bounds(action, state)
        if high - low > WIDTH_MIN:
            first_of_leg.setdefault(action.trade, i)
    # A dict keeps the order: legs are the same in every run.
    ids = list(first_of_leg.values())
    origin = tuple(candidates.actions[i] for i in ids)
    column = np.array([action.security for action in origin], dtype=np.int64)
    sign = np.array([1.0 if a.side is Side.BUY else -1.0 for a in origin])
    objective, nav = state.objective, state.nav
    weight = state.portfolio.weight
    bounds = np.array([_bounds(action, state) for action in origin]).reshape(-1, 2)
    tax, tax_scored = np.array([_tax_rates(action, state) for action in origin]).reshape(-1, 2).T
    rate = state.costs.rate[column]
    per_cost = np.array([state.charges.per_cost(a.security, a.side) for a in origin])
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
        - (per_cost * rate + tax_scored + objective.weights.turnover_penalty),
        # impact * v^1.5 / V0 with v = x V0 is impact * sqrt(V0) * x^1.5.
        impact=per_cost * state.costs.impact[column] * np.sqrt(nav),
        fixed=np.array([state.charges.fee(a.security, a.side) for a in origin]) / nav,
        # A buy takes 1 + rate, a sell brings 1 - rate - tax.
        cash=-sign - rate - tax,
        fee=state.costs.fixed / nav,
        idle_before=state.limits.idle_before,
        drag=objective.drag,
        # d = sign * x, so d'Md = x'(M * sign sign')x.
        quadratic=objective.quadratic[np.ix_(column, column)] * np.outer(sign, sign),
        loss_of_leg=-scenarios[:, column] * sign,
        loss_before=-(scenarios @ weight),
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
    largest = _largest(state, action)
    return low, largest * unit / state.nav


def _largest(state: PlanningState, action: Action) -> float:
    """Return the largest quantity of a leg."""
    return largest_quantity(
        state,
        action.security,
        action.side,
        mandatory=action.mandatory,
        temporary=action.temporary,
    )


def _tax_rates(action: Action, state: PlanningState) -> tuple[float, float]:
    """Return the tax per value sold, in cash and as scored, over all that may be sold."""
    if action.side is Side.BUY:
        return 0.0, 0.0
    # Tax by lots is piecewise linear in the size; the mean rate keeps the program a quadratic one.
    sold = price_trade(state, action.security, Side.SELL, _largest(state, action))
    return sold.tax / abs(sold.value), sold.tax_scored / abs(sold.value)


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
    if limits.idle_before > -np.inf:
        # Together, all cash rows keep the neutral share: sum of buys and costs <= idle cash.
        rows.append(sign + spent_rate)
        entry.append(fixed)
        rhs.append(limits.idle_before - limits.idle_min)
    for row in range(len(limits.groups.names)):
        # weight of the group + sum of signed sizes of its members <= cap
        rows.append(limits.groups.membership[row, column] * sign)
        entry.append(no_entry)
        rhs.append(float(limits.groups.cap[row] - limits.groups.weight[row]))
    return np.array(rows), np.array(entry), np.array(rhs)


@dataclass(frozen=True, slots=True, eq=False)
class SizedSupport:
    """A support at its best sizes.

    `size` (n_legs,), 0 outside the support; `gain`, what that adds to the score; `dual` (n_rows,),
    the dual variables of the limits: score per unit of each limit.
    """

    support: Support
    size: FloatArray
    gain: float
    dual: FloatArray


class SupportSearch:
    """Climb among supports; each support is solved once."""

    def __init__(self, legs: Legs, depth: int) -> None:
        self.legs = legs
        self.depth = depth
        self.solved: dict[Support, SizedSupport | None] = {}
        """None where no sizes were found that keep every limit."""

    @property
    def feasible(self) -> list[SizedSupport]:
        """Every solved support that can be carried out, best first."""
        sized = [s for s in self.solved.values() if s is not None]
        return sorted(sized, key=lambda s: (-s.gain, s.support))

    def climb(self, start: Support, must_stop: Callable[[], bool]) -> None:
        """Move from a support to its best neighbour while that improves and time is left."""
        self._solve([start], np.zeros(self.legs.n))
        current = self.solved[start]
        for _ in range(CLIMB_MAX):
            if current is None or must_stop():
                return
            neighbours = self._neighbours(current)
            # Neighbours share most legs with the current support: its sizes are a good first guess.
            self._solve(neighbours, current.size)
            best = max(
                (s for s in map(self.solved.get, neighbours) if s is not None),
                key=lambda s: s.gain,
                default=None,
            )
            if best is None or best.gain <= current.gain + GAIN_TOLERANCE:
                return
            current = best

    def _solve(self, supports: Iterable[Support], guess: FloatArray) -> None:
        """Solve the supports that are new, starting from sizes `guess` (n_legs,)."""
        fresh = [s for s in dict.fromkeys(supports) if s not in self.solved]
        if not fresh:
            return
        # One width for the batch: programs of one shape are solved in one call.
        members = np.full((len(fresh), self.depth), PADDING, dtype=np.int64)
        for row, support in enumerate(fresh):
            members[row, : len(support)] = support
        # CVaR95 and impact are linearised twice: at the guess, then at the sizes that come of it.
        guesses = np.broadcast_to(guess, (len(fresh), self.legs.n))
        size, _ = self._best_sizes(members, self.legs.slope_at(guesses))
        size, solution = self._best_sizes(members, self.legs.slope_at(size))
        # CVaR95 and impact are exact in the gain; only the sizes come of their slopes.
        gain = self.legs.gain(size)
        for row, support in enumerate(fresh):
            self.solved[support] = (
                SizedSupport(support, size[row], float(gain[row]), solution.dual[row])
                if solution.solved[row]
                else None
            )

    def _best_sizes(self, members: IntArray, slope: FloatArray) -> tuple[FloatArray, Solutions]:
        """Solve supports (B, depth), filled up with PADDING; return sizes (B, n_legs)."""
        # M, g, the box and A of each support are gathered from those of all legs.
        legs = self.legs
        in_use, leg = members != PADDING, np.maximum(members, 0)
        batch = np.arange(len(members))[:, None]
        both = in_use[:, :, None] & in_use[:, None, :]
        # A padded place is a variable of its own: maximise -x^2 over [-1, 1], which gives 0.
        quadratic = np.where(both, legs.quadratic[leg[:, :, None], leg[:, None, :]], 0.0)
        quadratic += np.where(in_use, 0.0, 1.0)[:, :, None] * np.eye(self.depth)
        low, high = np.where(in_use, legs.low[leg], -1.0), np.where(in_use, legs.high[leg], 1.0)
        solution = solve(
            Programs(
                quadratic=quadratic,
                linear=np.where(in_use, slope[batch, leg], 0.0),
                low=low,
                high=high,
                rows=(legs.rows[:, leg] * in_use).transpose(1, 0, 2),
                # A x + entry <= b: ticket fees use the limits whatever the sizes are.
                rhs=legs.rhs - (legs.entry[:, leg] * in_use).sum(axis=2).T,
            )
        )
        size = np.zeros((len(members), legs.n))
        # `add.at`, because every padded place points at leg 0 too, with a size of 0.
        np.add.at(size, (batch, leg), np.clip(solution.primal, low, high) * in_use)
        return size, solution

    def _neighbours(self, current: SizedSupport) -> list[Support]:
        """Return the neighbours with the best estimates.

        The other sizes stand still in an estimate. A leg that leaves takes away what it adds beside
        the others; a leg that joins adds the most it could.
        """
        legs, members = self.legs, list(current.support)
        curvature = np.maximum(np.diag(legs.quadratic), CURVATURE_MIN)
        # Slope of the Lagrangian at the current sizes x: g - A'z - 2 M x.
        slope = legs.slope_at(current.size[None, :])[0] - current.dual @ legs.rows
        slope -= 2 * legs.quadratic @ current.size
        # Cost of trading a leg at all: the ticket fee, and what it uses of the limits at price z.
        entry = legs.fixed + current.dual @ legs.entry
        size = current.size[members]
        # Lagrangian at x less that at x_i = 0: slope_i x_i + M_ii x_i^2 - entry_i.
        loss = slope[members] * size + curvature[members] * size**2 - entry[members]
        n_conflicts = legs.conflicts[members].sum(axis=0)

        def joining(rest: Support, slope: FloatArray, n_conflicts: IntArray) -> list[_Estimate]:
            # Gain of a leg of size t from 0: slope t - M_ii t^2 - entry; its vertex, clipped.
            best = np.clip(slope / (2 * curvature), legs.low, legs.high)
            gain = slope * best - curvature * best**2 - entry
            joinable = np.flatnonzero(n_conflicts == 0)
            joinable = joinable[np.argsort(-gain[joinable], kind="stable")][:NEIGHBOURS]
            return [(float(gain[leg]), tuple(sorted((*rest, int(leg))))) for leg in joinable]

        # The three moves: a leg joins, a leg leaves, one leaves and another joins.
        estimates: list[_Estimate] = []
        if len(members) < self.depth:
            estimates += joining(current.support, slope, n_conflicts)
        for place, leg in enumerate(members):
            rest = current.support[:place] + current.support[place + 1 :]
            leg_loss = float(loss[place])
            # Without any leg there is nothing to size: the empty support is doing nothing.
            if rest:
                estimates.append((-leg_loss, rest))
            # Without leg i the slopes lose its cross term: slope_j + 2 M_ij x_i.
            slope_without = slope + 2 * legs.quadratic[leg] * size[place]
            others = n_conflicts - legs.conflicts[leg]
            # The leg that leaves may not come back at once.
            others[leg] = 1
            exchanges = joining(rest, slope_without, others)
            estimates += [(gain - leg_loss, support) for gain, support in exchanges]
        # Ties by ids: a plan must be repeatable.
        estimates.sort(key=lambda estimate: (-estimate[0], estimate[1]))
        return [support for _, support in estimates[:NEIGHBOURS]]
