"""The contract suite: each way to break the contract is complaints, with what to do about it."""

# ruff: noqa: ANN401, ARG002 - broken modules return anything, and use what they like

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np
import pytest

from planner_core.market.state import PlanningState
from planner_core.model.candidates import Candidates
from planner_core.model.plan import Opportunity, Skip
from planner_core.model.records import Side
from planner_core.modules.cacheable import cacheable
from planner_core.modules.module import (
    AnyModule,
    Dependency,
    Filter,
    ModuleKind,
    ModuleMetadata,
    ModuleParameters,
    OpportunityCalculator,
    PatternGenerator,
    SequenceGenerator,
    parameter,
)
from planner_core.testing import ContractProblem, check_module
from planner_core.testing.contract_suite import Check
from planner_core.testing.sample_states import sample_inputs


def metadata(**fields: Any) -> ModuleMetadata:
    return ModuleMetadata(**{"name": "mine", "version": "1.0.0", "description": "Mine", **fields})


class SizeParameters(ModuleParameters):
    """Size of a purchase."""

    share: float = parameter(0.02, unit="fraction of NAV", gt=0, le=1, description="size")


class Good(OpportunityCalculator[SizeParameters]):
    """Buy what rose: keeps the contract."""

    metadata: ClassVar[ModuleMetadata] = metadata()
    parameters_model = SizeParameters

    def calculate(self, state: PlanningState, parameters: SizeParameters) -> Any:
        return [
            Opportunity(column, Side.BUY, parameters.share * state.nav, "it rose in 60 days")
            for column in range(state.context.n_securities)
            if state.market.momentum[column] > 0
        ]


def broken(calculate: Callable[..., Any], **attributes: Any) -> AnyModule:
    """A calculator with another method or other attributes."""
    content = {"__doc__": "Breaks something.", "calculate": calculate, **attributes}
    module: AnyModule = type("Broken", (Good,), content)()
    return module


def problems(module: AnyModule, check: Check) -> list[ContractProblem]:
    """The problems of a module, which are all of one check."""
    report = check_module(module)
    assert {problem.check for problem in report.problems} == {check}
    assert all(problem.cure for problem in report.problems)
    return list(report.problems)


def buy(**fields: Any) -> Opportunity:
    values = {"security": 0, "side": Side.BUY, "notional": 1_000.0, "reason": "it rose by 5 %"}
    return Opportunity(**{**values, **fields})


def test_a_good_module_has_no_problems_and_its_results_are_counted() -> None:
    report = check_module(Good())
    assert report.problems == ()
    assert report.n_results["calculate"] > 10
    assert "calculate, plain" in report.digests


def test_a_failure_in_one_state_names_that_state_and_keeps_the_error() -> None:
    def calculate(_self: Any, state: PlanningState, _parameters: Any) -> Any:
        return [buy()] if state.context.n_days > 1 else list[Any]()[0]

    (problem,) = problems(broken(calculate), Check.RESULTS)
    assert problem.states == ("one day",)
    assert "raises IndexError" in problem.message
    assert isinstance(problem.error, IndexError)


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ([buy(reason="up")], "a reason is a clause"),
        ([buy(reason="x" * 300)], "a reason is a clause"),
        ([buy(reason="its momentum is nan")], "not a number"),
        ([buy(notional=float("nan"))], "must be positive"),
        ([Skip(99, Side.BUY, "no such column here")], "column 99"),
        (None, "returned NoneType"),
    ],
)
def test_a_result_that_breaks_the_contract_is_found(result: Any, message: str) -> None:
    first = check_module(broken(lambda *_: result)).problems[0]
    assert message in first.message
    assert first.check is Check.RESULTS
    assert "list of Opportunity and Skip" in first.cure


def test_a_sell_of_what_is_not_held_is_found() -> None:
    complaints = check_module(broken(lambda *_: [buy(side=Side.SELL)])).problems
    assert "nothing is held" in complaints[0].message
    assert "all cash" in complaints[0].states
    assert "plain" not in complaints[0].states


def test_random_numbers_are_found() -> None:
    def calculate(_self: Any, _state: Any, _parameters: Any) -> Any:
        return [buy(notional=1_000 + random.random())]  # noqa: S311 - the mistake

    (problem,) = problems(broken(calculate), Check.REPEATS)
    assert "something else for the same inputs" in problem.message
    assert "@cacheable" not in problem.message


