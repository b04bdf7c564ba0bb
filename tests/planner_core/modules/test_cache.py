"""A cached result is the result: same inputs, same module, never after a failure."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import date, timedelta
from enum import Enum
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

from planner_core.market.state import PlanningState
from planner_core.model.circuit_breaker import Breakers
from planner_core.model.plan import ModuleStatus, Opportunity, Plan
from planner_core.model.records import Side
from planner_core.modules import cache as cache_module
from planner_core.modules.builtin import builtin_registries
from planner_core.modules.cache import CalculationCache, RunCache
from planner_core.modules.module import AnyModule, ModuleKind, ModuleParameters, cacheable
from planner_core.modules.opportunities.cash_raise import CashRaise, CashRaiseParameters
from planner_core.planner import plan
from tests.builders import (
    FakeClock,
    Recorder,
    make_action,
    make_candidates,
    make_config,
    make_context,
    make_runtime,
    make_state,
    metadata,
    stub_calculator,
    stub_filter,
    stub_pattern,
)
from tests.planner_core.sample_plans import drifted_context, run_with, status_of
from tests.planner_core.strategies import Portfolio, portfolios

OPPORTUNITY = Opportunity(0, Side.SELL, 1_000.0, "a reason")


TTL_S = 3600.0


def cached_stub(calculate: Callable[[PlanningState], Any]) -> AnyModule:
    """A calculator whose `calculate` is marked."""
    module = stub_calculator(calculate)
    cacheable(ttl=TTL_S)(type(module).calculate)
    return module


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
    module = cached_stub(counting)
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
    module = cached_stub(counting)
    planned(cache, module)
    planned(cache, module, **changed)
    assert counting.calls == 2


def test_a_module_that_was_loaded_anew_does_not_meet_the_old_ones_results() -> None:
    cache, old, new = CalculationCache(FakeClock()), Counting(), Counting()
    planned(cache, cached_stub(old))
    planned(cache, cached_stub(new))
    assert (old.calls, new.calls) == (1, 1)


def test_a_failure_is_not_kept_and_the_next_call_is_a_real_one() -> None:
    cache, counting = CalculationCache(FakeClock()), Counting()
    module = cached_stub(counting)
    counting.is_broken = True
    for calls in (1, 2):
        assert status_of(planned(cache, module), module.key) is ModuleStatus.FAILED
        assert counting.calls == calls


def test_a_trial_of_a_breaker_is_a_real_call_whatever_was_kept_before() -> None:
    clock = FakeClock()
    cache, counting, breakers = CalculationCache(clock), Counting(), Breakers(clock, lambda: None)  # type: ignore[arg-type,return-value]
    module, other = cached_stub(counting), drifted_context(cash=20_000.0)
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

    module, fields = cached_stub(dawdle), {"monotonic": clock, "module_budget_s": 1.0}
    for _ in range(2):
        assert (
            status_of(planned(cache, module, runtime=fields), module.key) is ModuleStatus.TIMED_OUT
        )


def test_results_are_forgotten_after_their_time() -> None:
    clock = FakeClock()
    cache = CalculationCache(clock)
    cache.store("a", (OPPORTUNITY,), TTL_S)
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
        cache.store(name, (OPPORTUNITY,), TTL_S)
    cache.get("a")
    cache.store("d", (OPPORTUNITY,), TTL_S)
    assert [cache.get(name) is not None for name in "abcd"] == [True, False, True, True]
    cache.store("e", (OPPORTUNITY,) * 5, TTL_S)
    assert [cache.get(name) is not None for name in "acde"] == [False, False, True, True]
    cache.store("f", (OPPORTUNITY,) * 7, TTL_S)
    assert len(cache) == 0, "what does not fit at all is not kept"


# -- every input is in the key --------------------------------------------------------------------
#
# A leaf is one number, text, day, switch or choice, however deep it lies in the snapshot or the
# configuration; changing any one of them has to miss. Whether the changed input would pass its
# checks does not matter here.

Path = tuple[Any, ...]


def children(node: object) -> Iterator[tuple[Any, object]]:
    """Return the parts of a node, each with the step that leads there; nothing for a leaf."""
    if isinstance(node, BaseModel):
        yield from ((name, getattr(node, name)) for name in type(node).model_fields)
    elif is_dataclass(node):
        yield from ((entry.name, getattr(node, entry.name)) for entry in fields(node))
    elif isinstance(node, Mapping):
        yield from node.items()
    elif isinstance(node, tuple | list):
        yield from enumerate(node)


def leaves(node: object, path: Path = ()) -> Iterator[Path]:
    """Return the path of every leaf; a place that is empty is one too."""
    parts = list(children(node))
    if not parts:
        yield path
    for step, part in parts:
        yield from leaves(part, (*path, step))


def drawn_leaf(node: object, data: st.DataObject) -> Path:
    """Return a leaf of a drawn part: else the many leaves of securities would leave no turn."""
    step, part = data.draw(st.sampled_from(list(children(node))))
    return data.draw(st.sampled_from(list(leaves(part, (step,)))))


def other(leaf: Any, draw: Callable[[int], int]) -> Any:  # noqa: ANN401, PLR0911 - a leaf of any type
    """Return another value of a leaf, the nearest one where there is one."""
    if isinstance(leaf, bool):
        return not leaf
    if isinstance(leaf, Enum):
        return next(member for member in type(leaf) if member is not leaf)
    if isinstance(leaf, np.ndarray):
        changed = leaf.copy()
        place = draw(changed.size)
        step = np.timedelta64(1, "D") if changed.dtype.kind == "M" else 1e-9
        was = changed.flat[place]
        changed.flat[place] = 1.0 if str(was) == "nan" else was + step
        return changed
    if isinstance(leaf, float):
        return float(np.nextafter(leaf, np.inf))
    if isinstance(leaf, date):
        return leaf + timedelta(days=1)
    if isinstance(leaf, frozenset):
        return leaf | {("another", date(2020, 1, 2))}
    if isinstance(leaf, Mapping):
        return {"another": "entry"}
    if isinstance(leaf, tuple | list):
        return (OPPORTUNITY,)
    if isinstance(leaf, int):
        return leaf + 1
    return f"{leaf}x"


def changed_at(node: Any, path: Path, change: Callable[[Any], Any]) -> Any:  # noqa: ANN401
    """Return a copy of a node with one leaf changed, unchecked."""
    if not path:
        return change(node)
    step, rest = path[0], path[1:]
    if isinstance(node, BaseModel):
        new = changed_at(getattr(node, step), rest, change)
        written = set(node.model_fields_set)
        model = node.model_copy(update={step: new})
        model.__pydantic_fields_set__.intersection_update(written)  # only the value differs
        return model
    if is_dataclass(node):
        record = copy.copy(node)
        object.__setattr__(record, step, changed_at(getattr(node, step), rest, change))
        return record
    if isinstance(node, Mapping):
        return {**node, step: changed_at(node[step], rest, change)}
    return tuple(
        changed_at(part, rest, change) if place == step else part for place, part in enumerate(node)
    )


class Calls:
    """A call that counts itself."""

    def __init__(self) -> None:
        self.n = 0

    def __call__(self) -> tuple[Opportunity, ...]:
        self.n += 1
        return (OPPORTUNITY,)


def calls_of(*states: PlanningState) -> int:
    """How often a marked calculator is really called, in runs of these states."""
    cache, calls = CalculationCache(FakeClock()), Calls()
    for state in states:
        RunCache(cache, state).results(CACHED, "calculate", PARAMETERS, calls)
    return calls.n


CACHED, PARAMETERS = cached_stub(lambda _: []), ModuleParameters()
STATE = make_state()


@given(portfolios(), st.data())
def test_any_change_in_the_snapshot_misses(portfolio: Portfolio, data: st.DataObject) -> None:
    state = replace(STATE, context=portfolio.context, config=portfolio.config)
    path = drawn_leaf(portfolio.context, data)

    def change(leaf: object) -> object:
        return other(leaf, lambda size: data.draw(st.integers(0, size - 1)))

    changed = replace(state, context=changed_at(portfolio.context, path, change))
    assert calls_of(state, changed) == 2, path
    assert calls_of(state, replace(state, context=copy.deepcopy(portfolio.context))) == 1


@given(portfolios(), st.data())
def test_any_change_in_the_configuration_misses(portfolio: Portfolio, data: st.DataObject) -> None:
    state = replace(STATE, config=portfolio.config)
    path = drawn_leaf(portfolio.config, data)
    config = changed_at(portfolio.config, path, lambda leaf: other(leaf, lambda _: 0))
    assert calls_of(state, replace(state, config=config)) == 2, path
    assert calls_of(state, replace(state, config=portfolio.config.model_copy(deep=True))) == 1


def calculated(
    module: CashRaise, state: PlanningState, parameters: CashRaiseParameters
) -> tuple[Opportunity, ...]:
    return tuple(module.calculate(state, parameters))


def test_a_limit_that_is_written_is_another_one_than_the_same_value_by_default() -> None:
    """The reason of a sell says which of the two it is."""
    context = make_context(last_prices=[900.0, 100.0, 100.0, 100.0])
    cap = make_config().constraints.position_weight_max
    cache, module, parameters = CalculationCache(FakeClock()), CashRaise(), CashRaiseParameters()
    reasons = []
    for config in (make_config(), make_config(constraints={"position_weight_max": cap})):
        state = make_state(context, config)
        calculate = partial(calculated, module, state, parameters)
        results = RunCache(cache, state).results(module, "calculate", parameters, calculate)
        reasons.append(results[0].reason)
    assert reasons[0].endswith("(position_weight_max, default)")
    assert reasons[1].endswith("(position_weight_max)")


@pytest.mark.parametrize(
    "module", builtin_registries().of_kind(ModuleKind.OPPORTUNITY), ids=lambda module: module.key
)
def test_every_parameter_of_every_shipped_calculator_is_in_the_key(module: AnyModule) -> None:
    parameters = module.parameters_model()
    changed = [
        changed_at(parameters, path, lambda leaf: other(leaf, lambda _: 0))
        for path in leaves(parameters)
    ]
    cache, calls = CalculationCache(FakeClock()), Calls()
    for each in (parameters, *changed, parameters):
        RunCache(cache, STATE).results(module, "calculate", each, calls)
    assert calls.n == 1 + len(changed)


def test_another_version_misses_even_of_the_same_object() -> None:
    cache, calls, module = CalculationCache(FakeClock()), Calls(), cached_stub(lambda _: [])
    for version in ("1.0.0", "1.0.1", "1.0.0"):
        type(module).metadata = metadata("stub", version=version)
        RunCache(cache, STATE).results(module, "calculate", PARAMETERS, calls)
    assert calls.n == 2


def test_two_parameters_that_print_alike_are_not_the_same() -> None:
    class Secret(ModuleParameters):
        token: SecretStr = SecretStr("a")

    both = [Secret(token=SecretStr(text)) for text in ("a", "b")]
    cache, calls = CalculationCache(FakeClock()), Calls()
    for parameters in both:
        section = {**STATE.config.opportunity_calculators, "stub": parameters}
        config = STATE.config.model_copy(update={"opportunity_calculators": section})
        run = RunCache(cache, replace(STATE, config=config))
        run.results(CACHED, "calculate", parameters, calls)
    assert calls.n == 2
    assert both[0].token != both[1].token


def test_patterns_and_filters_are_cached_for_the_same_candidates_only() -> None:
    actions = [make_action(STATE, "AAA", -5), make_action(STATE, "BBB", 3)]
    for module, operation in ((stub_pattern(lambda _: []), "generate"), (stub_filter(), "reject")):
        cacheable(ttl=TTL_S)(getattr(type(module), operation))
        cache, calls = CalculationCache(FakeClock()), Calls()
        for chosen in (actions, actions[:1], list(actions)):
            candidates = make_candidates(STATE, chosen)
            RunCache(cache, STATE).results(module, operation, PARAMETERS, calls, candidates)
        assert calls.n == 2


def test_a_plan_uses_the_cached_results_of_every_kind() -> None:
    cache, counts = CalculationCache(FakeClock()), {"generate": 0, "reject": 0}

    def count(name: str, empty: Any) -> Any:  # noqa: ANN401 - what a stub returns
        counts[name] += 1
        return empty

    pattern = stub_pattern(lambda _: count("generate", []))
    chosen = stub_filter(reject=lambda _: count("reject", {}))
    cacheable(ttl=TTL_S)(type(pattern).generate)
    cacheable(ttl=TTL_S)(type(chosen).reject)
    recorder = Recorder()
    first = planned(cache, pattern, chosen, recorder=recorder)
    second = planned(cache, pattern, chosen, recorder=recorder)
    assert counts == {"generate": 1, "reject": 1}
    assert without_times(second) == without_times(first)
    cold, warm = recorder.of("CacheConsulted")
    enabled = len(make_config().enabled(ModuleKind.OPPORTUNITY))
    assert cold["misses"] == warm["hits"] == enabled + 2


def test_a_module_without_the_mark_is_called_every_time() -> None:
    cache, counting = CalculationCache(FakeClock()), Counting()
    module = stub_calculator(counting)
    for _ in range(2):
        planned(cache, module)
    assert counting.calls == 2


def test_a_module_is_itself_whatever_equality_means_to_it() -> None:
    cache, counting = CalculationCache(FakeClock()), Counting()
    twins = cached_stub(counting), cached_stub(counting)
    for module in twins:
        dataclass(type(module))  # equal by its fields, of which it has none, and not hashable
        planned(cache, module)
    assert counting.calls == 2


def test_expired_results_free_their_memory_without_being_looked_up() -> None:
    clock = FakeClock()
    cache = CalculationCache(clock)
    cache.store("a", (OPPORTUNITY,), 60.0)
    cache.store("b", (OPPORTUNITY,), 600.0)
    clock.advance(60)
    assert len(cache) == 2
    cache.clear_expired()
    assert len(cache) == 1
