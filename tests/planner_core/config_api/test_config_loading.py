"""The configuration: all errors at once, each with its place, what is allowed and a suggestion."""

from __future__ import annotations

import math
from copy import deepcopy
from typing import Any

import pytest
from pydantic import BaseModel

from planner_core.config_api.config_loading import load_config
from planner_core.errors import ConfigError, ConfigProblem
from planner_core.model.config import (
    ConfigSection,
    ConstraintsConfig,
    CostsConfig,
    EstimationConfig,
    ObjectiveConfig,
    PlannerConfig,
    SearchConfig,
)
from planner_core.modules.builtin import builtin_registries
from planner_core.modules.module import Dependency, ModuleKind
from planner_core.modules.opportunities.profit_taking import ProfitTakingParameters
from planner_core.modules.registry import Registries
from tests.builders import metadata, stub_calculator

SECTIONS: list[type[ConfigSection]] = [
    ObjectiveConfig,
    EstimationConfig,
    CostsConfig,
    ConstraintsConfig,
    SearchConfig,
]


def load(document: dict[str, Any], registries: Registries | None = None) -> PlannerConfig:
    return load_config(document, registries or builtin_registries())


def problems_of(
    document: dict[str, Any], registries: Registries | None = None
) -> tuple[ConfigProblem, ...]:
    with pytest.raises(ConfigError) as caught:
        load(document, registries)
    assert caught.value.code == "config"
    return caught.value.problems


def sentence_of(document: dict[str, Any], registries: Registries | None = None) -> str:
    (problem,) = problems_of(document, registries)
    return problem.sentence()


def test_an_empty_document_is_the_defaults() -> None:
    config = load({})
    assert config.max_plan_depth == 5
    assert config.objective == ObjectiveConfig()
    assert (config.objective.risk_aversion, config.objective.turnover_penalty) == (4.0, 0.001)
    assert set(config.enabled(ModuleKind.FILTER)) == set(builtin_registries().filters.names)
    assert config.disabled(ModuleKind.OPPORTUNITY) == ("tax_loss_harvest",)


@pytest.mark.parametrize("section", SECTIONS)
def test_every_key_has_unit_description_and_bounds_that_hold_for_its_default(
    section: type[BaseModel],
) -> None:
    for name, schema in section.model_json_schema()["properties"].items():
        assert schema["unit"], name
        assert schema["description"], name
        if schema["type"] in {"number", "integer"}:
            low = schema.get("minimum", schema.get("exclusiveMinimum", -math.inf))
            high = schema.get("maximum", math.inf)
            assert math.isfinite(low), name
            assert math.isfinite(high), name
            assert low <= schema["default"] <= high, name


def test_a_module_is_a_switch_or_a_table() -> None:
    config = load(
        {
            "opportunity_calculators": {
                "profit_taking": {"windfall_min": 0.3},
                "averaging_down": False,
                "tax_loss_harvest": True,
            }
        }
    )
    enabled = config.enabled(ModuleKind.OPPORTUNITY)
    assert enabled["profit_taking"] == ProfitTakingParameters(windfall_min=0.3)
    assert "averaging_down" not in enabled
    assert "tax_loss_harvest" in enabled
    assert config.disabled(ModuleKind.OPPORTUNITY) == ("averaging_down",)


def test_modules_stand_in_the_order_of_the_registry_whatever_the_document_says() -> None:
    config = load({"opportunity_calculators": {"cash_raise": True, "profit_taking": True}})
    names = [
        n for n in builtin_registries().opportunity_calculators.names if n != "tax_loss_harvest"
    ]
    assert list(config.enabled(ModuleKind.OPPORTUNITY)) == names


