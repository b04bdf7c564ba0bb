"""The pipeline, from a snapshot to a plan. Read this first.

    believe prices -> value the holdings -> assess -> find opportunities -> size them
    -> narrow the candidates -> propose patterns -> search sequences -> decide -> report

Each stage is a module of its own; this one only says in which order they speak and what happens
when one of them has nothing to say. Nothing here raises for a reason that an owner could mend:
that is what the outcome HELD is for.
"""

from __future__ import annotations

from dataclasses import replace

from planner_core.certificate.certificate import prove
from planner_core.errors import ContextError
from planner_core.events import (
    CandidatesPrepared,
    PlanningCompleted,
    PlanningStarted,
)
from planner_core.market.accepted_plan import incumbent_actions, incumbent_ids
from planner_core.market.costs import BASIS_POINT
from planner_core.market.currency_conversion import conversions
from planner_core.market.hold_reasons import why_hold, why_not_today
from planner_core.market.state import PlanningState, assess, value
from planner_core.market.trade_sizing import merged, size_opportunities
from planner_core.model.config import PlannerConfig
from planner_core.model.context import PlanningContext
from planner_core.model.plan import Certificate, Plan, StoppedBy
from planner_core.modules.module import ModuleKind
from planner_core.pipeline.candidate_stage import narrow, pick_alternatives
from planner_core.pipeline.isolation import ModuleRunner, why_none_calculated
from planner_core.pipeline.opportunity_stage import find_opportunities
from planner_core.pipeline.report_stage import Found, held_plan, report_plan
from planner_core.pipeline.search_stage import propose_seeds, search_sequences
from planner_core.refine.refinement import refine
from planner_core.runtime import Runtime
from planner_core.search.evaluator import Evaluator, as_block
from planner_core.search.ranking import RANKED_SETS, RankedSet, Ranking
from planner_core.search.space import SearchSpace


def plan(context: PlanningContext, config: PlannerConfig, runtime: Runtime | None = None) -> Plan:
    """Find the best sequence of trades for a snapshot.

    Parameters
    ----------
    context : PlanningContext
        Not changed. The same context, configuration and iteration budget give the same plan.
    config : PlannerConfig
        As `load_config` makes it.
    runtime : Runtime, optional
        Clocks, registries and the event channel; by default silent and timeless.

    Returns
    -------
    Plan
        PLANNED with steps, NOTHING_TO_DO, or HELD with the reason.

    Raises
    ------
    PlanningCancelledError
        When the runtime says that nobody waits for the plan any more.
    """
    runtime = replace(runtime or Runtime(), bucket_id=context.bucket_id)
    runner = ModuleRunner(runtime)
    started = runtime.monotonic()
    runtime.publish(
        PlanningStarted,
        as_of=context.as_of.isoformat(),
        n_securities=context.n_securities,
        max_plan_depth=config.max_plan_depth,
    )
    note_disabled(config, runner)
    result: Plan | None = None
    try:
        result = _plan(context, config, runtime, runner)
    except ContextError as error:
        result = held_plan(context, runtime, runner, str(error))
    finally:
        runner.settle(completed=result is not None)
    runtime.publish(
        PlanningCompleted,
        outcome=result.outcome.value,
        gain=result.score.gain if result.score else 0.0,
        n_steps=len(result.steps),
        elapsed_s=runtime.monotonic() - started,
        modules_failed=runner.failed([attempt.key for attempt in runner.attempts]),
    )
    return result


