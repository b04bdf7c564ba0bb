"""A bucket's configuration, by the one path that everything loads it by."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from host.home.config.effective_toml import effective_mapping, effective_toml
from host.home.config.store import load_config_file
from host.home.home import create_home
from host.home.storage.toml_file import ConfigFileError, parse_toml
from planner_core.config_api.config_loading import load_config
from planner_core.model.config import PlannerConfig
from planner_core.modules.builtin import builtin_registries
from planner_core.modules.registry import Registries


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "core.toml"
    path.write_text(text)
    return path


def test_a_good_file_gives_its_settings_and_the_hash_of_its_bytes(tmp_path: Path) -> None:
    text = "# mine\nmax_plan_depth = 3\n[costs]\nfixed_cost = 1.5\n"
    path = written(tmp_path, text)
    loaded = load_config_file(path)
    assert loaded.config.max_plan_depth == 3
    assert loaded.config.costs.fixed_cost == 1.5
    assert loaded.sha256 == hashlib.sha256(text.encode()).hexdigest()
    assert (loaded.version, loaded.path) == (0, path)


def test_every_problem_is_named_with_its_place_what_is_allowed_and_what_was_meant(
    tmp_path: Path,
) -> None:
    path = written(
        tmp_path,
        "max_plan_depth = 50\n"
        "[opportunity_calculators]\n"
        "profit_takin = true\n"
        "weight_based = { gap_mi = 1 }\n"
        "[costs]\n"
        'cost_bps = "many"\n'
        "[objectiv]\n"
        "a = 1\n",
    )
    with pytest.raises(ConfigFileError) as caught:
        load_config_file(path)
    places = [(problem.line, problem.column) for problem in caught.value.problems]
    assert places == [(1, 1), (3, 1), (4, 18), (6, 1), (7, 2)]
    lines = caught.value.lines
    assert all(line.startswith(f"{path}:") for line in lines)
    assert "found 50 (allowed: >= 1 and <= 10" in lines[0]
    assert "did you mean `profit_taking`?" in lines[1]
    assert "did you mean `gap_min`?" in lines[2]
    assert "'many'" in lines[3]
    assert "did you mean `objective`?" in lines[4]


def test_a_module_that_is_not_registered_here_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "[filters]\ndiversity = true\n")
    load_config_file(path)
    with pytest.raises(ConfigFileError, match="no such module"):
        load_config_file(path, Registries())


@pytest.mark.parametrize("demo", [False, True])
def test_the_configurations_we_ship_are_valid(tmp_path: Path, demo: bool) -> None:
    home = create_home(tmp_path / "home", demo=demo).home
    assert home.bucket_ids()
    for bucket in home.bucket_ids():
        load_config_file(home.bucket_file(bucket))


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
