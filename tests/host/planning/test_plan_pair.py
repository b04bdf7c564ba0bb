"""Two plans from one state: alike but for the configuration, and a crash is an answer."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from host.home.config.load import LoadedConfig, load_uncommitted
from host.home.home import Home
from host.planning.plan_pair import (
    BUDGET_S,
    FilesChangedError,
    PairConfig,
    PairOptions,
    plan_pair,
)
from planner_core.errors import PlanningCancelledError
from planner_core.model.config import PlannerConfig
from planner_core.model.context import PlanningContext
from planner_core.model.plan import ModuleStatus, Outcome, Plan
from planner_core.modules.builtin import builtin_registries
from planner_core.modules.registry import Registries
from planner_core.planner import plan
from planner_core.runtime import Runtime
from tests.builders import stub_calculator


def both(home: Home, registries: Registries | None = None) -> dict[int, PairConfig]:
    """The bucket's own configuration on both sides."""
    return {i: PairConfig(load_uncommitted(home, "core", registries), registries) for i in (0, 1)}


def spying(runs: list[tuple[PlanningContext, Runtime]]) -> PairOptions:
    def planner(context: PlanningContext, config: PlannerConfig, runtime: Runtime) -> Plan:
        runs.append((context, runtime))
        return plan(context, config, runtime)

    return PairOptions(planner=planner)


def test_both_run_with_the_same_budget_on_the_same_day_without_a_proof(own_home: Home) -> None:
    runs: list[tuple[PlanningContext, Runtime]] = []
    sides = plan_pair(own_home, "core", both(own_home), spying(runs))
    for context, runtime in runs:
        assert context.as_of == runs[0][0].as_of
        assert runtime.deadline_s is not None
        assert 0 < runtime.deadline_s - runtime.monotonic() <= BUDGET_S
        assert (runtime.module_budget_s, runtime.proof_s, runtime.cache) == (BUDGET_S, None, None)
    first, second = (side.run for side in sides.values())
    assert first is not None
    assert second is not None
    assert first.plan.steps == second.plan.steps
    assert all(side.planner_s > 0 for side in sides.values())


def test_a_module_that_fails_on_one_side_is_called_on_the_other_as_well(own_home: Home) -> None:
    """Also one whose next failure would open its breaker."""
    calls = itertools.count()

    def fail(_state: object) -> list[object]:
        next(calls)
        raise ValueError("out of order")

    registries = builtin_registries().copy()
    registries.register(stub_calculator(fail))
    for _ in range(5):
        sides = plan_pair(own_home, "core", both(own_home, registries))
        for side in sides.values():
            assert side.run is not None
            status = {attempt.key: attempt.status for attempt in side.run.plan.modules}
            assert status["opportunity_calculators.stub"] is ModuleStatus.FAILED
    assert next(calls) == 10
    assert not (own_home.state_dir / "breakers.json").exists()


def test_a_crash_of_the_planner_is_the_answer_of_its_side_only(own_home: Home) -> None:
    def planner(context: PlanningContext, config: PlannerConfig, runtime: Runtime) -> Plan:
        if config.max_plan_depth == 1:
            raise AssertionError("the books do not balance" + "!" * 1000)
        return plan(context, config, runtime)

    configs = both(own_home)
    loaded = configs[0].loaded
    shallow = loaded.config.model_copy(update={"max_plan_depth": 1})
    configs[0] = PairConfig(LoadedConfig(shallow, loaded.sha256, 0, loaded.path))
    sides = plan_pair(own_home, "core", configs, PairOptions(planner=planner))
    assert sides[0].run is None
    assert sides[0].contender is None
    assert sides[0].crash.startswith("AssertionError: the books do not balance!")
    assert len(sides[0].crash) == 300
    assert sides[1].contender is not None


def test_a_cancelled_run_ends_both(own_home: Home) -> None:
    with pytest.raises(PlanningCancelledError):
        plan_pair(own_home, "core", both(own_home), PairOptions(is_cancelled=lambda: True))


def test_data_that_cannot_carry_a_plan_is_held_on_both_sides(own_home: Home) -> None:
    own_home.prices_file.write_text("nonsense\n")
    for side in plan_pair(own_home, "core", both(own_home)).values():
        assert side.run is not None
        assert side.run.plan.outcome is Outcome.HELD
        assert side.contender is None


def saving(home: Home, times: int) -> Callable[[int], None]:
    """Save the portfolio before the second plan, so many times."""
    path, remaining = home.portfolio_file("core"), iter(range(times))

    def on_start(index: int) -> None:
        if index == 1 and next(remaining, None) is not None:
            path.write_text(path.read_text() + "\n")

    return on_start


def test_a_file_that_is_saved_in_between_is_read_again_by_both(own_home: Home) -> None:
    runs: list[tuple[PlanningContext, Runtime]] = []
    options = spying(runs)
    options = PairOptions(planner=options.planner, on_start=saving(own_home, 1))
    plan_pair(own_home, "core", both(own_home), options)
    assert len(runs) == 4


def test_files_that_never_rest_are_an_error(own_home: Home) -> None:
    options = PairOptions(on_start=saving(own_home, 100))
    with pytest.raises(FilesChangedError, match="try again later"):
        plan_pair(own_home, "core", both(own_home), options)
