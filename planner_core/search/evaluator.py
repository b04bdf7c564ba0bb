"""The vectorised evaluator: pair tables make a sequence's cost independent of n_securities.

Over K candidates with weight changes d, everything but CVaR95 collapses to

    score(set) = score(nothing) + sum_k lin[k] + sum_{k<l} pair[k, l]

    lin[k]     = g[i_k] d_k - M[i_k, i_k] d_k^2 - (cost_k + tax_k)/V0 - rho |d_k|
    pair[k, l] = -2 M[i_k, i_l] d_k d_l

with g the gradient and M the matrix of the objective's smooth part. CVaR95 is convex, so its
subgradient at any portfolio bounds it from below, and the score from above: it enters the scan as
such bounds ("cuts"), and only sets whose bound reaches the best exact scores are evaluated exactly.

Sets are scanned in blocks of shape (depth, n_sequences), int16, in float32; whatever is reported
was scored again in float64. A place without an action holds the null id K, whose table rows are 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
"""Room for float32 rounding when a bound is compared with an exact score."""
FOLDED_CANDIDATES = 512
"""Up to so many candidates a table for each length of blocks is small: 1 MB."""
FEW_SEQUENCES = 256
"""Judged at once: parting fewer takes longer than it saves."""
LIMIT_TOLERANCE = 1e-9
"""Binary dust forgiven when a limit is checked, as a fraction of NAV."""


@dataclass(frozen=True, slots=True, eq=False)
class PairTables:
    """The collapsed objective; index K is the null action.

    Parameters
    ----------
    lin : ndarray of shape (K + 1,), float64
    pair : ndarray of shape (K + 1, K + 1), float64
        Symmetric, zero diagonal.
    score_before : float
        Smooth score of doing nothing, without the CVaR term.
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
    quadratic = objective.quadratic()
    security = np.append(candidates.column, 0)
    gathered = quadratic[np.ix_(security, security)]
    pair = -2.0 * gathered * np.outer(change, change)
    np.fill_diagonal(pair, 0.0)
    trading = np.zeros(k + 1)
    trading[:k] = (candidates.cost + candidates.tax_scored) / state.nav
    lin = (
        objective.gradient(weight)[security] * change
        - np.diag(gathered) * change**2
        - trading
        - objective.weights.turnover_penalty * np.abs(change)
    )
    terms = objective.terms(weight)
    smooth = sum(value for name, value in terms.items() if name != "tail_risk")
    return PairTables(lin=lin, pair=pair, score_before=smooth, weight_change=change)


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """How sums over sets stand against the limits; arrays of any common shape, one entry a set.

    Parameters
    ----------
    legal : ndarray of bool
        Every limit that depends on the whole set is kept (conflicts are judged elsewhere).
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
        self._tail_base = -(state.objective.scenarios @ state.portfolio.weight)
        constant, per_action = self.tail_cut(())
        self.bound_before = self.tables.score_before + constant
        self.bound_lin = self.tables.lin + per_action
        self._lin32 = self.bound_lin.astype(np.float32)
        self._conflict = np.pad(candidates.conflicts, (0, 1)).ravel()
        self.columns = self._limit_columns()
        # What sums of `columns` are compared with, computed once: asked for thousands of times.
        limits = state.limits
        self._short = (limits.cash_rows.required - limits.cash_rows.free) / state.nav
        self._deepest = np.maximum(limits.cash_rows.missing / state.nav, 0.0) + LIMIT_TOLERANCE
        self._allowed = np.maximum(limits.groups.cap, limits.groups.weight) + LIMIT_TOLERANCE
        self._settled = limits.settled_budget / state.nav + LIMIT_TOLERANCE
        self._tables32: dict[int, NDArray[np.float32]] = {}

    @property
    def null_id(self) -> int:
        """The id of no action."""
        return self.candidates.null_id

    @cached_property
    def score_before(self) -> float:
        """Score of doing nothing, every term included."""
        empty = np.full((1, 1), self.null_id, dtype=np.int16)
        return float(self.exact_scores(empty)[0])

    # -- the scan ---------------------------------------------------------------------------

    def upper_scores(self, ids: IdBlock) -> NDArray[np.float32]:
        """Return a bound from above on each sequence's score; float32, exact without CVaR."""
        wide = ids.astype(np.intp)
        scores = np.full(ids.shape[1], self.bound_before, dtype=np.float32)
        found = np.empty_like(scores)
        # A small table for each length of block has the linear part in it; the null row's is 0.
        folded = len(ids) > 1 and self.null_id < FOLDED_CANDIDATES
        folded |= len(ids) == self.state.config.max_plan_depth > 1
        for row in () if folded else wide:
            scores += np.take(self._lin32, row, out=found, mode="clip")
        table = self._folded32(len(ids)) if folded else self._pair32
        for places in _place_pairs(wide, self.null_id + 1):
            scores += np.take(table, places, out=found, mode="clip")
        return scores

    def conflicting(self, ids: IdBlock) -> BoolArray:
        """Tell which sequences hold two candidates that exclude each other; (n_sequences,)."""
        conflicts = np.zeros(ids.shape[1], dtype=bool)
        found = np.empty_like(conflicts)
        for places in _place_pairs(ids.astype(np.intp), self.null_id + 1):
            conflicts |= np.take(self._conflict, places, out=found, mode="clip")
        return conflicts

    def check(self, ids: IdBlock) -> Judgement:
        """Judge the sequences of a block by every limit, conflicts included."""
        total = self.columns[ids[0]]
        for row in ids[1:]:
            total += self.columns[row]
        judged = self.judge(total)
        free = ~self.conflicting(ids)
        return Judgement(judged.legal & free, judged.repairable & free, judged.violation)

    def legal_sets(self, ids: IdBlock) -> tuple[NDArray[np.intp], FloatArray]:
        """Return the places of the legal sequences of a block, and the violation of each.

        As `check` has it, but what costs little is asked first: most good scores lack the cash.
        """
        places = np.arange(ids.shape[1])
        if places.size > FEW_SEQUENCES:
            for column, most in self.ceilings:
                change = column.take(ids[0])
                for row in ids[1:]:
                    change += column.take(row)
                within = np.flatnonzero(change <= most)
                places, ids = places[within], ids.take(within, axis=1)
        free = np.flatnonzero(~self.conflicting(ids))
        places, ids = places[free], ids.take(free, axis=1)
        total = self.columns.take(ids[0], axis=0)
        for row in ids[1:]:
            total += self.columns.take(row, axis=0)
        judged = self.judge(total)
        return places[judged.legal], judged.violation[judged.legal]

    def judge(self, total: FloatArray) -> Judgement:
        """Judge sums of `columns` over sets, shape (..., n_columns).

        Sells come first and conversions before buys, so cash and groups are at their worst at the
        end: one check there covers every step.
        """
        limits, dust = self.state.limits, LIMIT_TOLERANCE
        buys, relief, turnover, repair, paid = (total[..., i] for i in range(5))
        short = self._short - total[..., self.cash_columns]
        groups = limits.groups.weight + total[..., self.group_columns]
        charged = turnover
        if limits.repair_credit:
            charged = charged - np.minimum(repair, limits.repair_credit)
        if limits.deposit_credit:
            charged = charged - np.minimum(buys, limits.deposit_credit)
        buys_nothing = buys == 0
        final = charged <= limits.turnover_left + dust
        if self._settled < np.inf:
            final &= buys_nothing | (paid <= self._settled)
        # A buy or a conversion may not take a row below what it needs, nor deeper if it is below.
        kept = (short <= dust).all(axis=-1)
        kept |= buys_nothing
        kept &= (short <= self._deepest).all(axis=-1)
        kept &= (groups <= self._allowed).all(axis=-1)
        violation = np.maximum(short, 0.0).sum(axis=-1)
        violation += self._position_excess - relief
        violation += np.maximum(groups - limits.groups.cap, 0.0).sum(axis=-1)
        return Judgement(
            legal=final & kept,
            repairable=final & ~kept,
            violation=np.maximum(violation, 0.0),
        )

    # -- exact scores -----------------------------------------------------------------------

    def exact_scores(self, ids: IdBlock) -> FloatArray:
        """Return the scores with every term, in float64; (n_sequences,)."""
        wide = ids.astype(np.intp)
        tables = self.tables
        scores: FloatArray = tables.score_before + tables.lin[wide].sum(axis=0)
        pair = tables.pair.ravel()
        for places in _place_pairs(wide, self.null_id + 1):
            scores += pair[places]
        if self._tail_base.size:
            losses = self._tail_base + self._tail_of_action[wide[0]]
            for row in wide[1:]:
                losses += self._tail_of_action[row]
            scores -= self.state.objective.weights.tail_risk_penalty * cvar(losses.T)
        return scores

    def tail_cut(self, chosen: Sequence[int]) -> tuple[float, FloatArray]:
        """Return the CVaR term's subgradient at a set: a bound from above on `-eta * CVaR95`.

        Returns
        -------
        constant : float
        per_action : ndarray of shape (K + 1,)
            For every set, `-eta * CVaR95(set) <= constant + sum(per_action[set])`, with equality
            at `chosen`.
        """
        if not self._tail_base.size:
            return 0.0, np.zeros(self.null_id + 1)
        eta = self.state.objective.weights.tail_risk_penalty
        losses = self._tail_base + self._tail_of_action[list(chosen)].sum(axis=0)
        weights = tail_weights(losses.size)
        worst = np.argsort(-losses, kind="stable")[: weights.size]
        constant = -eta * float(weights @ self._tail_base[worst])
        per_action: FloatArray = -eta * (self._tail_of_action[:, worst] @ weights)
        return constant, per_action

    def weights_after(self, chosen: Sequence[int]) -> FloatArray:
        """Return the weights (of V0) once the chosen actions are done; (n_securities,)."""
        weight = self.state.portfolio.weight.copy()
        for candidate in chosen:
            weight[self.candidates.column[candidate]] += self.tables.weight_change[candidate]
        return weight

    # -- tables -----------------------------------------------------------------------------

    @cached_property
    def _pair32(self) -> NDArray[np.float32]:
        return self.tables.pair.astype(np.float32).ravel()

    def _folded32(self, length: int) -> NDArray[np.float32]:
        """The pairs with the linear part shared out: each place meets all others, length - 1."""
        if length not in self._tables32:
            shared = self.bound_lin / (length - 1)
            folded = self.tables.pair + shared[:, None]
            folded += shared
            self._tables32[length] = folded.astype(np.float32).ravel()
        return self._tables32[length]

    @cached_property
    def ordered_pair(self) -> FloatArray:
        """The pairs for bounds, each once: -inf below the diagonal and where two exclude."""
        k = self.candidates.n
        out = self.candidates.conflicts | np.tri(k, dtype=bool)
        return np.where(out, -np.inf, self.tables.pair[:k, :k])

    @cached_property
    def ceilings(self) -> tuple[tuple[FloatArray, float], ...]:
        """Pairs of (what each action adds, what no legal set may add up to more than).

        Cash that each row gives and turnover: necessary, not sufficient, and cheap to ask.
        """
        limits, cash = (
            self.state.limits,
            np.ascontiguousarray(-self.columns[:, self.cash_columns].T),
        )
        given = zip(cash, self._deepest - self._short, strict=True)
        turnover = limits.turnover_left + limits.repair_credit + limits.deposit_credit
        return (
            *((column, float(most) + LIMIT_TOLERANCE) for column, most in given),
            (np.ascontiguousarray(self.columns[:, 2]), turnover + 2 * LIMIT_TOLERANCE),
        )

    @cached_property
    def _tail_of_action(self) -> FloatArray:
        """Loss that each action adds in each 21-day window; (K + 1, n_windows)."""
        columns = np.append(self.candidates.column, 0)
        loss = -self.state.objective.scenarios.T[columns]
        return np.ascontiguousarray(loss * self.tables.weight_change[:, None])

    @cached_property
    def _position_excess(self) -> float:
        excess = self.state.portfolio.weight - self.state.limits.position_cap
        return float(np.maximum(excess, 0.0).sum())

    @property
    def cash_columns(self) -> slice:
        """Where `columns` holds what each action adds to each cash row."""
        return slice(5, 5 + len(self.state.limits.cash_rows.currencies))

    @property
    def group_columns(self) -> slice:
        """Where `columns` holds what each action adds to each capped group."""
        return slice(self.cash_columns.stop, None)

    def _limit_columns(self) -> FloatArray:
        """Return what each action adds to each limited sum, fractions of NAV; (K + 1, n_columns).

        Buys, relief of position caps, turnover, mandatory turnover, cash that buys take, then cash
        rows, then groups.
        """
        candidates, limits = self.candidates, self.state.limits
        k = candidates.n
        change = self.tables.weight_change[:k]
        excess = np.maximum(self.state.portfolio.weight - limits.position_cap, 0.0)
        relief = np.where(candidates.is_sell, np.minimum(excess[candidates.column], -change), 0.0)
        n_columns = self.cash_columns.stop + len(limits.groups.names)
        columns = np.zeros((k + 1, n_columns))
        columns[:k, 0] = np.where(candidates.is_buy, change, 0.0)
        columns[:k, 1] = relief
        columns[:k, 2] = np.abs(change)
        columns[:k, 3] = np.where(candidates.mandatory, np.abs(change), 0.0)
        columns[:k, 4] = np.where(candidates.is_buy, -candidates.cash_delta / self.state.nav, 0.0)
        columns[:k, self.cash_columns] = self._cash_flows() / self.state.nav
        columns[:k, self.group_columns] = (
            limits.groups.membership[:, candidates.column] * change
        ).T
        return columns

    def _cash_flows(self) -> FloatArray:
        """Return what each action adds to each cash row, base currency; (K, n_rows)."""
        rows = self.state.limits.cash_rows
        flows = np.zeros((self.candidates.n, len(rows.currencies)))
        for candidate, action in enumerate(self.candidates.actions):
            if action.convert_to:
                worth = action.quantity * action.fx_rate
                flows[candidate, rows.row(action.currency)] -= worth
                flows[candidate, rows.row(action.convert_to)] += worth - action.cost
            else:
                flows[candidate, rows.row(action.currency)] += action.cash_delta
        return flows


def _place_pairs(ids: NDArray[np.intp], width: int) -> Iterator[NDArray[np.intp]]:
    """Yield, for every two places, where each sequence's entry of a flat table lies.

    As `intp`, which `np.take` would convert anything else to, and each time in the same memory.
    """
    places = np.empty(ids.shape[1], dtype=np.intp)
    for first in range(len(ids) - 1):
        offset = ids[first] * width
        for second in range(first + 1, len(ids)):
            yield np.add(offset, ids[second], out=places)


def as_block(sets: Sequence[Sequence[int]], depth: int, null_id: int) -> IdBlock:
    """Return sets of ids as one padded block of shape (depth, n_sets)."""
    block = np.full((depth, len(sets)), null_id, dtype=np.int16)
    for column, chosen in enumerate(sets):
        block[: len(chosen), column] = chosen
    return block


def as_set(column: NDArray[np.integer], null_id: int) -> tuple[int, ...]:
    """Return one column of a block as a sorted set of ids."""
    return tuple(sorted(i for i in column.tolist() if i != null_id))
