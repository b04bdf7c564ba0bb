"""Where modules are registered and checked against their kind."""

# ruff: noqa: ANN401 - overrides are of any type

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner_core.errors import ModuleContractError
from planner_core.modules.builtin import builtin_registries
from planner_core.modules.filters.diversity import Diversity
from planner_core.modules.module import (
    Dependency,
    ModuleKind,
    ModuleParameters,
    OpportunityCalculator,
)
from planner_core.modules.registry import Registries, version_satisfies
from tests.builders import (
    metadata,
    stub_calculator,
    stub_filter,
    stub_pattern,
    stub_sequence,
)

STUBS = [
    (stub_calculator(lambda _: []), ModuleKind.OPPORTUNITY),
    (stub_pattern(lambda _: []), ModuleKind.PATTERN),
    (stub_sequence(lambda _: iter(())), ModuleKind.SEQUENCE),
    (stub_filter(), ModuleKind.FILTER),
]


@pytest.mark.parametrize(("module", "kind"), STUBS)
def test_a_module_goes_where_its_kind_belongs(module: Any, kind: ModuleKind) -> None:
    registries = Registries()
    assert registries.register(module) is module
    assert list(registries.all_modules()) == [module]
    registry = registries.of_kind(kind)
    assert registry["stub"] is module
    assert "stub" in registry
    assert (len(registry), registry.names) == (1, ("stub",))


@pytest.mark.parametrize(("module", "kind"), STUBS)
def test_a_registry_refuses_another_kind(module: Any, kind: ModuleKind) -> None:
    for other in ModuleKind:
        if other is not kind:
            with pytest.raises(ModuleContractError, match="is not a "):
                Registries().of_kind(other).register(module)


def test_what_is_no_module_is_refused() -> None:
    for thing in (object(), 3, None, "profit_taking"):
        with pytest.raises(ModuleContractError, match="has no module kind"):
            Registries().register(thing)  # type: ignore[arg-type]


def test_a_class_is_refused_with_a_hint() -> None:
    with pytest.raises(ModuleContractError, match="Diversity: register an instance"):
        Registries().register(Diversity)  # type: ignore[arg-type]


def test_a_module_without_metadata_or_parameters_is_refused() -> None:
    class Bare(OpportunityCalculator[ModuleParameters]):
        def calculate(self, *_: Any) -> list[Any]:
            return []

    with pytest.raises(ModuleContractError, match="Bare: needs `metadata"):
        Registries().register(Bare())
    Bare.metadata = metadata("bare")
    with pytest.raises(ModuleContractError, match="Bare: needs `parameters_model`"):
        Registries().register(Bare())
    Bare.parameters_model = dict  # type: ignore[assignment,misc]
    with pytest.raises(ModuleContractError, match="a subclass of ModuleParameters"):
        Registries().register(Bare())


def test_a_name_is_taken_only_once_but_a_module_may_be_loaded_again() -> None:
    registries = builtin_registries().copy()
    with pytest.raises(ModuleContractError, match="another module has this name"):
        registries.register(stub_filter(name="diversity"))
    again = Diversity()
    registries.register(again)
    assert registries.filters["diversity"] is again
    assert len(registries.filters) == len(builtin_registries().filters)


def test_two_kinds_may_share_a_short_name() -> None:
    keys = [module.key for module in builtin_registries().all_modules()]
    assert "opportunity_calculators.profit_taking" in keys
    assert "pattern_generators.profit_taking" in keys
    assert len(set(keys)) == len(keys)


def test_a_copy_can_be_added_to_without_touching_the_original() -> None:
    copy = builtin_registries().copy()
    copy.register(stub_filter(name="mine"))
    assert "mine" in copy.filters
    assert "mine" not in builtin_registries().filters
    assert builtin_registries() is builtin_registries()


def test_the_closest_name_is_suggested() -> None:
    registry = builtin_registries().opportunity_calculators
    assert registry.closest("profit_takin") == "profit_taking"
    assert registry.closest("zzzz") is None


def test_a_version_range_that_cannot_be_read_is_refused_when_registered() -> None:
    for version_range in ("1.0", "~=1.0", ">=one", ">=1.0,nonsense", ">=9,nonsense", "=>1"):
        module = stub_calculator(lambda _: [])
        dependency = Dependency(ModuleKind.FILTER, "diversity", version_range)
        type(module).metadata = metadata("stub", dependencies=(dependency,))
        with pytest.raises(ModuleContractError, match="write it like"):
            Registries().register(module)


@pytest.mark.parametrize("version_range", [">=99", "<3", "==3.11.999"])
def test_a_module_for_another_python_is_refused(version_range: str) -> None:
    module = stub_calculator(lambda _: [])
    type(module).metadata = metadata("stub", requires_python=version_range)
    with pytest.raises(ModuleContractError, match=f"needs Python {version_range}, this is 3"):
        Registries().register(module)


def test_a_python_range_that_cannot_be_read_is_refused() -> None:
    module = stub_calculator(lambda _: [])
    type(module).metadata = metadata("stub", requires_python="three")
    with pytest.raises(ModuleContractError, match="write it like"):
        Registries().register(module)


def test_modules_that_need_each_other_in_a_circle_are_refused() -> None:
    def needing(name: str, other: str) -> Any:
        module = stub_filter(name=name)
        needed = (Dependency(ModuleKind.FILTER, other),)
        type(module).metadata = metadata(name, dependencies=needed)
        return module

    registries = Registries()
    registries.register(needing("one", "two"))
    registries.register(needing("two", "three"))
    with pytest.raises(ModuleContractError) as refused:
        registries.register(needing("three", "one"))
    circle = "filters.three -> filters.one -> filters.two -> filters.three"
    assert circle in str(refused.value)
    assert "three" not in registries.filters
    with pytest.raises(ModuleContractError, match="needs itself"):
        registries.register(needing("alone", "alone"))
    registries.register(needing("four", "one"))


@pytest.mark.parametrize(
    ("version", "version_range", "satisfied"),
    [
        ("1.2.3", "", True),
        ("1.2.3", ">=1.2", True),
        ("1.2.3", ">=1.2.4", False),
        ("1.2.3", ">1.2.3", False),
        ("1.2.3", "<=1.2.3", True),
        ("1.2.3", "==1.2.3", True),
        ("1.2.3", "==1.2", False),
        ("1.10.0", ">=1.9", True),
        ("2.0.0", ">=1.0, <2", False),
        ("1.99.0", ">= 1.0 , < 2", True),
    ],
)
def test_version_ranges(version: str, version_range: str, satisfied: bool) -> None:
    assert version_satisfies(version, version_range) is satisfied


@given(st.tuples(*[st.integers(0, 99)] * 3), st.tuples(*[st.integers(0, 99)] * 3))
def test_versions_are_ordered_as_numbers(
    smaller: tuple[int, int, int], larger: tuple[int, int, int]
) -> None:
    version, bound = ".".join(map(str, smaller)), ".".join(map(str, larger))
    assert version_satisfies(version, f">={bound}") is (smaller >= larger)
    assert version_satisfies(version, f"<{bound}") is (smaller < larger)
    assert version_satisfies(version, f"=={bound}") is (smaller == larger)
