"""A module that fails costs only its own contribution, and its failure is published."""

# ruff: noqa: ANN401 - overrides are of any type

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from planner_core.errors import PlanningCancelledError
from planner_core.model.circuit_breaker import Breakers, Signal
from planner_core.model.plan import ModuleStatus
from planner_core.pipeline.isolation import ModuleRunner
from planner_core.planner import plan
from planner_core.runtime import EPOCH
from tests.builders import (
    FakeClock,
    Recorder,
    make_config,
    make_context,
    make_runtime,
    only,
    stub_calculator,
)

MODULE = stub_calculator(lambda _: [])


def runner_at(clock: FakeClock, recorder: Recorder, **fields: Any) -> ModuleRunner:
    return ModuleRunner(make_runtime(recorder=recorder, monotonic=clock, **fields))


def failing(error: BaseException) -> Callable[[], Sequence[int]]:
    def fail() -> Sequence[int]:
        raise error

    return fail


def test_a_result_is_passed_on_and_timed() -> None:
    clock, recorder = FakeClock(), Recorder()
    runner = runner_at(clock, recorder)

    def call(number: int, *, other: int) -> Sequence[int]:
        clock.advance(0.25)
        return [number, other]

    assert runner.run(MODULE, "calculate", call, 1, other=2) == [1, 2]
    (attempt,) = runner.attempts
    assert (attempt.key, attempt.status, attempt.elapsed_s, attempt.message) == (
        "opportunity_calculators.stub",
        ModuleStatus.OK,
        0.25,
        "",
    )
    assert recorder.of("ModuleCompleted") == [
        {
            "key": "opportunity_calculators.stub",
            "operation": "calculate",
            "elapsed_s": 0.25,
            "n_results": 2,
        }
    ]