@pytest.mark.parametrize("value", [1, 0, "true", "false", 1.0, [], None.__class__])
def test_anything_else_is_neither(value: object) -> None:
    sentence = sentence_of({"filters": {"diversity": value}})
    assert sentence.startswith("filters.diversity: must be true, false or a table")


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        (
            {"max_plan_depth": 11},
            "max_plan_depth: is out of bounds, found 11 (allowed: >= 1 and <= 10, steps)",
        ),
        (
            {"constraints": {"position_weight_max": 25}},
            "found 25 (write 0.25 for 25 %) (allowed: > 0 and <= 1, weight)",
        ),
        ({"costs": {"tax_rate": 26.375}}, "found 26.375 (write 0.26375 for 26.375 %) (allowed"),
        ({"max_plan_depth": 0}, "found 0 (allowed: >= 1 and <= 10, steps)"),
        ({"max_plan_depth": True}, "input should be a valid integer, found True"),
        ({"max_plan_depth": "5"}, "input should be a valid integer, found '5'"),
        ({"max_plan_depth": 5.0}, "input should be a valid integer, found 5.0"),
        ({"costs": {"tax_rate": True}}, "costs.tax_rate: input should be a valid number"),
        ({"costs": {"tax_rate": "0.2"}}, "costs.tax_rate: input should be a valid number"),
        ({"costs": {"tax_rate": math.nan}}, "costs.tax_rate: input should be a finite number"),
        ({"costs": {"tax_rate": math.inf}}, "costs.tax_rate: input should be"),
        ({"costs": {"tax_rate": -math.inf}}, "costs.tax_rate: input should be"),
        ({"costs": {"tax_lots": "lifo"}}, "costs.tax_lots: input should be 'hifo' or 'fifo'"),
        ({"costs": 3}, "costs: must be a table, found 3"),
        (
            {"constraints": {"settled_cash_only": 1}},
            "constraints.settled_cash_only: must be true or false, found 1",
        ),
        ({"constraints": {"position_weight_max": 0}}, "> 0 and <= 1, weight"),
        ({"estimation": {"history_days": 200}}, "history_days must not lie below history_days_min"),
        (
            {"estimation": {"tail_windows_max": 100}},
            "estimation: tail_windows_max must not lie below tail_windows_min",
        ),
        ({"filters": 3}, "filters: must be a table"),
        (
            {"filters": {"eligibility": {"excluded": "AAPL"}}},
            "filters.eligibility.excluded: must be a list, found 'AAPL'",
        ),
        (
            {"opportunity_calculators": {"opportunity_buys": {"tickets": [0.02, 1.5]}}},
            "opportunity_calculators.opportunity_buys.tickets.1: input should be less than",
        ),
        (
            {"opportunity_calculators": {"profit_taking": {"windfall_high": 0.1}}},
            "opportunity_calculators.profit_taking: windfall_high must not lie below windfall_min",
        ),
    ],
)
def test_a_value_that_is_refused_is_named_with_what_is_allowed(
    document: dict[str, Any], sentence: str
) -> None:
    assert sentence in sentence_of(document)


@pytest.mark.parametrize(
    ("document", "path", "suggestion"),
    [
        ({"max_plan_dept": 5}, ("max_plan_dept",), "max_plan_depth"),
        ({"constraint": {}}, ("constraint",), "constraints"),
        ({"filter": {}}, ("filter",), "filters"),
        ({"costs": {"fixed_cots": 1}}, ("costs", "fixed_cots"), "fixed_cost"),
        ({"filters": {"diversty": True}}, ("filters", "diversty"), "diversity"),
        (
            {"filters": {"diversity": {"overlap": 0.5}}},
            ("filters", "diversity", "overlap"),
            "overlap_max",
        ),
        ({"zzz": 1}, ("zzz",), None),
        ({"filters": {"zzz": True}}, ("filters", "zzz"), None),
    ],
)
def test_an_unknown_key_comes_with_a_suggestion(
    document: dict[str, Any], path: tuple[str, ...], suggestion: str | None
) -> None:
    (problem,) = problems_of(document)
    assert problem.path == path
    assert problem.suggestion == suggestion
    assert problem.allowed


