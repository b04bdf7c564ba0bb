"""The two examples: their figures by tables that were computed by hand."""

# ruff: noqa: ANN401 - parameters, and modules of files that are loaded by path

from __future__ import annotations

import importlib.util
import sys
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import configs
from planner_core.market.state import PlanningState
from planner_core.model.plan import Opportunity, Skip
from planner_core.testing import check_module, make_candidates, make_state
from planner_core.testing.sample_contexts import weekdays
from tests.planner_core.odd_states import with_market

FOLDER = Path(configs.__file__).parent / "plugins"


def load(name: str) -> ModuleType:
    """The example's file as a module of this name."""
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


FABER = load("faber_trend")
MINIMUM = load("minimum_volatility")


@pytest.mark.parametrize("module", [FABER.FaberTrend(), MINIMUM.MinimumVolatility()])
def test_an_example_keeps_the_contract(module: Any) -> None:
    assert check_module(module).problems == ()


# --- the trend filter ---------------------------------------------------------------------------

MONTH_ENDS = [100.0, 102.0, 104.0, 106.0, 108.0, 110.0, 112.0, 114.0, 116.0, 108.0]
"""Ten closes; their mean is 1080 / 10 = 108: the last one is exactly at the average."""


def state_with_month_ends(closes: list[float], as_of: date = date(2024, 7, 10)) -> PlanningState:
    """Daily closes whose last ones of each month are those given, then some days of July."""
    days = weekdays(260, as_of)
    months = days.astype("datetime64[M]")
    this_month = np.datetime64(as_of, "M")
    series = []
    for month in months:
        back = int((this_month - month).astype(int))
        in_table = 1 <= back <= len(closes)
        # Within a month every day has the close of its end; before the table, that of its begin.
        series.append(closes[-back] if in_table else closes[0] if back else 50.0)
    return make_state({"AAA": series}, held={"AAA": 10}, as_of=as_of)


def reject(state: PlanningState, trades: dict[str, float], **parameters: Any) -> dict[int, str]:
    rejected: dict[int, str] = FABER.FaberTrend().reject(
        make_candidates(state, trades), state, FABER.FaberTrendParameters(**parameters)
    )
    return rejected


@pytest.mark.parametrize(
    ("last", "is_rejected"),
    [
        (108.0, True),  # mean 108: not above
        (108.1, False),  # mean 108.01
        (107.9, True),  # mean 107.99
    ],
)
def test_a_buy_needs_a_close_above_the_average_of_ten_month_ends(
    last: float, is_rejected: bool
) -> None:
    state = state_with_month_ends([*MONTH_ENDS[:-1], last])
    closes = FABER.month_end_closes(state, 0, 10)
    assert closes.tolist() == [*MONTH_ENDS[:-1], last]
    rejected = reject(state, {"AAA": 5})
    assert bool(rejected) is is_rejected
    if last == 108.0:
        assert rejected == {
            0: "its last month-end close 108.00 is not above its 10-month average 108.00"
        }


def test_the_month_that_is_not_over_does_not_count() -> None:
    # In July the close is 50, far below the average; June's was above it.
    state = state_with_month_ends([*MONTH_ENDS[:-1], 118.0])
    assert state.context.prices[-1, 0] == 50.0
    assert FABER.month_end_closes(state, 0, 3).tolist() == [114.0, 116.0, 118.0]


def test_sells_always_pass() -> None:
    assert reject(state_with_month_ends(MONTH_ENDS), {"AAA": -5}) == {}


def test_without_enough_history_the_parameter_decides() -> None:
    state = make_state({"AAA": [100.0, 101.0] * 50}, as_of=date(2024, 7, 10))
    n_months = FABER.month_end_closes(state, 0, 10).size
    assert n_months == 5  # 100 weekdays: 6 of February, March to June, 8 of July
    assert reject(state, {"AAA": 5}) == {
        0: "it has 5 of the 10 month-end closes that its trend needs"
    }
    assert reject(state, {"AAA": 5}, without_history="pass") == {}