def test_a_result_that_depends_on_earlier_calls_is_worse_if_it_is_cached() -> None:
    n_days: list[int] = []

    @cacheable(ttl=60)
    def calculate(_self: Any, state: PlanningState, _parameters: Any) -> Any:
        n_days.append(state.context.n_days)
        return [buy(notional=1_000.0 + (n_days[-2] if len(n_days) > 1 else 0))]

    (problem,) = problems(broken(calculate), Check.REPEATS)
    assert "marked @cacheable" in problem.message


def test_the_place_of_an_object_in_memory_must_not_matter() -> None:
    def calculate(_self: Any, state: PlanningState, _parameters: Any) -> Any:
        return [buy(notional=1.0 + id(state) % 9_973)]

    assert problems(broken(calculate), Check.REPEATS)


def test_a_change_of_the_inputs_is_named_and_does_not_reach_the_next_module() -> None:
    def calculate(_self: Any, state: PlanningState, _parameters: Any) -> Any:
        state.market.mu[:] = 0.5
        return []

    complaints = problems(broken(calculate), Check.INPUTS)
    assert "changes state.market.mu" in complaints[0].message
    assert "copy" in complaints[0].cure
    assert sample_inputs("plain").state.market.mu.max() < 0.5
    assert check_module(Good()).problems == ()


def test_a_change_of_a_mapping_that_others_use_is_found() -> None:
    def calculate(_self: Any, state: PlanningState, _parameters: Any) -> Any:
        state.history.quarantined[0] = "mine"
        return []

    complaints = problems(broken(calculate), Check.INPUTS)
    assert any("state.history.quarantined" in problem.message for problem in complaints)


def test_what_a_module_stores_between_calls_is_named() -> None:
    def calculate(self: Any, _state: Any, _parameters: Any) -> Any:
        self.n_calls = getattr(self, "n_calls", 0) + 1
        return []

    (problem,) = problems(broken(calculate), Check.MEMORY)
    assert "self.n_calls" in problem.message


def test_what_a_class_stores_is_found_too() -> None:
    def calculate(self: Any, state: PlanningState, _parameters: Any) -> Any:
        self.means[state.context.n_days] = 1.0
        return []

    (problem,) = problems(broken(calculate, means={}), Check.MEMORY)
    assert "Broken.means" in problem.message


def test_a_module_without_a_docstring_is_asked_for_one() -> None:
    (problem,) = problems(broken(Good.calculate, __doc__=None), Check.DESCRIPTION)
    assert "formula" in problem.cure


def test_a_parameter_without_bounds_or_unit_is_named() -> None:
    class Unbounded(ModuleParameters):
        """Has a number without an upper bound."""

        share: float = parameter(0.02, unit="", gt=0, description="size")

    complaints = problems(broken(Good.calculate, parameters_model=Unbounded), Check.PARAMETERS)
    assert "`share` has no unit" in complaints[0].message
    assert "le= or lt=" in complaints[1].message


def test_parameters_that_accept_unknown_keys_are_found() -> None:
    class Lax(SizeParameters, extra="allow"):
        """Accepts everything."""

    (problem,) = problems(broken(Good.calculate, parameters_model=Lax), Check.PARAMETERS)
    assert "not declared" in problem.message


def test_a_bound_at_which_a_module_fails_is_named() -> None:
    class Divisor(ModuleParameters):
        """A divisor."""

        share: float = parameter(0.02, unit="fraction", ge=0, le=1, description="size")

    def calculate(_self: Any, state: PlanningState, parameters: Any) -> Any:
        return [buy(notional=state.nav / parameters.share)]

    (problem,) = problems(broken(calculate, parameters_model=Divisor), Check.BOUNDS)
    assert "with share = 0" in problem.message
    assert "ZeroDivisionError" in problem.message


def test_a_bound_that_is_refused_although_it_is_allowed_is_found() -> None:
    class Odd(ModuleParameters):
        """Odd numbers only, which its bounds do not say."""

        n: int = parameter(3, unit="days", ge=1, le=10, multiple_of=3, description="days")

    complaints = problems(broken(lambda *_: [], parameters_model=Odd), Check.BOUNDS)
    assert "refuses n = 1," in complaints[0].message


def test_a_module_that_ends_the_process_is_reported_in_every_state() -> None:
    def calculate(*_: Any) -> Any:
        raise SystemExit(3)

    complaints = check_module(broken(calculate)).problems
    assert "SystemExit" in complaints[0].message
    assert len(complaints[0].states) > 20
    assert complaints[-1].check is Check.PLAN


