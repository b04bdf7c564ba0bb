"""From good sets to the best sizes: which trades, at what sizes, in whole lots.

The search compares candidates of a few sizes each. What it found best is where this begins:
`supports.py` exchanges the trades with every set judged at its best sizes, and `lots.py` brings
the best of those to whole lots. The sets of the search themselves are tuned too when no support
can be carried out, as when a limit cannot be repaired in full.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from planner_core.events import SearchProgressed
from planner_core.market.accepted_plan import SOURCE as INCUMBENT
from planner_core.market.state import PlanningState
from planner_core.market.trade_sizing import identity_of, merged
from planner_core.model.candidates import Candidates, build_candidates, same_security_conflicts
from planner_core.model.plan import Action
from planner_core.model.records import Side
from planner_core.pipeline.candidate_stage import gains_alone
from planner_core.refine.legs import Legs, build_legs
from planner_core.refine.lots import Tuned, resized, tune
from planner_core.refine.supports import Sized, SupportSearch
from planner_core.runtime import Runtime
from planner_core.search.evaluator import Evaluator, as_block
from planner_core.search.local_search import climb
from planner_core.search.ranking import Ranking

CLIMBED_SETS = 3
"""Best sets of the search, of different trades, that supports are climbed from."""
TUNED_SUPPORTS = 6
"""Most supports whose sizes are brought to whole lots."""
TUNED_SETS = 2
"""Best sets of the search, of different trades, whose own sizes are tuned."""


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
    known = ranking.evaluator.candidates
    starts = [_with_reasons(actions, known) for actions in _different(ranking)]
    supported = _tuned_supports(starts, ranking, state, runtime)
    kept = [tune(actions, state, runtime.must_stop) for actions in starts[:TUNED_SETS]]
    tuned = [*supported, *(found for found in kept if found is not None)]
    evaluator, ranking = _with_sizes(ranking, sorted(tuned, key=lambda t: t.rank), state)
    best = [evaluator.candidates.actions[i] for i in ranking.best.ids]
    if not supported or any(action.convert_to for action in best):
        # No legs for these: exchange candidates, the sizes just tried among them.
        depth = state.config.max_plan_depth
        for found in climb(evaluator, ranking.best.ids, depth):
            ranking.offer(as_block([found], depth, evaluator.null_id))
            if runtime.must_stop():
                break
    return evaluator, ranking


def _different(ranking: Ranking) -> list[tuple[Action, ...]]:
    """Return the best sets that trade something else, not the same in other sizes."""
    found: dict[frozenset[tuple[int, Side, str]], tuple[Action, ...]] = {}
    for ranked in ranking.sets:
        actions = tuple(ranking.evaluator.candidates.actions[i] for i in ranked.ids)
        if actions:
            found.setdefault(frozenset(map(_trade_of, actions)), actions)
    return list(found.values())[:CLIMBED_SETS]


def _tuned_supports(
    starts: Sequence[Sequence[Action]],
    ranking: Ranking,
    state: PlanningState,
    runtime: Runtime,
) -> list[Tuned]:
    legs = build_legs(ranking.evaluator.candidates, state)
    places = {(a.security, a.side): i for i, a in enumerate(legs.origin)}
    search = SupportSearch(legs, state.config.max_plan_depth)
    for actions in starts:
        traded = [places.get((action.security, action.side)) for action in actions]
        start = tuple(sorted(leg for leg in traded if leg is not None))
        if start:
            search.climb(start, runtime.must_stop)
            runtime.publish(
                SearchProgressed,
                source="refinement.supports",
                n_looked_at=len(search.solved),
                best_gain=max((s.worth for s in search.solved.values() if s), default=0.0),
            )
    tuned: list[Tuned] = []
    reached = 0.0
    for sized in search.found[:TUNED_SUPPORTS]:
        if sized.worth <= reached or runtime.must_stop():
            break
        found = tune(_actions(sized, legs, state), state, runtime.must_stop)
        if found:
            tuned.append(found)
            reached = max(reached, -found.rank[1] - ranking.nothing.score)
        runtime.publish(
            SearchProgressed,
            source="refinement.lots",
            n_looked_at=len(tuned),
            best_gain=reached,
        )
    return tuned


def _actions(sized: Sized, legs: Legs, state: PlanningState) -> list[Action]:
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
    """Return evaluator and ranking with the tuned sets, and what was tried around the best."""
    known = ranking.evaluator.candidates
    fresh = [action for found in tuned for action in found.actions]
    if tuned:
        fresh += tuned[0].tried
    wider = _widened(known, _with_reasons(fresh, known), state)
    evaluator = Evaluator(state, wider)
    places = {identity_of(action): i for i, action in enumerate(wider.actions)}
    sets = [tuple(places[identity_of(action)] for action in found.actions) for found in tuned]
    return evaluator, _restarted(evaluator, ranking, sets)


def _widened(known: Candidates, fresh: Iterable[Action], state: PlanningState) -> Candidates:
    """Return the known candidates with their old ids, and others of the same trades behind them."""
    side = {(a.security, a.side): i for i, a in enumerate(known.actions)}
    actions = list(known.actions)
    places = {identity_of(action): i for i, action in enumerate(actions)}
    for action in fresh:
        place = places.setdefault(identity_of(action), len(actions))
        if place == len(actions):
            actions.append(action)
        elif action.mandatory and not actions[place].mandatory:
            # A trade that repairs a limit in one set does so in all.
            (actions[place],) = merged([actions[place], action])
    added = actions[known.n :]
    origin = [*range(known.n), *(side[a.security, a.side] for a in added)]
    conflicts = known.conflicts[np.ix_(origin, origin)] | same_security_conflicts(actions)
    gain = np.append(known.gain, gains_alone(added, state))
    return build_candidates(actions, gain, conflicts)


def _with_reasons(actions: Iterable[Action], known: Candidates) -> tuple[Action, ...]:
    """Return the actions with the reasons of the candidates that come nearest to them.

    A repair's reason comes first, whatever its size: it is why there must be such a trade at all.
    """
    alike: dict[tuple[int, Side, str], list[Action]] = {}
    for candidate in known.actions:
        alike.setdefault(_trade_of(candidate), []).append(candidate)
    return tuple(
        _with_reason_of(
            action,
            min(
                alike[_trade_of(action)],
                key=lambda near: (
                    not near.mandatory,
                    near.quantity != action.quantity and INCUMBENT in near.sources,
                    abs(near.quantity - action.quantity),
                ),
            ),
        )
        for action in actions
    )


def _trade_of(action: Action) -> tuple[int, Side, str]:
    """Return what an action trades, whatever its size."""
    return action.security, action.side, action.currency + action.convert_to


def _with_reason_of(action: Action, near: Action) -> Action:
    reason = near.reason
    if near.quantity != action.quantity and INCUMBENT in near.sources:
        reason = f"{reason}, in another size"
    return replace(action, sources=near.sources, reason=reason, mandatory=near.mandatory)


def _restarted(evaluator: Evaluator, ranking: Ranking, sets: list[tuple[int, ...]]) -> Ranking:
    """Return a ranking over more candidates that knows the same sets, and some more."""
    fresh = Ranking(evaluator, ranking.size)
    fresh.offer(as_block([()], 1, evaluator.null_id))
    every = [*(ranked.ids for ranked in ranking.sets), *sets]
    depth = max(map(len, every), default=1) or 1
    fresh.offer(as_block(every, depth, evaluator.null_id))
    fresh.n_sequences, fresh.n_pruned = ranking.n_sequences, ranking.n_pruned
    fresh.n_legal, fresh.n_exact = ranking.n_legal, ranking.n_exact
    return fresh
