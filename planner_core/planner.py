"""The pipeline, from a snapshot to a plan. Read this first.

    value          prices that can be trusted, and the value of the holdings at them
    assess         expected returns, risk, limits and costs
    opportunities  calculators: reasons to trade
    candidates     sizing and filters: legal trades, at most K of them
    search         patterns and generators: sets of candidates, the best of them ranked
    refinement     the best sizes of the best sets, in whole lots
    proof          a bound on every set, if the caller wants one
    report         the chosen set as a plan

This module only fixes the order of the stages. A problem that the owner can fix raises nothing
here: the plan is HELD, with the reason.
"""

from __future__ import annotations

from dataclasses import replace

from planner_core.certificate.certificate import prove
from planner_core.errors import ContextError
from planner_core.events import PlanningCompleted, PlanningStarted
from planner_core.market.costs import BASIS_POINT
from planner_core.market.state import (
    PlanningState,
    assess,
    find_day_reason,
    find_hold_reason,
    value,
)
from planner_core.market.trade_sizing import incumbent_ids
from planner_core.model.config import PlannerConfig
from planner_core.model.context import PlanningContext
from planner_core.model.plan import Certificate, Plan
from planner_core.pipeline.candidate_stage import pick_alternatives, prepare_candidates
from planner_core.pipeline.isolation import ModuleRunner
from planner_core.pipeline.opportunity_stage import find_calculator_problem, find_opportunities
from planner_core.pipeline.report_stage import SearchResult, held_plan, report_plan
from planner_core.pipeline.search_stage import search
from planner_core.refine.refinement import refine
from planner_core.runtime import Runtime
from planner_core.search.evaluator import Evaluator
from planner_core.search.ranking import RankedSet, Ranking


def plan(context: PlanningContext, config: PlannerConfig, runtime: Runtime | None = None) -> Plan:
    """Find the best sequence of trades for a snapshot.

    Parameters
    ----------
    context : PlanningContext
        Not changed. The same context, configuration, deadline and proof give the same plan.
    config : PlannerConfig
        From `load_config`.
    runtime : Runtime, optional
        Clocks, registries and the event channel; by default a silent run without clocks.

    Returns
    -------
    Plan
        PLANNED with steps, NOTHING_TO_DO, or HELD with the reason.

    Raises
    ------
    PlanningCancelledError
        When the run was cancelled before its plan was ready.
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
    runner.note_unused(config)
    result: Plan | None = None
    try:
        result = _run_stages(context, config, runner)
    except ContextError as error:
        result = held_plan(context, runner, str(error))
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


def _run_stages(context: PlanningContext, config: PlannerConfig, runner: ModuleRunner) -> Plan:
    runtime = runner.runtime
    # Reasons to hold come before any estimate: without prices or NAV no weight means anything.
    with runtime.stage("value"):
        history, portfolio = value(context, config)
    reason = find_hold_reason(context, portfolio) or find_day_reason(context, config, history)
    if reason:
        return held_plan(context, runner, reason, portfolio, history.findings)

    with runtime.stage("assess"):
        state = assess(context, config, history, portfolio)

    with runtime.stage("opportunities"):
        opportunities, skips = find_opportunities(state, runner)
    reason = find_calculator_problem(config, runner)
    if reason:
        return held_plan(context, runner, reason, portfolio, history.findings)

    with runtime.stage("candidates"):
        candidates, rejections = prepare_candidates(opportunities, state, runner)

    with runtime.stage("search"):
        ranking, stopped_by = search(state, Evaluator(state, candidates), runner)

    with runtime.stage("refinement"):
        evaluator, ranking = refine(ranking, state, runtime)

    # A proof offers sets too, more of them on a faster machine: those are not counted.
    n_sequences = ranking.n_sequences
    certificate = prove_best_set(ranking, state, runtime)

    # A proof that was cut short still has a plan to report.
    with runtime.stage("report", cancellable=certificate is None):
        chosen = choose_set(ranking, state, incumbent_ids(state, candidates))
        alternatives = pick_alternatives(ranking, chosen, state, runner)
        result = SearchResult(
            evaluator=evaluator,
            ranking=ranking,
            chosen=chosen,
            alternatives=alternatives,
            stopped_by=stopped_by,
            n_candidates=candidates.n,
            n_sequences=n_sequences,
            certificate=certificate,
        )
        return report_plan(state, runner, result, rejections, skips)


def prove_best_set(ranking: Ranking, state: PlanningState, runtime: Runtime) -> Certificate | None:
    """Prove how good the best set is, if the caller wants it; the proof may find a better set.

    Cancelling ends the proof, not the plan: every bound on the way is a true one.
    """
    if runtime.proof_s is None:
        return None
    started = runtime.monotonic()
    with runtime.stage("proof"):
        out_of_time = runtime.countdown(runtime.proof_s)
        certificate = prove(
            ranking,
            state.config.max_plan_depth,
            # A plan that is late already is reported first.
            lambda: out_of_time() or runtime.out_of_time(),
        )
    return replace(certificate, elapsed_s=runtime.monotonic() - started)


def choose_set(
    ranking: Ranking, state: PlanningState, incumbent: tuple[int, ...] | None = None
) -> RankedSet:
    """Return the best set if it repairs a limit or gains enough, else the default.

    The default is the rest of the accepted plan, or doing nothing if that ranks better by now. The
    minimum gain keeps the plan from changing over differences that are noise.

    Parameters
    ----------
    ranking : Ranking
    state : PlanningState
    incumbent : tuple of int, optional
        Candidate ids of the rest of the accepted plan.
    """
    best, default = ranking.best, ranking.nothing
    remaining = ranking.rank(incumbent) if incumbent else None
    if remaining is not None and remaining.rank <= default.rank:
        default = remaining
    if best.violation_level < default.violation_level:
        return best
    gain_min = state.config.constraints.min_gain_bps * BASIS_POINT
    chosen = best if best.score - default.score >= gain_min else default
    if state.context.invest > 0 and not buys_anything(chosen, ranking):
        # The owner asked where new money should go: the best buy is the answer, however small.
        return best_with_buy(ranking) or chosen
    return chosen


def best_with_buy(ranking: Ranking) -> RankedSet | None:
    """Return the best legal set with a buy that violates no more than doing nothing; or None."""
    buys = ranking.evaluator.candidates.buys()
    singles = [ranked for i in buys if (ranked := ranking.rank((i,))) is not None]
    sets = [ranked for ranked in (*ranking.sets, *singles) if buys_anything(ranked, ranking)]
    level = ranking.nothing.violation_level
    return min((ranked for ranked in sets if ranked.violation_level <= level), default=None)


def buys_anything(ranked: RankedSet, ranking: Ranking) -> bool:
    """Return whether a set holds a buy."""
    return bool(ranking.evaluator.candidates.is_buy[list(ranked.ids)].any())
