"""The front: what 1, 2, ... 10 trades reach each, with how well that is proven.

The candidates are those of the plan. For each number of trades, search, refinement and proof run
with that many at most. So an owner sees which trades matter most, and where more add little.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from planner_core.certificate.certificate import EXACT_TOLERANCE
from planner_core.errors import ContextError, PlanningCancelledError
from planner_core.market.state import (
    PlanningState,
    assess,
    find_day_reason,
    find_hold_reason,
    value,
)
from planner_core.market.trade_sizing import identity_of
from planner_core.model.candidates import Candidates
from planner_core.model.config import PlannerConfig
from planner_core.model.context import PlanningContext
from planner_core.model.plan import Action, Certificate, ProofAnswer
from planner_core.model.records import Side
from planner_core.pipeline.candidate_stage import prepare_candidates
from planner_core.pipeline.isolation import ModuleRunner
from planner_core.pipeline.opportunity_stage import find_opportunities
from planner_core.pipeline.report_stage import in_order
from planner_core.pipeline.search_stage import search
from planner_core.planner import prove_best_set
from planner_core.refine.refinement import refine, widened
from planner_core.runtime import Runtime, discard_event
from planner_core.search.evaluator import Evaluator, as_block
from planner_core.search.ranking import Ranking

TRADES_MAX = 10
"""The upper bound of `max_plan_depth`."""
PROOF_S = 0.3
"""Seconds for each proof."""
USEFUL_MIN = 0.5
"""A bound is useful when this part of the largest gain possible is certain."""


@dataclass(frozen=True, slots=True)
class FrontTrade:
    """One trade of a set: `quantity` in units and `value` in base currency, both positive."""

    side: Side
    security: str
    quantity: float
    value: float


@dataclass(frozen=True, slots=True)
class FrontPoint:
    """The best set of at most so many trades.

    Parameters
    ----------
    trades_max : int
    trades : tuple of FrontTrade
        Empty where doing nothing is best.
    gain : float
        As the plan's gain.
    share : float, optional
        Of the gain that the most trades reach; None when that is nothing.
    violation : float, fraction of NAV
        What stays outside the limits.
    distance : float, fraction of NAV, optional
        To the targets, afterwards; None without targets.
    cost, tax : float, base currency
    proof : ProofAnswer
    reached_min : float, fraction
        Part of the largest gain possible that is certain: gain / (gain + gap); 1 for a proven set.
    """

    trades_max: int
    trades: tuple[FrontTrade, ...]
    gain: float
    share: float | None
    violation: float
    distance: float | None
    cost: float
    tax: float
    proof: ProofAnswer
    reached_min: float


def front(
    context: PlanningContext, config: PlannerConfig, runtime: Runtime
) -> tuple[FrontPoint, ...]:
    """Return what 1 to 10 trades reach each.

    Parameters
    ----------
    context : PlanningContext
    config : PlannerConfig
        Its `max_plan_depth` does not count here.
    runtime : Runtime
        Its clock measures the proofs, and `proof_s` is the time for each, 0.3 s by default. A run
        that is cancelled returns the points so far. No events are emitted.

    Returns
    -------
    tuple of FrontPoint
        Empty when no plan can be made.
    """
    silent = replace(
        runtime,
        emit=discard_event,
        proof_s=PROOF_S if runtime.proof_s is None else runtime.proof_s,
        breakers=None,
    )
    try:
        return _with_shares(_points(context, config, silent))
    except ContextError:
        return ()


def _points(context: PlanningContext, config: PlannerConfig, runtime: Runtime) -> list[FrontPoint]:
    history, portfolio = value(context, config)
    if find_hold_reason(context, portfolio) or find_day_reason(context, config, history):
        return []
    state, runner = assess(context, config, history, portfolio), ModuleRunner(runtime)
    opportunities, _ = find_opportunities(state, runner)
    candidates, _ = prepare_candidates(opportunities, state, runner)
    points: list[FrontPoint] = []
    best: tuple[Action, ...] = ()
    for trades_max in range(1, TRADES_MAX + 1):
        if runtime.is_cancelled():
            break
        deeper = state.config.model_copy(update={"max_plan_depth": trades_max})
        try:
            point, best, candidates = _best_point(
                replace(state, config=deeper), candidates, best, runner
            )
        except PlanningCancelledError:
            break
        points.append(point)
    return points


def _best_point(
    state: PlanningState,
    candidates: Candidates,
    fewer: tuple[Action, ...],
    runner: ModuleRunner,
) -> tuple[FrontPoint, tuple[Action, ...], Candidates]:
    """Return the point of a depth, its trades, and the candidates with their sizes.

    Parameters
    ----------
    state : PlanningState
        With the depth in its configuration.
    candidates : Candidates
    fewer : tuple of Action
        The best set of fewer trades. It competes here, so a deeper set is never worse.
    runner : ModuleRunner
    """
    candidates = widened(candidates, fewer, state)
    evaluator = Evaluator(state, candidates)
    ranking, _ = search(state, evaluator, runner)
    id_of = {identity_of(action): i for i, action in enumerate(candidates.actions)}
    depth = state.config.max_plan_depth
    ids = tuple(id_of[identity_of(action)] for action in fewer)
    ranking.offer(as_block([ids], depth, evaluator.null_id))
    evaluator, ranking = refine(ranking, state, runner.runtime)
    certificate = prove_best_set(ranking, state, runner.runtime)
    actions = in_order(ranking.best.ids, evaluator)
    return _point(state, ranking, actions, certificate), actions, candidates


def _point(
    state: PlanningState,
    ranking: Ranking,
    actions: tuple[Action, ...],
    certificate: Certificate | None,
) -> FrontPoint:
    best, nav = ranking.best, state.nav
    gain = best.score - ranking.nothing.score
    cash = state.limits.cash_free + sum(action.cash_delta for action in actions)
    targets = state.objective.targets
    weight = ranking.evaluator.weights_after(best.ids)
    proof, reached_min = _proof(certificate, gain)
    return FrontPoint(
        trades_max=state.config.max_plan_depth,
        trades=tuple(
            FrontTrade(
                side=action.side,
                security=action.name(state.context.securities),
                quantity=abs(action.quantity),
                value=action.quantity * action.fx_rate if action.convert_to else abs(action.value),
            )
            for action in actions
        ),
        gain=gain,
        share=None,
        violation=best.violation,
        distance=None if targets is None else targets.distance(weight, cash / nav),
        cost=sum(action.cost for action in actions),
        tax=sum(action.tax for action in actions),
        proof=proof,
        reached_min=reached_min,
    )


def _proof(certificate: Certificate | None, gain: float) -> tuple[ProofAnswer, float]:
    """Return what is known of a set, and the part of the largest gain possible that is certain."""
    if certificate is None:
        return ProofAnswer.OPEN, 0.0
    if certificate.exact:
        return ProofAnswer.PROVEN, 1.0
    # A closed gap without a proof about the violation says nothing about sets that repair more.
    if gain <= 0 or certificate.gap <= EXACT_TOLERANCE:
        return ProofAnswer.OPEN, 0.0
    reached = gain / (gain + certificate.gap)
    return (ProofAnswer.WITHIN if reached >= USEFUL_MIN else ProofAnswer.OPEN), reached


def _with_shares(points: list[FrontPoint]) -> tuple[FrontPoint, ...]:
    """Return the points with their shares of the last one's gain."""
    largest = points[-1].gain if points else 0.0
    if largest <= 0:
        return tuple(points)
    return tuple(replace(point, share=point.gain / largest) for point in points)
