"""Bound the score of every set within a box of options: a Lagrangian relaxation.

Each security chooses one option: to stay as it is, or one of its candidates. A set is one choice
per security with at most `depth` trades. Its score is

    score(x) = s0 + a'd - d'Md - trading(x) - eta * CVaR95(d)

with d the weight changes, a the gradient and M the matrix of the smooth objective. Three things
couple the securities, and each is replaced by a bound that is linear in the choices:

* M = Lambda + R with Lambda diagonal and R positive semi-definite. -d'Rd is concave, so it lies
  below its tangent at any linearization point y:  -d'Rd <= y'Ry - 2 y'Rd.
* CVaR95 is convex, so it lies above its tangent: for any weights q of the windows that are allowed,
  CVaR95(d) >= q'loss(0) - (q'r)'d, with r the returns of the windows.
* The limits A x <= b enter with multipliers u >= 0:  0 <= u'(b - A x) for every legal x.
* Idle cash is -drag max(0, i(x)) with i linear: it lies below -u i(x) for any u from 0 to drag. So
  it is one more row, i(x) <= 0, whose multiplier is at most drag.

Together, for any y, q and u,

    score(x) <= s0 + y'Ry - eta q'loss(0) + u'b
                + sum_i [ (a - 2Ry + eta q'r)_i d_i - Lambda_i d_i^2 - trading(x_i) - u'A(x_i) ]

The sum is separable: its maximum over all sets with at most `depth` trades is exact, namely each
security's best option and the `depth` best of those. Any (y, q, u) gives a valid bound, some a
tighter one. The point y is averaged toward the maximisers, and u follows the violation of the
limits at the maximiser.

Sources: M. L. Fisher, "The Lagrangian relaxation method for solving integer programming problems",
Management Science 27 (1981), 1-18, with B. T. Polyak's step size; the averaged point is that of the
volume algorithm (F. Barahona, R. Anbil, Mathematical Programming 87 (2000), 385-399).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from planner_core.market.limits import VIOLATION_TOLERANCE
from planner_core.market.returns import tail_weights
from planner_core.model.arrays import BoolArray, FloatArray
from planner_core.search.evaluator import LIMIT_TOLERANCE, Evaluator, LimitColumn

IntBlock = NDArray[np.int64]

PADDING = -1
"""Stands for no candidate at all in `Options.candidate`."""

FORBIDDEN = -1e6
"""Value of an option outside the box; finite, so that no inf - inf arises."""
TINY = 1e-12
"""Floor under divisors and gaps."""
ROUND_STEPS = 10
"""Steps that share one CVaR95 tangent: computing it costs more than the rest of a step."""
ROUNDS_MIN = 6
STALLED = 0.01
"""A round that closes less than this part of the gap is a box's last one."""
STEP_GROWTH = 1.1
"""Factor of the step scale after a step that lowered the bound."""
STEP_SHRINKAGE = 0.7
"""Factor after one that did not; 1.1 * 0.7 < 1, so steps that help every other time get shorter."""
COLD_SHARE = 2.0
"""Share COLD_SHARE / (k + COLD_SHARE) of step k: 2 / (k + 2), as usual for Frank-Wolfe.

The first share is 1: the start y = 0 has no information to preserve.
"""
WARM_SHIFT = 3.0
"""Share 1 / (k + WARM_SHIFT) of step k from a good start: never more than a third."""


