"""A broken module costs its own contribution, and nothing else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from planner_core.market.state import PlanningState
from planner_core.model.plan import ModuleStatus, Opportunity, Outcome, Plan
from planner_core.model.records import Side
from planner_core.modules import contracts
from planner_core.modules.module import AnyModule
from planner_core.planner import plan
from tests.builders import (
    FakeClock,
    Recorder,
    make_config,
    make_runtime,
    only,
    stub_calculator,
    stub_filter,
    stub_pattern,
    stub_sequence,
)
from tests.planner_core.sample_plans import drifted_context, run_with, status_of


def fails(*_args: object) -> Any:  # noqa: ANN401 - it never returns
    raise RuntimeError("out of order\nand on two lines")


def fails_later(_space: object) -> Iterator[Any]:
    yield np.zeros((1, 1), dtype=np.int16)
    raise RuntimeError("out of order")


def opportunities(state: PlanningState, **changes: Any) -> list[Any]:  # noqa: ANN401 - an Opportunity's fields
    fields = {"security": 0, "side": Side.SELL, "notional": 1_000.0, "reason": "a broken reason"}
    assert state.nav
    return [Opportunity(**{**fields, **changes})]


class Endless(Sequence[Any]):
    """A sequence of one thing that never ends."""

    def __init__(self, answer: Any) -> None:  # noqa: ANN401 - whatever a module is given
        is_state = isinstance(answer, PlanningState)
        self.item = opportunities(answer)[0] if is_state else (0,)

    def __len__(self) -> int:
        return 1

    def __getitem__(self, _place: Any) -> Any:  # noqa: ANN401 - as above
        return self.item


BROKEN_CALCULATORS: dict[str, Callable[[PlanningState], Any]] = {
    "raises": fails,
    "not a sequence": lambda _: 7,
    "a generator": lambda state: iter(opportunities(state)),
    "a NaN notional": lambda state: opportunities(state, notional=float("nan")),
    "an infinite notional": lambda state: opportunities(state, notional=float("inf")),
    "a negative notional": lambda state: opportunities(state, notional=-1.0),
    "a notional of text": lambda state: opportunities(state, notional="much"),
    "a column too far": lambda state: opportunities(state, security=2),
    "a column below zero": lambda state: opportunities(state, security=-1),
    "half a column": lambda state: opportunities(state, security=0.5),
    "a side of text": lambda state: opportunities(state, side="buy"),
    "something else": lambda _: ["sell everything"],
    "text": lambda _: "sell everything",
    "one too many": lambda state: opportunities(state) * 20_001,
    "a million": lambda state: opportunities(state) * 1_000_000,
    "more than it says": Endless,
    "a reason of a megabyte": lambda state: opportunities(state, reason="because " * 131_072),
    "exits": lambda _: sys.exit(0),
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
    "NaN for an id": lambda _: [(float("nan"),)],
    "a million": lambda _: [(0,)] * 1_000_000,
    "more than it says": Endless,
    "exits": lambda _: sys.exit(0),
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
    "NaN": lambda _: iter([np.full((1, 1), np.nan)]),
    "a million at once": lambda _: iter([np.zeros((1, 1_000_000), dtype=np.int16)]),
    "exits": lambda _: sys.exit(0),
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
    "conflicts of NaN": {"conflicts": lambda c: np.full((c.n,) * 2, np.nan)},
    "reject a million": {"reject": lambda _: dict.fromkeys(range(1_000_000), "gone")},
    "reject with a megabyte": {"reject": lambda _: {0: "because " * 131_072}},
    "reject exits": {"reject": lambda _: sys.exit(0)},
    "select a million": {"select": lambda ids: list(ids) * 1_000_000},
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
"""The first filter with an opinion on alternatives is the last one called."""


@pytest.fixture(scope="module")
def healthy() -> Plan:
    return run_with(filters=NO_OPINION)


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_module_costs_only_its_own_contribution(broken: AnyModule, healthy: Plan) -> None:
    recorder = Recorder()
    result = run_with(broken, recorder=recorder, filters=NO_OPINION)
    assert status_of(result, broken.key) is ModuleStatus.FAILED
    attempt = next(attempt for attempt in result.modules if attempt.key == broken.key)
    assert attempt.message
    assert "\n" not in attempt.message
    assert recorder.of("PlanningCompleted")[0]["modules_failed"] == (broken.key,)
    (failure,) = recorder.of("ModuleFailed")
    assert failure["key"] == broken.key
    assert failure["error"] == attempt.message
    assert result.steps == healthy.steps
    assert result.score == healthy.score


def test_when_every_calculator_fails_the_plan_is_held() -> None:
    result = run_with(stub_calculator(fails), **only(opportunity_calculators={}) | {"filters": {}})
    assert result.outcome is Outcome.HELD
    assert result.reason == "every opportunity calculator failed; the events say how"
    assert result.nav == 42_000.0
    assert result.cash_before == 30_000.0


def test_when_every_pattern_and_generator_fails_there_is_nothing_to_do() -> None:
    runtime = make_runtime(stub_pattern(fails), stub_sequence(fails))
    document = only(
        runtime.registries,
        opportunity_calculators={"weight_based": True},
        pattern_generators={"stub": True},
        sequence_generators={"stub": True},
    )
    result = plan(drifted_context(), make_config(runtime.registries, **document), runtime)
    assert result.outcome is Outcome.NOTHING_TO_DO
    assert result.n_candidates > 0
    assert result.n_sequences == 1


def test_a_module_over_its_time_budget_is_dropped_and_named() -> None:
    clock = FakeClock()

    def dawdles(state: PlanningState) -> list[Any]:
        clock.advance(2.5)
        return opportunities(state)

    recorder = Recorder()
    runtime_fields = {"monotonic": clock, "module_budget_s": 1.0}
    result = run_with(stub_calculator(dawdles), recorder=recorder, runtime=runtime_fields)
    attempt = next(a for a in result.modules if a.key == "opportunity_calculators.stub")
    assert attempt.status is ModuleStatus.TIMED_OUT
    assert attempt.elapsed_s == 2.5
    (overrun,) = recorder.of("ModuleOverran")
    assert (overrun["elapsed_s"], overrun["budget_s"]) == (2.5, 1.0)
    assert not any("a broken reason" in step.reason for step in result.steps)
    assert result.outcome is Outcome.PLANNED


def late(clock: FakeClock, result: Any) -> Callable[..., Any]:  # noqa: ANN401 - any hook's
    """A hook that returns something fine, too late."""

    def dawdle(*_inputs: object) -> Any:  # noqa: ANN401 - as above
        clock.advance(2.5)
        return result

    return dawdle


LATE: dict[str, Callable[[FakeClock], AnyModule]] = {
    "calculator": lambda clock: stub_calculator(late(clock, [])),
    "pattern": lambda clock: stub_pattern(late(clock, [(0,)])),
    "sequence": lambda clock: stub_sequence(late(clock, [])),
    "filter that rejects": lambda clock: stub_filter(reject=late(clock, {0: "gone"})),
    "filter of conflicts": lambda clock: stub_filter(conflicts=late(clock, None)),
    "filter of alternatives": lambda clock: stub_filter(select=late(clock, None)),
}


@pytest.mark.parametrize("kind", LATE)
def test_a_module_of_any_kind_that_overruns_its_budget_costs_only_itself(
    kind: str, healthy: Plan
) -> None:
    clock, recorder = FakeClock(), Recorder()
    module = LATE[kind](clock)
    runtime_fields = {"monotonic": clock, "module_budget_s": 1.0}
    result = run_with(module, recorder=recorder, runtime=runtime_fields, filters=NO_OPINION)
    assert status_of(result, module.key) is ModuleStatus.TIMED_OUT
    (overrun,) = recorder.of("ModuleOverran")
    assert (overrun["key"], overrun["elapsed_s"]) == (module.key, 2.5)
    assert result.steps == healthy.steps


def test_a_generator_that_overruns_on_one_block_yields_no_other(healthy: Plan) -> None:
    clock = FakeClock()

    def generate(space: Any) -> Iterator[Any]:  # noqa: ANN401 - a search space
        for pause_s in (0.9, 0.9, 0.9, 1.1):
            clock.advance(pause_s)
            yield np.full((space.depth, 1), space.null_id, dtype=np.int16)
        raise AssertionError("not reached")

    runtime_fields = {"monotonic": clock, "module_budget_s": 1.0}
    result = run_with(stub_sequence(generate), runtime=runtime_fields)
    attempt = next(a for a in result.modules if a.key == "sequence_generators.stub")
    assert (attempt.status, attempt.message) == (ModuleStatus.TIMED_OUT, "took 1.10 s of 1.00 s")
    assert result.steps == healthy.steps


@pytest.mark.parametrize("width", [0, 1000])
def test_a_generator_that_never_ends_is_ended(
    width: int, healthy: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contracts, "BLOCKS_MAX", 1_000)
    monkeypatch.setattr(contracts, "SEQUENCES_MAX", 500_000)

    def generate(space: Any) -> Iterator[Any]:  # noqa: ANN401 - a search space
        while True:
            yield np.full((space.depth, width), space.null_id, dtype=np.int16)

    result = run_with(stub_sequence(generate))
    assert status_of(result, "sequence_generators.stub") is ModuleStatus.FAILED
    assert result.steps == healthy.steps


def test_an_absurd_notional_makes_no_absurd_plan() -> None:
    result = run_with(stub_calculator(lambda state: opportunities(state, notional=1e308)))
    assert result.outcome is Outcome.PLANNED
    assert result.score is not None
    assert np.isfinite([result.score.gain, result.nav_after or np.nan]).all()
    assert all(np.isfinite([step.value, step.quantity]).all() for step in result.steps)


def test_elapsed_times_are_those_of_the_clock() -> None:
    recorder = Recorder()
    result = run_with(recorder=recorder, runtime={"monotonic": FakeClock(tick_s=0.001)})
    (completed,) = recorder.of("PlanningCompleted")
    stages = sum(event["elapsed_s"] for event in recorder.of("StageCompleted"))
    assert 0 < stages < completed["elapsed_s"]
    assert all(a.elapsed_s > 0 for a in result.modules if a.status is ModuleStatus.OK)
