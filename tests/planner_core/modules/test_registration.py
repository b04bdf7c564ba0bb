"""The objects that the file of a module registers with."""

from __future__ import annotations

from typing import Any

import pytest

from planner_core.api import (
    API_VERSION,
    filter_registry,
    opportunity_registry,
    pattern_registry,
    sequence_registry,
)
from planner_core.errors import ModuleContractError
from planner_core.modules.builtin import builtin_registries
from planner_core.modules.module import ModuleParameters, parameter
from planner_core.modules.registration import (
    MODULES_PER_FILE_MAX,
    Registration,
    collect_modules,
)
from tests.builders import metadata, stub_calculator, stub_filter, stub_pattern, stub_sequence


def test_each_kind_has_its_object_and_a_load_collects_them_in_order() -> None:
    modules: list[Any] = [
        opportunity_registry.register(stub_calculator(lambda _: [])),
        pattern_registry.register(stub_pattern(lambda _: [])),
        sequence_registry.register(stub_sequence(lambda _: iter(()))),
        filter_registry.register(stub_filter()),
    ]
    registries: list[Registration[Any]] = [
        opportunity_registry, pattern_registry, sequence_registry, filter_registry,
    ]  # fmt: skip
    with collect_modules() as collected:
        for registry, module in zip(registries, modules, strict=True):
            assert registry.register(module) is module
    assert collected == modules


def test_outside_of_a_load_nothing_changes() -> None:
    before = [module.key for module in builtin_registries().all_modules()]
    opportunity_registry.register(stub_calculator(lambda _: [], "mine"))
    with collect_modules() as collected:
        pass
    assert collected == []
    assert [module.key for module in builtin_registries().all_modules()] == before


def test_another_kind_or_a_class_is_refused() -> None:
    with pytest.raises(ModuleContractError, match="is not a PatternGenerator"):
        pattern_registry.register(stub_filter())  # type: ignore[arg-type]
    with pytest.raises(ModuleContractError, match="register an instance"):
        filter_registry.register(type(stub_filter()))  # type: ignore[arg-type]


def test_a_module_is_registered_once_and_their_number_is_limited() -> None:
    with collect_modules():
        filter_registry.register(stub_filter())
        with pytest.raises(ModuleContractError, match="is registered twice"):
            filter_registry.register(stub_filter())
        for number in range(MODULES_PER_FILE_MAX - 1):
            filter_registry.register(stub_filter(name=f"stub{number}"))
        with pytest.raises(ModuleContractError, match="at most 32"):
            filter_registry.register(stub_filter(name="one_more"))


def test_a_version_of_the_api_that_is_too_new_is_refused() -> None:
    module = stub_filter()
    type(module).metadata = metadata("stub", requires_api=">=2")
    with pytest.raises(
        ModuleContractError, match=f"needs the module API >=2, this is {API_VERSION}"
    ):
        filter_registry.register(module)


def test_a_parameter_without_a_valid_default_is_refused() -> None:
    class Parameters(ModuleParameters):
        days: int = parameter(0, unit="days", ge=1, description="a look-back")

    module = stub_filter()
    type(module).parameters_model = Parameters
    with pytest.raises(ModuleContractError, match="parameter days: its default is not valid"):
        filter_registry.register(module)
