"""The commented files: they say what the code does, and become settings by deleting a `#`."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from host.home.config.device_settings import DeviceConfig, check_device_config
from host.home.config.load import check_document
from host.home.storage.toml_file import parse_toml
from planner_core.config_api.config_loading import load_config
from planner_core.model.config import PlannerConfig
from planner_core.modules.builtin import builtin_registries
from planner_core.modules.module import ModuleKind
from tools.generators import config_templates as config_template
from tools.generators.config_templates import bucket_template, toml_value

CONFIGS = Path(__file__).parents[2] / "configs"
SETTING = re.compile(r"^#(?=[a-z_0-9]+ = )", re.MULTILINE)


def config_of(text: str) -> PlannerConfig:
    return check_document(parse_toml(text, "core.toml"), None)


@pytest.mark.parametrize(
    ("name", "text_of"),
    [
        ("default_bucket.toml", config_template.default_bucket),
        ("demo/buckets/core.toml", config_template.demo_core_bucket),
        ("demo/buckets/satellite_a.toml", config_template.demo_satellite_bucket),
        ("home/device.toml", config_template.device_template),
        ("home/README.txt", config_template.home_readme),
    ],
)
def test_the_shipped_file_is_what_the_code_writes(name: str, text_of: Callable[[], str]) -> None:
    assert (CONFIGS / name).read_text(encoding="utf-8") == text_of()


def test_the_template_as_it_is_means_the_defaults() -> None:
    defaults = load_config({}, builtin_registries())
    assert config_of(config_template.default_bucket()) == defaults


def test_taking_every_mark_away_changes_nothing_but_what_is_off() -> None:
    text, count = SETTING.subn("", config_template.default_bucket())
    config, defaults = config_of(text), load_config({}, builtin_registries())
    assert count > 60
    for kind in ModuleKind:
        assert not config.disabled(kind)
        for name, parameters in defaults.enabled(kind).items():
            assert config.enabled(kind)[name] == parameters
    for section in ("max_plan_depth", "objective", "estimation", "costs", "constraints", "search"):
        assert getattr(config, section) == getattr(defaults, section)


def test_the_settings_of_the_board_become_settings_by_taking_their_marks_away() -> None:
    text, count = SETTING.subn("", config_template.device_template())
    assert count > 10
    for written in (text, config_template.device_template()):
        assert check_device_config(parse_toml(written, "device.toml")) == DeviceConfig()


def test_what_is_set_stands_there_without_its_mark() -> None:
    text = bucket_template(
        builtin_registries(),
        settings={"max_plan_depth": 3, "filters": {"diversity": False}},
    )
    assert "\nmax_plan_depth = 3  # default 5\n" in text
    assert config_of(text).max_plan_depth == 3
    assert "diversity" in config_of(text).disabled(ModuleKind.FILTER)


def test_the_satellite_differs_where_it_says_so() -> None:
    config = config_of(config_template.demo_satellite_bucket())
    assert config.max_plan_depth == 4
    assert config.constraints.position_weight_max == 0.35


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (5, "5"),
        (0.1, "0.1"),
        ('a "b"', '"a \\"b\\""'),
        ((1, 2), "[1, 2]"),
        ({"a": (), "b": {"c": False}}, "{ a = [], b = { c = false } }"),
    ],
)
def test_values_are_written_as_toml(value: object, text: str) -> None:
    assert toml_value(value) == text
    assert parse_toml(f"x = {text}", "x.toml").mapping["x"] is not None


def test_what_toml_cannot_hold_is_refused() -> None:
    with pytest.raises(TypeError, match="TOML has no NoneType"):
        toml_value(None)
