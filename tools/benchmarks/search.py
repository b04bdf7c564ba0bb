"""How much of the best there is the search finds, against SCIP and simpler ways, at what speed."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from planner_core.certificate.certificate import prove
from planner_core.market.trade_sizing import size_opportunities
from planner_core.pipeline.candidate_stage import narrow
from planner_core.pipeline.isolation import ModuleRunner
from planner_core.pipeline.opportunity_stage import find_opportunities
from planner_core.pipeline.search_stage import propose_seeds, search
from planner_core.runtime import Runtime
from planner_core.search.evaluator import Evaluator, as_block
from planner_core.search.ranking import Ranking
from tools.benchmarks._portfolios import config_with, contexts_at_other_dates, state_of
from tools.benchmarks._rivals import discrete_allocation, greedy
from tools.benchmarks._scip import ScipAnswer, solve
from tools.measure import BenchmarkError

if TYPE_CHECKING:
    from planner_core.market.state import PlanningState

INSTANCES = 24
DEPTHS = (5, 10)
PROOF_S = 30.0
SCIP_S = {5: 60.0, 10: 15.0}
"""Seconds that SCIP gets at each depth: at 10 it often needs minutes."""
AGREEMENT = 1e-6
BOUND_TOLERANCE = 1e-9
RIVALS = ("patterns_only", "greedy", "discrete_allocation")


@dataclass(frozen=True)
class Case:
    """One instance, everything measured; shares are of the gain of the best set known."""

    n_candidates: int
    captured: float
    of_bound: float
    search_s: float
    proof_s: float
    proven: bool
    bound: float
    optimum: float
    scip: ScipAnswer
    rivals: dict[str, float]


def run() -> dict[str, object]:
    """Search, prove and solve the same instances; about 15 minutes.

    24 instances: the demo's portfolio at dates from 2016 to 2022, real prices, holdings varied by
    the date. Candidates are the same for all; nothing is refined. The reference is the optimum
    that the certificate proves within half a minute; shares are over those in which it does.
    Turnover cap off, except under `constrained`, where every default holds. Seconds are those of
    the processor: all work on one thread.

    captured_mean_dD, captured_min_dD
        Share of the optimum's gain over doing nothing that the search found, at depth D.
    speedup_vs_scip_d5
        Median over the instances of SCIP's seconds to a proven optimum, or to its time limit,
        over those of the search.
    search_s_dD, scip_s_dD
        Median seconds; SCIP's end at its limit.
    proven_dD, scip_closed_dD
        Instances whose optimum the certificate proved, and SCIP.
    of_bound_min_dD
        Least share, over all instances, of the certificate's upper bound.
    constrained
        The same keys with all default constraints.
    rivals_dD, constrained.rivals_dD
        Mean and least share of: the best pattern alone; greedy; our continuous optimum rounded by
        PyPortfolioOpt's DiscreteAllocation and cut to as many trades as the limits allow. That is
        not bound to the candidates' sizes, so it may exceed 1.
    certificate_vs_scip
        `closed`: instances that both solved to optimality; `agree`: those where the scores are
        the same to 1e-6; `false_bounds`: bounds below what SCIP found, which must be none;
        `time_ratio`: median of SCIP's seconds over the certificate's, search included.
    """
    contexts = contexts_at_other_dates(INSTANCES)
    settings: dict[tuple[int, bool], list[Case]] = {}
    for capped in (False, True):
        for depth in DEPTHS:
            config = config_with(depth, turnover_capped=capped)
            settings[depth, capped] = [
                measure_case(state_of(context, config), depth) for context in contexts
            ]
    every = [case for cases in settings.values() for case in cases]
    free = {depth: settings[depth, False] for depth in DEPTHS}
    constrained = {depth: settings[depth, True] for depth in DEPTHS}
    return {
        **summarised(free),
        "constrained": summarised(constrained),
        "certificate_vs_scip": agreement(every),
        "instances": len(contexts),
        "candidates_min": min(case.n_candidates for case in every),
        "candidates_max": max(case.n_candidates for case in every),
        "scip_limit_s": {f"d{depth}": SCIP_S[depth] for depth in DEPTHS},
    }


def measure_case(state: PlanningState, depth: int) -> Case:
    """Everything about one instance at one depth."""
    runtime = Runtime(monotonic=time.process_time)
    runner = ModuleRunner(runtime)
    opportunities, _ = find_opportunities(state, runner)
    actions, _ = size_opportunities(opportunities, state)
    candidates, _ = narrow(actions, state, runner)
    evaluator = Evaluator(state, candidates)

    begin = time.process_time()
    ranking, _ = search(state, evaluator, runner)
    search_s = time.process_time() - begin
    searched, nothing = ranking.best.score, ranking.nothing.score
    if ranking.best.violation_level:
        raise BenchmarkError("an instance whose limits cannot be repaired compares nothing")

    begin = time.process_time()
    certificate = prove(ranking, depth, runtime.countdown(PROOF_S))
    proof_s = time.process_time() - begin
    reference = ranking.best.score
    scores = (
        patterns_only(state, evaluator, runtime),
        greedy(evaluator, depth),
        discrete_allocation(state, depth),
    )
    return Case(
        n_candidates=candidates.n,
        captured=share(searched, nothing, reference),
        of_bound=share(searched, nothing, certificate.upper_bound),
        search_s=search_s,
        proof_s=search_s + proof_s,
        proven=certificate.exact,
        bound=certificate.upper_bound,
        optimum=ranking.best.score,
        scip=solve(evaluator, depth, SCIP_S[depth]),
        rivals={
            name: share(score, nothing, reference)
            for name, score in zip(RIVALS, scores, strict=True)
        },
    )


def patterns_only(state: PlanningState, evaluator: Evaluator, runtime: Runtime) -> float:
    """Score of the best set that a pattern proposes."""
    ranking = Ranking(evaluator, size=2)
    ranking.offer(as_block([()], 1, evaluator.null_id))
    seeds = propose_seeds(state, evaluator.candidates, ModuleRunner(runtime))
    ranking.offer(as_block(seeds, state.config.max_plan_depth, evaluator.null_id))
    return ranking.best.score


def share(score: float, nothing: float, reference: float) -> float:
    """Part of the reference's gain that a score reaches."""
    return (score - nothing) / (reference - nothing)