def test_a_dependency_that_is_not_there_is_a_problem_of_the_plan() -> None:
    needs = (Dependency(ModuleKind.FILTER, "no_such_filter"),)
    complaints = problems(broken(Good.calculate, metadata=metadata(dependencies=needs)), Check.PLAN)
    assert "no_such_filter" in complaints[0].message


class PlainPattern(PatternGenerator[ModuleParameters]):
    """Every candidate alone."""

    metadata: ClassVar[ModuleMetadata] = metadata()
    parameters_model = ModuleParameters

    def generate(self, candidates: Candidates, state: PlanningState, parameters: Any) -> Any:
        return [(i,) for i in range(candidates.n)]


def pattern(make_sets: Callable[[Candidates], Any]) -> AnyModule:
    class Broken(PlainPattern):
        """Proposes other sets."""

        def generate(self, candidates: Candidates, state: PlanningState, parameters: Any) -> Any:
            return make_sets(candidates)

    return Broken()


@pytest.mark.parametrize(
    ("make_sets", "message"),
    [
        (lambda c: [(0,), (0,)] if c.n else [], "a set twice"),
        (lambda c: [tuple(range(min(c.n, 5)))] if c.n else [], "exclude each other"),
        (lambda c: [(c.n,)], "below"),
    ],
)
def test_sets_that_break_the_contract_are_found(make_sets: Any, message: str) -> None:
    complaints = check_module(pattern(make_sets)).problems
    assert any(message in problem.message for problem in complaints)


def test_a_pattern_that_ignores_the_depth_is_found() -> None:
    def pair(candidates: Candidates) -> Any:
        free = np.argwhere(~candidates.conflicts)
        return [tuple(map(int, free[0]))] if len(free) else []

    assert check_module(PlainPattern()).problems == ()
    (problem,) = problems(pattern(pair), Check.RESULTS)
    assert "with max_plan_depth = 1" in problem.message


def sequence(generate: Callable[[Any], Any]) -> AnyModule:
    class Broken(SequenceGenerator[ModuleParameters]):
        """Yields something."""

        metadata: ClassVar[ModuleMetadata] = metadata()
        parameters_model = ModuleParameters

        def generate(self, space: Any, state: PlanningState, parameters: Any) -> Any:
            return generate(space)

    return Broken()


def test_a_sequence_with_a_candidate_twice_and_a_list_of_blocks_are_found() -> None:
    def twice(space: Any) -> Iterator[Any]:
        if space.candidates.n and space.depth > 1:
            yield np.zeros((2, 1), np.int16)

    (problem,) = problems(sequence(twice), Check.RESULTS)
    assert "the same candidate twice" in problem.message
    complaints = check_module(sequence(lambda _: [])).problems
    assert "needs an iterator" in complaints[0].message


def test_a_search_that_a_generator_changes_is_found() -> None:
    def offer(space: Any) -> Iterator[Any]:
        if space.candidates.n > 1:
            space.ranking.offer(np.array([[1], [space.null_id]], np.int16))
        yield from ()

    complaints = check_module(sequence(offer)).problems
    assert any("space.ranking.sets" in problem.message for problem in complaints)


def test_a_filter_that_rejects_a_repair_is_found() -> None:
    class Rejecting(Filter[ModuleParameters]):
        """Rejects everything."""

        metadata: ClassVar[ModuleMetadata] = metadata()
        parameters_model = ModuleParameters

        def reject(self, candidates: Candidates, state: PlanningState, parameters: Any) -> Any:
            return dict.fromkeys(range(candidates.n), "it is not wanted at all")

    (problem, *_) = problems(Rejecting(), Check.RESULTS)
    assert "mandatory" in problem.message
    assert problem.operation == "reject"


@pytest.mark.parametrize(
    ("select", "message"),
    [
        (lambda ranked, limit: ranked[: limit + 1], "selects"),
        (lambda ranked, limit: ranked[:limit], "the best set"),
        (lambda ranked, limit: ranked[1 : limit + 1][::-1], "out of their order"),
    ],
)
def test_alternatives_that_break_the_contract_are_found(select: Any, message: str) -> None:
    class Selecting(Filter[ModuleParameters]):
        """Selects."""

        metadata: ClassVar[ModuleMetadata] = metadata()
        parameters_model = ModuleParameters

        def select_alternatives(self, ranked: Any, limit: int, parameters: Any) -> Any:
            return select(ranked, limit)

    (problem, *_) = problems(Selecting(), Check.RESULTS)
    assert message in problem.message
