"""The schema says what the loader says, as far as JSON Schema can say it."""

from __future__ import annotations

import re
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner_core.config_api.config_loading import load_config
from planner_core.config_api.config_schema import config_schema
from planner_core.errors import ConfigError
from planner_core.model.config import PlannerConfig
from planner_core.modules.builtin import builtin_registries
from planner_core.modules.module import (
    ModuleMetadata,
    ModuleParameters,
    PatternGenerator,
    parameter,
)

SCHEMA = config_schema()
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)
BEYOND_SCHEMA = re.compile(
    r"^needs |must lie above|must not lie below|valid integer, found -?\d+\.0$"
)
"""Rules between keys, needs of modules, and 5.0 for 5."""


def test_it_is_a_valid_draft_07_schema_with_the_required_depth() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    depth = SCHEMA["properties"]["max_plan_depth"]
    assert (depth["minimum"], depth["maximum"], depth["default"]) == (1, 10, 5)
    assert SCHEMA["$schema"] == "http://json-schema.org/draft-07/schema#"


def test_a_module_is_a_switch_or_a_table_and_its_units_stand_in_the_descriptions() -> None:
    module = SCHEMA["properties"]["sequence_generators"]["properties"]["combinatorial"]
    switch, table = module["anyOf"]
    assert switch == {"type": "boolean"}
    assert table["properties"]["sets_max"]["description"].endswith("(sets)")


def test_it_points_nowhere_else() -> None:
    assert "$ref" not in repr(SCHEMA)
    assert "$defs" not in repr(SCHEMA)


def test_parameters_of_a_plugin_are_in_it() -> None:
    class Parameters(ModuleParameters):
        size: float = parameter(1.0, unit="weight", gt=0, description="how much")

    class Mine(PatternGenerator[Parameters]):
        metadata = ModuleMetadata("mine", "1.0.0", "Of a user")
        parameters_model = Parameters

        def generate(self, candidates: Any, state: Any, parameters: Parameters) -> Any:  # noqa: ANN401, ARG002 - the kind's own signature
            return ()

    registries = builtin_registries().copy()
    registries.register(Mine())
    entry = config_schema(registries)["properties"]["pattern_generators"]["properties"]["mine"]
    assert entry["anyOf"][1]["properties"]["size"]["exclusiveMinimum"] == 0


def loaded(document: dict[str, Any]) -> PlannerConfig | ConfigError:
    try:
        return load_config(document, builtin_registries())
    except ConfigError as error:
        return error


def values(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values near what a property allows: in bounds, at and over them, and of other types."""
    edges: list[Any] = [True, False, 0, 1, -1, 0.5, 5.0, "hifo", "x", [], [1], {}, [True], ["a"]]
    for key in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"):
        if key in schema:
            edges += [schema[key], schema[key] + 1, schema[key] - 1]
    edges.append(schema.get("default"))
    return st.sampled_from([edge for edge in edges if edge is not None])


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for name, schema in SCHEMA["properties"].items():
        if not draw(st.booleans()):
            continue
        if "properties" not in schema:
            document[name] = draw(values(schema))
            continue
        keys = draw(st.lists(st.sampled_from([*schema["properties"], "other"]), max_size=3))
        document[name] = {key: draw(entries(schema["properties"].get(key, {}))) for key in keys}
    return document


def entries(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    if "anyOf" not in schema:
        return values(schema)
    table = schema["anyOf"][1]["properties"]
    if not table:
        return st.sampled_from([True, False, {}, 1])
    keys = st.sampled_from(list(table))
    return st.one_of(
        st.booleans(), keys.flatmap(lambda key: values(table[key]).map(lambda v: {key: v}))
    )


@settings(max_examples=400, deadline=None)
@given(documents())
def test_what_the_schema_accepts_the_loader_accepts_and_the_reverse(
    document: dict[str, Any],
) -> None:
    is_valid = VALIDATOR.is_valid(document)
    result = loaded(document)
    if isinstance(result, ConfigError):
        sayable = [
            problem for problem in result.problems if not BEYOND_SCHEMA.search(problem.message)
        ]
        assert bool(sayable) == (not is_valid), result
    else:
        assert is_valid, list(VALIDATOR.iter_errors(document))


@pytest.mark.parametrize("wrong", ["max_plan_depth", "tax_rate"])
def test_a_key_in_the_wrong_place_is_refused_by_both(wrong: str) -> None:
    document = {"search": {wrong: 1}}
    assert not VALIDATOR.is_valid(document)
    assert isinstance(loaded(document), ConfigError)
