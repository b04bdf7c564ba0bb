"""The difference that a person sees before an edit becomes active."""

from __future__ import annotations

import tomli

from planner_core.config_api.config_diff import semantic_diff, unified_diff
from planner_core.config_api.config_loading import load_config
from planner_core.model.config import PlannerConfig
from planner_core.modules.builtin import builtin_registries
from planner_core.modules.module import ModuleKind


def config(text: str) -> PlannerConfig:
    return load_config(tomli.loads(text), builtin_registries())


def test_comments_order_and_written_out_defaults_do_not_show() -> None:
    old = "max_plan_depth = 4\n[costs]\nfixed_cost = 2\ntax_rate = 0.1\n"
    new = "# why\n[costs]\ntax_rate = 0.10\n[search]\nalternatives = 3\n"
    diff = semantic_diff(config(old), config(f"max_plan_depth = 4\n{new}"))
    assert diff.is_empty
    assert list(diff.lines()) == []


def test_a_module_of_every_kind_shows_when_it_is_switched() -> None:
    registries = builtin_registries()
    default = load_config({}, registries)
    for kind in ModuleKind:
        name = registries.of_kind(kind).names[-1]
        is_on = name in default.enabled(kind)
        other = load_config({kind.value: {name: not is_on}}, registries)
        with_it, without = (default, other) if is_on else (other, default)
        assert semantic_diff(with_it, without).modules_removed == (f"{kind}.{name}",)
        assert semantic_diff(without, with_it).modules_added == (f"{kind}.{name}",)


def test_parameters_and_every_other_key_show_with_old_and_new() -> None:
    text = (
        "max_plan_depth = 3\n[costs]\ntax_rate = 0.25\n"
        "[sequence_generators]\ncombinatorial = { sets_max = 10 }\n"
    )
    record = semantic_diff(config("# nothing"), config(text)).to_record()
    assert record == {
        "modules_added": [],
        "modules_removed": [],
        "params_changed": {
            "sequence_generators.combinatorial": {"sets_max": {"old": 200_000, "new": 10}}
        },
        "settings_changed": {
            "max_plan_depth": {"old": 5, "new": 3},
            "costs.tax_rate": {"old": 0.0, "new": 0.25},
        },
    }


def test_equal_texts_have_no_unified_difference() -> None:
    assert unified_diff("a\nb\n", "a\nb\n", "x", "y") == []
    assert unified_diff("a\n", "b\n", "v1", "v2") == ["--- v1", "+++ v2", "@@ -1 +1 @@", "-a", "+b"]