def summarised(cases: dict[int, list[Case]]) -> dict[str, object]:
    """The keys of one setting."""
    result: dict[str, object] = {}
    for depth, measured in cases.items():
        captured = [case.captured for case in measured if case.proven]
        result[f"captured_mean_d{depth}"] = statistics.fmean(captured)
        result[f"captured_min_d{depth}"] = min(captured)
    result["speedup_vs_scip_d5"] = statistics.median(
        case.scip.elapsed_s / case.search_s for case in cases[5]
    )
    for depth, measured in cases.items():
        result[f"search_s_d{depth}"] = statistics.median(case.search_s for case in measured)
        result[f"scip_s_d{depth}"] = statistics.median(case.scip.elapsed_s for case in measured)
        result[f"scip_closed_d{depth}"] = sum(case.scip.closed for case in measured)
        result[f"proven_d{depth}"] = sum(case.proven for case in measured)
        result[f"of_bound_min_d{depth}"] = min(case.of_bound for case in measured)
        result[f"rivals_d{depth}"] = rivals(measured)
    return result


def rivals(cases: Sequence[Case]) -> dict[str, object]:
    """Mean and least share of each simpler way."""
    rows: dict[str, object] = {}
    for name in RIVALS:
        shares = [case.rivals[name] for case in cases if case.proven]
        rows[f"{name}_mean"] = statistics.fmean(shares)
        rows[f"{name}_min"] = min(shares)
    return rows


def agreement(cases: Sequence[Case]) -> dict[str, object]:
    """How the certificate and SCIP stand to each other."""
    closed = [case for case in cases if case.scip.closed and case.proven]
    return {
        "instances": len(cases),
        "scip_closed": sum(case.scip.closed for case in cases),
        "certificate_closed": sum(case.proven for case in cases),
        "closed": len(closed),
        "agree": sum(abs(case.optimum - case.scip.score) <= AGREEMENT for case in closed),
        "largest_difference": max(
            (abs(case.optimum - case.scip.score) for case in closed), default=0.0
        ),
        "false_bounds": sum(case.bound < case.scip.score - BOUND_TOLERANCE for case in cases),
        "time_ratio": statistics.median(case.scip.elapsed_s / case.proof_s for case in cases),
    }
