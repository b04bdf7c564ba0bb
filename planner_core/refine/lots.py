"""Whole lots: the sizes of one set of trades, climbed to where no change of two improves.

Every trade gets a few other sizes, near and far, as places. One table holds what changing any two
trades at once would add, a lot more here and a lot less there included: the cash-neutral pair that
no single change of size can make. When the climb ends the places are laid around where it ended.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from planner_core.market.limits import VIOLATION_TOLERANCE
from planner_core.market.state import PlanningState
from planner_core.market.trade_sizing import (
    largest_quantity,
    lot_step,
    price_trade,
    round_down,
    single_trade_complaint,
)
from planner_core.model.arrays import FloatArray, IntArray
from planner_core.model.candidates import build_candidates, same_security_conflicts
from planner_core.model.plan import Action
from planner_core.search.evaluator import Evaluator
from planner_core.search.ranking import SCORE_DIGITS

LOTS_AWAY = (1, 2, 3, 4, 5, 6, 8, 11, 16, 32, 128, 512, 2048)
"""Places on both sides of a size, in lots."""
GRAIN = 1e-5
"""A lot worth less than this part of NAV is counted in multiples that reach it."""
CLIMBS_MAX = 20
STEPS_MAX = 60
EXACT_MAX = 32
"""Changes scored exactly per step, best bound first."""
SCORE_TOLERANCE = 1e-11
ROUNDINGS = 3
"""Ways to round a set to lots that are climbed from."""

Rank = tuple[int, float]
"""Violation level and negative score: smaller is better."""

ILLEGAL: Rank = (2**62, 0.0)
"""A rank behind all others."""


@dataclass(frozen=True, slots=True)
class Tuned:
    """A set of trades as it ranks, with the sizes that were tried around it."""

    rank: Rank
    actions: tuple[Action, ...]
    tried: tuple[Action, ...]


def tune(
    actions: Sequence[Action], state: PlanningState, must_stop: Callable[[], bool]
) -> Tuned | None:
    """Return the trades in their best sizes; None when no rounding of them is legal.

    Parameters
    ----------
    actions : sequence of Action
        At most one per security; their quantities need be no whole lots.
    state : PlanningState
    must_stop : callable returning bool
        Asked at every step; the best so far is the answer then.
    """
    menu = _Menu(actions, state)
    found = [_climbed(menu, start, state, must_stop) for start in menu.roundings()]
    return min(found, key=lambda tuned: tuned.rank, default=None)


def _climbed(
    menu: _Menu, current: IntArray, state: PlanningState, must_stop: Callable[[], bool]
) -> Tuned:
    (rank,) = menu.judge([current])
    for _ in range(CLIMBS_MAX):
        current, rank = menu.climb(current, rank, must_stop)
        if not menu.away[current].any() or must_stop():
            break
        menu = _Menu([menu.actions[i] for i in current], state)
        current = np.flatnonzero(menu.away == 0)
    return Tuned(rank, tuple(menu.actions[i] for i in current), tuple(menu.actions))


def resized(action: Action, quantity: float, state: PlanningState) -> Action:
    """Return an action in another size (positive), with its reason and sources."""
    priced = price_trade(state, action.security, action.side, quantity)
    return replace(priced, sources=action.sources, reason=action.reason, mandatory=action.mandatory)


def _sizes(action: Action, state: PlanningState) -> Iterator[tuple[int, Action]]:
    """Yield an action in whole lots, and legal sizes around it with how many lots away they are."""
    if action.convert_to:
        yield 0, action
        return
    step = lot_step(state.context.securities[action.security])
    unit_value = float(state.portfolio.unit_value[action.security])
    grain = step * max(1, math.ceil(GRAIN * state.nav / (step * unit_value)))
    largest = largest_quantity(state, action.security, action.side)
    centre = min(round_down(abs(action.quantity), step), largest)
    tried: set[float] = set()
    for away in (0, *LOTS_AWAY, *(-away for away in LOTS_AWAY)):
        quantity = min(round_down(centre + away * grain, step), largest)
        if quantity <= 0 or quantity in tried:
            continue
        tried.add(quantity)
        sized = action if quantity == abs(action.quantity) else resized(action, quantity, state)
        if single_trade_complaint(sized, state) is None:
            yield away, sized


class _Menu:
    """The places of some trades: each one's size and others around it, as candidates."""

    def __init__(self, actions: Sequence[Action], state: PlanningState) -> None:
        places = [
            (trade, away, sized)
            for trade, action in enumerate(actions)
            for away, sized in _sizes(action, state)
        ]
        self.trade = np.array([trade for trade, _, _ in places], dtype=np.int64)
        self.away = np.array([away for _, away, _ in places], dtype=np.int64)
        self.actions = [sized for _, _, sized in places]
        self.n_trades = len(actions)
        candidates = build_candidates(
            self.actions, np.zeros(len(places)), same_security_conflicts(self.actions)
        )
        self.evaluator = Evaluator(state, candidates)

    def judge(self, sets: Sequence[Sequence[int] | IntArray]) -> list[Rank]:
        """Return how each set ranks, smaller is better; ILLEGAL for those that are not legal."""
        if not sets:
            return []
        block = np.array(sets, dtype=np.int16).T
        found = self.evaluator.check(block)
        levels = np.rint(found.violation / VIOLATION_TOLERANCE).astype(np.int64)
        scores = self.evaluator.exact_scores(block)
        return [
            (int(level), -round(float(score), SCORE_DIGITS)) if legal else ILLEGAL
            for legal, level, score in zip(found.legal, levels, scores, strict=True)
        ]

    def roundings(self) -> list[IntArray]:
        """Return the best ROUNDINGS of: sizes as they are, buys some lots less, sells some more."""
        if np.unique(self.trade).size < self.n_trades:
            return []
        buys = self.evaluator.candidates.is_buy
        sets = {
            tuple(map(int, self._nearest(np.where(buys, -fewer, more))))
            for fewer in (0, *LOTS_AWAY)
            for more in (0, *LOTS_AWAY)
        }
        ordered = sorted(sets)
        ranked = sorted(zip(self.judge(ordered), ordered, strict=True))
        legal = [chosen for rank, chosen in ranked if rank != ILLEGAL]
        return [np.array(chosen, dtype=np.int64) for chosen in legal[:ROUNDINGS]]

    def _nearest(self, wanted: IntArray) -> IntArray:
        """Return each trade's place that is nearest to so many lots away."""
        off = np.abs(self.away - wanted)
        return np.array(
            [
                places[off[places].argmin()]
                for places in (np.flatnonzero(self.trade == t) for t in range(self.n_trades))
            ],
            dtype=np.int64,
        )

    def climb(
        self, current: IntArray, rank: Rank, must_stop: Callable[[], bool]
    ) -> tuple[IntArray, Rank]:
        """Go to where changing the sizes of any two trades improves nothing."""
        for _ in range(STEPS_MAX):
            changed = [] if must_stop() else self._promising(current, rank)
            best, chosen = min(
                zip(self.judge(changed), changed, strict=True),
                key=lambda pair: pair[0],
                default=(ILLEGAL, current),
            )
            if best >= (rank[0], rank[1] - SCORE_TOLERANCE):
                break
            current, rank = chosen, best
        return current, rank

    def _promising(self, current: IntArray, rank: Rank) -> list[IntArray]:
        """Return the sets with at most two sizes changed whose bounds rank before the current."""
        first, second, added = self._changes(current)
        if rank[0] == 0:
            better = np.flatnonzero(added > SCORE_TOLERANCE)
            first, second, added = first[better], second[better], added[better]
        columns = self.evaluator.columns
        change = columns[: len(self.actions)] - columns[current[self.trade]]
        total = columns[current].sum(axis=0)
        judged = self.evaluator.judge(total + change[first] + change[second])
        level = np.rint(judged.violation / VIOLATION_TOLERANCE)
        keep = np.flatnonzero(judged.legal & (level <= rank[0]))
        keep = keep[np.lexsort((-added[keep], level[keep]))][:EXACT_MAX]
        sets = np.tile(current, (keep.size, 1))
        rows = np.arange(keep.size)
        sets[rows, self.trade[second[keep]]] = second[keep]
        sets[rows, self.trade[first[keep]]] = first[keep]
        return list(sets)

    def _changes(self, current: IntArray) -> tuple[IntArray, IntArray, FloatArray]:
        """Return every two places of different trades, and what taking both adds at most.

        One of the two may be the current size: a change of one trade alone.
        """
        k, tables = len(self.actions), self.evaluator.tables
        # CVaR95 by its subgradient at the current set, where it is exact.
        _, per_action = self.evaluator.tail_cut([int(i) for i in current])
        lin, pair = (tables.lin + per_action)[:k], tables.pair[:k, :k]
        old = current[self.trade]
        beside = lin + pair[:, current].sum(axis=1) - pair[np.arange(k), old]
        one: FloatArray = beside - beside[old]
        if self.n_trades == 1:
            return np.arange(k), old, one
        first, second = self._two_trades
        crossed = pair - pair[:, old] - pair[old, :] + pair[np.ix_(old, old)]
        return first, second, one[first] + one[second] + crossed[first, second]

    @cached_property
    def _two_trades(self) -> tuple[IntArray, IntArray]:
        """Return every two places of different trades; one of them may be the current one."""
        first, second = np.nonzero(self.trade[:, None] < self.trade[None, :])
        return first, second
