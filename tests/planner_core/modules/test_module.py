"""Requirements of every module of every kind, shipped or not."""

from __future__ import annotations

import math
from typing import Any

import pytest

from planner_core.errors import ModuleContractError
from planner_core.modules.builtin import builtin_registries
from planner_core.modules.module import (
    AnyModule,
    Filter,
    ModuleKind,
    ModuleMetadata,
    ModuleParameters,
    parameter,
)
from planner_core.modules.registry import version_satisfies
from tests.builders import make_candidates, make_state, stub_filter

MODULES = [pytest.param(module, id=module.key) for module in builtin_registries().all_modules()]
PARAMETERS = [
    pytest.param(module, name, id=f"{module.key}.{name}")
    for module in builtin_registries().all_modules()
    for name in module.parameters_model.model_fields
]


def schema_of(module: AnyModule, name: str) -> dict[str, Any]:
    properties: dict[str, Any] = module.parameters_model.model_json_schema()["properties"]
    schema: dict[str, Any] = properties[name]
    return schema


@pytest.mark.parametrize("module", MODULES)
def test_metadata_is_complete(module: AnyModule) -> None:
    metadata = module.metadata
    assert metadata.name
    assert metadata.version.count(".") == 2
    assert metadata.description[0].isupper()
    assert not metadata.description.endswith(".")
    assert metadata.author
    assert version_satisfies("3.11.0", metadata.requires_python)
    assert metadata.tags


@pytest.mark.parametrize("module", MODULES)
def test_the_key_names_kind_and_module(module: AnyModule) -> None:
    assert module.key == f"{module.kind.value}.{module.metadata.name}"


@pytest.mark.parametrize("module", MODULES)
def test_the_docstring_gives_the_rule_and_its_source(module: AnyModule) -> None:
    rule, _, source = (type(module).__doc__ or "").partition("Source: ")
    assert len(rule.split()) >= 7, rule
    assert len(source.split()) >= 3, "say where it is from, or that it is our own"


@pytest.mark.parametrize("module", MODULES)
def test_a_file_and_its_module_have_one_name(module: AnyModule) -> None:
    assert type(module).__module__.rsplit(".", 1)[-1] == module.metadata.name


@pytest.mark.parametrize(("module", "name"), PARAMETERS)
def test_a_parameter_has_unit_and_description(module: AnyModule, name: str) -> None:
    schema = schema_of(module, name)
    assert schema.get("unit")
    assert schema.get("description")


@pytest.mark.parametrize(("module", "name"), PARAMETERS)
def test_a_parameter_is_bounded_with_its_default_inside(module: AnyModule, name: str) -> None:
    schema = schema_of(module, name)
    if schema["type"] == "array":
        assert "maxItems" in schema
        assert len(schema["default"]) <= schema["maxItems"]
        if schema["items"]["type"] == "string":
            return
        low, high = bounds_of(schema["items"])
        assert all(low <= value <= high for value in schema["default"])
    else:
        low, high = bounds_of(schema)
        assert low <= schema["default"] <= high
    assert math.isfinite(low)
    assert math.isfinite(high)


def bounds_of(schema: dict[str, Any]) -> tuple[float, float]:
    low = schema.get("minimum", schema.get("exclusiveMinimum", -math.inf))
    high = schema.get("maximum", schema.get("exclusiveMaximum", math.inf))
    return low, high


@pytest.mark.parametrize("module", MODULES)
def test_parameters_refuse_unknown_keys_and_change(module: AnyModule) -> None:
    with pytest.raises(ValueError, match="extra"):
        module.parameters_model.model_validate({"no_such_parameter": 1})
    parameters: ModuleParameters = module.parameters_model()
    for name in module.parameters_model.model_fields:
        with pytest.raises(ValueError, match="frozen"):
            setattr(parameters, name, getattr(parameters, name))


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"name": "Upper"}, "lower case"),
        ({"name": "with-dash"}, "lower case"),
        ({"name": "1st"}, "lower case"),
        ({"name": ""}, "lower case"),
        ({"name": "a" * 65}, "lower case"),
        ({"name": "newline\n"}, "lower case"),
        ({"version": "1.0"}, "MAJOR.MINOR.PATCH"),
        ({"version": "v1.0.0"}, "MAJOR.MINOR.PATCH"),
        ({"version": "01.0.0"}, "MAJOR.MINOR.PATCH"),
        ({"version": "1.0.0\n"}, "MAJOR.MINOR.PATCH"),
        ({"description": "  "}, "description"),
    ],
)
def test_metadata_that_is_wrong_is_refused(fields: dict[str, str], complaint: str) -> None:
    good: dict[str, Any] = {"name": "mine", "version": "1.0.0", "description": "does it"}
    with pytest.raises(ModuleContractError, match=complaint):
        ModuleMetadata(**{**good, **fields})


def test_a_filter_without_hooks_lets_everything_through() -> None:
    class Lazy(Filter[ModuleParameters]):
        metadata = ModuleMetadata("lazy", "1.0.0", "does nothing")
        parameters_model = ModuleParameters

    state = make_state()
    candidates = make_candidates(state, [])
    lazy, parameters = Lazy(), ModuleParameters()
    assert lazy.reject(candidates, state, parameters) == {}
    assert lazy.conflicts(candidates, state, parameters) is None
    assert lazy.select_alternatives([(0,)], 3, parameters) is None


def test_the_four_kinds_are_named_as_their_sections() -> None:
    assert [kind.value for kind in ModuleKind] == [
        "opportunity_calculators",
        "pattern_generators",
        "sequence_generators",
        "filters",
    ]
    assert stub_filter(name="mine").key == "filters.mine"


def test_a_list_from_toml_is_taken_for_a_tuple_but_a_word_never_for_a_number() -> None:
    class Parameters(ModuleParameters):
        sizes: tuple[float, ...] = parameter((1.0,), unit="1", description="sizes", max_length=3)
        count: int = parameter(1, unit="1", description="count", ge=1, le=3)

    assert Parameters.model_validate({"sizes": [1, 2.5]}).sizes == (1.0, 2.5)
    for wrong in ({"sizes": ["1"]}, {"sizes": [True]}, {"sizes": "12"}, {"count": "1"}):
        with pytest.raises(ValueError, match="valid"):
            Parameters.model_validate(wrong)