@pytest.mark.parametrize(
    "error",
    [
        ValueError("bad\nnews  here"),
        RecursionError("deep"),
        MemoryError(),
        AssertionError(),
        ZeroDivisionError("x"),
        KeyError("k"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_module_that_raises_returns_nothing_and_is_named(error: Exception) -> None:
    recorder = Recorder()
    runner = runner_at(FakeClock(), recorder)
    assert runner.run(MODULE, "calculate", failing(error)) == ()
    (attempt,) = runner.attempts
    assert attempt.status is ModuleStatus.FAILED
    assert attempt.message.startswith(type(error).__name__)
    assert "\n" not in attempt.message
    assert recorder.types == ["ModuleFailed"]
    assert runner.failed([MODULE.key]) == (MODULE.key,)


def test_the_message_of_a_failure_is_bounded() -> None:
    runner = runner_at(FakeClock(), Recorder())
    runner.run(MODULE, "calculate", failing(ValueError("x" * 10_000)))
    assert len(runner.attempts[0].message) == 300


def test_what_ends_the_run_is_not_swallowed() -> None:
    runner = runner_at(FakeClock(), Recorder())
    with pytest.raises(KeyboardInterrupt):
        runner.run(MODULE, "calculate", failing(KeyboardInterrupt()))

    def take(_item: int) -> int:
        raise PlanningCancelledError("gone")

    with pytest.raises(PlanningCancelledError):
        runner.run_stream(MODULE, "generate", lambda: [1], take)
    assert runner.attempts == ()


class OfItsOwnError(BaseException):
    """An error class of a plugin."""


@pytest.mark.parametrize(
    "error", [SystemExit(0), PlanningCancelledError("says who?"), GeneratorExit(), OfItsOwnError()]
)
def test_a_module_cannot_end_the_run(error: BaseException) -> None:
    runner = runner_at(FakeClock(), Recorder())
    assert runner.run(MODULE, "calculate", failing(error)) == ()
    assert runner.attempts[0].status is ModuleStatus.FAILED


@pytest.mark.parametrize(("took_s", "is_within"), [(0.5, True), (0.51, False)])
def test_a_result_beyond_the_budget_is_dropped(took_s: float, is_within: bool) -> None:
    clock, recorder = FakeClock(), Recorder()
    runner = runner_at(clock, recorder, module_budget_s=0.5)

    def call() -> Sequence[int]:
        clock.advance(took_s)
        return [1]

    assert list(runner.run(MODULE, "calculate", call)) == ([1] if is_within else [])
    assert runner.attempts[0].status is (ModuleStatus.OK if is_within else ModuleStatus.TIMED_OUT)
    assert recorder.types == ["ModuleCompleted" if is_within else "ModuleOverran"]


def test_times_add_up_and_a_failure_sticks() -> None:
    clock = FakeClock()
    runner = runner_at(clock, Recorder())

    def call() -> Sequence[int]:
        clock.advance(1.0)
        return []

    runner.run(MODULE, "reject", call)
    runner.run(MODULE, "conflicts", failing(ValueError("first")))
    runner.run(MODULE, "select", call)
    (attempt,) = runner.attempts
    assert attempt.status is ModuleStatus.FAILED
    assert attempt.message == "ValueError: first"
    assert attempt.elapsed_s == 2.0


def test_a_disabled_module_is_not_a_failed_one() -> None:
    runner = runner_at(FakeClock(), Recorder())
    others = {"tax_loss_harvest": True}
    runner.note_unused(make_config(filters={"diversity": False}, opportunity_calculators=others))
    runner.run(MODULE, "calculate", list[int])
    assert [a.status for a in runner.attempts] == [ModuleStatus.DISABLED, ModuleStatus.OK]
    assert runner.failed([a.key for a in runner.attempts]) == ()
    assert runner.failed(["never.called"]) == ()


def test_the_last_event_names_failed_modules_and_no_disabled_ones() -> None:
    recorder = Recorder()
    runtime = make_runtime(stub_calculator(lambda _: 1 / 0), recorder=recorder)
    plan(make_context(n_days=300), make_config(runtime.registries), runtime)
    (completed,) = recorder.of("PlanningCompleted")
    assert completed["modules_failed"] == ("opportunity_calculators.stub",)


def test_all_calculators_failing_is_a_held_plan_and_none_enabled_is_not() -> None:
    runtime = make_runtime(stub_calculator(lambda _: 1 / 0))
    sections = only(runtime.registries, opportunity_calculators={"stub": True})
    held = plan(make_context(n_days=300), make_config(runtime.registries, **sections), runtime)
    assert (held.outcome.value, held.reason) == (
        "HELD",
        "every opportunity calculator failed; the events say how",
    )
    quiet = plan(make_context(n_days=300), make_config(**only()), make_runtime())
    assert quiet.outcome.value == "NOTHING_TO_DO"


def test_a_plan_held_by_breakers_says_which_and_when_they_try_again() -> None:
    clock = FakeClock()
    names = ("early", "late", "too_late", "by_hand", "broken")
    stubs = [stub_calculator(lambda _: 1 / 0, name) for name in names]
    breakers = Breakers(clock, lambda: EPOCH)
    runtime = make_runtime(*stubs, monotonic=clock, breakers=breakers)
    key = "opportunity_calculators.{}".format
    breakers.signal(key("early"), Signal.CRASH, "it hung")
    clock.advance(241.0)
    breakers.signal(key("late"), Signal.CRASH, "it hung")
    breakers.signal(key("too_late"), Signal.CRASH, "it hung")
    breakers.signal(key("by_hand"), Signal.DISABLE)
    sections = only(runtime.registries, opportunity_calculators=dict.fromkeys(names, True))
    held = plan(make_context(n_days=300), make_config(runtime.registries, **sections), runtime)
    assert (held.outcome.value, held.reason) == (
        "HELD",
        "all opportunity calculators are switched off or failed just now (broken): early for 1 more"
        " minute; late, too_late for 5 more minutes; by_hand until they are reset;"
        " `trader breakers reset all` switches them on",
    )
