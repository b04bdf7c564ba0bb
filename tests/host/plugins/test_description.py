"""Modules as plain data, and the stand-ins that check configurations."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from host.plugins.description import (
    ModuleDescription,
    PluginCodeError,
    describe_module,
    stand_in,
)
from planner_core.config_api.config_loading import load_config
from planner_core.config_api.config_schema import config_schema
from planner_core.errors import ConfigError, ModuleContractError
from planner_core.modules.builtin import builtin_registries
from planner_core.modules.module import ModuleParameters, parameter
from planner_core.modules.registry import Registries
from tests.builders import stub_calculator


class Parameters(ModuleParameters):
    """All types that a parameter may have."""

    on: bool = parameter(default=True, unit="1", description="a switch")
    days: int = parameter(5, unit="days", ge=1, lt=10, description="a number")
    share: float = parameter(0.5, unit="fraction", gt=0, le=1, description="a fraction")
    code: str = parameter("ab", unit="1", pattern="^[a-z]+$", max_length=4, description="a text")
    way: Literal["up", "down"] = parameter("up", unit="1", description="one of two")
    sizes: tuple[Annotated[float, Field(gt=0, le=2)], ...] = parameter(
        (0.5, 1.0), unit="fractions", min_length=1, max_length=3, description="several"
    )


def described(parameters: type[ModuleParameters]) -> Registries:
    module = stub_calculator(lambda _: [])
    type(module).parameters_model = parameters
    text = describe_module(module).model_dump_json()
    registries = Registries()
    registries.register(stand_in(ModuleDescription.model_validate_json(text)))
    return registries


def real(parameters: type[ModuleParameters]) -> Registries:
    module = stub_calculator(lambda _: [])
    type(module).parameters_model = parameters
    registries = Registries()
    registries.register(module)
    return registries


def test_stand_ins_of_all_shipped_modules_have_the_same_schema_and_defaults() -> None:
    registries = Registries()
    for module in builtin_registries().all_modules():
        registries.register(stand_in(describe_module(module)))
    assert config_schema(registries) == config_schema()
    ours, theirs = load_config({}, builtin_registries()), load_config({}, registries)
    assert ours.model_dump(serialize_as_any=True) == theirs.model_dump(serialize_as_any=True)


@pytest.mark.parametrize(
    "values",
    [
        {}, {"on": False}, {"on": 1}, {"days": 1}, {"days": 0}, {"days": 10}, {"days": 2.5},
        {"days": "3"}, {"share": 1}, {"share": 0}, {"share": 1.5}, {"share": float("nan")},
        {"code": "abcd"}, {"code": "A"}, {"code": "abcde"}, {"way": "down"}, {"way": "left"},
        {"sizes": [2.0]}, {"sizes": []}, {"sizes": [3.0]}, {"sizes": [1, 1, 1, 1]},
        {"sizes": "no"}, {"dayz": 3}, {"days": 0, "share": 7, "way": "left"},
    ],
)  # fmt: skip
def test_a_stand_in_accepts_and_refuses_what_the_module_does(values: dict[str, Any]) -> None:
    document = {"opportunity_calculators": {"stub": values}}

    def verdict_of(registries: Registries) -> object:
        try:
            config = load_config(document, registries)
        except ConfigError as error:
            return [problem.sentence() for problem in error.problems]
        return config.opportunity_calculators["stub"].model_dump()

    assert verdict_of(described(Parameters)) == verdict_of(real(Parameters))


def test_a_parameter_of_another_type_is_refused_when_the_module_is_described() -> None:
    class Nested(ModuleParameters):
        table: dict[str, float] = parameter({}, unit="1", description="a table")

    class NoDefault(ModuleParameters):
        numbers: tuple[int, ...] | None = parameter(None, unit="1", description="or nothing")

    for model in (Nested, NoDefault):
        with pytest.raises(ModuleContractError, match="a parameter is a bool, int, float, str"):
            described(model)


def test_a_stand_in_runs_no_code() -> None:
    module: Any = described(Parameters).opportunity_calculators["stub"]
    with pytest.raises(PluginCodeError, match="in the planner's process only"):
        module.calculate(None, None)
