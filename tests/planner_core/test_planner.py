"""The pipeline as its callers see it: outcomes, events, and what a broken module costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pytest

from planner_core.context import Finding, LedgerStatus, PlanningContext, Severity, Side
from planner_core.errors import PlanningCancelledError
from planner_core.module import AnyModule, ModuleKind
from planner_core.plan import ModuleStatus, Opportunity, Outcome, Plan, Skip, StoppedBy
from planner_core.planner import plan
from planner_core.registry import builtin_registries
from planner_core.state import PlanningState
from tests.builders import (
    FakeClock,
    Recorder,
    make_config,
    make_context,
    make_lot,
    make_runtime,
    make_securities,
    make_security,
    only,
    stub_calculator,
    stub_filter,
    stub_pattern,
    stub_sequence,
)
from tests.planner_core.wished import SELL, plan_of_wishes

STAGES = ["value", "assess", "opportunities", "candidates", "search", "refinement", "report"]


def drifted_context(**overrides: Any) -> PlanningContext:  # noqa: ANN401 - the context's fields
    """Two holdings far from their targets: there is something to do on both sides."""
    securities = (make_security("AAA", target=0.05), make_security("BBB", target=0.25))
    lots = (make_lot("AAA", 100.0), make_lot("BBB", 20.0))
    fields: dict[str, Any] = {"securities": securities, "lots": lots, "cash": 30_000.0, "seed": 4}
    return make_context(**{**fields, **overrides})


def run_with(
    *modules: AnyModule,
    context: PlanningContext | None = None,
    recorder: Recorder | None = None,
    runtime: dict[str, Any] | None = None,
    **overrides: Any,  # noqa: ANN401 - the keys of a TOML document
) -> Plan:
    """Plan with the shipped modules and the given ones."""
    lent = make_runtime(*modules, recorder=recorder, **(runtime or {}))
    return plan(context or drifted_context(), make_config(lent.registries, **overrides), lent)


def status_of(made: Plan, key: str) -> ModuleStatus:
    return next(attempt.status for attempt in made.modules if attempt.key == key)


def without(made: Plan, *keys: str) -> Plan:
    """The plan as it would be had the modules never been there."""
    kept = tuple(replace(a, elapsed_s=0.0) for a in made.modules if a.key not in keys)
    return replace(made, modules=kept)


# -- outcomes -------------------------------------------------------------------------------------


def test_a_drifted_portfolio_gets_a_plan_with_steps_on_both_sides() -> None:
    made = run_with()
    assert made.outcome is Outcome.PLANNED
    assert made.reason == ""
    assert {step.side for step in made.steps} == {Side.BUY, Side.SELL}
    assert made.score is not None
    assert made.score.gain > 0
    assert (made.bucket_id, made.currency, made.trace_id) == ("core", "EUR", "trace-1")
    assert made.valid_until == date(2024, 7, 5)
    assert all(step.settles_on == date(2024, 7, 2) for step in made.steps)
    assert all(step.sources and step.reason for step in made.steps)
    assert len(made.context_digest) == 64


def test_when_nothing_is_worth_it_there_is_nothing_to_do() -> None:
    context = make_context(securities=make_securities(4, target=0.2))
    made = plan_of_wishes(context, [("AAA", SELL, 1_000.0)])
    assert made.outcome is Outcome.NOTHING_TO_DO
    assert made.reason == "doing nothing scores best"
    assert not made.steps
    assert made.score is not None
    assert made.score.gain == 0
    assert made.nav == made.nav_after == 50_000.0
    assert made.cash_before == made.cash_after == 10_000.0
    assert made.cash_required == 0.0


def test_a_gain_below_the_minimum_is_nothing_to_do_and_at_the_minimum_a_plan() -> None:
    context = drifted_context()
    gain = run_with(max_plan_depth=1).score
    assert gain is not None
    for factor, outcome in ((0.99, Outcome.PLANNED), (1.01, Outcome.NOTHING_TO_DO)):
        least = gain.gain * 10_000 * factor
        made = run_with(context=context, max_plan_depth=1, constraints={"min_gain_bps": least})
        assert made.outcome is outcome


def test_a_repair_needs_no_minimum_gain() -> None:
    context = make_context(cash=-2_000.0)
    made = run_with(context=context, constraints={"min_gain_bps": 1_000.0})
    assert made.outcome is Outcome.PLANNED
    assert made.violation_after < made.violation_before


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
def test_what_an_owner_could_mend_is_held_with_the_reason(
    context: PlanningContext, reason: str
) -> None:
    recorder = Recorder()
    made = run_with(context=context, recorder=recorder)
    assert made.outcome is Outcome.HELD
    assert reason in made.reason
    assert not made.steps
    assert made.score is None
    assert recorder.types[0] == "PlanningStarted"
    assert recorder.types[-1] == "PlanningCompleted"
    assert recorder.of("PlanningCompleted")[0]["outcome"] == "HELD"


def test_missing_cash_that_nothing_may_be_sold_for_is_held() -> None:
    securities = make_securities(2, allow_sell=False)
    made = run_with(context=make_context(securities=securities, cash=-1_000.0))
    assert made.outcome is Outcome.HELD
    assert "cash is missing and nothing may be sold" in made.reason
    assert "selling is switched off (allow_sell = false)" in {r.reason for r in made.rejected}
    assert made.score is not None


@pytest.mark.parametrize("nudge", [-1e-9, 0.0, 1e-9])
def test_binary_dust_in_cash_is_not_missing_cash(nudge: float) -> None:
    enough = 0.005 * 40_000 / 0.995
    made = plan_of_wishes(make_context(cash=enough + nudge), [])
    assert made.outcome is Outcome.NOTHING_TO_DO
    calculators = only(opportunity_calculators={"cash_raise": True})
    assert run_with(context=make_context(cash=enough + nudge), **calculators).n_candidates == 0


def test_findings_of_the_reader_and_of_the_planner_are_in_the_plan() -> None:
    noticed = Finding("torn_line", Severity.WARNING, "a line was torn", "mend it")
    prices = np.array(make_context().prices)
    prices[:390, 3] = np.nan
    made = run_with(context=make_context(findings=(noticed,), prices=prices))
    assert made.findings[0] == noticed
    assert "short_history" in {finding.id for finding in made.findings}
    held = make_context(findings=(noticed,), ledger_status=LedgerStatus.MISSING)
    assert run_with(context=held).findings[0] == noticed


def test_what_a_calculator_could_not_judge_is_rejected_with_its_reason() -> None:
    def calculate(_state: PlanningState) -> list[Skip]:
        return [Skip(1, Side.SELL, "BBB: nobody knows")]

    made = run_with(stub_calculator(calculate))
    skipped = [r for r in made.rejected if r.sources == ("opportunity_calculators.stub",)]
    assert [(r.security, r.reason) for r in skipped] == [("BBB", "BBB: nobody knows")]


# -- events ---------------------------------------------------------------------------------------


def test_every_stage_is_told_in_order() -> None:
    recorder = Recorder()
    run_with(recorder=recorder)
    assert [event["stage"] for event in recorder.of("StageCompleted")] == STAGES
    plain = [name for name in recorder.types if not name.startswith(("Module", "Stage", "Best"))]
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


def test_the_payloads_say_what_the_plan_says() -> None:
    recorder = Recorder()
    made = run_with(recorder=recorder, max_plan_depth=3)
    assert recorder.of("PlanningStarted") == [
        {"as_of": "2024-06-28", "n_securities": 2, "max_plan_depth": 3}
    ]
    (prepared,) = recorder.of("CandidatesPrepared")
    assert prepared["n_candidates"] <= prepared["n_opportunities"]
    (started,) = recorder.of("SequenceGenerationStarted")
    assert started["n_candidates"] == prepared["n_candidates"]
    enabled = make_config().enabled(ModuleKind.SEQUENCE)
    assert started["generators"] == tuple(f"sequence_generators.{name}" for name in enabled)
    (generated,) = recorder.of("SequenceGenerationCompleted")
    (evaluated,) = recorder.of("SequenceEvaluationCompleted")
    assert generated["n_sequences"] == evaluated["n_sequences"] >= evaluated["n_legal"] >= 1
    (completed,) = recorder.of("PlanningCompleted")
    assert made.score is not None
    assert completed["outcome"] == "PLANNED"
    assert completed["gain"] == made.score.gain
    assert completed["n_steps"] == len(made.steps)
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


def test_every_enabled_module_that_is_asked_says_so_once_per_operation() -> None:
    recorder = Recorder()
    made = run_with(recorder=recorder)
    calls = [(event["key"], event["operation"]) for event in recorder.of("ModuleCompleted")]
    assert len(set(calls)) == len(calls)
    asked = {attempt.key for attempt in made.modules if attempt.status is ModuleStatus.OK}
    assert {key for key, _ in calls} == asked
    config = make_config()
    assert asked == {f"{kind}.{name}" for kind in ModuleKind for name in config.enabled(kind)}


def test_a_disabled_module_is_listed_never_called_and_never_counted_as_failed() -> None:
    recorder = Recorder()
    made = run_with(recorder=recorder, pattern_generators={"multi_sell": False})
    assert status_of(made, "pattern_generators.multi_sell") is ModuleStatus.DISABLED
    assert status_of(made, "opportunity_calculators.tax_loss_harvest") is ModuleStatus.DISABLED
    called = {event["key"] for event in recorder.of("ModuleCompleted")}
    assert "pattern_generators.multi_sell" not in called
    assert recorder.of("PlanningCompleted")[0]["modules_failed"] == ()


# -- a broken module costs only its own contribution ----------------------------------------------


def fails(*_args: object) -> Any:  # noqa: ANN401 - it never returns
    raise RuntimeError("out of order\nand on two lines")


def fails_later(_space: object) -> Iterator[Any]:
    yield np.zeros((1, 1), dtype=np.int16)
    raise RuntimeError("out of order")


def wish(state: PlanningState, **changes: Any) -> list[Any]:  # noqa: ANN401 - an Opportunity's fields
    fields = {"security": 0, "side": Side.SELL, "notional": 1_000.0, "reason": "a wish"}
    assert state.nav
    return [Opportunity(**{**fields, **changes})]


BROKEN_CALCULATORS: dict[str, Callable[[PlanningState], Any]] = {
    "raises": fails,
    "not a sequence": lambda _: 7,
    "a generator": lambda state: iter(wish(state)),
    "a NaN notional": lambda state: wish(state, notional=float("nan")),
    "an infinite notional": lambda state: wish(state, notional=float("inf")),
    "a negative notional": lambda state: wish(state, notional=-1.0),
    "a notional of text": lambda state: wish(state, notional="much"),
    "a column too far": lambda state: wish(state, security=2),
    "a column below zero": lambda state: wish(state, security=-1),
    "half a column": lambda state: wish(state, security=0.5),
    "a side of text": lambda state: wish(state, side="buy"),
    "something else": lambda _: ["sell everything"],
    "far too many": lambda state: wish(state) * 20_001,
}
BROKEN_PATTERNS: dict[str, Callable[[Any], Any]] = {
    "raises": fails,
    "not a sequence": lambda _: 7,
    "an empty set": lambda _: [()],
    "an unknown id": lambda candidates: [(candidates.n,)],
    "an id below zero": lambda _: [(-1,)],
    "half an id": lambda _: [(0.5,)],
    "an id twice": lambda _: [(0, 0)],
    "too long a set": lambda _: [tuple(range(6))],
    "lists for tuples": lambda _: [[0]],
}
BROKEN_SEQUENCES: dict[str, Callable[[Any], Any]] = {
    "raises": fails,
    "raises later": fails_later,
    "not iterable": lambda _: 7,
    "wrong type": lambda _: iter([np.zeros((1, 1))]),
    "wrong shape": lambda _: iter([np.zeros(3, dtype=np.int16)]),
    "too deep": lambda space: iter([np.zeros((space.depth + 1, 1), dtype=np.int16)]),
    "unknown id": lambda space: iter([np.full((1, 1), space.null_id + 1, dtype=np.int16)]),
    "id below zero": lambda _: iter([np.full((1, 1), -1, dtype=np.int16)]),
}
BROKEN_FILTERS: dict[str, dict[str, Any]] = {
    "reject raises": {"reject": fails},
    "reject no mapping": {"reject": lambda _: [0]},
    "reject unknown id": {"reject": lambda candidates: {candidates.n: "gone"}},
    "reject no reason": {"reject": lambda _: {0: ""}},
    "conflicts raise": {"conflicts": fails},
    "conflicts of floats": {"conflicts": lambda candidates: np.zeros((candidates.n,) * 2)},
    "conflicts too small": {"conflicts": lambda _: np.zeros((1, 1), dtype=bool)},
    "conflicts one way": {
        "conflicts": lambda candidates: np.triu(np.ones((candidates.n,) * 2, dtype=bool))
    },
    "select raises": {"select": fails},
    "select a number": {"select": lambda _: 7},
    "select lists": {"select": lambda _: [[0]]},
    "select a generator": {"select": iter},
}
BROKEN: list[Any] = [
    *(
        pytest.param(stub_calculator(f), id=f"calculator: {n}")
        for n, f in BROKEN_CALCULATORS.items()
    ),
    *(pytest.param(stub_pattern(f), id=f"pattern: {n}") for n, f in BROKEN_PATTERNS.items()),
    *(pytest.param(stub_sequence(f), id=f"sequence: {n}") for n, f in BROKEN_SEQUENCES.items()),
    *(pytest.param(stub_filter(**hooks), id=f"filter: {n}") for n, hooks in BROKEN_FILTERS.items()),
]


NO_OPINION = {"diversity": False}
"""The first filter with an opinion on alternatives is the last that is asked."""


@pytest.fixture(scope="module")
def healthy() -> Plan:
    return run_with(filters=NO_OPINION)


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_module_costs_only_its_own_contribution(broken: AnyModule, healthy: Plan) -> None:
    recorder = Recorder()
    made = run_with(broken, recorder=recorder, filters=NO_OPINION)
    assert status_of(made, broken.key) is ModuleStatus.FAILED
    attempt = next(attempt for attempt in made.modules if attempt.key == broken.key)
    assert attempt.message
    assert "\n" not in attempt.message
    assert recorder.of("PlanningCompleted")[0]["modules_failed"] == (broken.key,)
    (failure,) = recorder.of("ModuleFailed")
    assert failure["key"] == broken.key
    assert failure["error"] == attempt.message
    assert made.steps == healthy.steps
    assert made.score == healthy.score


def test_when_every_calculator_fails_the_plan_is_held() -> None:
    made = run_with(stub_calculator(fails), **only(opportunity_calculators={}) | {"filters": {}})
    assert made.outcome is Outcome.HELD
    assert made.reason == "every opportunity calculator failed; the events say how"
    assert made.nav == 42_000.0
    assert made.cash_before == 30_000.0


def test_when_every_pattern_and_generator_fails_there_is_nothing_to_do() -> None:
    lent = make_runtime(stub_pattern(fails), stub_sequence(fails))
    document = only(
        lent.registries,
        opportunity_calculators={"weight_based": True},
        pattern_generators={"stub": True},
        sequence_generators={"stub": True},
    )
    made = plan(drifted_context(), make_config(lent.registries, **document), lent)
    assert made.outcome is Outcome.NOTHING_TO_DO
    assert made.n_candidates > 0
    assert made.n_sequences == 1


def test_a_module_over_its_time_budget_is_dropped_and_named() -> None:
    clock = FakeClock()

    def dawdles(state: PlanningState) -> list[Any]:
        clock.advance(2.5)
        return wish(state)

    recorder = Recorder()
    lent = {"monotonic": clock, "module_budget_s": 1.0}
    made = run_with(stub_calculator(dawdles), recorder=recorder, runtime=lent)
    attempt = next(a for a in made.modules if a.key == "opportunity_calculators.stub")
    assert attempt.status is ModuleStatus.TIMED_OUT
    assert attempt.elapsed_s == 2.5
    (overrun,) = recorder.of("ModuleOverran")
    assert (overrun["elapsed_s"], overrun["budget_s"]) == (2.5, 1.0)
    assert not any("a wish" in step.reason for step in made.steps)
    assert made.outcome is Outcome.PLANNED


def test_elapsed_times_are_those_of_the_clock() -> None:
    recorder = Recorder()
    made = run_with(recorder=recorder, runtime={"monotonic": FakeClock(tick_s=0.001)})
    (completed,) = recorder.of("PlanningCompleted")
    stages = sum(event["elapsed_s"] for event in recorder.of("StageCompleted"))
    assert 0 < stages < completed["elapsed_s"]
    assert all(a.elapsed_s > 0 for a in made.modules if a.status is ModuleStatus.OK)


# -- stopping -------------------------------------------------------------------------------------


def test_without_a_deadline_the_search_is_complete() -> None:
    assert run_with().stopped_by is StoppedBy.COMPLETE


def test_a_deadline_returns_the_best_so_far_and_says_so() -> None:
    lent = {"monotonic": FakeClock(tick_s=0.01), "deadline_s": 0.02}
    made = run_with(runtime=lent)
    assert made.stopped_by is StoppedBy.DEADLINE
    # The patterns alone have found something by then.
    assert made.outcome is Outcome.PLANNED


@pytest.mark.parametrize("after", range(0, 30, 3))
def test_a_cancelled_plan_raises_wherever_it_stands(after: int) -> None:
    asked = 0

    def is_cancelled() -> bool:
        nonlocal asked
        asked += 1
        return asked > after

    recorder = Recorder()
    with pytest.raises(PlanningCancelledError):
        run_with(recorder=recorder, runtime={"is_cancelled": is_cancelled})
    assert "PlanningCompleted" not in recorder.types
    assert asked == after + 1


def test_cancelling_is_asked_often_enough() -> None:
    asked = 0

    def is_cancelled() -> bool:
        nonlocal asked
        asked += 1
        return False

    run_with(runtime={"is_cancelled": is_cancelled})
    assert asked >= 30


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
