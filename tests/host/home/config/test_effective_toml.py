"""The settings in force, written out as TOML."""

from __future__ import annotations

import pytest

from host.home.config.effective_toml import effective_mapping, effective_toml
from host.home.storage.toml_file import parse_toml
from planner_core.config_api.config_loading import load_config
from planner_core.model.config import PlannerConfig
from planner_core.modules.builtin import builtin_registries


@pytest.mark.parametrize(
    "text",
    [
        "# defaults\n",
        "max_plan_depth = 2\n[costs]\ntax_rate = 0.25\ntax_lots = 'fifo'\n",
        "[opportunity_calculators]\ntax_loss_harvest = true\nprofit_taking = false\n"
        "[filters]\neligibility = { excluded = ['A\"B', 'Ü'] }\n",
    ],
)
def test_the_settings_in_force_are_a_file_that_loads_to_the_same(text: str) -> None:
    def load(toml: str) -> PlannerConfig:
        return load_config(parse_toml(toml, "a.toml").mapping, builtin_registries())

    config = load(text)
    assert load(effective_toml(config)) == config
    assert load_config(effective_mapping(config), builtin_registries()) == config


def test_a_setting_that_differs_says_what_the_default_is() -> None:
    config = load_config({"costs": {"tax_rate": 0.25}}, builtin_registries())
    assert "tax_rate = 0.25  # fraction of gain; default 0.0\n" in effective_toml(config)
    assert "\nfixed_cost = 2.0  # base currency per trade\n" in effective_toml(config)
