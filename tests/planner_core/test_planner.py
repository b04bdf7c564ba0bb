"""The pipeline as its callers see it: outcomes, events, and what a broken module costs."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import pytest

from planner_core.errors import PlanningCancelledError
from planner_core.events import Event, StageCompleted
from planner_core.market.state import PlanningState
from planner_core.model.context import PlanningContext
from planner_core.model.plan import ModuleStatus, Outcome, Plan, Skip, StoppedBy
from planner_core.model.records import Finding, LedgerStatus, Severity, Side
from planner_core.modules.builtin import builtin_registries
from planner_core.modules.module import ModuleKind
from planner_core.planner import plan
from tests.builders import (
    FakeClock,
    Recorder,
    make_config,
    make_context,
    make_runtime,
    make_securities,
    only,
    stub_calculator,
)
from tests.planner_core.sample_plans import (
    SELL,
    drifted_context,
    plan_of_opportunities,
    run_with,
    status_of,
)

STAGES = ["value", "assess", "opportunities", "candidates", "search", "refinement", "report"]


def without(result: Plan, *keys: str) -> Plan:
    """The plan as it would be had the modules never been there."""
    modules = tuple(replace(a, elapsed_s=0.0) for a in result.modules if a.key not in keys)
    return replace(result, modules=modules)


# -- outcomes -------------------------------------------------------------------------------------


def test_a_drifted_portfolio_gets_a_plan_with_steps_on_both_sides() -> None:
    result = run_with()
    assert result.outcome is Outcome.PLANNED
    assert result.reason == ""
    assert {step.side for step in result.steps} == {Side.BUY, Side.SELL}
    assert result.score is not None
    assert result.score.gain > 0
    assert (result.bucket_id, result.currency, result.trace_id) == ("core", "EUR", "trace-1")
    assert result.valid_until == date(2024, 7, 5)
    assert all(step.settles_on == date(2024, 7, 2) for step in result.steps)
    assert all(step.sources and step.reason for step in result.steps)
    assert len(result.context_digest) == 64


def test_when_nothing_is_worth_it_there_is_nothing_to_do() -> None:
    context = make_context(securities=make_securities(4, target=0.2))
    result = plan_of_opportunities(context, [("AAA", SELL, 1_000.0)])
    assert result.outcome is Outcome.NOTHING_TO_DO
    assert result.reason == "doing nothing scores best"
    assert not result.steps
    assert result.score is not None
    assert result.score.gain == 0
    assert result.nav == result.nav_after == 50_000.0
    assert result.cash_before == result.cash_after == 10_000.0
    assert result.cash_required == 0.0


def test_a_gain_below_the_minimum_is_nothing_to_do_and_at_the_minimum_a_plan() -> None:
    context = drifted_context()
    gain = run_with(max_plan_depth=1).score
    assert gain is not None
    for factor, outcome in ((0.99, Outcome.PLANNED), (1.01, Outcome.NOTHING_TO_DO)):
        least = gain.gain * 10_000 * factor
        result = run_with(context=context, max_plan_depth=1, constraints={"min_gain_bps": least})
        assert result.outcome is outcome


def test_a_repair_needs_no_minimum_gain() -> None:
    context = make_context(cash=-2_000.0)
    result = run_with(context=context, constraints={"min_gain_bps": 1_000.0})
    assert result.outcome is Outcome.PLANNED
    assert result.violation_after < result.violation_before


@pytest.mark.parametrize(
    ("context", "reason"),
    [
        (make_context(ledger_status=LedgerStatus.MISSING), "ledger is missing"),
        (make_context(ledger_status=LedgerStatus.INVALID), "ledger is invalid"),
        (make_context(securities=(), lots=(), prices=np.empty((10, 0))), "no securities"),
        (make_context(cash=-50_000.0), "is worth"),
        (make_context(lots=(), cash=0.0), "is worth"),
        (make_context(prices=np.full((400, 4), np.nan)), "no price for AAA, BBB, CCC, DDD"),
    ],
)
def test_a_problem_that_the_owner_can_fix_is_held_with_the_reason(
    context: PlanningContext, reason: str
) -> None:
    recorder = Recorder()
    result = run_with(context=context, recorder=recorder)
    assert result.outcome is Outcome.HELD
    assert reason in result.reason
    assert not result.steps
    assert result.score is None
    assert recorder.types[0] == "PlanningStarted"
    assert recorder.types[-1] == "PlanningCompleted"
    assert recorder.of("PlanningCompleted")[0]["outcome"] == "HELD"


def test_missing_cash_that_nothing_may_be_sold_for_is_held() -> None:
    securities = make_securities(2, allow_sell=False)
    result = run_with(context=make_context(securities=securities, cash=-1_000.0))
    assert result.outcome is Outcome.HELD
    assert "cash is missing and nothing may be sold" in result.reason
    assert ("Ruled out" in result.reason) is bool(result.rejected)
    if not result.rejected:
        assert result.reason.endswith("; pay money in")
    assert "selling is switched off (allow_sell = false)" in {r.reason for r in result.rejected}
    assert result.score is not None


@pytest.mark.parametrize("nudge", [-1e-9, 0.0, 1e-9])
def test_binary_dust_in_cash_is_not_missing_cash(nudge: float) -> None:
    enough = 0.005 * 40_000 / 0.995
    result = plan_of_opportunities(make_context(cash=enough + nudge), [])
    assert result.outcome is Outcome.NOTHING_TO_DO
    calculators = only(opportunity_calculators={"cash_raise": True})
    assert run_with(context=make_context(cash=enough + nudge), **calculators).n_candidates == 0


def test_findings_of_the_reader_and_of_the_planner_are_in_the_plan() -> None:
    noticed = Finding("torn_line", Severity.WARNING, "a line was torn", "fix it")
    prices = np.array(make_context().prices)
    prices[:390, 3] = np.nan
    result = run_with(context=make_context(findings=(noticed,), prices=prices))
    assert result.findings[0] == noticed
    assert "risk_unknown" in {finding.id for finding in result.findings}
    held = make_context(findings=(noticed,), ledger_status=LedgerStatus.MISSING)
    assert run_with(context=held).findings[0] == noticed


def test_what_a_calculator_could_not_judge_is_rejected_with_its_reason() -> None:
    def calculate(_state: PlanningState) -> list[Skip]:
        return [Skip(1, Side.SELL, "BBB: unknown")]

    result = run_with(stub_calculator(calculate))
    skipped = [r for r in result.rejected if r.sources == ("opportunity_calculators.stub",)]
    assert [(r.security, r.reason) for r in skipped] == [("BBB", "BBB: unknown")]


# -- events ---------------------------------------------------------------------------------------


def test_every_stage_is_published_in_order() -> None:
    recorder = Recorder()
    run_with(recorder=recorder)
    assert [event["stage"] for event in recorder.of("StageCompleted")] == STAGES
    plain = [
        name
        for name in recorder.types
        if not name.startswith(("Module", "Stage", "Best", "SearchP"))
    ]
    assert plain == [
        "PlanningStarted",
        "CandidatesPrepared",
        "SequenceGenerationStarted",
        "SequenceEvaluationStarted",
        "SequenceGenerationCompleted",
        "SequenceEvaluationCompleted",
        "PlanningCompleted",
    ]
    assert "BestSequenceUpdated" in recorder.types


def test_every_generator_and_every_round_of_the_refinement_publishes_progress() -> None:
    recorder = Recorder()
    result = run_with(recorder=recorder)
    events = recorder.of("SearchProgressed")
    sources = [str(event["source"]) for event in events]
    assert [s for s in sources if s.startswith("sequence")] == [
        "sequence_generators.beam",
        "sequence_generators.combinatorial",
        "sequence_generators.swap",
    ]
    assert {"refinement.supports", "refinement.lots"} <= set(sources)
    assert len(events) < 30, "for progress, not one per block"
    assert result.score is not None
    assert all(float(str(event["best_gain"])) >= 0 for event in events)
    assert float(str(events[-1]["best_gain"])) == pytest.approx(result.score.gain, abs=1e-9)


def test_the_payloads_agree_with_the_plan() -> None:
    recorder = Recorder()
    result = run_with(recorder=recorder, max_plan_depth=3)
    assert recorder.of("PlanningStarted") == [
        {"as_of": "2024-06-28", "n_securities": 2, "max_plan_depth": 3}
    ]
    (prepared,) = recorder.of("CandidatesPrepared")
    # Beside the opportunities there are up to four steps toward the target of each security.
    assert 0 < prepared["n_candidates"] <= prepared["n_opportunities"] + 4 * 2
    (started,) = recorder.of("SequenceGenerationStarted")
    assert started["n_candidates"] == prepared["n_candidates"]
    enabled = make_config().enabled(ModuleKind.SEQUENCE)
    assert started["generators"] == tuple(f"sequence_generators.{name}" for name in enabled)
    (generated,) = recorder.of("SequenceGenerationCompleted")
    (evaluated,) = recorder.of("SequenceEvaluationCompleted")
    assert generated["n_sequences"] == evaluated["n_sequences"] >= evaluated["n_legal"] >= 1
    (completed,) = recorder.of("PlanningCompleted")
    assert result.score is not None
    assert completed["outcome"] == "PLANNED"
    assert completed["gain"] == result.score.gain
    assert completed["n_steps"] == len(result.steps)
    assert completed["modules_failed"] == ()


def test_best_sequences_only_ever_get_better() -> None:
    recorder = Recorder()
    run_with(recorder=recorder)
    updates = recorder.of("BestSequenceUpdated")
    levels = [(-round(u["violation"], 9), u["gain"]) for u in updates]
    assert levels == sorted(levels)
    assert {u["source"] for u in updates} <= {
        "patterns",
        *(f"sequence_generators.{n}" for n in builtin_registries().sequence_generators.names),
    }


def test_every_event_carries_time_bucket_and_trace() -> None:
    recorder = Recorder()
    run_with(recorder=recorder)
    for event in recorder.events:
        record = event.to_record()
        assert record["timestamp"] == datetime(2024, 6, 28, 12, tzinfo=UTC).isoformat()
        assert (record["bucket_id"], record["trace_id"]) == ("core", "trace-1")
        assert record["schema_version"] == 1


def test_every_call_of_an_enabled_module_is_published_once_per_operation() -> None:
    recorder = Recorder()
    result = run_with(recorder=recorder)
    calls = [(event["key"], event["operation"]) for event in recorder.of("ModuleCompleted")]
    assert len(set(calls)) == len(calls)
    n_calls = {attempt.key for attempt in result.modules if attempt.status is ModuleStatus.OK}
    assert {key for key, _ in calls} == n_calls
    config = make_config()
    assert n_calls == {f"{kind}.{name}" for kind in ModuleKind for name in config.enabled(kind)}


def test_a_disabled_module_is_listed_never_called_and_never_counted_as_failed() -> None:
    recorder = Recorder()
    result = run_with(recorder=recorder, pattern_generators={"multi_sell": False})
    assert status_of(result, "pattern_generators.multi_sell") is ModuleStatus.DISABLED
    assert status_of(result, "opportunity_calculators.tax_loss_harvest") is ModuleStatus.DISABLED
    called = {event["key"] for event in recorder.of("ModuleCompleted")}
    assert "pattern_generators.multi_sell" not in called
    assert recorder.of("PlanningCompleted")[0]["modules_failed"] == ()


# -- stopping -------------------------------------------------------------------------------------


def test_without_a_deadline_the_search_is_complete() -> None:
    assert run_with().stopped_by is StoppedBy.COMPLETE


def test_a_deadline_returns_the_best_so_far_and_says_so() -> None:
    runtime_fields = {"monotonic": FakeClock(tick_s=0.01), "deadline_s": 0.02}
    result = run_with(runtime=runtime_fields)
    assert result.stopped_by is StoppedBy.DEADLINE
    # The patterns alone have found something by then.
    assert result.outcome is Outcome.PLANNED


@pytest.mark.parametrize("after", range(0, 30, 3))
def test_a_cancelled_plan_raises_wherever_it_stands(after: int) -> None:
    n_calls = 0

    def is_cancelled() -> bool:
        nonlocal n_calls
        n_calls += 1
        return n_calls > after

    recorder = Recorder()
    with pytest.raises(PlanningCancelledError):
        run_with(recorder=recorder, runtime={"is_cancelled": is_cancelled})
    assert "PlanningCompleted" not in recorder.types
    assert n_calls == after + 1


def test_a_proof_that_is_cancelled_keeps_the_plan_and_a_true_bound() -> None:
    # A proof that ran to its end tells the truth to hold this against.
    whole = run_with(runtime={"proof_s": 60.0})
    assert whole.certificate is not None
    proving = False

    def emit(event: Event) -> None:
        nonlocal proving
        is_refined = isinstance(event, StageCompleted) and event.stage == "refinement"
        proving = proving or is_refined

    n_calls = 0

    def is_cancelled() -> bool:
        nonlocal n_calls
        n_calls += proving
        return n_calls > 1

    result = run_with(runtime={"proof_s": 60.0, "is_cancelled": is_cancelled, "emit": emit})
    assert result.outcome is Outcome.PLANNED
    assert result.steps == whole.steps
    assert result.certificate is not None
    assert result.certificate.upper_bound >= whole.certificate.upper_bound - 1e-9
    assert result.certificate.nodes <= whole.certificate.nodes
    assert not result.certificate.exact or result.certificate.gap <= 1e-9


def test_what_was_refined_is_counted_apart_from_the_candidates() -> None:
    recorder = Recorder()
    result = run_with(recorder=recorder)
    (prepared,) = recorder.of("CandidatesPrepared")
    assert result.n_candidates == prepared["n_candidates"]
    assert result.n_sizes > 0


def test_cancellation_is_checked_often_enough() -> None:
    n_calls = 0

    def is_cancelled() -> bool:
        nonlocal n_calls
        n_calls += 1
        return False

    run_with(runtime={"is_cancelled": is_cancelled})
    assert n_calls >= 30


# -- silence and repetition -----------------------------------------------------------------------


def test_without_a_runtime_the_plan_is_the_same() -> None:
    silent = plan(drifted_context(), make_config())
    assert without(replace(silent, trace_id="trace-1")) == without(run_with())


def test_a_runtime_can_be_used_again_for_another_bucket() -> None:
    recorder = Recorder()
    runtime = make_runtime(recorder=recorder)
    first = plan(drifted_context(), make_config(), runtime)
    second = plan(drifted_context(bucket_id="satellite_a"), make_config(), runtime)
    assert (first.bucket_id, second.bucket_id) == ("core", "satellite_a")
    assert [e.bucket_id for e in recorder.events if e.event_type == "PlanningCompleted"] == [
        "core",
        "satellite_a",
    ]
