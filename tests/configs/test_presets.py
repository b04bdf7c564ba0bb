"""The description of each shipped preset is a promise: the plans made with it hold it."""

from __future__ import annotations

from importlib import resources
from typing import Any

import numpy as np
import pytest

from host.home.config.presets import Preset, PresetLibrary
from host.home.home import Home
from planner_core.market.state import assess, value
from planner_core.model.context import PlanningContext
from planner_core.model.plan import Outcome, Plan
from planner_core.model.records import Side
from planner_core.planner import plan
from tests.builders import make_config, make_context, make_lot, make_security, price_paths

N_DAYS = 600
TARGET = 0.24
NAV = 50_000.0
OPINIONS = ("contrarian", "momentum", "value-no-falling-knives")


@pytest.fixture(scope="module")
def presets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Preset]:
    """Every preset that is shipped."""
    home = Home(tmp_path_factory.mktemp("home"))
    return {preset.id: preset for preset in PresetLibrary(home).list()}


def prices() -> np.ndarray:
    """Four paths: AAA rose lately, BBB fell far below its high, CCC and DDD did neither."""
    paths = price_paths(N_DAYS, [50.0] * 4, seed=3, drift=0.0)
    ramp = np.ones((N_DAYS, 4))
    ramp[-60:, 0] = np.linspace(1.0, 1.4, 60)
    ramp[-60:, 1] = np.linspace(1.0, 0.65, 60)
    moved = paths * ramp
    scaled: np.ndarray = moved / moved[-1] * 50.0
    return scaled


def context(weights: tuple[float, ...] = (TARGET,) * 4, **overrides: Any) -> PlanningContext:  # noqa: ANN401 - of any field
    """Four securities with a target of 24 % each; CCC has the best quality."""
    names = ("AAA", "BBB", "CCC", "DDD")
    qualities = (0.4, 0.5, 0.95, 0.45)
    securities = tuple(
        make_security(name, target=TARGET, quality=quality)
        for name, quality in zip(names, qualities, strict=True)
    )
    lots = tuple(
        make_lot(name, round(weight * NAV / 50), unit_cost=50.0)
        for name, weight in zip(names, weights, strict=True)
    )
    cash = NAV - sum(lot.quantity * 50 for lot in lots)
    fields: dict[str, Any] = {"securities": securities, "prices": prices()}
    fields |= {"lots": lots, "cash": cash}
    return make_context(**{**fields, **overrides})


def plan_of(preset: Preset, snapshot: PlanningContext) -> Plan:
    return plan(snapshot, preset.config)


def traded(result: Plan, side: Side) -> set[str]:
    return {step.security for step in result.steps if step.side is side}


def test_every_preset_has_a_test_here(presets: dict[str, Preset]) -> None:
    folder = resources.files("configs").joinpath("presets")
    shipped = {entry.name.removesuffix(".toml") for entry in folder.iterdir()}
    assert set(presets) == shipped
    assert shipped == {
        *OPINIONS,
        "track-targets",
        "conservative-rebalancer",
        "low-turnover",
        "cash-raiser",
        "tax-aware",
    }


@pytest.mark.parametrize("name", ["track-targets", "conservative-rebalancer"])
def test_track_targets_is_the_default_and_leaves_a_portfolio_on_target_alone(
    presets: dict[str, Preset], name: str
) -> None:
    config, default = presets[name].config, make_config()
    assert config.model_dump() == default.model_dump()
    assert plan_of(presets[name], context()).outcome is Outcome.NOTHING_TO_DO


def test_track_targets_spends_new_money_first(presets: dict[str, Preset]) -> None:
    short = context(weights=(0.24, 0.18, 0.22, 0.24))
    result = plan_of(presets["track-targets"], short)
    assert not traded(result, Side.SELL)
    assert "BBB" in traded(result, Side.BUY)


def test_track_targets_sells_a_large_surplus_and_not_a_small_one(
    presets: dict[str, Preset],
) -> None:
    large = context(weights=(0.36, 0.16, 0.20, 0.24))
    assert traded(plan_of(presets["track-targets"], large), Side.SELL) == {"AAA"}
    small = context(weights=(0.245, 0.235, 0.24, 0.24))
    assert plan_of(presets["track-targets"], small).outcome is Outcome.NOTHING_TO_DO