def _plan(
    context: PlanningContext, config: PlannerConfig, runtime: Runtime, runner: ModuleRunner
) -> Plan:
    with runtime.stage("value"):
        history, portfolio = value(context, config)
    obstacle = why_hold(context, portfolio) or why_not_today(context, config, history)
    if obstacle:
        return held_plan(context, runtime, runner, obstacle, portfolio, history.findings)

    with runtime.stage("assess"):
        state = assess(context, config, history, portfolio)

    with runtime.stage("opportunities"):
        found, skipped = find_opportunities(state, runtime, runner)
    if every_calculator_failed(config, runner):
        obstacle = why_none_calculated(calculator_keys(config), runner)
        return held_plan(context, runtime, runner, obstacle, portfolio, history.findings)

    with runtime.stage("candidates"):
        actions, rejected = size_opportunities(found, state)
        actions = merged([*actions, *incumbent_actions(state)])
        actions += conversions(actions, state)
        candidates, narrowed = narrow(actions, state, runtime, runner)
    runtime.publish(
        CandidatesPrepared,
        n_opportunities=len(found),
        n_candidates=candidates.n,
        n_rejected=len(rejected) + len(narrowed),
    )

    with runtime.stage("search"):
        ranking, stopped_by = search(state, Evaluator(state, candidates), runtime, runner)

    with runtime.stage("refinement"):
        evaluator, ranking = refine(ranking, state, runtime)

    certificate = certify(ranking, state, runtime)

    with runtime.stage("report", cancellable=certificate is None):
        chosen = decide(ranking, state, incumbent_ids(state, candidates))
        others = pick_alternatives(ranking, chosen, state, runtime, runner)
        outcome = Found(evaluator, ranking, chosen, others, stopped_by, candidates.n, certificate)
        return report_plan(state, runtime, runner, outcome, [*rejected, *narrowed], skipped)


def every_calculator_failed(config: PlannerConfig, runner: ModuleRunner) -> bool:
    """Tell whether there are calculators, and none of them returned anything usable."""
    keys = calculator_keys(config)
    return bool(keys) and len(runner.failed(keys)) == len(keys)


def calculator_keys(config: PlannerConfig) -> list[str]:
    """Return the keys of the opportunity calculators that are switched on."""
    return [f"{ModuleKind.OPPORTUNITY}.{name}" for name in config.enabled(ModuleKind.OPPORTUNITY)]


def note_disabled(config: PlannerConfig, runner: ModuleRunner) -> None:
    """Let the plan name every module that is switched off."""
    for kind in ModuleKind:
        for name in config.disabled(kind):
            runner.note_disabled(f"{kind}.{name}")


def search(
    state: PlanningState, evaluator: Evaluator, runtime: Runtime, runner: ModuleRunner
) -> tuple[Ranking, StoppedBy]:
    """Propose patterns, generate sequences and keep the best; doing nothing always competes."""
    ranking = Ranking(evaluator, size=RANKED_SETS)
    ranking.offer(as_block([()], 1, evaluator.null_id))
    seeds = propose_seeds(state, evaluator.candidates, runtime, runner)
    depth = state.config.max_plan_depth
    space = SearchSpace(evaluator.candidates, evaluator, ranking, seeds, depth)
    return ranking, search_sequences(space, state, runtime, runner)


def certify(ranking: Ranking, state: PlanningState, runtime: Runtime) -> Certificate | None:
    """Prove how good the best set is, if that was asked for; a better one may turn up.

    Nobody waiting any more ends the proof, not the plan: the bound so far is a true one.
    """
    if runtime.proof_s is None:
        return None
    started = runtime.monotonic()
    with runtime.stage("proof"):
        proven = prove(ranking, state.config.max_plan_depth, runtime.countdown(runtime.proof_s))
    return replace(proven, elapsed_s=runtime.monotonic() - started)


def decide(
    ranking: Ranking, state: PlanningState, accepted: tuple[int, ...] | None = None
) -> RankedSet:
    """Return the best set if it repairs a limit or gains enough over what would happen without it.

    Without it, what is left of the accepted plan is carried out, unless doing nothing is better by
    now: a plan that was begun is no reason to do harm. Or else nothing is done.
    """
    best, otherwise = ranking.best, ranking.nothing
    left = ranking.judged(accepted) if accepted else None
    if left is not None and left.rank <= otherwise.rank:
        otherwise = left
    if best.violation_level < otherwise.violation_level:
        return best
    worth_it = best.score - otherwise.score >= state.config.constraints.min_gain_bps * BASIS_POINT
    return best if worth_it else otherwise