def test_an_average_never_spans_a_month_without_closes() -> None:
    as_of = date(2024, 7, 10)
    days = weekdays(260, as_of)
    closes = np.where(days.astype("datetime64[M]") == np.datetime64("2024-04"), np.nan, 100.0)
    state = make_state({"AAA": closes.tolist(), "BBB": [100.0, 101.0] * 130}, as_of=as_of)
    assert FABER.month_end_closes(state, 0, 10).size == 2  # May and June


# --- the minimum-volatility buyer -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("covariance", "cap", "weights"),
    [
        # Uncorrelated: weights in proportion to 1 / variance, 1/0.01 : 1/0.04 = 4 : 1.
        ([[0.01, 0.0], [0.0, 0.04]], 1.0, [0.8, 0.2]),
        # w1 = (s2^2 - c) / (s1^2 + s2^2 - 2 c) = (0.09 - 0.03) / (0.04 + 0.09 - 0.06) = 6/7
        ([[0.04, 0.03], [0.03, 0.09]], 1.0, [6 / 7, 1 / 7]),
        # c above the smaller variance: the unbounded answer is short in the second one.
        ([[0.04, 0.05], [0.05, 0.09]], 1.0, [1.0, 0.0]),
        # The cap of 0.6 binds; the other two share the rest 1/0.04 : 1/0.16 = 4 : 1.
        (np.diag([0.01, 0.04, 0.16]).tolist(), 0.6, [0.6, 0.32, 0.08]),
        # A cap below 1 / n could not hold everything: equal weights.
        (np.diag([0.01, 0.04]).tolist(), 0.2, [0.5, 0.5]),
        ([[0.04]], 0.25, [1.0]),
        (np.zeros((2, 2)).tolist(), 1.0, [0.5, 0.5]),
    ],
)
def test_the_weights_are_those_of_the_formula(
    covariance: list[list[float]], cap: float, weights: list[float]
) -> None:
    solved = MINIMUM.minimum_variance_weights(np.array(covariance), cap)
    assert solved.tolist() == pytest.approx(weights, abs=1e-6)


def test_no_exchange_of_weight_lowers_the_variance_of_sixty_securities() -> None:
    generator = np.random.default_rng(2)
    factors = generator.standard_normal((60, 8))
    covariance = factors @ factors.T * 0.01 + np.diag(generator.uniform(0.01, 0.1, 60))
    weight = MINIMUM.minimum_variance_weights(covariance, 0.25)
    assert weight.sum() == pytest.approx(1.0)
    assert weight.min() >= 0
    assert weight.max() <= 0.25 + 1e-12
    slope = 2 * covariance @ weight
    # Karush, Kuhn, Tucker: nothing that holds weight has a steeper slope than what could take it.
    assert slope[weight > 1e-12].max() - slope[weight < 0.25 - 1e-12].min() < 1e-6


def test_half_of_each_gap_is_bought_and_short_histories_are_skipped() -> None:
    days = 300
    closes = [100.0, 100.5] * (days // 2)
    state = make_state(
        {"AAA": closes, "BBB": closes[::-1], "CCC": [float("nan")] * 270 + closes[:30]},
        held={"AAA": 40},
        cash=6_000.0,
    )
    # NAV 40 * 100.5 + 6,000 = 10,020; AAA holds 40.1 %.
    state = with_market(state, covariance=np.diag([0.01, 0.04, 0.0]))
    results = MINIMUM.MinimumVolatility().calculate(
        state, MINIMUM.MinimumVolatilityParameters(weight_max=1.0)
    )
    skips = [result for result in results if isinstance(result, Skip)]
    buys = [result for result in results if isinstance(result, Opportunity)]
    assert [skip.security for skip in skips] == [2]
    # Ideal 80 % and 20 %: gaps 0.8 - 4,020 / 10,020, and 0.2 of NAV 10,020; half of each.
    assert [buy.notional for buy in buys] == pytest.approx([(8_016 - 4_020) / 2, 2_004 / 2])
    assert buys[0].reason == "the portfolio with the least volatility holds 80.0% of it"
