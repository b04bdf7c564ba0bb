"""Improve the best sets of the search: which trades, at what sizes, in whole lots.

The search compares candidates of only a few sizes each, so its best sets are near the optimum but
rarely at it. Three steps close most of that gap:

1. `supports.py` leaves the sizes open and exchanges trades, starting from the search's best sets;
2. `lots.py` brings the best of the sets so found to whole lots;
3. `lots.py` also tunes the search's own best sets. Step 1 needs all limits to hold, and has nothing
   to offer when a limit cannot be repaired in full.

The sizes tried last become candidates too: the ranking and a certificate then cover them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from planner_core.events import SearchProgressed
from planner_core.market.state import PlanningState
from planner_core.market.trade_sizing import (
    INCUMBENT,
    INCUMBENT_REASON,
    identity_of,
    merged,
)
from planner_core.model.candidates import Candidates, build_candidates, same_security_conflicts
from planner_core.model.plan import Action, Trade
from planner_core.pipeline.candidate_stage import gains_alone
from planner_core.refine.lots import Tuned, resized, tune
from planner_core.refine.supports import Legs, SizedSupport, SupportSearch, build_legs
from planner_core.runtime import Runtime
from planner_core.search.evaluator import Evaluator, as_block
from planner_core.search.local_search import climb
from planner_core.search.ranking import Ranking

CLIMBED_SETS = 3
"""Best sets of the search, each of other trades, from which the climb among supports starts."""
TUNED_SUPPORTS = 6
"""Supports that are brought to whole lots, at most."""
TUNED_SETS = 2
"""Best sets of the search, each of other trades, whose own sizes are tuned."""


def refine(ranking: Ranking, state: PlanningState, runtime: Runtime) -> tuple[Evaluator, Ranking]:
    """Tune the trades and sizes of the best sets.

    Returns
    -------
    evaluator : Evaluator
        Over the old candidates (with their old ids) and the sizes that were tried last.
    ranking : Ranking
        The best sets over those; never worse than before.
    """
    if not ranking.best.ids or runtime.must_stop():
        return ranking.evaluator, ranking
    # Steps 1 and 2 of the module's docstring; step 3 is `from_search`.
    candidates = ranking.evaluator.candidates
    starts = [_with_reasons(actions, candidates) for actions in _distinct_trades(ranking)]
    from_supports = _tuned_supports(starts, ranking, state, runtime)
    from_search = [tune(actions, state, runtime.must_stop) for actions in starts[:TUNED_SETS]]
    # None: no rounding of the set to lots was legal.
    tuned = [*from_supports, *(one for one in from_search if one is not None)]
    evaluator, ranking = _with_sizes(ranking, sorted(tuned, key=lambda t: t.rank), state)
    best = [evaluator.candidates.actions[i] for i in ranking.best.ids]
    if not from_supports or any(action.convert_to for action in best):
        # Conversions and limits that stay violated have no legs: exchange candidates instead, now
        # with the sizes just tried among them.
        depth = state.config.max_plan_depth
        for better in climb(evaluator, ranking.best.ids, depth):
            ranking.offer(as_block([better], depth, evaluator.null_id))
            if runtime.must_stop():
                break
    return evaluator, ranking


def _distinct_trades(ranking: Ranking) -> list[tuple[Action, ...]]:
    """Return the best sets of which no two trade the same in other sizes."""
    best_of_trades: dict[frozenset[Trade], tuple[Action, ...]] = {}
    # A climb changes sizes by itself: starts of the same trades would mostly meet.
    for ranked in ranking.sets:
        actions = tuple(ranking.evaluator.candidates.actions[i] for i in ranked.ids)
        if actions:
            # Best first: the first set of its trades is the best one.
            best_of_trades.setdefault(frozenset(action.trade for action in actions), actions)
    return list(best_of_trades.values())[:CLIMBED_SETS]


def _tuned_supports(
    starts: Sequence[Sequence[Action]],
    ranking: Ranking,
    state: PlanningState,
    runtime: Runtime,
) -> list[Tuned]:
    """Climb among supports from each start, and bring the best supports to whole lots."""
    legs = build_legs(ranking.evaluator.candidates, state)
    leg_of = {action.trade: i for i, action in enumerate(legs.origin)}
    search = SupportSearch(legs, state.config.max_plan_depth)
    for actions in starts:
        # A trade whose smallest size is its largest has no leg: the start does without it.
        traded = [leg_of.get(action.trade) for action in actions]
        start = tuple(sorted(leg for leg in traded if leg is not None))
        # Climbs share what is solved: a support that two of them meet is solved once.
        if start:
            search.climb(start, runtime.must_stop)
            runtime.publish(
                SearchProgressed,
                source="refinement.supports",
                n_looked_at=len(search.solved),
                best_gain=max((s.gain for s in search.solved.values() if s), default=0.0),
            )
    tuned: list[Tuned] = []
    best_gain = 0.0
    for sized in search.feasible[:TUNED_SUPPORTS]:
        # Lots rarely add to a gain: a support below the best tuned one is not worth the time.
        if sized.gain <= best_gain or runtime.must_stop():
            break
        in_lots = tune(_actions(sized, legs, state), state, runtime.must_stop)
        if in_lots:
            tuned.append(in_lots)
            # rank[1] is the negative score; a gain is over the score of doing nothing.
            best_gain = max(best_gain, -in_lots.rank[1] - ranking.nothing.score)
        runtime.publish(
            SearchProgressed,
            source="refinement.lots",
            n_looked_at=len(tuned),
            best_gain=best_gain,
        )
    return tuned


def _actions(sized: SizedSupport, legs: Legs, state: PlanningState) -> list[Action]:
    """Return the trades of a support, in units that are not whole lots yet."""
    unit_value = state.portfolio.unit_value
    return [
        resized(
            origin, float(sized.size[leg]) * state.nav / float(unit_value[origin.security]), state
        )
        for leg, origin in ((leg, legs.origin[leg]) for leg in sized.support)
    ]


def _with_sizes(
    ranking: Ranking, tuned: Sequence[Tuned], state: PlanningState
) -> tuple[Evaluator, Ranking]:
    """Return evaluator and ranking with the tuned sets, and the sizes tried around the best."""
    candidates = ranking.evaluator.candidates
    fresh = [action for one in tuned for action in one.actions]
    # `tuned` is in order: the sizes around the first one are what a certificate should cover.
    if tuned:
        fresh += tuned[0].nearby
    wider = widened(candidates, _with_reasons(fresh, candidates), state)
    evaluator = Evaluator(state, wider)
    id_of = {identity_of(action): i for i, action in enumerate(wider.actions)}
    sets = [tuple(id_of[identity_of(action)] for action in one.actions) for one in tuned]
    return evaluator, _restarted(evaluator, ranking, sets)


def widened(candidates: Candidates, fresh: Iterable[Action], state: PlanningState) -> Candidates:
    """Return the candidates with their old ids, and behind them new sizes of the same trades.

    Parameters
    ----------
    candidates : Candidates
    fresh : iterable of Action
        Legal trades, each the same trade as one that some candidate has.
    state : PlanningState
    """
    same_trade = {action.trade: i for i, action in enumerate(candidates.actions)}
    # Old ids stay valid, so that the sets of the search keep theirs.
    actions = list(candidates.actions)
    id_of = {identity_of(action): i for i, action in enumerate(actions)}
    for action in fresh:
        i = id_of.setdefault(identity_of(action), len(actions))
        if i == len(actions):
            actions.append(action)
        elif action.mandatory and not actions[i].mandatory:
            # A trade that repairs a limit in one set does so in all.
            (actions[i],) = merged([actions[i], action])
    # Behind the old ones, in the order in which they were tried.
    added = actions[candidates.n :]
    # A new size excludes what the old sizes of its trade exclude, by the filters' rules too.
    origin = [*range(candidates.n), *(same_trade[action.trade] for action in added)]
    conflicts = candidates.conflicts[np.ix_(origin, origin)] | same_security_conflicts(actions)
    # Only the new ones are scored: the others keep their gains.
    gain = np.append(candidates.gain, gains_alone(added, state))
    return build_candidates(actions, gain, conflicts)


def _with_reasons(actions: Iterable[Action], candidates: Candidates) -> tuple[Action, ...]:
    """Return the actions with the reasons of the candidates nearest to them in size.

    A repair's reason comes first, whatever its size: it is why there must be such a trade at all.
    """
    same_trade: dict[Trade, list[Action]] = {}
    for candidate in candidates.actions:
        same_trade.setdefault(candidate.trade, []).append(candidate)
    return tuple(
        _with_reason_of(
            action,
            min(
                same_trade[action.trade],
                key=lambda near: (
                    not near.mandatory,
                    # "What is left of the plan you accepted" is true of its own size only.
                    near.quantity != action.quantity and INCUMBENT in near.sources,
                    # Signs agree within a trade.
                    abs(near.quantity - action.quantity),
                ),
            ),
        )
        for action in actions
    )


def _with_reason_of(action: Action, near: Action) -> Action:
    """Return an action with sources, clauses and necessity of a candidate of the same trade."""
    clauses = near.clauses
    if near.quantity != action.quantity:
        clauses = tuple(
            f"{clause}, in another size" if clause.startswith(INCUMBENT_REASON) else clause
            for clause in clauses
        )
    return replace(action, sources=near.sources, clauses=clauses, mandatory=near.mandatory)


def _restarted(evaluator: Evaluator, ranking: Ranking, sets: list[tuple[int, ...]]) -> Ranking:
    """Return a ranking over more candidates, with the sets of the old one and some more."""
    fresh = Ranking(evaluator, ranking.size)
    fresh.offer(as_block([()], 1, evaluator.null_id))
    # The old sets are scored again over the new tables: their ids are the same.
    every = [*(ranked.ids for ranked in ranking.sets), *sets]
    depth = max(map(len, every), default=1) or 1
    fresh.offer(as_block(every, depth, evaluator.null_id))
    # The counts are those of the search: sets offered again here were counted there.
    fresh.n_sequences, fresh.n_pruned = ranking.n_sequences, ranking.n_pruned
    fresh.n_legal, fresh.n_exact = ranking.n_legal, ranking.n_exact
    return fresh
