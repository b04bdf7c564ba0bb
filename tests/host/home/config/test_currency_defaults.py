"""Defaults in money have the size of the base currency; what the owner wrote stays."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.home.config.currency_defaults import (
    base_currency_of,
    in_base_currency,
    scaled_defaults,
)
from host.home.config.effective_toml import effective_mapping, effective_toml
from host.home.config.load import check_document
from host.home.storage.toml_file import parse_toml
from planner_core.model.config import PlannerConfig
from planner_core.model.currencies import UNITS_PER_EURO, currency_scale
from tests.host.small_home import PORTFOLIO, small_home


def config_of(text: str) -> PlannerConfig:
    return check_document(parse_toml(text, "core.toml"))


@pytest.mark.parametrize(
    ("currency", "fee", "smallest"),
    [("EUR", 2.0, 400.0), ("USD", 2.0, 400.0), ("XYZ", 2.0, 400.0), ("JPY", 400.0, 80_000.0)],
)
def test_fee_and_smallest_trade_have_the_size_of_the_currency(
    currency: str, fee: float, smallest: float
) -> None:
    config = in_base_currency(config_of("# defaults\n"), currency)
    assert config.costs.fixed_cost == fee
    assert config.constraints.min_trade_value == smallest


def test_what_the_owner_wrote_is_not_scaled() -> None:
    config = in_base_currency(config_of("[costs]\nfixed_cost = 2.0\n"), "KRW")
    assert config.costs.fixed_cost == 2.0
    assert config.constraints.min_trade_value == 400.0 * currency_scale("KRW")


def test_settings_that_are_no_money_stay_as_they_are() -> None:
    plain = config_of("# defaults\n")
    scaled = in_base_currency(plain, "JPY")
    assert scaled.costs.cost_bps == plain.costs.cost_bps
    assert scaled.constraints.position_weight_max == plain.constraints.position_weight_max
    assert set(scaled_defaults(plain, "JPY")) == {
        ("costs", "fixed_cost"),
        ("constraints", "min_trade_value"),
    }
    assert scaled_defaults(plain, "EUR") == {}


@given(st.sampled_from(sorted(UNITS_PER_EURO)))
def test_scaling_twice_is_scaling_once(currency: str) -> None:
    once = in_base_currency(config_of("# defaults\n"), currency)
    assert in_base_currency(once, currency) == once


def test_the_effective_settings_name_the_currency_of_a_default() -> None:
    text = effective_toml(config_of("[costs]\nfixed_cost = 3.0\n"), "JPY")
    assert "min_trade_value = 80000.0  # base currency; the default in JPY\n" in text
    assert "fixed_cost = 3.0  # base currency per trade; default 2.0\n" in text
    assert config_of(text).constraints.min_trade_value == 80_000.0
    mapping = effective_mapping(config_of("# defaults\n"), "JPY")
    costs = mapping["costs"]
    assert isinstance(costs, dict)
    assert costs["fixed_cost"] == 400.0


def test_the_base_currency_is_that_of_the_portfolio(tmp_path: Path) -> None:
    home = small_home(tmp_path, portfolio=PORTFOLIO)
    assert base_currency_of(home, "core") == "USD"
    home.portfolio_file("core").write_text("base_currency = \n")
    assert base_currency_of(home, "core") is None
