"""A circuit breaker's table of transitions, and the times it keeps."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import pytest

from planner_core.events import BreakerChanged
from planner_core.market.state import PlanningState
from planner_core.model.circuit_breaker import (
    BREAKERS_MAX,
    FAILURES_MAX,
    TRANSITIONS,
    Breaker,
    Breakers,
    BreakerState,
    Signal,
)
from planner_core.model.plan import ModuleStatus, Outcome, Plan
from planner_core.modules.module import AnyModule
from tests.builders import FakeClock, Recorder, only, stub_calculator, stub_filter
from tests.planner_core.sample_plans import run_with, status_of

NOW = datetime(2024, 6, 28, 12, tzinfo=UTC)
KEY = "filters.stub"
CLOSED, OPEN, HALF_OPEN, DISABLED = BreakerState


def breakers_at(clock: FakeClock) -> Breakers:
    return Breakers(clock, lambda: NOW)


def opened(clock: FakeClock) -> Breakers:
    breakers = breakers_at(clock)
    for _ in range(FAILURES_MAX):
        breakers.signal(KEY, Signal.FAILURE, "bad")
    return breakers


def test_three_failures_in_a_row_open_it_and_fewer_do_not() -> None:
    breakers = breakers_at(FakeClock())
    for signal in ("failure", "failure", "success", "failure", "failure"):
        breakers.signal(KEY, Signal(signal), "bad")
        assert breakers.admit(KEY) == (True, None)
    transition = breakers.signal(KEY, Signal.FAILURE, "worse")
    assert transition is not None
    assert (transition.before.state, transition.after.state) == (CLOSED, OPEN)
    assert transition.after.reason == "worse"
    assert breakers.admit(KEY) == (False, None)


def test_one_crash_opens_it() -> None:
    breakers = breakers_at(FakeClock())
    breakers.signal(KEY, Signal.CRASH, "died")
    assert breakers.of(KEY).state is OPEN


def test_after_five_minutes_one_run_may_try_and_no_second_one() -> None:
    clock = FakeClock()
    breakers = opened(clock)
    clock.advance(299.0)
    assert breakers.admit(KEY) == (False, None)
    clock.advance(1.0)
    admitted, transition = breakers.admit(KEY)
    assert admitted
    assert transition is not None
    assert transition.after.state is HALF_OPEN
    assert breakers.admit(KEY) == (False, None)


def test_each_failed_trial_doubles_the_wait_up_to_an_hour_and_a_good_one_ends_it() -> None:
    clock = FakeClock()
    breakers = opened(clock)
    waits = []
    for _ in range(6):
        wait_s = breakers.wait_s(KEY)
        assert wait_s is not None
        waits.append(wait_s)
        clock.advance(wait_s)
        assert breakers.admit(KEY)[0]
        breakers.signal(KEY, Signal.FAILURE, "still bad")
    assert waits == [300, 600, 1200, 2400, 3600, 3600]
    clock.advance(3600)
    assert breakers.admit(KEY)[0]
    breakers.signal(KEY, Signal.SUCCESS)
    assert breakers.tracked == ()
    breakers.signal(KEY, Signal.CRASH)
    assert breakers.wait_s(KEY) == 300


def test_a_trial_that_never_reports_is_followed_by_another_one() -> None:
    clock = FakeClock()
    breakers = opened(clock)
    clock.advance(300)
    breakers.admit(KEY)
    clock.advance(299)
    assert not breakers.admit(KEY)[0]
    clock.advance(1)
    assert breakers.admit(KEY)[0]


def test_a_trial_without_a_verdict_costs_no_time() -> None:
    clock = FakeClock()
    breakers = opened(clock)
    clock.advance(300)
    breakers.admit(KEY)
    breakers.signal(KEY, Signal.ABANDONED)
    assert breakers.of(KEY).state is OPEN
    assert breakers.of(KEY).openings == 1
    assert breakers.admit(KEY)[0]


def test_what_is_switched_off_by_hand_stays_off_until_it_is_reset() -> None:
    clock = FakeClock()
    breakers = breakers_at(clock)
    breakers.signal(KEY, Signal.DISABLE, "not now")
    for signal in set(Signal) - {Signal.RESET}:
        assert breakers.signal(KEY, signal) is None
    clock.advance(1e9)
    assert breakers.wait_s(KEY) is None
    assert breakers.admit(KEY) == (False, None)
    breakers.signal(KEY, Signal.RESET)
    assert breakers.admit(KEY) == (True, None)


@pytest.mark.parametrize(("state", "signal"), list(itertools.product(BreakerState, Signal)))
def test_what_the_table_does_not_name_changes_nothing(state: BreakerState, signal: Signal) -> None:
    breakers = breakers_at(FakeClock())
    breaker = Breaker(KEY, state, failures=1, openings=1, retry_s=10.0, since=NOW, reason="why")
    breakers.store(breaker)
    transition = breakers.signal(KEY, signal)
    expected = TRANSITIONS.get((state, signal), state)
    assert breakers.of(KEY).state is expected
    assert (transition is None) is (expected is state)
    if (state, signal) not in TRANSITIONS:
        assert breakers.of(KEY) == breaker


def test_there_is_an_end_to_how_many_breakers_are_remembered() -> None:
    breakers = breakers_at(FakeClock())
    for n in range(BREAKERS_MAX + 5):
        breakers.signal(f"filters.f{n}", Signal.FAILURE)
    assert len(breakers.tracked) == BREAKERS_MAX


# --- in a plan ----------------------------------------------------------------------------------


def runtime_fields(breakers: Breakers) -> dict[str, object]:
    return {"breakers": breakers, "monotonic": breakers.monotonic}


def planned(module: AnyModule, breakers: Breakers, recorder: Recorder | None = None) -> Plan:
    return run_with(module, recorder=recorder, runtime=runtime_fields(breakers))


def broken(_state: PlanningState) -> list[object]:
    raise RuntimeError("out of order")


def test_a_module_that_fails_three_plans_is_left_out_of_the_fourth_which_says_so() -> None:
    breakers, module = breakers_at(FakeClock()), stub_calculator(broken)
    fates = []
    recorder = Recorder()
    for _ in range(4):
        recorder = Recorder()
        fates.append(status_of(planned(module, breakers, recorder), module.key))
    failed = ModuleStatus.FAILED
    assert fates == [failed, failed, failed, ModuleStatus.SKIPPED_OPEN]
    (skipped,) = recorder.of("ModuleSkipped")
    assert skipped["key"] == module.key
    assert "RuntimeError: out of order" in skipped["reason"]
    assert "5 more min" in skipped["reason"]
    assert recorder.of("ModuleFailed") == []


def test_every_transition_in_a_plan_is_an_event() -> None:
    clock = FakeClock()
    breakers, is_broken = breakers_at(clock), [True]

    def sometimes(state: PlanningState) -> list[object]:
        return broken(state) if is_broken[0] else []

    events = []
    for _ in range(4):
        recorder = Recorder()
        planned(stub_calculator(sometimes), breakers, recorder)
        events += [e for e in recorder.events if isinstance(e, BreakerChanged)]
    clock.advance(300)
    is_broken[0] = False
    recorder = Recorder()
    planned(stub_calculator(sometimes), breakers, recorder)
    events += [e for e in recorder.events if isinstance(e, BreakerChanged)]
    assert [(e.before, e.after, e.retry_after_s) for e in events] == [
        ("closed", "open", 300.0),
        ("open", "half_open", 300.0),
        ("half_open", "closed", None),
    ]


def test_a_module_with_several_operations_gets_one_verdict_per_plan() -> None:
    def fail(_candidates: object) -> object:
        raise RuntimeError("no")

    breakers = breakers_at(FakeClock())
    module = stub_filter(reject=fail)  # its other two operations go well
    for n in range(1, FAILURES_MAX):
        planned(module, breakers)
        assert breakers.of(module.key).failures == n
    planned(module, breakers)
    assert breakers.of(module.key).state is OPEN


def test_a_run_without_a_module_does_not_call_it_and_says_why() -> None:
    recorder = Recorder()
    module = stub_calculator(broken)
    result = run_with(
        module, recorder=recorder, runtime={"excluded_modules": {module.key: "it crashed"}}
    )
    assert status_of(result, module.key) is ModuleStatus.SKIPPED_OPEN
    assert recorder.of("ModuleFailed") == []
    assert result.outcome is Outcome.PLANNED


def test_when_the_breaker_of_every_calculator_is_open_the_plan_is_held() -> None:
    breakers, module = breakers_at(FakeClock()), stub_calculator(broken)
    breakers.signal(module.key, Signal.CRASH, "it died")
    sections = only(opportunity_calculators={}) | {"filters": {}}
    result = run_with(module, runtime=runtime_fields(breakers), **sections)
    assert result.outcome is Outcome.HELD
    assert status_of(result, module.key) is ModuleStatus.SKIPPED_OPEN


def test_on_module_start_is_called_before_the_module() -> None:
    calls: list[tuple[str, str]] = []

    def look(_state: PlanningState) -> list[object]:
        assert calls[-1] == ("opportunity_calculators.stub", "calculate")
        return []

    def note(key: str, operation: str) -> None:
        calls.append((key, operation))

    result = run_with(stub_calculator(look), runtime={"on_module_start": note})
    assert status_of(result, "opportunity_calculators.stub") is ModuleStatus.OK
    assert {key.partition(".")[0] for key, _ in calls} == {
        "opportunity_calculators", "pattern_generators", "sequence_generators", "filters",
    }  # fmt: skip