@dataclass(frozen=True, slots=True, eq=False)
class Options:
    """The options of S securities, sorted by weight change and padded to P places each.

    Parameters
    ----------
    security : ndarray of shape (S,)
        Columns of the securities that can trade; negative for a pair of currencies.
    candidate : ndarray of shape (S, P), int
        Candidate id; the null id for staying; PADDING for a place that is not in use.
    stay : ndarray of shape (S,), int
        The place of not trading.
    count : ndarray of shape (S,), int
        Number of places in use.
    change : ndarray of shape (S, P)
        Weight change d.
    trading : ndarray of shape (S, P)
        Costs, tax and turnover penalty, fractions of V0.
    rows : ndarray of shape (n_rows, S, P)
        A of the limits.
    rhs : ndarray of shape (n_rows,)
        b of the limits.
    multiplier_max : ndarray of shape (n_rows,)
        Largest multiplier of each row: drag for the row of idle cash, inf for limits.
    buys_conflict : ndarray of shape (S, S), bool
        Securities that must not both be bought.
    """

    security: IntBlock
    candidate: IntBlock
    stay: IntBlock
    count: IntBlock
    change: FloatArray
    trading: FloatArray
    rows: FloatArray
    rhs: FloatArray
    multiplier_max: FloatArray
    buys_conflict: BoolArray


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """A batch of B boxes, each with its bound and where that was taken.

    Parameters
    ----------
    low, high : ndarray of shape (B, S), int
        First and last place that each security may choose.
    linearization_point : ndarray of shape (B, S)
        y.
    multiplier : ndarray of shape (B, n_rows)
        u.
    bound : ndarray of shape (B,)
    choice : ndarray of shape (B, S), int
        The places that the maximiser of the bound chooses.
    """

    low: IntBlock
    high: IntBlock
    linearization_point: FloatArray
    multiplier: FloatArray
    bound: FloatArray
    choice: IntBlock

    def select(self, which: NDArray[np.intp] | BoolArray) -> Boxes:
        """Return some of the boxes."""
        return Boxes(*(getattr(self, field.name)[which] for field in fields(self)))

    def with_part(self, which: NDArray[np.intp], part: Boxes) -> Boxes:
        """Return these boxes with some of them replaced."""
        columns = []
        for field in fields(self):
            column = getattr(self, field.name).copy()
            column[which] = getattr(part, field.name)
            columns.append(column)
        return Boxes(*columns)

    @staticmethod
    def concatenate(parts: Sequence[Boxes]) -> Boxes:
        """Return several batches as one."""
        return Boxes(
            *(
                np.concatenate([getattr(part, field.name) for part in parts])
                for field in fields(Boxes)
            )
        )

    def __len__(self) -> int:
        return len(self.bound)


