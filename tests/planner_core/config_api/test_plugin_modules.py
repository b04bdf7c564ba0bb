"""Modules of plugins in configurations: absent ones, and those that do not fit."""

from __future__ import annotations

from typing import Any

import pytest

from planner_core.config_api.config_loading import load_config
from planner_core.errors import ConfigError
from planner_core.model.module_metadata import Dependency, ModuleKind
from planner_core.model.plan import ModuleStatus
from planner_core.modules.builtin import builtin_registries
from planner_core.modules.registry import Registries
from planner_core.planner import plan
from tests.builders import Recorder, make_context, make_runtime, metadata, stub_filter


def registries_with(*names: str, **fields: Any) -> Registries:  # noqa: ANN401 - of ModuleMetadata
    """Registries with filters of a plugin."""
    registries = builtin_registries().copy()
    for name in names:
        module = stub_filter(name=name)
        type(module).metadata = metadata(name, **fields)
        registries.register(module)
        registries.origins[module.key] = "plugins/mine.py"
    return registries


def problems_of(document: dict[str, Any], registries: Registries) -> list[str]:
    try:
        load_config(document, registries)
    except ConfigError as error:
        return [problem.sentence() for problem in error.problems]
    return []


def test_an_absent_module_may_be_named_and_is_no_problem() -> None:
    registries = builtin_registries().copy()
    registries.absent.update({"filters.mine": "off", "short": "broken"})
    document = {"filters": {"mine": {"size": 3}, "short": True, "diversity": False}}
    config = load_config(document, registries)
    assert config.absent_modules == {"filters.mine": "off", "filters.short": "broken"}
    assert "mine" not in config.filters
    assert load_config({"filters": {"mine": False}}, registries).absent_modules == {}
    (problem,) = problems_of({"filters": {"mime": True}}, registries)
    assert "no such module" in problem


def test_a_copy_of_a_configuration_has_the_same_absent_modules() -> None:
    config = load_config({}, builtin_registries()).with_absent_modules({"filters.mine": "off"})
    assert config.model_copy(update={"max_plan_depth": 2}).absent_modules == {"filters.mine": "off"}


def test_a_plan_lists_the_absent_module_with_the_reason() -> None:
    registries = builtin_registries().copy()
    registries.absent["filters.mine"] = "plugins are off"
    config = load_config({"filters": {"mine": True}}, registries)
    recorder = Recorder()
    result = plan(make_context(n_days=300), config, make_runtime(recorder=recorder))
    (attempt,) = [a for a in result.modules if a.key == "filters.mine"]
    assert (attempt.status, attempt.message) == (ModuleStatus.SKIPPED_OPEN, "plugins are off")
    assert {"key": "filters.mine", "reason": "plugins are off"} in recorder.of("ModuleSkipped")


def test_modules_that_exclude_each_other_cannot_both_be_named() -> None:
    registries = registries_with("mine", conflicts=("filters.diversity",))
    both = {"filters": {"mine": True, "diversity": True}}
    (problem,) = problems_of(both, registries)
    assert "filters.mine: must not be enabled together with filters.diversity" in problem
    assert problems_of({"filters": {"mine": True, "diversity": False}}, registries) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"conflicts": ("filters.diversity",)},
        {"dependencies": (Dependency(ModuleKind.FILTER, "diversity", ">=9"),)},
    ],
)
def test_a_new_plugin_that_does_not_fit_stays_off_and_makes_no_file_invalid(
    fields: dict[str, Any],
) -> None:
    registries = registries_with("mine", **fields)
    assert load_config({}, registries).filters["mine"] is None
    assert problems_of({"filters": {"mine": True}}, registries)


def test_what_needs_a_module_that_stays_off_stays_off_too() -> None:
    registries = registries_with("one", conflicts=("filters.diversity",))
    two = stub_filter(name="two")
    need = Dependency(ModuleKind.FILTER, "one")
    type(two).metadata = metadata("two", dependencies=(need,))
    registries.register(two)
    registries.origins[two.key] = "plugins/two.py"
    config = load_config({}, registries)
    assert (config.filters["one"], config.filters["two"]) == (None, None)
