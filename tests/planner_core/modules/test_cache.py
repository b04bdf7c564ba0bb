"""A cached result is the result: same inputs, same module, never after a failure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from planner_core.market.state import PlanningState
from planner_core.model.circuit_breaker import Breakers
from planner_core.model.plan import ModuleStatus, Opportunity, Plan
from planner_core.model.records import Side
from planner_core.modules import cache as cache_module
from planner_core.modules.cache import TTL_S, CalculationCache
from planner_core.modules.module import AnyModule
from planner_core.planner import plan
from tests.builders import FakeClock, Recorder, make_config, make_runtime, stub_calculator
from tests.planner_core.sample_plans import drifted_context, run_with, status_of
from tests.planner_core.strategies import Portfolio, portfolios

OPPORTUNITY = Opportunity(0, Side.SELL, 1_000.0, "a reason")


class Counting:
    """A calculator's function that counts its calls, and fails on demand."""

    def __init__(self) -> None:
        self.calls = 0
        self.is_broken = False

    def __call__(self, _state: PlanningState) -> list[Opportunity]:
        self.calls += 1
        if self.is_broken:
            raise RuntimeError("out of order")
        return [OPPORTUNITY]


def planned(
    cache: CalculationCache,
    *modules: AnyModule,
    recorder: Recorder | None = None,
    **more: Any,  # noqa: ANN401 - as `run_with` takes them
) -> Plan:
    runtime = {"cache": cache, **more.pop("runtime", {})}
    return run_with(*modules, recorder=recorder, runtime=runtime, **more)


def without_times(result: Plan) -> Plan:
    return replace(result, modules=tuple(replace(a, elapsed_s=0.0) for a in result.modules))


def test_the_second_plan_of_the_same_inputs_calls_no_calculator_and_is_the_same() -> None:
    cache, counting, recorder = CalculationCache(FakeClock()), Counting(), Recorder()
    module = stub_calculator(counting)
    first = planned(cache, module, recorder=recorder)
    second = planned(cache, module, recorder=recorder)
    assert counting.calls == 1
    assert without_times(second) == without_times(first)
    cold, warm = recorder.of("CacheConsulted")
    assert cold["misses"] == warm["hits"] > 5
    assert cold["hits"] == warm["misses"] == 0


@given(portfolios())
def test_with_a_warm_cache_every_plan_is_that_without_one(portfolio: Portfolio) -> None:
    cache = CalculationCache(FakeClock())
    config = make_config(max_plan_depth=2)
    plain = plan(portfolio.context, config, make_runtime())
    for _ in range(2):
        cached = plan(portfolio.context, config, make_runtime(cache=cache))
        assert repr(cached) == repr(plain), "NaN-proof"


@pytest.mark.parametrize(
    "changed",
    [
        {"context": drifted_context(cash=30_001.0)},
        {"context": drifted_context(seed=5)},
        {"constraints": {"turnover_max": 0.21}},
        {"estimation": {"history_days": 300}},
        {"opportunity_calculators": {"stub": {}, "weight_based": False}},
    ],
    ids=["cash", "prices", "a limit", "estimation", "another module"],
)
def test_a_change_of_any_input_calls_the_calculator_again(changed: dict[str, Any]) -> None:
    cache, counting = CalculationCache(FakeClock()), Counting()
    module = stub_calculator(counting)
    planned(cache, module)
    planned(cache, module, **changed)
    assert counting.calls == 2


def test_a_module_that_was_loaded_anew_does_not_meet_the_old_ones_results() -> None:
    cache, old, new = CalculationCache(FakeClock()), Counting(), Counting()
    planned(cache, stub_calculator(old))
    planned(cache, stub_calculator(new))
    assert (old.calls, new.calls) == (1, 1)


def test_a_failure_is_not_kept_and_the_next_call_is_a_real_one() -> None:
    cache, counting = CalculationCache(FakeClock()), Counting()
    module = stub_calculator(counting)
    counting.is_broken = True
    for calls in (1, 2):
        assert status_of(planned(cache, module), module.key) is ModuleStatus.FAILED
        assert counting.calls == calls


def test_a_trial_of_a_breaker_is_a_real_call_whatever_was_kept_before() -> None:
    clock = FakeClock()
    cache, counting, breakers = CalculationCache(clock), Counting(), Breakers(clock, lambda: None)  # type: ignore[arg-type,return-value]
    module, other = stub_calculator(counting), drifted_context(cash=20_000.0)
    fields = {"breakers": breakers, "monotonic": clock}
    planned(cache, module, runtime=fields)
    counting.is_broken = True
    for _ in range(3):
        planned(cache, module, context=other, runtime=fields)
    assert (
        status_of(planned(cache, module, runtime=fields), module.key) is ModuleStatus.SKIPPED_OPEN
    )
    clock.advance(300)
    assert status_of(planned(cache, module, runtime=fields), module.key) is ModuleStatus.FAILED


def test_a_result_that_came_too_late_is_not_kept() -> None:
    clock = FakeClock()
    cache = CalculationCache(clock)

    def dawdle(_state: PlanningState) -> list[Opportunity]:
        clock.advance(2.0)
        return [OPPORTUNITY]

    module, fields = stub_calculator(dawdle), {"monotonic": clock, "module_budget_s": 1.0}
    for _ in range(2):
        assert (
            status_of(planned(cache, module, runtime=fields), module.key) is ModuleStatus.TIMED_OUT
        )


def test_results_are_forgotten_after_their_time() -> None:
    clock = FakeClock()
    cache = CalculationCache(clock)
    cache.store("a", (OPPORTUNITY,))
    clock.advance(TTL_S - 1)
    assert cache.get("a") == (OPPORTUNITY,)
    clock.advance(1)
    assert cache.get("a") is None
    assert len(cache) == 0
    assert (cache.hits, cache.misses) == (1, 1)


def test_the_least_recently_used_go_when_there_is_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "ENTRIES_MAX", 3)
    monkeypatch.setattr(cache_module, "RESULTS_MAX", 6)
    cache = CalculationCache(FakeClock())
    for name in "abc":
        cache.store(name, (OPPORTUNITY,))
    cache.get("a")
    cache.store("d", (OPPORTUNITY,))
    assert [cache.get(name) is not None for name in "abcd"] == [True, False, True, True]
    cache.store("e", (OPPORTUNITY,) * 5)
    assert [cache.get(name) is not None for name in "acde"] == [False, False, True, True]
    cache.store("f", (OPPORTUNITY,) * 7)
    assert len(cache) == 0, "what does not fit at all is not kept"