@pytest.mark.parametrize(
    ("name", "favourite", "other"),
    [
        ("contrarian", "BBB", "AAA"),
        ("momentum", "AAA", "BBB"),
        ("value-no-falling-knives", "CCC", "AAA"),
    ],
)
def test_an_opinion_leans_to_what_it_bets_on_and_not_into_cash(
    presets: dict[str, Preset], name: str, favourite: str, other: str
) -> None:
    snapshot = context()
    assert presets[name].config.objective.opinion > 0
    assert "Bets that" in presets[name].description
    result = plan_of(presets[name], snapshot)
    assert favourite in traded(result, Side.BUY)
    assert favourite not in traded(result, Side.SELL)
    assert other not in traded(result, Side.BUY)
    assert result.cash_before is not None
    assert result.cash_after is not None
    # At most a smallest trade more than before: an opinion does not sell into cash.
    assert result.cash_after <= result.cash_before + 400


def test_low_turnover_keeps_its_three_figures(presets: dict[str, Preset]) -> None:
    config = presets["low-turnover"].config
    far = context(weights=(0.30, 0.18, 0.19, 0.24))
    result = plan_of(presets["low-turnover"], far)
    assert 0 < len(result.steps) <= 3
    assert result.score is not None
    assert result.score.gain >= 0.0015
    assert result.nav is not None
    bought_with_idle_cash = result.cash_before - 0.04 * NAV if result.cash_before else 0.0
    assert sum(s.value for s in result.steps) <= 0.08 * NAV + max(0.0, bought_with_idle_cash) + 1
    assert config.constraints.turnover_window_days == 30


def test_cash_raiser_sells_to_reach_a_reserve_of_five_percent(presets: dict[str, Preset]) -> None:
    poor = context(weights=(0.26, 0.24, 0.25, 0.24))
    result = plan_of(presets["cash-raiser"], poor)
    assert traded(result, Side.SELL)
    assert result.cash_after is not None
    assert result.cash_after >= 0.05 * NAV - 1


def test_cash_raiser_buys_only_from_settled_cash(presets: dict[str, Preset]) -> None:
    config = presets["cash-raiser"].config
    assert config.constraints.settled_cash_only
    swap = context(weights=(0.36, 0.10, 0.24, 0.24))
    result = plan_of(presets["cash-raiser"], swap)
    spent = sum(step.value for step in result.steps if step.side is Side.BUY)
    assert spent <= max(0.0, 0.06 * NAV - 0.05 * NAV)


def test_tax_aware_harvests_a_loss_and_counts_tax(presets: dict[str, Preset]) -> None:
    names = ("AAA", "BBB", "CCC", "DDD")
    lots = tuple(make_lot(name, 240.0, unit_cost=80.0 if name == "BBB" else 45.0) for name in names)
    result = plan_of(presets["tax-aware"], context(lots=lots, cash=2_000.0))
    assert traded(result, Side.SELL) == {"BBB"}
    # Most costly lots first.
    two = (make_lot("AAA", 100.0, unit_cost=10.0), make_lot("AAA", 200.0, unit_cost=49.0))
    rest = tuple(make_lot(name, 180.0, unit_cost=49.0) for name in names[1:])
    surplus = plan_of(presets["tax-aware"], context(lots=(*two, *rest), cash=8_000.0))
    sells = [step for step in surplus.steps if step.side is Side.SELL]
    assert all(step.tax <= 0.25 * step.quantity * (50 - 49) + 1e-6 for step in sells)


def test_presets_state_their_values_in_force(presets: dict[str, Preset]) -> None:
    for preset in presets.values():
        snapshot = context()
        history, portfolio = value(snapshot, preset.config)
        state = assess(snapshot, preset.config, history, portfolio)
        assert state.follows_targets == (preset.id not in OPINIONS)


def test_an_opinion_on_quality_without_scores_says_so_and_follows_the_targets(
    presets: dict[str, Preset],
) -> None:
    securities = tuple(make_security(name, target=TARGET) for name in ("AAA", "BBB", "CCC", "DDD"))
    short = context(weights=(0.24, 0.20, 0.22, 0.24), securities=securities)
    result = plan_of(presets["value-no-falling-knives"], short)
    assert "opinion_without_data" in [finding.id for finding in result.findings]
    assert traded(result, Side.BUY) <= {"BBB", "CCC"}
    assert not traded(result, Side.SELL)
    scored = plan_of(presets["value-no-falling-knives"], context())
    assert "opinion_without_data" not in [finding.id for finding in scored.findings]
