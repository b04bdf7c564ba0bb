"""The mark `@cacheable`: where it may stand, and what it says."""

from __future__ import annotations

import math
from typing import Any

import pytest

from planner_core.errors import ModuleContractError
from planner_core.modules.builtin import builtin_registries
from planner_core.modules.cacheable import CALCULATOR_TTL_S, TTL_MAX_S, cache_ttl_s
from planner_core.modules.module import ModuleKind, cacheable
from planner_core.modules.registry import Registries
from tests.builders import stub_calculator, stub_sequence


def test_a_marked_method_says_how_long_its_results_may_be_used() -> None:
    class Marked:
        @cacheable(ttl=60)
        def calculate(self) -> int:
            return 7

        def reject(self) -> None:
            """Is not marked."""

    assert Marked().calculate() == 7
    assert cache_ttl_s(Marked(), "calculate") == 60.0
    assert cache_ttl_s(Marked(), "reject") is None
    assert cache_ttl_s(Marked(), "generate") is None


def test_a_method_that_replaces_a_marked_one_is_not_marked() -> None:
    class Marked:
        @cacheable(ttl=60)
        def calculate(self) -> int:
            return 7

    class Other(Marked):
        def calculate(self) -> int:
            return 8

    assert cache_ttl_s(Other(), "calculate") is None


@pytest.mark.parametrize(
    "ttl", [0, -1, math.nan, math.inf, TTL_MAX_S + 1, True, "60", None], ids=repr
)
def test_a_time_that_is_not_one_is_refused_with_what_is_allowed(ttl: Any) -> None:  # noqa: ANN401
    with pytest.raises(ModuleContractError, match="seconds above 0, at most 86400"):
        cacheable(ttl=ttl)


def test_without_parentheses_the_error_says_how_to_write_it() -> None:
    with pytest.raises(ModuleContractError, match=r"write @cacheable\(ttl=60\)"):

        @cacheable  # type: ignore[arg-type]
        def calculate() -> None:
            """Is not reached."""


@pytest.mark.parametrize(
    "wrong", [lambda: None, type("calculate", (), {}), 7], ids=["lambda", "class", "number"]
)
def test_only_the_methods_of_modules_can_be_marked(wrong: Any) -> None:  # noqa: ANN401
    with pytest.raises(ModuleContractError, match="calculate, generate, reject"):
        cacheable(ttl=60)(wrong)


def test_a_sequence_generator_cannot_be_cached() -> None:
    module = stub_sequence(lambda _: iter(()))
    cacheable(ttl=60)(type(module).generate)
    with pytest.raises(ModuleContractError, match="running search: remove @cacheable"):
        Registries().register(module)


def test_every_shipped_calculator_is_marked_and_a_plain_one_is_not() -> None:
    calculators = builtin_registries().of_kind(ModuleKind.OPPORTUNITY)
    assert {cache_ttl_s(module, "calculate") for module in calculators} == {CALCULATOR_TTL_S}
    assert cache_ttl_s(stub_calculator(lambda _: []), "calculate") is None
