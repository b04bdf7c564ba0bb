"""A bound from above on every set within a box of options: the heart of the certificate.

Each security chooses one option: not to trade, or one of its candidates; a set is one choice per
security with at most `depth` trades. The smooth objective is `s0 + a'd - d'Md - trading(d)` with M
positive semi-definite. Split M = Lambda + R with Lambda diagonal and R still positive
semi-definite. Then for *any* point y and *any* weights q of the tail windows and *any* multipliers
u >= 0 of the linear limits `A x <= b`,

    score(x) <= s0 + y'Ry - eta q'loss(nothing) + u'b
                + sum_i [ (a - 2Ry + eta R_q)_i d_i - Lambda_i d_i^2 - trading(x_i) - u'A(x_i) ]

because -d'Rd lies below its tangents and CVaR95 above its subgradients. The sum is separable, so
its maximum over all sets with at most `depth` trades is exact: each security's best option, and
the `depth` best of those. What remains is to choose (y, q, u) well: y is averaged toward the
maximisers and u follows the averaged violation, as in the volume algorithm (F. Barahona,
R. Anbil, Mathematical Programming 87 (2000), 385-399). Any choice is valid; some are tighter.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from planner_core.model.arrays import BoolArray, FloatArray
from planner_core.search.evaluator import LIMIT_TOLERANCE, Evaluator, LimitColumn
from planner_core.market.returns import tail_weights
from planner_core.market.limits import VIOLATION_TOLERANCE

IntBlock = NDArray[np.int64]

FORBIDDEN = -1e6
"""Value of an option outside the box; finite, so that no inf - inf arises."""
SETTLED = 1e-12
ROUND_STEPS = 10
"""Steps for which a CVaR subgradient serves: it costs more than all the rest of a step."""
MIN_ROUNDS = 6
STALLED = 0.01
"""A round that closes less than this part of the gap is the last one."""


@dataclass(frozen=True, slots=True, eq=False)
class Options:
    """The choices of every security, sorted by weight change, padded to one width.

    Parameters
    ----------
    security : ndarray of shape (G,)
        Columns of the securities that can trade.
    candidate : ndarray of shape (G, P), int
        Candidate id; the null id for not trading; -1 for padding.
    none : ndarray of shape (G,), int
        The place of not trading.
    count : ndarray of shape (G,), int
        How many places are in use.
    change : ndarray of shape (G, P)
        Weight change d.
    trading : ndarray of shape (G, P)
        Costs, tax and turnover penalty, fractions of V0.
    rows : ndarray of shape (n_rows, G, P)
        A of the limits.
    room : ndarray of shape (n_rows,)
        b of the limits.
    buys_conflict : ndarray of shape (G, G), bool
        Securities that must not both be bought.
    """

    security: IntBlock
    candidate: IntBlock
    none: IntBlock
    count: IntBlock
    change: FloatArray
    trading: FloatArray
    rows: FloatArray
    room: FloatArray
    buys_conflict: BoolArray


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """A batch of B boxes with the point their bound was taken at.

    `low`, `high` (B, G): first and last place each security may choose. `point` (B, G): y.
    `price` (B, n_rows): u. `bound` (B,). `choice` (B, G): the maximiser's places.
    """

    low: IntBlock
    high: IntBlock
    point: FloatArray
    price: FloatArray
    bound: FloatArray
    choice: IntBlock

    def take(self, which: NDArray[np.intp] | BoolArray) -> Boxes:
        """Return some of the boxes."""
        return Boxes(
            self.low[which],
            self.high[which],
            self.point[which],
            self.price[which],
            self.bound[which],
            self.choice[which],
        )

    def replaced(self, which: NDArray[np.intp], part: Boxes) -> Boxes:
        """Return these boxes with some of them replaced."""
        columns = []
        for name in ("low", "high", "point", "price", "bound", "choice"):
            column = getattr(self, name).copy()
            column[which] = getattr(part, name)
            columns.append(column)
        return Boxes(*columns)

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
        moves = security >= 0
        quadratic = objective.quadratic()[np.ix_(security, security)] * np.outer(moves, moves)
        self.diagonal = np.zeros(security.size)
        self.diagonal[moves] = _diagonal_part(quadratic[np.ix_(moves, moves)])
        self.coupling = quadratic - np.diag(self.diagonal)
        self.slope = objective.gradient(evaluator.state.portfolio.weight)[security]
        self.tail = objective.scenarios[:, security]
        self.tail_before = -(objective.scenarios @ evaluator.state.portfolio.weight)
        self.tail_weights = tail_weights(max(1, len(self.tail)))
        self.eta = objective.weights.tail_risk_penalty if len(self.tail) else 0.0
        self._places = np.arange(self.options.change.shape[1])

    def root(self) -> Boxes:
        """Return the one box that holds every set."""
        g, rows = self.options.security.size, self.options.room.size
        return Boxes(
            low=np.zeros((1, g), dtype=np.int64),
            high=(self.options.count - 1)[None, :].copy(),
            point=np.zeros((1, g)),
            price=np.zeros((1, rows)),
            bound=np.full(1, np.inf),
            choice=np.broadcast_to(self.options.none, (1, g)).copy(),
        )

    def tighten(self, boxes: Boxes, target: float, rounds: int, *, warm: bool = True) -> Boxes:
        """Improve the bounds of boxes toward (not below) the target.

        Parameters
        ----------
        boxes : Boxes
        target : float
            What a bound must fall to for its box to be closed; such a box is left alone.
        rounds : int
            Of ROUND_STEPS steps each. A box whose bound hardly moved in two rounds is left alone.
        warm : bool
            The boxes come with a good point: do not step far from it.
        """
        best = boxes
        point, price = boxes.point.copy(), boxes.price.copy()
        pace = np.ones((len(boxes), 1))
        active = np.arange(len(boxes))
        for turn in range(rounds):
            before = best.bound[active]
            part, point, price, pace = self._round(
                best.take(active), point, price, pace, target, turn, warm=warm
            )
            best = best.replaced(active, part)
            gap = part.bound - target
            moving = (before - part.bound > STALLED * gap) | (turn < MIN_ROUNDS)
            going = (gap > 0) & moving
            if not going.any():
                break
            active, point, price, pace = active[going], point[going], price[going], pace[going]
        return best

    def _round(
        self,
        boxes: Boxes,
        point: FloatArray,
        price: FloatArray,
        pace: FloatArray,
        target: float,
        turn: int,
        *,
        warm: bool,
    ) -> tuple[Boxes, FloatArray, FloatArray, FloatArray]:
        """Take ROUND_STEPS steps with one CVaR subgradient; return the best and where it ended."""
        best = boxes
        cut = self._tail_cut(point)
        for step in range(turn * ROUND_STEPS, (turn + 1) * ROUND_STEPS):
            bound, choice, chosen = self._dual(boxes, point, price, cut)
            better = bound < best.bound
            column = better[:, None]
            best = replace(
                best,
                point=np.where(column, point, best.point),
                price=np.where(column, price, best.price),
                bound=np.where(better, bound, best.bound),
                choice=np.where(column, choice, best.choice),
            )
            pace = np.where(column, pace * 1.1, pace * 0.7)
            share = 1.0 / (step + 3.0) if warm else 2.0 / (step + 2.0)
            point = point + share * (chosen - point)
            excess = self._used(choice) - self.options.room
            gap = np.maximum(best.bound - target, SETTLED)[:, None]
            length = np.maximum((excess**2).sum(axis=1, keepdims=True), SETTLED)
            price = np.maximum(0.0, price + 0.5 * pace * gap / length * excess)
        return best, point, price, pace

    def _dual(
        self,
        boxes: Boxes,
        point: FloatArray,
        price: FloatArray,
        cut: tuple[FloatArray, FloatArray],
    ) -> tuple[FloatArray, IntBlock, FloatArray]:
        """Return bound (B,), maximiser's places (B, G) and its weight changes (B, G)."""
        options = self.options
        pulled = point @ self.coupling
        constant = (point * pulled).sum(axis=1) + price @ options.room + cut[0]
        slope = self.slope - 2 * pulled + cut[1]
        value = slope[:, :, None] * options.change
        value -= self.diagonal[:, None] * options.change**2 + options.trading
        value -= np.tensordot(price, options.rows, axes=(1, 0))
        inside = (self._places >= boxes.low[:, :, None]) & (self._places <= boxes.high[:, :, None])
        value = np.where(inside, value, FORBIDDEN)
        at = np.arange(options.security.size)
        may_rest = (boxes.low <= options.none) & (options.none <= boxes.high)
        value[:, at, options.none] = FORBIDDEN
        choice = value.argmax(axis=2)
        gain = np.take_along_axis(value, choice[:, :, None], axis=2)[:, :, 0]
        trades = self._trades(gain, may_rest)
        total = np.where(trades, gain, 0.0).sum(axis=1)
        choice = np.where(trades, choice, options.none)
        change = options.change[at, choice]
        before = self.evaluator.tables.score_before
        return before + constant + total, choice, change

    def _trades(self, gain: FloatArray, may_rest: BoolArray) -> BoolArray:
        """Choose who trades: who must, and of the others the best that fit into the depth."""
        must = ~may_rest
        left = self.depth - must.sum(axis=1)
        free = np.where(may_rest, gain, -np.inf)
        rank = np.argsort(np.argsort(-free, axis=1, kind="stable"), axis=1, kind="stable")
        chosen: BoolArray = must | ((rank < left[:, None]) & (free > 0))
        return chosen

    def _tail_cut(self, point: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return constant (B,) and slope (B, G) of a bound from above on `-eta * CVaR95`."""
        if not self.eta:
            return np.zeros(len(point)), np.zeros(point.shape)
        losses = self.tail_before[None, :] - point @ self.tail.T
        n = self.tail_weights.size
        worst = np.argpartition(-losses, n - 1, axis=1)[:, :n]
        ordered = np.take_along_axis(losses, worst, axis=1).argsort(axis=1)[:, ::-1]
        worst = np.take_along_axis(worst, ordered, axis=1)
        weights = np.zeros_like(losses)
        np.put_along_axis(weights, worst, self.tail_weights[None, :], axis=1)
        return -self.eta * (weights @ self.tail_before), self.eta * (weights @ self.tail)

    def _used(self, choice: IntBlock) -> FloatArray:
        """Return what the choices use of each limit; (B, n_rows)."""
        at = np.arange(self.options.security.size)
        used: FloatArray = self.options.rows[:, at, choice].sum(axis=2).T
        return used


def _diagonal_part(quadratic: FloatArray) -> FloatArray:
    """Return as much of a diagonal as leaves the rest positive semi-definite; (G,)."""
    own = np.sqrt(np.maximum(np.diag(quadratic), SETTLED))
    scaled = quadratic / np.outer(own, own)
    share = max(0.0, float(np.linalg.eigvalsh(scaled)[0]) - 1e-9)
    return share * own**2


def build_options(evaluator: Evaluator, violation: float) -> tuple[bool, Options]:
    """Lay the candidates out per security, and write the limits as rows.

    Parameters
    ----------
    evaluator : Evaluator
    violation : float
        Of the set whose optimality is in question.

    Returns
    -------
    proven : bool
        No set has a smaller violation: that level of the objective is settled.
    options : Options
    """
    candidates, state = evaluator.candidates, evaluator.state
    excess = np.maximum(state.portfolio.weight - state.limits.position_cap, 0.0)
    relief = np.append(evaluator.limit_usage[: candidates.n, LimitColumn.RELIEF], 0.0)
    security = np.unique(candidates.security)
    most = np.zeros(excess.size)
    np.maximum.at(most, candidates.security[candidates.is_sell], relief[:-1][candidates.is_sell])
    proven = violation <= float((excess - most).sum()) + 2 * VIOLATION_TOLERANCE
    places = []
    for column in security:
        ids = [*np.flatnonzero(candidates.security == column), candidates.null_id]
        if proven and column >= 0 and excess[column] > 0:
            ids = [i for i in ids if relief[i] >= most[column] - VIOLATION_TOLERANCE]
        places.append(sorted(ids, key=lambda i: (evaluator.tables.weight_change[i], i)))
    return proven, _lay_out(evaluator, security, places, 0.0 if proven else violation)


def _lay_out(
    evaluator: Evaluator, security: IntBlock, places: list[list[int]], slack: float
) -> Options:
    null = evaluator.null_id
    width = max((len(ids) for ids in places), default=1)
    candidate = np.full((len(places), width), -1, dtype=np.int64)
    none = np.full(len(places), -1, dtype=np.int64)
    for row, ids in enumerate(places):
        candidate[row, : len(ids)] = ids
        if null in ids:
            none[row] = ids.index(null)
    # A security that must be repaired cannot rest: its place of not trading is the padding after.
    count = np.array([len(ids) for ids in places], dtype=np.int64)
    if (none < 0).any():
        candidate = np.hstack([candidate, np.full((len(places), 1), -1)])
        none = np.where(none < 0, count, none)
    at = np.where(candidate >= 0, candidate, null)
    tables, weights = evaluator.tables, evaluator.state.objective.weights
    spent = np.zeros(null + 1)
    spent[:null] = (
        evaluator.candidates.cost + evaluator.candidates.tax_scored
    ) / evaluator.state.nav + weights.turnover_penalty * np.abs(tables.weight_change[:null])
    rows, room = _limit_rows(evaluator, slack)
    return Options(
        security=security,
        candidate=candidate,
        none=none,
        count=count,
        change=tables.weight_change[at],
        trading=spent[at],
        rows=rows[:, at],
        room=room,
        buys_conflict=_buys_conflict(evaluator, security),
    )


def _limit_rows(evaluator: Evaluator, slack: float) -> tuple[FloatArray, FloatArray]:
    """Return A (n_rows, K + 1) and b (n_rows,) of linear limits that every legal set keeps.

    The turnover cap forgives `min(repair, credit)`; since `min(x, c) <= x` and `<= c`, each choice
    of one of the two gives a valid linear row.
    """
    limits, nav = evaluator.state.limits, evaluator.state.nav
    usage = evaluator.limit_usage
    turnover, buys = usage[:, LimitColumn.TURNOVER], usage[:, LimitColumn.BUYS]
    repair = usage[:, LimitColumn.REPAIRS]
    cash = limits.cash_rows
    rows = list(-usage[:, evaluator.cash_columns].T)
    room = list((cash.free - cash.required) / nav + slack)
    for count_repair in (False, True) if limits.repair_credit > 0 else (False,):
        for count_deposit in (False, True) if limits.deposit_credit > 0 else (False,):
            rows.append(turnover - count_repair * repair - count_deposit * buys)
            room.append(
                limits.turnover_left
                + (0.0 if count_repair else limits.repair_credit)
                + (0.0 if count_deposit else limits.deposit_credit)
            )
    if np.isfinite(limits.settled_budget):
        rows.append(usage[:, LimitColumn.PAID])
        room.append(max(limits.settled_budget, 0.0) / nav)
    for row in range(len(limits.groups.names)):
        rows.append(usage[:, evaluator.group_columns.start + row])
        excess = float(limits.groups.excess[row])
        allowed = slack if excess > 0 else 0.0
        room.append(float(limits.groups.cap[row] - limits.groups.weight[row]) + allowed)
    # More room than the limits' own tolerance: the bound must hold for what they let pass.
    return np.array(rows), np.array(room) + 4 * LIMIT_TOLERANCE


def _buys_conflict(evaluator: Evaluator, security: IntBlock) -> BoolArray:
    """Return the securities any two buys of which exclude each other; (G, G)."""
    candidates = evaluator.candidates
    conflict = np.zeros((security.size, security.size), dtype=bool)
    buys = [np.flatnonzero(candidates.is_buy & (candidates.security == c)) for c in security]
    for g, left in enumerate(buys):
        for h, right in enumerate(buys[:g]):
            if left.size and right.size:
                conflict[g, h] = conflict[h, g] = bool(
                    candidates.conflicts[np.ix_(left, right)].all()
                )
    return conflict
