"""Bring the sizes of one set of trades to whole lots, and improve them two at a time.

Rounding each size to lots leaves the set a little short of its best: cash is left over, or a limit
is missed by a lot. So each trade gets a menu of sizes, some near and some far, and a climb changes
the sizes of any two trades at once: one lot more here and two less there keeps cash level, which no
change of a single size can do. When a climb ends, a new menu is built around the sizes it ended at,
until a climb ends where it began.

On the pair tables the gain of changing trades 1 and 2 from options a, b to p, q is

    one[p] + one[q] + pair[p, q] - pair[p, b] - pair[a, q] + pair[a, b]

where one[p] is the gain of changing trade 1 alone. CVaR95 and idle cash enter by their
subgradients at the current set, which bound the gain from above; the best bounds are then scored
exactly.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

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
"""Distances of the options from the current size, in lots and in both directions."""
GRAINS = (1e-5, 1e-8, 1e-11)
"""A lot worth less than this part of NAV is counted in multiples that reach it.

The climbs use the first one. The best set is then climbed from again with each finer one, as far as
its lots are that small: a fraction of a unit, or a share of a few cents in a large portfolio.
"""
CLIMBS_MAX = 20
STEPS_MAX = 60
EXACT_MAX = 32
"""Changes scored exactly per step, best bound first."""
SCORE_TOLERANCE = 1e-11
"""A step must improve by more than rounding."""
ROUNDINGS = 3
"""Starting points of the climb: the best ways to round a set to lots."""

Rank = tuple[int, float]
"""Violation level and negative score: smaller is better."""

ILLEGAL: Rank = (2**62, 0.0)
"""A rank behind all others."""


@dataclass(frozen=True, slots=True)
class Tuned:
    """A set of trades with its rank; `nearby`, the other sizes on its last menu."""

    rank: Rank
    actions: tuple[Action, ...]
    nearby: tuple[Action, ...]


def tune(
    actions: Sequence[Action], state: PlanningState, must_stop: Callable[[], bool]
) -> Tuned | None:
    """Return the trades in their best sizes; None when no rounding of them is legal.

    Parameters
    ----------
    actions : sequence of Action
        At most one per security; their quantities need not be whole lots.
    state : PlanningState
    must_stop : callable returning bool
        Called at every step; when it is true, the best so far is returned.
    """
    menu = _Menu(actions, state)
    tuned = [_climb_from(menu, start, state, must_stop) for start in menu.roundings()]
    best = min(tuned, key=lambda one: one.rank, default=None)
    return None if best is None else _in_finer_steps(best, state, must_stop)


def _in_finer_steps(best: Tuned, state: PlanningState, must_stop: Callable[[], bool]) -> Tuned:
    """Return the set with the sizes that lie between those of the climb, where there are any."""
    traded = [action for action in best.actions if not action.convert_to]
    for coarser, grain in pairwise(GRAINS):
        # Where a step of the last climb was a single lot of each, nothing lies between.
        if must_stop() or all(_lots_per_step(a, state, coarser) == 1 for a in traded):
            break
        menu = _Menu(best.actions, state, grain)
        start = np.flatnonzero(menu.away == 0)
        finer = _climb_from(menu, start, state, must_stop, grain)
        if finer.rank < best.rank:
            # A certificate covers the sizes that are some way off, not those within cents.
            best = replace(best, rank=finer.rank, actions=finer.actions)
    return best


def _climb_from(
    menu: _Menu,
    current: IntArray,
    state: PlanningState,
    must_stop: Callable[[], bool],
    grain: float = GRAINS[0],
) -> Tuned:
    """Climb from one rounding, with a new menu around each place where a climb ends."""
    # The rank of the start, by exact score: every step is compared with it.
    (rank,) = menu.rank([current])
    for _ in range(CLIMBS_MAX):
        current, rank = menu.climb(current, rank, must_stop)
        # At the centre of its menu a set has all near sizes around it: nothing is left to try.
        if not menu.away[current].any() or must_stop():
            break
        # In a new menu each current size is at distance 0 from itself.
        menu = _Menu([menu.actions[i] for i in current], state, grain)
        current = np.flatnonzero(menu.away == 0)
    return Tuned(rank, tuple(menu.actions[i] for i in current), tuple(menu.actions))


def resized(action: Action, quantity: float, state: PlanningState) -> Action:
    """Return an action with another quantity (positive), with the same sources and clauses."""
    # Priced afresh: impact and tax are not proportional to the quantity.
    priced = price_trade(state, action.security, action.side, quantity, temporary=action.temporary)
    return replace(
        priced, sources=action.sources, clauses=action.clauses, mandatory=action.mandatory
    )


def _lots_per_step(action: Action, state: PlanningState, grain: float) -> int:
    """Return the lots that make up a step of the climb."""
    lot = lot_step(state.context.securities[action.security])
    unit_value = float(state.portfolio.unit_value[action.security])
    return max(1, math.ceil(grain * state.nav / (lot * unit_value)))


def _sizes(action: Action, state: PlanningState, grain: float) -> Iterator[tuple[int, Action]]:
    """Yield (distance in lots, action): the whole lots below a size first, then sizes around it."""
    if action.convert_to:
        yield 0, action
        return
    step = lot_step(state.context.securities[action.security])
    # A fractional lot of 1e-6 units moves nothing: distances are counted in steps that matter.
    units = step * _lots_per_step(action, state, grain)
    largest = largest_quantity(state, action.security, action.side, mandatory=action.mandatory)
    # Down, because a buy rounded up may be beyond the cash or the cap.
    centre = min(round_down(abs(action.quantity), step), largest)
    quantities: set[float] = set()
    for away in (0, *LOTS_AWAY, *(-away for away in LOTS_AWAY)):
        quantity = min(round_down(centre + away * units, step), largest)
        if quantity <= 0 or quantity in quantities:
            continue
        quantities.add(quantity)
        # Large distances are cut to the largest quantity, so that this is always on the menu.
        sized = action if quantity == abs(action.quantity) else resized(action, quantity, state)
        if single_trade_complaint(sized, state) is None:
            yield away, sized


class _Menu:
    """The sizes that some trades may take, as candidates with pair tables of their own.

    Option i is one size of trade `trade[i]`, `away[i]` lots from that trade's current size.
    """

    def __init__(
        self, actions: Sequence[Action], state: PlanningState, grain: float = GRAINS[0]
    ) -> None:
        options = [
            (trade, away, sized)
            for trade, action in enumerate(actions)
            for away, sized in _sizes(action, state, grain)
        ]
        self.trade = np.array([trade for trade, _, _ in options], dtype=np.int64)
        self.away = np.array([away for _, away, _ in options], dtype=np.int64)
        self.actions = [sized for _, _, sized in options]
        self.n_trades = len(actions)
        # The gain of an option alone is not needed here: 0 stands in for it.
        candidates = build_candidates(
            self.actions, np.zeros(len(options)), same_security_conflicts(self.actions)
        )
        self.evaluator = Evaluator(state, candidates)

    def rank(self, sets: Sequence[Sequence[int] | IntArray]) -> list[Rank]:
        """Return the rank of each set, smaller is better; ILLEGAL for those that are not legal."""
        if not sets:
            return []
        # All sets have one option per trade: no padding is needed.
        block = np.array(sets, dtype=np.int16).T
        check = self.evaluator.check_block(block)
        levels = np.rint(check.violation / VIOLATION_TOLERANCE).astype(np.int64)
        scores = self.evaluator.exact_scores(block)
        return [
            (int(level), -round(float(score), SCORE_DIGITS)) if legal else ILLEGAL
            for legal, level, score in zip(check.legal, levels, scores, strict=True)
        ]

    def roundings(self) -> list[IntArray]:
        """Return the best ROUNDINGS legal ways to round the sizes.

        Rounding all of them down may miss the cash that a limit needs. So all buys are tried some
        lots smaller, and all sells some lots larger.
        """
        if np.unique(self.trade).size < self.n_trades:
            return []  # a trade without any legal size
        # Several distances may come to the same options: each combination is tried once.
        buys = self.evaluator.candidates.is_buy
        sets = {
            tuple(map(int, self._nearest(np.where(buys, -fewer, more))))
            for fewer in (0, *LOTS_AWAY)
            for more in (0, *LOTS_AWAY)
        }
        # The order of a set is not defined: sorted, so that ties are decided the same every time.
        ordered = sorted(sets)
        ranked = sorted(zip(self.rank(ordered), ordered, strict=True))
        legal = [chosen for rank, chosen in ranked if rank != ILLEGAL]
        return [np.array(chosen, dtype=np.int64) for chosen in legal[:ROUNDINGS]]

    def _nearest(self, away: IntArray) -> IntArray:
        """Return each trade's option nearest to a distance in lots; `away` (n_options,)."""
        distance = np.abs(self.away - away)
        return np.array(
            [
                options[distance[options].argmin()]
                for options in (np.flatnonzero(self.trade == t) for t in range(self.n_trades))
            ],
            dtype=np.int64,
        )

    def climb(
        self, current: IntArray, rank: Rank, must_stop: Callable[[], bool]
    ) -> tuple[IntArray, Rank]:
        """Change two sizes at a time until no such change improves."""
        for _ in range(STEPS_MAX):
            # Best improvement: all promising changes are scored exactly, and the best one is made.
            changed = [] if must_stop() else self._promising(current, rank)
            best, chosen = min(
                zip(self.rank(changed), changed, strict=True),
                key=lambda pair: pair[0],
                default=(ILLEGAL, current),
            )
            # Smaller ranks are better; a score must improve by more than rounding.
            if best >= (rank[0], rank[1] - SCORE_TOLERANCE):
                break
            current, rank = chosen, best
        return current, rank

    def _promising(self, current: IntArray, rank: Rank) -> list[IntArray]:
        """Return the sets with at most two sizes changed whose bounds rank before the current."""
        first, second, gain = self._changes(current)
        if rank[0] == 0:
            # Without a violation only the score can improve; with one, any score may pay for it.
            better = np.flatnonzero(gain > SCORE_TOLERANCE)
            first, second, gain = first[better], second[better], gain[better]
        usage = self.evaluator.limit_usage
        # Sums over sets change by the new option less the old one of the same trade.
        change = usage[: len(self.actions)] - usage[current[self.trade]]
        total = usage[current].sum(axis=0)
        check = self.evaluator.check_totals(total + change[first] + change[second])
        # Conflicts need no check: a set has one option per trade, and the trades do not conflict.
        level = np.rint(check.violation / VIOLATION_TOLERANCE)
        keep = np.flatnonzero(check.legal & (level <= rank[0]))
        keep = keep[np.lexsort((-gain[keep], level[keep]))][:EXACT_MAX]
        sets = np.tile(current, (keep.size, 1))
        rows = np.arange(keep.size)
        # `first` last: with a single trade `second` is its current option, and must not win.
        sets[rows, self.trade[second[keep]]] = second[keep]
        sets[rows, self.trade[first[keep]]] = first[keep]
        return list(sets)

    def _changes(self, current: IntArray) -> tuple[IntArray, IntArray, FloatArray]:
        """Return every two options of different trades, and a bound on the gain of taking both.

        One of the two may be the current option: then a single trade changes.
        """
        k, tables = len(self.actions), self.evaluator.tables
        # CVaR95 and idle cash by their lines at the current set, where the bound is exact.
        _, per_candidate = self.evaluator.tangent([int(i) for i in current])
        lin, pair = (tables.lin + per_candidate)[:k], tables.pair[:k, :k]
        # The current option of each option's own trade: a and b of the formula at the top.
        old = current[self.trade]
        # An option beside the others' current ones: lin + sum of pairs, its own trade left out.
        beside = lin + pair[:, current].sum(axis=1) - pair[np.arange(k), old]
        one: FloatArray = beside - beside[old]
        if self.n_trades == 1:
            return np.arange(k), old, one
        first, second = self._two_trades
        # Both change: pair[p, q] - pair[p, b] - pair[a, q] + pair[a, b], with a, b the old options.
        interaction = pair - pair[:, old] - pair[old, :] + pair[np.ix_(old, old)]
        return first, second, one[first] + one[second] + interaction[first, second]

    @cached_property
    def _two_trades(self) -> tuple[IntArray, IntArray]:
        """Every two options of different trades."""
        # "<": each pair of trades once, and never two options of one trade.
        first, second = np.nonzero(self.trade[:, None] < self.trade[None, :])
        return first, second