class Relaxation:
    """Bounds for boxes of options, many boxes at a time."""

    def __init__(self, evaluator: Evaluator, depth: int, violation: float) -> None:
        self.evaluator = evaluator
        self.depth = depth
        self.violation_proven, self.options = build_options(evaluator, violation)
        objective = evaluator.state.objective
        security = self.options.security
        # A conversion (a negative number) changes no weight: it has no part in the risk.
        has_weight = security >= 0
        in_risk = np.outer(has_weight, has_weight)
        quadratic = objective.quadratic[np.ix_(security, security)] * in_risk
        # M = Lambda + R: `diagonal` stays exact in the bound, only `coupling` is linearised.
        self.diagonal = np.zeros(security.size)
        self.diagonal[has_weight] = _diagonal_part(quadratic[np.ix_(has_weight, has_weight)])
        self.coupling = quadratic - np.diag(self.diagonal)
        # a: the gradient at the weights before trading, where d = 0.
        self.gradient = objective.gradient(evaluator.state.portfolio.weight)[security]
        self.scenario_returns = objective.scenarios[:, security]
        self.loss_before = -(objective.scenarios @ evaluator.state.portfolio.weight)
        # At least one window, so that the shapes are right while the term is off.
        self.tail_weights = tail_weights(max(1, len(self.scenario_returns)))
        self.eta = objective.weights.tail_risk_penalty if len(self.scenario_returns) else 0.0
        self._places = np.arange(self.options.change.shape[1])

    def root(self) -> Boxes:
        """Return the one box that holds every set."""
        n_securities = self.options.security.size
        # y = 0 and u = 0: the tangent at doing nothing, and limits that cost nothing.
        return Boxes(
            low=np.zeros((1, n_securities), dtype=np.int64),
            high=(self.options.count - 1)[None, :].copy(),
            linearization_point=np.zeros((1, n_securities)),
            # Idle cash is charged in full where there is some before trading.
            multiplier=self._drag_multiplier()[None, :].copy(),
            bound=np.full(1, np.inf),
            choice=np.broadcast_to(self.options.stay, (1, n_securities)).copy(),
        )

    def _drag_multiplier(self) -> FloatArray:
        """Return the multipliers to start with; (n_rows,)."""
        cap = self.options.multiplier_max
        idle = self.evaluator.state.limits.idle_before > 0
        return np.where(np.isfinite(cap) & idle, cap, 0.0)

    def tighten(self, boxes: Boxes, target: float, rounds: int, *, warm: bool = True) -> Boxes:
        """Lower the bounds of boxes toward the target.

        Parameters
        ----------
        boxes : Boxes
        target : float
            A box whose bound has fallen to it is closed, and left alone.
        rounds : int
            Of ROUND_STEPS steps each. A box whose bound hardly falls in a round is left alone too.
        warm : bool
            The boxes come with a good linearization point: do not move far from it.
        """
        best = boxes
        point, multiplier = boxes.linearization_point.copy(), boxes.multiplier.copy()
        step_scale = np.ones((len(boxes), 1))
        active = np.arange(len(boxes))
        for turn in range(rounds):
            # Only boxes that are still open take part: the arrays shrink from round to round.
            before = best.bound[active]
            part, point, multiplier, step_scale = self._round(
                best.select(active), point, multiplier, step_scale, target, turn, warm=warm
            )
            best = best.with_part(active, part)
            gap = part.bound - target
            # The first rounds of a box find its multipliers: they may lower nothing yet.
            improving = (before - part.bound > STALLED * gap) | (turn < ROUNDS_MIN)
            still_open = (gap > 0) & improving
            if not still_open.any():
                break
            active, point = active[still_open], point[still_open]
            multiplier, step_scale = multiplier[still_open], step_scale[still_open]
        return best

    def _round(
        self,
        boxes: Boxes,
        point: FloatArray,
        multiplier: FloatArray,
        step_scale: FloatArray,
        target: float,
        turn: int,
        *,
        warm: bool,
    ) -> tuple[Boxes, FloatArray, FloatArray, FloatArray]:
        """Take ROUND_STEPS steps with one CVaR95 tangent; return the best boxes and the last step.

        `point` (B, S), `multiplier` (B, n_rows) and `step_scale` (B, 1) go on from round to round,
        also where they made a bound no better: the way to a lower bound is not monotonic.
        """
        # q is chosen at the current y, where CVaR95's tangent is exact; it stays valid everywhere.
        best = boxes
        tangent = self._tail_tangent(point)
        for step in range(turn * ROUND_STEPS, (turn + 1) * ROUND_STEPS):
            bound, choice, change = self._dual_function(boxes, point, multiplier, tangent)
            better = bound < best.bound
            column = better[:, None]
            best = replace(
                best,
                linearization_point=np.where(column, point, best.linearization_point),
                multiplier=np.where(column, multiplier, best.multiplier),
                bound=np.where(better, bound, best.bound),
                choice=np.where(column, choice, best.choice),
            )
            # Longer steps while they help, shorter ones after an overshoot.
            step_scale = step_scale * np.where(column, STEP_GROWTH, STEP_SHRINKAGE)
            # Frank-Wolfe step toward the maximiser: y <- (1 - share) y + share d.
            share = 1.0 / (step + WARM_SHIFT) if warm else COLD_SHARE / (step + COLD_SHARE)
            point = point + share * (change - point)
            # A x - b at the maximiser is a subgradient of the dual function, negated.
            excess = self._usage(choice) - self.options.rhs
            # Polyak: u <- max(0, u + scale/2 (bound - target) / |A x - b|^2 (A x - b)).
            gap = np.maximum(best.bound - target, TINY)[:, None]
            norm_squared = np.maximum((excess**2).sum(axis=1, keepdims=True), TINY)
            multiplier = np.clip(
                multiplier + 0.5 * step_scale * gap / norm_squared * excess,
                0.0,
                self.options.multiplier_max,
            )
        return best, point, multiplier, step_scale

    def _dual_function(
        self,
        boxes: Boxes,
        point: FloatArray,
        multiplier: FloatArray,
        tangent: tuple[FloatArray, FloatArray],
    ) -> tuple[FloatArray, IntBlock, FloatArray]:
        """Return bound (B,), the maximiser's places (B, S) and its weight changes (B, S)."""
        options = self.options
        coupled = point @ self.coupling
        # y'Ry - eta q'loss(0) + u'b
        constant = (point * coupled).sum(axis=1) + multiplier @ options.rhs + tangent[0]
        # (a - 2Ry + eta q'r) d - Lambda d^2 - trading - u'A, for every option of every security
        gradient = self.gradient - 2 * coupled + tangent[1]
        value = gradient[:, :, None] * options.change
        value -= self.diagonal[:, None] * options.change**2 + options.trading
        value -= np.tensordot(multiplier, options.rows, axes=(1, 0))
        inside = (self._places >= boxes.low[:, :, None]) & (self._places <= boxes.high[:, :, None])
        # Padding lies behind every `high`, so that it is forbidden with the rest.
        value = np.where(inside, value, FORBIDDEN)
        row = np.arange(options.security.size)
        may_stay = (boxes.low <= options.stay) & (options.stay <= boxes.high)
        # Staying is worth 0. Without it, `choice` is the best trade, and the depth decides below.
        value[:, row, options.stay] = FORBIDDEN
        choice = value.argmax(axis=2)
        gain = np.take_along_axis(value, choice[:, :, None], axis=2)[:, :, 0]
        # The separable problem with at most `depth` trades: take the largest gains.
        trades = self._trades(gain, may_stay)
        total = np.where(trades, gain, 0.0).sum(axis=1)
        choice = np.where(trades, choice, options.stay)
        change = options.change[row, choice]
        # s0 is without CVaR95: the tangent's constant has that of doing nothing.
        before = self.evaluator.tables.score_before
        return before + constant + total, choice, change

    def _trades(self, gain: FloatArray, may_stay: BoolArray) -> BoolArray:
        """Return which securities trade: those that must, then the best others up to the depth."""
        must = ~may_stay
        # Those that must trade use up places whatever they gain.
        places_left = self.depth - must.sum(axis=1)
        optional = np.where(may_stay, gain, -np.inf)
        # The rank of each entry in its row: the inverse of the sorting permutation.
        rank = np.argsort(np.argsort(-optional, axis=1, kind="stable"), axis=1, kind="stable")
        # A trade that lowers the bound is not made: staying is worth 0.
        trades: BoolArray = must | ((rank < places_left[:, None]) & (optional > 0))
        return trades

    def _tail_tangent(self, point: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return constant (B,) and gradient (B, S) of a bound from above on `-eta * CVaR95`."""
        if not self.eta:
            return np.zeros(len(point)), np.zeros(point.shape)
        losses = self.loss_before[None, :] - point @ self.scenario_returns.T
        n = self.tail_weights.size
        # The n worst windows, then in order: the last one has a fractional weight.
        worst = np.argpartition(-losses, n - 1, axis=1)[:, :n]
        ordered = np.take_along_axis(losses, worst, axis=1).argsort(axis=1)[:, ::-1]
        worst = np.take_along_axis(worst, ordered, axis=1)
        weights = np.zeros_like(losses)
        np.put_along_axis(weights, worst, self.tail_weights[None, :], axis=1)
        # -eta q'(loss(0) - r d)
        constant = -self.eta * (weights @ self.loss_before)
        return constant, self.eta * (weights @ self.scenario_returns)

    def _usage(self, choice: IntBlock) -> FloatArray:
        """Return A x of the choices; (B, n_rows)."""
        row = np.arange(self.options.security.size)
        usage: FloatArray = self.options.rows[:, row, choice].sum(axis=2).T
        return usage


def _diagonal_part(quadratic: FloatArray) -> FloatArray:
    """Return as much of a diagonal as leaves the rest positive semi-definite; (S,).

    With D the diagonal of M and l the least eigenvalue of D^-1/2 M D^-1/2, M - l D is positive
    semi-definite. The more goes into the diagonal, the less is linearised.
    """
    if not quadratic.size:
        return np.zeros(0)  # no candidates, or only conversions: nothing carries risk
    deviation = np.sqrt(np.maximum(np.diag(quadratic), TINY))
    scaled = quadratic / np.outer(deviation, deviation)
    # A hair less than the eigenvalue: its own rounding error must not make the rest indefinite.
    share = max(0.0, float(np.linalg.eigvalsh(scaled)[0]) - 1e-9)
    return share * deviation**2


def build_options(evaluator: Evaluator, violation: float) -> tuple[bool, Options]:
    """Arrange the candidates by security, and write the limits as rows.

    Parameters
    ----------
    evaluator : Evaluator
    violation : float
        Of the set whose optimality is in question.

    Returns
    -------
    proven : bool
        No set has a smaller violation.
    options : Options
    """
    candidates, state = evaluator.candidates, evaluator.state
    # Violation that no set can avoid: excess over position caps, less the most that sells relieve.
    excess = np.maximum(state.portfolio.weight - state.limits.position_cap, 0.0)
    relief = np.append(evaluator.limit_usage[: candidates.n, LimitColumn.RELIEF], 0.0)
    # Sorted, with conversions (negative numbers) first.
    security = np.unique(candidates.security)
    relief_max = np.zeros(excess.size)
    np.maximum.at(
        relief_max, candidates.security[candidates.is_sell], relief[:-1][candidates.is_sell]
    )
    proven = violation <= float((excess - relief_max).sum()) + 2 * VIOLATION_TOLERANCE
    options = []
    for column in security:
        ids = [*np.flatnonzero(candidates.security == column), candidates.null_id]
        if proven and column >= 0 and excess[column] > 0:
            # A set at that violation relieves every position in full: other options are out.
            ids = [i for i in ids if relief[i] >= relief_max[column] - VIOLATION_TOLERANCE]
        # By change, so that a range of places is a range of sizes; ties by id.
        options.append(sorted(ids, key=lambda i: (evaluator.tables.weight_change[i], i)))
    return proven, _pad_options(evaluator, security, options, 0.0 if proven else violation)


def _pad_options(
    evaluator: Evaluator, security: IntBlock, options: list[list[int]], allowance: float
) -> Options:
    """Return the options (candidate ids of each security) as padded arrays."""
    null = evaluator.null_id
    width = max((len(ids) for ids in options), default=1)
    candidate = np.full((len(options), width), PADDING, dtype=np.int64)
    stay = np.full(len(options), -1, dtype=np.int64)
    for row, ids in enumerate(options):
        candidate[row, : len(ids)] = ids
        if null in ids:
            stay[row] = ids.index(null)
    # A security that must be repaired cannot stay: its place of staying is the padding behind.
    count = np.array([len(ids) for ids in options], dtype=np.int64)
    if (stay < 0).any():
        candidate = np.hstack([candidate, np.full((len(options), 1), PADDING)])
        stay = np.where(stay < 0, count, stay)
    # Padding reads the null candidate's 0 in every table.
    ids_or_null = np.where(candidate != PADDING, candidate, null)
    tables, weights = evaluator.tables, evaluator.state.objective.weights
    trading = np.zeros(null + 1)
    # (cost + tax) / V0 + rho |d|
    trading[:null] = (
        evaluator.candidates.cost_scored + evaluator.candidates.tax_scored
    ) / evaluator.state.nav + weights.turnover_penalty * np.abs(tables.weight_change[:null])
    rows, rhs, multiplier_max = _limit_rows(evaluator, allowance)
    return Options(
        security=security,
        candidate=candidate,
        stay=stay,
        count=count,
        change=tables.weight_change[ids_or_null],
        trading=trading[ids_or_null],
        rows=rows[:, ids_or_null],
        rhs=rhs,
        multiplier_max=multiplier_max,
        buys_conflict=_buys_conflict(evaluator, security),
    )


def _limit_rows(
    evaluator: Evaluator, allowance: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return A (n_rows, K + 1), b and the largest multipliers (n_rows,) of the rows.

    All but the last are linear limits that every legal set keeps; the last is idle cash.
    `allowance`: violation that a set may leave, because the set in question leaves it too.
    """
    limits, nav = evaluator.state.limits, evaluator.state.nav
    usage = evaluator.limit_usage
    buys, turnover = usage[:, LimitColumn.BUYS], usage[:, LimitColumn.TURNOVER]
    repairs = usage[:, LimitColumn.REPAIRS]
    cash = limits.cash_rows
    # A row's cash after the set falls short of what it needs by no more than the allowance.
    rows = list(-usage[:, evaluator.cash_columns].T)
    rhs = list((cash.free - cash.required) / nav + allowance)
    # turnover - min(repairs, c1) - min(buys, c2) <= left. As min(x, c) is at most x and at most c,
    # each choice of x or c in each min gives a row that every legal set keeps.
    for take_repairs in (False, True) if limits.repair_credit > 0 else (False,):
        for take_buys in (False, True) if limits.deposit_credit > 0 else (False,):
            rows.append(turnover - take_repairs * repairs - take_buys * buys)
            rhs.append(
                limits.turnover_left
                + (0.0 if take_repairs else limits.repair_credit)
                + (0.0 if take_buys else limits.deposit_credit)
            )
    if np.isfinite(limits.settled_budget):
        # A set without buys keeps this row too: it pays 0.
        rows.append(usage[:, LimitColumn.PAID])
        rhs.append(max(limits.settled_budget, 0.0) / nav)
    for row in range(len(limits.groups.names)):
        rows.append(usage[:, evaluator.group_columns.start + row])
        # A group above its cap may stay there, as far as the violation in question allows.
        excess = float(limits.groups.excess[row])
        group_allowance = allowance if excess > 0 else 0.0
        rhs.append(float(limits.groups.cap[row] - limits.groups.weight[row]) + group_allowance)
    idle_before, drag = limits.idle_before, evaluator.state.objective.drag
    cash_change = usage[:, LimitColumn.CASH]
    if idle_before > -np.inf:
        # A set with buys leaves idle_min; one of sells alone only adds to cash. Conversions cost
        # a little and are left out: that loosens the row.
        is_trade = np.append(evaluator.candidates.security >= 0, False)
        rows.append(np.where(is_trade, -cash_change, 0.0))
        rhs.append(max(idle_before - limits.idle_min, 0.0))
    if limits.idle_max < np.inf:
        rows.append(cash_change)
        rhs.append(limits.idle_max - idle_before)
    multiplier_max = np.full(len(rows), np.inf)
    # Wider than the limits' own tolerance: the bound must hold for every set they let pass.
    limit_rhs = np.array(rhs) + 4 * LIMIT_TOLERANCE
    if drag and idle_before > -np.inf:
        # i(x) = idle_before + cash change <= 0; no limit, so without a tolerance.
        rows.append(cash_change)
        limit_rhs = np.append(limit_rhs, -idle_before)
        multiplier_max = np.append(multiplier_max, drag)
    return np.array(rows), limit_rhs, multiplier_max


def _buys_conflict(evaluator: Evaluator, security: IntBlock) -> BoolArray:
    """Return the securities any two buys of which exclude each other; (S, S)."""
    # Other conflicts are left out: to ignore one only loosens the bound.
    candidates = evaluator.candidates
    conflict = np.zeros((security.size, security.size), dtype=bool)
    buys = [np.flatnonzero(candidates.is_buy & (candidates.security == c)) for c in security]
    for i, buys_of_i in enumerate(buys):
        for j, buys_of_j in enumerate(buys[:i]):
            if buys_of_i.size and buys_of_j.size:
                # Only if every size excludes every size: the rows must hold for all sets.
                conflict[i, j] = conflict[j, i] = bool(
                    candidates.conflicts[np.ix_(buys_of_i, buys_of_j)].all()
                )
    return conflict
