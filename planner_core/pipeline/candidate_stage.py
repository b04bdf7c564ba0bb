"""Stage 2: from opportunities to the candidates that are searched.

opportunities -> legal trades: sized in whole lots, priced with cost and tax, merged
-> filters: drop some, forbid pairs
-> the bound K: the best per security, `search.candidates_max` in all
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner_core.events import CandidatesPrepared
from planner_core.market.state import PlanningState
from planner_core.market.trade_sizing import (
    conversions,
    funding_sells,
    incumbent_actions,
    merged,
    size_opportunities,
    target_steps,
)
from planner_core.model.arrays import FloatArray
from planner_core.model.candidates import Candidates, build_candidates, same_security_conflicts
from planner_core.model.plan import Action, Opportunity, Rejection
from planner_core.modules.cache import RunCache
from planner_core.modules.contracts import (
    checked_alternatives,
    checked_conflicts,
    checked_rejections,
)
from planner_core.modules.module import Filter, ModuleKind, ModuleParameters
from planner_core.pipeline.isolation import ModuleRunner
from planner_core.search.evaluator import Evaluator, as_block
from planner_core.search.ranking import RankedSet, Ranking

CONSIDERED_MAX = 4096
"""Actions that the filters see. Only a plugin that never ends returns more."""
GAINS_AT_A_TIME = 256
"""Actions that are scored alone at a time."""


def prepare_candidates(
    opportunities: Sequence[tuple[str, Opportunity]], state: PlanningState, runner: ModuleRunner
) -> tuple[Candidates, list[Rejection]]:
    """Turn opportunities, and the rest of an accepted plan, into candidates.

    Returns
    -------
    candidates : Candidates
    rejections : list of Rejection
        Opportunities without a legal trade, and actions that a filter or the bound K dropped.
    """
    actions, unsized = size_opportunities(opportunities, state)
    actions = merged([*actions, *target_steps(state), *incumbent_actions(state)])
    actions = merged([*actions, *funding_sells(actions, state)])
    actions += conversions(actions, state)
    candidates, dropped = narrow(actions, state, runner)
    rejections = [*unsized, *dropped]
    runner.runtime.publish(
        CandidatesPrepared,
        n_opportunities=len(opportunities),
        n_candidates=candidates.n,
        n_rejected=len(rejections),
    )
    return candidates, rejections


def narrow(
    actions: list[Action], state: PlanningState, runner: ModuleRunner
) -> tuple[Candidates, list[Rejection]]:
    """Apply the filters and the bound K.

    Returns
    -------
    candidates : Candidates
        With the gain of each alone, and with all conflicts.
    rejections : list of Rejection
        Actions that a filter or the bound dropped.
    """
    gain = gains_alone(actions, state)
    # Filters return (K, K) matrices: their memory and time grow with the square of what they see.
    considered = best_per_security(range(len(actions)), actions, gain, CONSIDERED_MAX)
    dropped = _dropped_by_filters(considered, actions, gain, state, runner)
    passed = [i for i in considered if i not in dropped]
    # The bound comes after the filters, so that dropped actions take no places.
    within = best_per_security(passed, actions, gain, state.config.search.candidates_max)
    for candidate in set(range(len(actions))) - set(within) - set(dropped):
        dropped[candidate] = ("search.candidates_max", "others for this security are better")
    chosen = [actions[i] for i in within]
    candidates = build_candidates(chosen, gain[within], same_security_conflicts(chosen))
    return _with_conflicts(candidates, state, runner), [
        _rejection(actions[i], key, reason, state) for i, (key, reason) in sorted(dropped.items())
    ]


def gains_alone(actions: Sequence[Action], state: PlanningState) -> FloatArray:
    """Return what each action alone adds to the score of doing nothing; (n_actions,).

    A few hundred at a time, because the evaluator's pair tables grow with their square.
    """
    gains = [np.zeros(0)]
    for start in range(0, len(actions), GAINS_AT_A_TIME):
        part = list(actions[start : start + GAINS_AT_A_TIME])
        candidates = build_candidates(part, np.zeros(len(part)), same_security_conflicts(part))
        gains.append(single_gains(Evaluator(state, candidates)))
    return np.concatenate(gains)


def single_gains(evaluator: Evaluator) -> FloatArray:
    """Return the score of each candidate alone less that of doing nothing; (K,)."""
    n = evaluator.candidates.n
    singles = as_block([(i,) for i in range(n)], 1, evaluator.null_id)
    gains: FloatArray = evaluator.exact_scores(singles) - evaluator.score_before
    return gains


def best_per_security(
    ids: Sequence[int], actions: Sequence[Action], gain: FloatArray, limit: int
) -> list[int]:
    """Return at most `limit` ids: each security's best, then each one's second best, and so on.

    Mandatory actions come first, so that a repair of a limit is never crowded out.
    """
    if len(ids) <= limit:
        return list(ids)
    next_turn: dict[int, int] = {}
    ranked = []
    for i in sorted(ids, key=lambda i: (not actions[i].mandatory, -gain[i], i)):
        # Turn by turn: with the best gains alone, all places could go to sizes of one security.
        turn = next_turn.get(actions[i].security, 0)
        next_turn[actions[i].security] = turn + 1
        ranked.append((not actions[i].mandatory, turn, -gain[i], i))
    return sorted(i for *_, i in sorted(ranked)[:limit])


def _dropped_by_filters(
    considered: Sequence[int],
    actions: Sequence[Action],
    gain: FloatArray,
    state: PlanningState,
    runner: ModuleRunner,
) -> dict[int, tuple[str, str]]:
    """Return the actions that a filter drops, each with the key and reason of the first one."""
    visible = [actions[i] for i in considered]
    candidates = build_candidates(visible, gain[list(considered)], same_security_conflicts(visible))
    dropped: dict[int, tuple[str, str]] = {}
    cache = runner.cache_of(state)
    for module, parameters in _filters(state, runner):
        for candidate, reason in runner.run(
            module, "reject", _rejected, module, candidates, state, parameters, cache
        ):
            # A filter has preferences; a repair of a limit is not a matter of preference.
            if not visible[candidate].mandatory:
                dropped.setdefault(considered[candidate], (module.key, reason))
    return dropped


def pick_alternatives(
    ranking: Ranking,
    chosen: RankedSet,
    state: PlanningState,
    runner: ModuleRunner,
) -> list[RankedSet]:
    """Return the sets to report beside the chosen one.

    The first filter that does not return None decides; without one, the best sets are reported.
    """
    limit = state.config.search.alternatives
    others = [ranked for ranked in ranking.sets if ranked.ids not in (chosen.ids, ())]
    by_ids = {ranked.ids: ranked for ranked in others}
    ids: Sequence[tuple[int, ...]] = (chosen.ids, *by_ids)
    for module, parameters in _filters(state, runner):
        for selected in runner.run(
            module, "select_alternatives", _selected, module, ids, limit, parameters
        ):
            return [by_ids[i] for i in selected if i in by_ids][:limit]
    return others[:limit]


def _filters(
    state: PlanningState, runner: ModuleRunner
) -> list[tuple[Filter[Any], ModuleParameters]]:
    registries = runner.runtime.registries
    enabled = state.config.enabled(ModuleKind.FILTER)
    return [(registries.filters[name], enabled[name]) for name in enabled]


def _selected(
    module: Filter[Any],
    ids: Sequence[tuple[int, ...]],
    limit: int,
    parameters: ModuleParameters,
) -> Sequence[Sequence[tuple[int, ...]]]:
    selected = module.select_alternatives(ids, limit, parameters)
    checked = checked_alternatives(module.key, selected, ids)
    return () if checked is None else (checked,)


def _rejected(
    module: Filter[Any],
    candidates: Candidates,
    state: PlanningState,
    parameters: ModuleParameters,
    cache: RunCache,
) -> Sequence[tuple[int, str]]:
    def reject() -> tuple[tuple[int, str], ...]:
        rejected = module.reject(candidates, state, parameters)
        return tuple(checked_rejections(module.key, rejected, candidates.n).items())

    return cache.results(module, "reject", parameters, reject, candidates)


def _conflicting(
    module: Filter[Any],
    candidates: Candidates,
    state: PlanningState,
    parameters: ModuleParameters,
) -> Sequence[NDArray[np.bool_]]:
    conflicts = module.conflicts(candidates, state, parameters)
    checked = checked_conflicts(module.key, conflicts, candidates.n)
    return () if checked is None else (checked,)


def _with_conflicts(
    candidates: Candidates, state: PlanningState, runner: ModuleRunner
) -> Candidates:
    conflicts = candidates.conflicts.copy()
    for module, parameters in _filters(state, runner):
        for matrix in runner.run(
            module, "conflicts", _conflicting, module, candidates, state, parameters
        ):
            conflicts |= matrix
    return build_candidates(list(candidates.actions), candidates.gain, conflicts)


def _rejection(action: Action, key: str, reason: str, state: PlanningState) -> Rejection:
    return Rejection(
        security=action.name(state.context.securities),
        side=action.side,
        value=abs(action.value),
        sources=action.sources,
        reason=f"{reason} ({key})",
    )
