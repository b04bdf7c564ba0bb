"""Lot by lot: the sizes of the best sets, tuned once the search has decided what to trade.

Which securities trade is a question of combinations; how much of each is nearly continuous. So the
best sets get neighbours in size as further candidates (one lot more or less, two, four, ...), and
the same exchanges of one and of two climb among them. An exchange of two that adds to one trade
what it takes from another is the cash-neutral pair that a single change of size cannot make.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from planner_core.candidates import Candidates, build_candidates, same_security_conflicts
from planner_core.context import Side
from planner_core.evaluator import Evaluator, as_block
from planner_core.local_search import climb
from planner_core.narrowing import gains_alone
from planner_core.plan import Action
from planner_core.ranking import RankedSet, Ranking
from planner_core.runtime import Runtime
from planner_core.sizing import (
    Identity,
    identity_of,
    lot_step,
    price_trade,
    round_down,
    single_trade_complaint,
)
from planner_core.state import PlanningState

ROUNDS = 4
"""Most times the sizes are spread again around what was found."""
REFINED_SETS = 3
"""Best sets, of different trades, whose sizes are tuned."""
LOTS_AWAY_MAX = 2**12
"""Furthest neighbour in size, in lots; steps double from one lot."""


def refine(ranking: Ranking, state: PlanningState, runtime: Runtime) -> tuple[Evaluator, Ranking]:
    """Tune the sizes of the best sets.

    Returns
    -------
    evaluator : Evaluator
        Over the old candidates (with their old ids) and the sizes that were tried last.
    ranking : Ranking
        The best sets over those; never worse than before.
    """
    evaluator, depth = ranking.evaluator, state.config.max_plan_depth
    known = evaluator.candidates
    for _ in range(ROUNDS):
        if runtime.out_of_time() or not ranking.best.ids:
            break
        best = ranking.best
        wider = _with_neighbours(known, ranking, state)
        evaluator = Evaluator(state, wider)
        carried = [_carried(ranked.ids, ranking, wider) for ranked in ranking.sets]
        ranking = _restarted(evaluator, ranking, [ids for ids in carried if ids is not None])
        for start in [ranked.ids for ranked in _different(ranking)]:
            for found in climb(evaluator, start, depth):
                ranking.offer(as_block([found], depth, evaluator.null_id))
        if ranking.best.rank >= best.rank:
            break
    return evaluator, ranking


def _different(ranking: Ranking) -> list[RankedSet]:
    """Return the best sets that trade something else, not the same in other sizes."""
    actions = ranking.evaluator.candidates.actions
    found: dict[frozenset[tuple[int, Side]], RankedSet] = {}
    for ranked in ranking.sets:
        traded = frozenset((actions[i].security, actions[i].side) for i in ranked.ids)
        found.setdefault(traded, ranked)
        if len(found) == REFINED_SETS:
            break
    return list(found.values())


def _with_neighbours(known: Candidates, ranking: Ranking, state: PlanningState) -> Candidates:
    """Return the known candidates with the best sets' actions and their neighbours in size."""
    base = {identity_of(a): i for i, a in enumerate(known.actions)}
    side = {(a.security, a.side): i for i, a in enumerate(known.actions)}
    added: dict[Identity, Action] = {}
    for ranked in _different(ranking):
        for candidate in ranked.ids:
            action = ranking.evaluator.candidates.actions[candidate]
            for resized in (action, *_resized(action, state)):
                identity = identity_of(resized)
                if identity not in base:
                    added.setdefault(identity, resized)
    origin = [*range(known.n)]
    origin += [side[a.security, a.side] for a in added.values()]
    actions = [*known.actions, *added.values()]
    conflicts = known.conflicts[np.ix_(origin, origin)] | same_security_conflicts(actions)
    gain = np.append(known.gain, gains_alone(list(added.values()), state))
    return build_candidates(actions, gain, conflicts)


def _resized(action: Action, state: PlanningState) -> Iterator[Action]:
    """Yield the action in other sizes: up to its limits, in steps that double from one lot."""
    if action.convert_to:
        return
    step = lot_step(state.context.securities[action.security])
    portfolio = state.portfolio
    unit_value = float(portfolio.unit_value[action.security])
    if action.quantity > 0:
        room = state.limits.position_cap[action.security] * state.nav
        most = (room - float(portfolio.value[action.security])) / unit_value
    else:
        most = float(portfolio.sellable[action.security])
    largest = round_down(most, step)
    lots = 1
    # A fractional security has a million lots in a unit: begin where money begins to matter.
    while lots * step * unit_value < state.nav * 1e-6:
        lots *= 2
    sizes = {largest}
    furthest = lots * LOTS_AWAY_MAX
    while lots <= furthest and lots * step <= abs(action.quantity):
        sizes |= {abs(action.quantity) + lots * step, abs(action.quantity) - lots * step}
        lots *= 2
    for size in sorted(round_down(size, step) for size in sizes):
        if 0 < size <= largest and size != abs(action.quantity):
            resized = price_trade(state, action.security, action.side, size)
            if single_trade_complaint(resized, state) is None:
                yield replace(
                    resized,
                    sources=action.sources,
                    reason=action.reason,
                    mandatory=action.mandatory,
                )


def _carried(ids: Sequence[int], ranking: Ranking, wider: Candidates) -> tuple[int, ...] | None:
    """Return a set of the old ranking in the ids of the wider candidates, if all are there."""
    places = {identity_of(a): i for i, a in enumerate(wider.actions)}
    actions = ranking.evaluator.candidates.actions
    found = [places.get(identity_of(actions[i])) for i in ids]
    known = [i for i in found if i is not None]
    return tuple(sorted(known)) if len(known) == len(found) else None


def _restarted(evaluator: Evaluator, ranking: Ranking, sets: list[tuple[int, ...]]) -> Ranking:
    """Return a ranking over other candidates that knows the same sets."""
    fresh = Ranking(evaluator, ranking.size)
    fresh.offer(as_block([()], 1, evaluator.null_id))
    depth = max((len(ids) for ids in sets), default=1) or 1
    fresh.offer(as_block(sets, depth, evaluator.null_id))
    fresh.n_sequences, fresh.n_pruned = ranking.n_sequences, ranking.n_pruned
    fresh.n_legal, fresh.n_exact = ranking.n_legal, ranking.n_exact
    return fresh
