"""Score sets of candidates, and check them against every limit.

The objective is quadratic in the weights apart from CVaR95. Over K candidates with weight changes d
it therefore collapses to one number per candidate and one per pair of candidates:

    score(set) = score(nothing) + sum_k lin[k] + sum_{k<l} pair[k, l]

    lin[k]     = g[i_k] d_k - M[i_k, i_k] d_k^2 - (cost_k + tax_k)/V0 - rho |d_k|
    pair[k, l] = -2 M[i_k, i_l] d_k d_l

(costs and tax as they are charged, see `charges.py`)

with g the gradient and M the matrix of the objective's smooth part, at the weights before trading.
The cost of scoring a set depends on its length only, not on the number of securities.

CVaR95 is convex, so it lies above its tangent at any portfolio. The tangent at doing nothing is
linear in the candidates: with it, the sum above bounds the score from above. Blocks of sets, int16
ids of shape (depth, n_sequences), are scanned with this bound in float32. Only sets whose bound
reaches the best exact scores are scored exactly, in float64.

Most limits are on sums over the set as well: cash, turnover, groups. `limit_usage` holds what each
candidate adds to each of these sums. A place of a block without a candidate holds the null id K;
its row is 0 in every table.

Source: the tangents are Kelley's cutting planes (J. E. Kelley, Journal of SIAM 8 (1960), 703-712)
on the CVaR of Rockafellar and Uryasev (`returns.cvar`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from planner_core.market.returns import cvar, tail_weights
from planner_core.market.state import PlanningState
from planner_core.model.arrays import BoolArray, FloatArray
from planner_core.model.candidates import Candidates

IdBlock = NDArray[np.int16]
"""Candidate ids, shape (depth, n_sequences)."""

BLOCK_SEQUENCES = 8192
"""Sequences scanned at a time: the gathered pairs then stay in the cache."""
FLOAT32_MARGIN = 2e-6
"""Added to float32 bounds before they are compared with exact scores."""
FOLD_CANDIDATES_MAX = 512
"""Up to this many candidates, a table of its own for each block length is small: 1 MB each."""
UNFILTERED_SEQUENCES_MAX = 256
"""Blocks up to this length are checked whole: filtering them first costs more than it saves."""
LIMIT_TOLERANCE = 1e-9
"""Rounding error forgiven when a limit is checked, as a fraction of NAV."""


class LimitColumn(IntEnum):
    """The first columns of `Evaluator.limit_usage`; cash rows and capped groups follow them."""

    BUYS = 0
    """Value bought."""
    RELIEF = 1
    """Excess over a position cap that a sell takes away."""
    TURNOVER = 2
    """Value traded, either side."""
    REPAIRS = 3
    """Value of mandatory trades."""
    PAID = 4
    """Cash that a buy takes, costs included."""
    CASH = 5
    """What all cash accounts together gain."""


@dataclass(frozen=True, slots=True, eq=False)
class PairTables:
    """The objective over K candidates; index K is the null candidate.

    Parameters
    ----------
    lin : ndarray of shape (K + 1,), float64
    pair : ndarray of shape (K + 1, K + 1), float64
        Symmetric, zero diagonal.
    score_before : float
        Smooth score of doing nothing, without CVaR95 and idle cash.
    weight_change : ndarray of shape (K + 1,), float64
    """

    lin: FloatArray
    pair: FloatArray
    score_before: float
    weight_change: FloatArray


def build_pair_tables(state: PlanningState, candidates: Candidates) -> PairTables:
    """Collapse the smooth objective over the candidates. O(K^2 + n^2)."""
    objective, weight = state.objective, state.portfolio.weight
    k = candidates.n
    change = np.zeros(k + 1)
    change[:k] = candidates.value / state.nav
    quadratic = objective.quadratic
    # The null candidate borrows column 0: its change of 0 makes its rows 0 all the same.
    security = np.append(candidates.column, 0)
    gathered = quadratic[np.ix_(security, security)]
    # pair[k, l] = -2 M[i_k, i_l] d_k d_l
    pair = -2.0 * gathered * np.outer(change, change)
    # A candidate's own d_k^2 is in `lin`; it never meets itself in a set.
    np.fill_diagonal(pair, 0.0)
    trading = np.zeros(k + 1)
    trading[:k] = (candidates.cost_scored + candidates.tax_scored) / state.nav
    # lin[k] = g[i_k] d_k - M[i_k, i_k] d_k^2 - (cost_k + tax_k)/V0 - rho |d_k|
    lin = (
        objective.gradient(weight)[security] * change
        - np.diag(gathered) * change**2
        - trading
        - objective.weights.turnover_penalty * np.abs(change)
    )
    terms = objective.terms(weight)
    # CVaR95 is left out here: bounds and exact scores each add it in their own way. So is idle
    # cash, because a cash of 0 was assumed. What the tail term has beside CVaR95 is linear.
    smooth = sum(value for name, value in terms.items() if name not in ("tail_risk", "idle_cash"))
    smooth += objective.weights.tail_risk_penalty * float(objective.tail_slope @ weight)
    return PairTables(lin=lin, pair=pair, score_before=smooth, weight_change=change)


@dataclass(frozen=True, slots=True, eq=False)
class LimitCheck:
    """The result of the limits for sets; arrays of any common shape, one entry per set.

    Parameters
    ----------
    legal : ndarray of bool
        Every limit that depends on the whole set is kept (`conflicting` checks the pairs).
    repairable : ndarray of bool
        Not legal, but one more sell could make it so.
    violation : ndarray of float
        Total violation that remains, a fraction of NAV.
    """

    legal: BoolArray
    repairable: BoolArray
    violation: FloatArray


class Evaluator:
    """Scores sets of candidates and checks them against every limit."""

    def __init__(self, state: PlanningState, candidates: Candidates) -> None:
        self.state = state
        self.candidates = candidates
        self.tables = build_pair_tables(state, candidates)
        # Loss of the portfolio before trading in each 21-day window.
        self._loss_before = -(state.objective.scenarios @ state.portfolio.weight)
        self.limit_usage = self._limit_usage()
        """Amount that each candidate adds to each limited sum, of NAV; (K + 1, n_columns)."""
        self._drag, self._idle_before = state.objective.drag, state.limits.idle_before
        # One tangent of CVaR95, at doing nothing, serves the whole scan.
        constant, per_candidate = self.tail_tangent(())
        # Idle cash as if it could be negative: exact for every set that leaves cash at its neutral
        # share or above, which all legal sets with a buy do; for others a bound from above.
        idle_constant, idle_per_candidate = self._idle_line()
        # bound(set) = bound_before + sum_k bound_lin[k] + sum_{k<l} pair[k, l] >= score(set)
        self.bound_before = self.tables.score_before + constant + idle_constant
        self.bound_lin = self.tables.lin + per_candidate + idle_per_candidate
        self._lin32 = self.bound_lin.astype(np.float32)
        # Tables are flat: one index per gather instead of two.
        # The null candidate conflicts with nothing: one more row and column of False.
        self._conflict = np.pad(candidates.conflicts, (0, 1)).ravel()
        # The right-hand sides, computed once: `check_totals` runs thousands of times.
        limits = state.limits
        self._shortfall = (limits.cash_rows.required - limits.cash_rows.free) / state.nav
        # A limit that is violated before trading may stay so, but no set may make it worse.
        self._shortfall_max = (
            np.maximum(limits.cash_rows.missing / state.nav, 0.0) + LIMIT_TOLERANCE
        )
        self._group_max = np.maximum(limits.groups.cap, limits.groups.weight) + LIMIT_TOLERANCE
        self._paid_max = limits.settled_budget / state.nav + LIMIT_TOLERANCE
        self._tables32: dict[int, NDArray[np.float32]] = {}

    @property
    def null_id(self) -> int:
        """The id of the null candidate."""
        return self.candidates.null_id

    @cached_property
    def score_before(self) -> float:
        """Score of doing nothing, every term included."""
        empty = np.full((1, 1), self.null_id, dtype=np.int16)
        return float(self.exact_scores(empty)[0])

    # -- the scan ---------------------------------------------------------------------------

    def upper_scores(self, ids: IdBlock) -> NDArray[np.float32]:
        """Return a bound from above on each sequence's score; float32, exact without CVaR."""
        indices = ids.astype(np.intp)
        scores = np.full(ids.shape[1], self.bound_before, dtype=np.float32)
        gathered = np.empty_like(scores)
        # With the linear part folded into the pairs, a set of n costs n(n-1)/2 gathers, not n more.
        # The block length of the full depth is worth a large table; other lengths come rarely.
        folded = len(ids) > 1 and self.null_id < FOLD_CANDIDATES_MAX
        folded |= len(ids) == self.state.config.max_plan_depth > 1
        for row in () if folded else indices:
            scores += np.take(self._lin32, row, out=gathered, mode="clip")
        table = self._folded32(len(ids)) if folded else self._pair32
        # mode="raise" would write to a copy of `out` first, to leave it whole after an error.
        for entries in _pair_entries(indices, self.null_id + 1):
            scores += np.take(table, entries, out=gathered, mode="clip")
        return scores

    def conflicting(self, ids: IdBlock) -> BoolArray:
        """Return which sequences hold two candidates that exclude each other; (n_sequences,)."""
        conflicts = np.zeros(ids.shape[1], dtype=bool)
        gathered = np.empty_like(conflicts)
        for entries in _pair_entries(ids.astype(np.intp), self.null_id + 1):
            conflicts |= np.take(self._conflict, entries, out=gathered, mode="clip")
        return conflicts

    def check_block(self, ids: IdBlock) -> LimitCheck:
        """Check the sequences of a block against every limit, conflicts included."""
        # Row by row of the block: sums over a set without a (depth, n, n_columns) array.
        total = self.limit_usage[ids[0]]
        for row in ids[1:]:
            total += self.limit_usage[row]
        check = self.check_totals(total)
        free = ~self.conflicting(ids)
        return LimitCheck(check.legal & free, check.repairable & free, check.violation)

    def filter_legal(self, ids: IdBlock) -> tuple[NDArray[np.intp], FloatArray]:
        """Return the places of the legal sequences of a block, and the violation of each.

        The same result as `check_block`, with the cheap tests first: each one shortens the block
        for the next.
        """
        places = np.arange(ids.shape[1])
        if places.size > UNFILTERED_SEQUENCES_MAX:
            # Most sets with a high score lack the cash: one sum per ceiling drops them.
            for column, ceiling in self.ceilings:
                usage = column.take(ids[0])
                for row in ids[1:]:
                    usage += column.take(row)
                within = np.flatnonzero(usage <= ceiling)
                places, ids = places[within], ids.take(within, axis=1)
        # Conflicts cost as many gathers as a score; the sums of all limits are the dearest.
        free = np.flatnonzero(~self.conflicting(ids))
        places, ids = places[free], ids.take(free, axis=1)
        total = self.limit_usage.take(ids[0], axis=0)
        for row in ids[1:]:
            total += self.limit_usage.take(row, axis=0)
        check = self.check_totals(total)
        return places[check.legal], check.violation[check.legal]

    def check_totals(self, total: FloatArray) -> LimitCheck:
        """Check sums of `limit_usage` over sets, shape (..., n_columns).

        The steps run sells first, then conversions, then buys. Cash and groups are therefore at
        their worst before the first step or after the last: one check at the end covers every step.
        """
        limits = self.state.limits
        buys = total[..., LimitColumn.BUYS]
        shortfall = self._shortfall - total[..., self.cash_columns]
        groups = limits.groups.weight + total[..., self.group_columns]
        # charged = turnover - min(repairs, repair credit) - min(buys, deposit credit)
        charged = total[..., LimitColumn.TURNOVER]
        if limits.repair_credit:
            repairs = total[..., LimitColumn.REPAIRS]
            charged = charged - np.minimum(repairs, limits.repair_credit)
        if limits.deposit_credit:
            charged = charged - np.minimum(buys, limits.deposit_credit)
        buys_nothing = buys == 0
        # Turnover and settled cash: one more sell cannot bring these back.
        budgets_kept = charged <= limits.turnover_left + LIMIT_TOLERANCE
        if self._paid_max < np.inf:
            budgets_kept &= buys_nothing | (total[..., LimitColumn.PAID] <= self._paid_max)
        # A buy or a conversion may not take a row below what it needs, nor deeper if it is below.
        balances_kept = (shortfall <= LIMIT_TOLERANCE).all(axis=-1)
        # Sells alone may leave a deficit that they only reduce: part of a repair is legal.
        balances_kept |= buys_nothing
        balances_kept &= (shortfall <= self._shortfall_max).all(axis=-1)
        balances_kept &= (groups <= self._group_max).all(axis=-1)
        if limits.idle_before > -np.inf:
            idle = limits.idle_before + total[..., LimitColumn.CASH]
            # The neutral share of cash is a floor for buys.
            balances_kept &= buys_nothing | (idle >= limits.idle_min - LIMIT_TOLERANCE)
            budgets_kept &= idle <= limits.idle_max + LIMIT_TOLERANCE
        # violation = missing cash + excess over position caps + excess over group caps
        violation = np.maximum(shortfall, 0.0).sum(axis=-1)
        violation += self._position_excess - total[..., LimitColumn.RELIEF]
        violation += np.maximum(groups - limits.groups.cap, 0.0).sum(axis=-1)
        return LimitCheck(
            legal=budgets_kept & balances_kept,
            repairable=budgets_kept & ~balances_kept,
            # Rounding can take a repaired violation a hair below 0.
            violation=np.maximum(violation, 0.0),
        )

    # -- exact scores -----------------------------------------------------------------------

    def exact_scores(self, ids: IdBlock) -> FloatArray:
        """Return the scores with every term, in float64; (n_sequences,)."""
        indices = ids.astype(np.intp)
        tables = self.tables
        # score(nothing) + sum_k lin[k] + sum_{k<l} pair[k, l]
        scores: FloatArray = tables.score_before + tables.lin[indices].sum(axis=0)
        pair = tables.pair.ravel()
        for entries in _pair_entries(indices, self.null_id + 1):
            scores += pair[entries]
        # The one term that is not a sum over candidates or pairs.
        if self._loss_before.size:
            # Losses are linear in the weights, so they add up; CVaR95 of the sum does not.
            losses = self._loss_before + self._loss_of_candidate[indices[0]]
            for row in indices[1:]:
                losses += self._loss_of_candidate[row]
            scores -= self.state.objective.weights.tail_risk_penalty * cvar(losses.T)
        if self._drag:
            idle = self._idle_before + self.limit_usage[indices, LimitColumn.CASH].sum(axis=0)
            scores -= self._drag * np.maximum(idle, 0.0)
        return scores

    def tail_tangent(self, chosen: Sequence[int]) -> tuple[float, FloatArray]:
        """Return a tangent of the CVaR term at a set: a bound from above on `-eta * CVaR95`.

        CVaR95 is the largest mean of the losses over all window weights q with q <= 1/(0.05 n). The
        q that is largest at `chosen` is allowed at every other set too, and gives no more there.

        Returns
        -------
        constant : float
        per_candidate : ndarray of shape (K + 1,)
            For every set, `-eta * CVaR95(set) <= constant + sum(per_candidate[set])`, with equality
            at `chosen`.
        """
        if not self._loss_before.size:
            return 0.0, np.zeros(self.null_id + 1)
        eta = self.state.objective.weights.tail_risk_penalty
        losses = self._loss_before + self._loss_of_candidate[list(chosen)].sum(axis=0)
        weights = tail_weights(losses.size)
        # q: the tail weights on the windows that are worst at `chosen`, 0 on the others.
        worst = np.argsort(-losses, kind="stable")[: weights.size]
        constant = -eta * float(weights @ self._loss_before[worst])
        per_candidate: FloatArray = -eta * (self._loss_of_candidate[:, worst] @ weights)
        return constant, per_candidate

    def tangent(self, chosen: Sequence[int]) -> tuple[float, FloatArray]:
        """Return a bound from above on CVaR95 and idle cash together, exact at a set.

        Returns
        -------
        constant : float
        per_candidate : ndarray of shape (K + 1,)
        """
        constant, per_candidate = self.tail_tangent(chosen)
        idle = self._idle_before + self.limit_usage[list(chosen), LimitColumn.CASH].sum()
        # -drag max(0, idle) is concave: its line on the side of `chosen` lies above it everywhere.
        if idle > 0:
            idle_constant, idle_per_candidate = self._idle_line()
            return constant + idle_constant, per_candidate + idle_per_candidate
        return constant, per_candidate

    def _idle_line(self) -> tuple[float, FloatArray]:
        """Return constant and (K + 1,) per candidate of `-drag * idle`, as if it could be < 0."""
        if not self._drag:
            return 0.0, np.zeros(self.null_id + 1)
        per_candidate: FloatArray = -self._drag * self.limit_usage[:, LimitColumn.CASH]
        return -self._drag * self._idle_before, per_candidate

    def weights_after(self, chosen: Sequence[int]) -> FloatArray:
        """Return the weights (of V0) after the chosen candidates are traded; (n_securities,)."""
        # A conversion adds 0 to the column that it borrows.
        weight = self.state.portfolio.weight.copy()
        for candidate in chosen:
            weight[self.candidates.column[candidate]] += self.tables.weight_change[candidate]
        return weight

    # -- tables -----------------------------------------------------------------------------

    @cached_property
    def _pair32(self) -> NDArray[np.float32]:
        return self.tables.pair.astype(np.float32).ravel()

    def _folded32(self, length: int) -> NDArray[np.float32]:
        """Return the pairs with the linear part folded in, for blocks of one length.

        Each candidate of a set meets `length - 1` others, the null candidate among them. So
        `pair[k, l] + (lin[k] + lin[l]) / (length - 1)` summed over all pairs has each lin once.
        """
        if length not in self._tables32:
            portion = self.bound_lin / (length - 1)
            folded = self.tables.pair + portion[:, None]
            folded += portion
            self._tables32[length] = folded.astype(np.float32).ravel()
        return self._tables32[length]

    @cached_property
    def ordered_pair(self) -> FloatArray:
        """The pairs in one order only: -inf below the diagonal and between conflicts; (K, K)."""
        k = self.candidates.n
        excluded = self.candidates.conflicts | np.tri(k, dtype=bool)
        return np.where(excluded, -np.inf, self.tables.pair[:k, :k])

    @cached_property
    def ceilings(self) -> tuple[tuple[FloatArray, float], ...]:
        """Pairs of (what each candidate adds to a sum, the most that a legal set may add up to).

        Cash taken from each row, and turnover. They are necessary, not sufficient, and cheap.
        """
        limits = self.state.limits
        # From `check_totals`:
        # shortfall - cash <= shortfall_max  <=>  -cash <= shortfall_max - shortfall
        cash_taken = np.ascontiguousarray(-self.limit_usage[:, self.cash_columns].T)
        cash_max = zip(cash_taken, self._shortfall_max - self._shortfall, strict=True)
        # min(x, credit) <= credit: no set is charged less than its turnover less both credits.
        turnover_max = limits.turnover_left + limits.repair_credit + limits.deposit_credit
        turnover = np.ascontiguousarray(self.limit_usage[:, LimitColumn.TURNOVER])
        return (
            *((column, float(ceiling) + LIMIT_TOLERANCE) for column, ceiling in cash_max),
            (turnover, turnover_max + 2 * LIMIT_TOLERANCE),
        )

    @cached_property
    def _loss_of_candidate(self) -> FloatArray:
        """Loss that each candidate adds in each 21-day window; (K + 1, n_windows)."""
        columns = np.append(self.candidates.column, 0)
        # -r[window, i_k] d_k
        loss = -self.state.objective.scenarios.T[columns]
        return np.ascontiguousarray(loss * self.tables.weight_change[:, None])

    @cached_property
    def _position_excess(self) -> float:
        """Sum over positions of what stands above the cap before trading."""
        excess = self.state.portfolio.weight - self.state.limits.position_cap
        return float(np.maximum(excess, 0.0).sum())

    @property
    def cash_columns(self) -> slice:
        """The columns of `limit_usage` with what each candidate adds to each cash row."""
        start = len(LimitColumn)
        return slice(start, start + len(self.state.limits.cash_rows.currencies))

    @property
    def group_columns(self) -> slice:
        """The columns of `limit_usage` with what each candidate adds to each capped group."""
        return slice(self.cash_columns.stop, None)

    def _limit_usage(self) -> FloatArray:
        """Return what each candidate adds to each limited sum: `LimitColumn`, cash rows, groups."""
        candidates, limits = self.candidates, self.state.limits
        k = candidates.n
        change = self.tables.weight_change[:k]
        excess = np.maximum(self.state.portfolio.weight - limits.position_cap, 0.0)
        # At most one candidate per security is in a set, so reliefs add up.
        relief = np.where(candidates.is_sell, np.minimum(excess[candidates.column], -change), 0.0)
        n_columns = self.cash_columns.stop + len(limits.groups.names)
        usage = np.zeros((k + 1, n_columns))
        usage[:k, LimitColumn.BUYS] = np.where(candidates.is_buy, change, 0.0)
        usage[:k, LimitColumn.RELIEF] = relief
        usage[:k, LimitColumn.TURNOVER] = np.abs(change)
        usage[:k, LimitColumn.REPAIRS] = np.where(candidates.mandatory, np.abs(change), 0.0)
        paid = np.where(candidates.is_buy, -candidates.cash_delta / self.state.nav, 0.0)
        usage[:k, LimitColumn.PAID] = paid
        usage[:k, LimitColumn.CASH] = candidates.cash_delta / self.state.nav
        usage[:k, self.cash_columns] = self._cash_flows() / self.state.nav
        usage[:k, self.group_columns] = (limits.groups.membership[:, candidates.column] * change).T
        return usage

    def _cash_flows(self) -> FloatArray:
        """Return what each candidate adds to each cash row, base currency; (K, n_rows)."""
        # One row for all currencies, or one each: `row` knows which a currency settles in.
        rows = self.state.limits.cash_rows
        flows = np.zeros((self.candidates.n, len(rows.currencies)))
        for candidate, action in enumerate(self.candidates.actions):
            if action.convert_to:
                # A conversion leaves one row whole; its cost is paid out of what arrives.
                value = action.quantity * action.fx_rate
                flows[candidate, rows.row(action.currency)] -= value
                flows[candidate, rows.row(action.convert_to)] += value - action.cost
            else:
                flows[candidate, rows.row(action.currency)] += action.cash_delta
        return flows


def _pair_entries(indices: NDArray[np.intp], width: int) -> Iterator[NDArray[np.intp]]:
    """Yield, for every two places of a block, each sequence's entry in a flattened pair table.

    The entry of ids (k, l) is `k * width + l`. Each array is valid until the next one: they share
    their memory. `np.take` would first convert any other type than `intp`.
    """
    entries = np.empty(indices.shape[1], dtype=np.intp)
    for first in range(len(indices) - 1):
        offset = indices[first] * width
        for second in range(first + 1, len(indices)):
            yield np.add(offset, indices[second], out=entries)


def as_block(sets: Sequence[Sequence[int]], depth: int, null_id: int) -> IdBlock:
    """Return sets of ids as one padded block of shape (depth, n_sets)."""
    # A few thousand candidates fit into int16; an index into their K^2 pairs does not.
    block = np.full((depth, len(sets)), null_id, dtype=np.int16)
    for column, chosen in enumerate(sets):
        block[: len(chosen), column] = chosen
    return block


def as_set(column: NDArray[np.integer], null_id: int) -> tuple[int, ...]:
    """Return one column of a block as a sorted set of ids."""
    return tuple(sorted(i for i in column.tolist() if i != null_id))