def test_all_errors_are_reported_at_once() -> None:
    document = {
        "max_plan_depth": "deep",
        "nonsense": 1,
        "costs": {"tax_rate": 2, "fixed_cots": 1},
        "objective": 3,
        "filters": {"diversty": True, "eligibility": {"quality_min": 2, "price": 1}},
        "opportunity_calculators": {"cash_raise": 7},
        "pattern_generators": dict.fromkeys(builtin_registries().pattern_generators.names, False),
    }
    assert {problem.path for problem in problems_of(document)} == {
        ("max_plan_depth",),
        ("nonsense",),
        ("costs", "tax_rate"),
        ("costs", "fixed_cots"),
        ("objective",),
        ("filters", "diversty"),
        ("filters", "eligibility", "quality_min"),
        ("filters", "eligibility", "price"),
        ("opportunity_calculators", "cash_raise"),
        ("sequence_generators", "combinatorial"),
    }


def test_an_integer_may_stand_for_a_number_with_decimals() -> None:
    config = load({"objective": {"risk_aversion": 3}, "costs": {"tax_rate": 0}})
    assert config.objective.risk_aversion == 3.0
    assert isinstance(config.costs.tax_rate, float)


def test_a_long_value_is_cut_in_the_message() -> None:
    assert len(sentence_of({"max_plan_depth": "x" * 10_000})) < 250


def test_combinatorial_needs_a_pattern_generator() -> None:
    nothing = dict.fromkeys(builtin_registries().pattern_generators.names, False)
    assert sentence_of({"pattern_generators": nothing}) == (
        "sequence_generators.combinatorial: needs at least one enabled module in"
        " [pattern_generators]"
    )
    load({"pattern_generators": {**nothing, "single_best": True}})
    load({"pattern_generators": nothing, "sequence_generators": {"combinatorial": False}})


@pytest.mark.parametrize(
    ("dependency", "document", "complaint"),
    [
        (Dependency(ModuleKind.FILTER, "diversity"), {}, None),
        (Dependency(ModuleKind.FILTER, "diversity", ">=1.0,<2"), {}, None),
        (
            Dependency(ModuleKind.FILTER, "diversity"),
            {"filters": {"diversity": False}},
            "needs filters.diversity to be enabled",
        ),
        (Dependency(ModuleKind.FILTER, "absent"), {}, "needs filters.absent to be enabled"),
        (
            Dependency(ModuleKind.FILTER, "diversity", ">=1.2,<2"),
            {},
            "needs filters.diversity >=1.2,<2, found 1.0.0",
        ),
    ],
)
def test_what_a_module_needs_is_checked_with_its_version(
    dependency: Dependency, document: dict[str, Any], complaint: str | None
) -> None:
    module = stub_calculator(lambda _: [])
    type(module).metadata = metadata("stub", dependencies=(dependency,))
    registries = builtin_registries().copy()
    registries.register(module)
    if complaint is None:
        load(document, registries)
    else:
        sentence = sentence_of(document, registries)
        assert sentence == f"opportunity_calculators.stub: {complaint}"
        load(
            {**document, "opportunity_calculators": {"stub": False}}, registries
        )  # needs of a disabled module do not matter


def test_a_config_is_frozen() -> None:
    config = load({})
    with pytest.raises(ValueError, match="frozen"):
        config.max_plan_depth = 3  # type: ignore[misc]
    with pytest.raises(ValueError, match="frozen"):
        config.costs.tax_rate = 0.1  # type: ignore[misc]
    with pytest.raises(TypeError):
        config.enabled(ModuleKind.FILTER)["mine"] = None  # type: ignore[index]


def test_the_document_is_left_as_it_was() -> None:
    document = {"filters": {"diversity": {"overlap_max": 0.2}}, "costs": {"tax_rate": 0.1}}
    copy = deepcopy(document)
    load(document)
    assert document == copy
