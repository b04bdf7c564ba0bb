"""Which prices are believed: gaps, spikes, splits, crashes, real and made."""

# ruff: noqa: ANN401 - overrides are of any type

from __future__ import annotations

import gzip
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner_core.errors import ContextError
from planner_core.market.move_guard import REVERSAL_DAYS
from planner_core.market.prices import (
    FILL_DAYS_MAX,
    PRICE_LIMITS,
    PriceHistory,
    build_history,
    forward_fill,
    guard_rates,
    suspicious_rows,
)
from planner_core.market.returns import daily_returns
from planner_core.market.valuation import latest_rate
from planner_core.model.context import PlanningContext
from planner_core.model.records import Finding
from tests.builders import (
    AS_OF,
    make_context,
    make_lot,
    make_securities,
    make_security,
    price_paths,
    weekdays,
)

SIGMAS = 8.0
NAN = float("nan")
DEMO_PRICES = Path(__file__).parents[3] / "configs" / "demo" / "market" / "prices.csv.gz"
Prices = np.ndarray[Any, np.dtype[np.float64]]


def calm(n_days: int = 300, n: int = 2, volatility: float = 0.008) -> Prices:
    return price_paths(n_days, [100.0] * n, volatility=volatility)


def context_of(prices: Prices, **fields: Any) -> PlanningContext:
    fields = {"lots": (), **fields}
    return make_context(securities=make_securities(prices.shape[1]), prices=prices, **fields)


def history_of(prices: Prices, **fields: Any) -> PriceHistory:
    return build_history(context_of(prices, **fields), SIGMAS)


def ids(findings: tuple[Finding, ...]) -> list[str]:
    return [finding.id for finding in findings]


# -- gaps ---------------------------------------------------------------------------------------


def test_a_close_is_carried_over_at_most_five_days() -> None:
    prices = np.array([[1.0], *[[NAN]] * 7, [2.0], [NAN]])
    filled = forward_fill(prices, weekdays(len(prices)), FILL_DAYS_MAX)[:, 0]
    np.testing.assert_array_equal(filled, [1, 1, 1, 1, 1, 1, NAN, NAN, 2, 2])


def test_nothing_is_filled_before_the_first_close() -> None:
    filled = forward_fill(np.array([[NAN, 1.0], [3.0, NAN]]), weekdays(2), 5)
    np.testing.assert_array_equal(filled, [[NAN, 1.0], [3.0, 1.0]])
    assert forward_fill(np.empty((0, 2)), weekdays(0), 5).shape == (0, 2)


@given(st.lists(st.one_of(st.just(NAN), st.floats(1, 9)), max_size=40), st.integers(0, 6))
def test_filling_is_what_a_loop_would_do(closes: list[float], days_max: int) -> None:
    expected, last, age = [], NAN, 0
    for close in closes:
        last, age = (last, age + 1) if np.isnan(close) else (close, 0)
        expected.append(last if age <= days_max else NAN)
    filled = forward_fill(
        np.array(closes, dtype=float).reshape(-1, 1), weekdays(len(closes)), days_max
    )
    np.testing.assert_array_equal(filled[:, 0], expected)


def rate_on_the_last_day(blank: int, holidays: int) -> float:
    """A rate that is missing on the last `blank` weekdays, of which `holidays` have no close."""
    prices = price_paths(60, [100.0, 100.0])
    rates = np.full(60, 0.9)
    rates[-blank:] = NAN
    # The holidays lie inside the gap; the last day has closes.
    prices[60 - blank : 60 - blank + holidays] = NAN
    context = make_context(
        securities=make_securities(2), lots=(), prices=prices, fx_rates={"USD": rates}
    )
    return float(guard_rates(context, 8.0).series["USD"][-1])


@pytest.mark.parametrize(
    ("blank", "holidays", "is_filled"),
    [(5, 0, True), (6, 0, False), (6, 1, True), (7, 1, False), (10, 5, True), (11, 6, False)],
)
def test_holidays_of_all_markets_are_no_gap_in_the_rates(
    blank: int, holidays: int, is_filled: bool
) -> None:
    assert bool(np.isfinite(rate_on_the_last_day(blank, holidays))) is is_filled


def test_a_filled_day_is_no_return_and_neither_is_the_day_after_it() -> None:
    prices = calm()
    prices[100, 0] = NAN
    history = history_of(prices)
    returns = daily_returns(history)
    assert np.flatnonzero(np.isnan(returns[:, 0])).tolist() == [0, 100, 101]
    assert not np.isnan(returns[1:, 1]).any()
    assert history.base[100, 0] == prices[99, 0]
    assert not history.observed[100, 0]


def test_the_age_of_a_price_counts_weekdays() -> None:
    prices = calm()
    prices[-2:, 1] = NAN
    history = history_of(prices)
    assert history.age.tolist() == [0, 2]
    assert history.price[1] == prices[-3, 1]
    # Friday's closes, looked at on Sunday and on Monday.
    for as_of in (date(2024, 6, 30), date(2024, 7, 1)):
        later = make_context(
            n_securities=2, prices=calm(), dates=weekdays(300), as_of=as_of, lots=()
        )
        assert build_history(later, SIGMAS).age.tolist() == [1, 1]


def test_without_any_close_there_is_no_price() -> None:
    prices = calm()
    prices[:, 1] = NAN
    history = history_of(prices)
    assert np.isnan(history.price[1])
    assert history.age[1] > 10**9
    assert not history.observed[:, 1].any()
    empty = history_of(np.empty((0, 2)))
    assert np.isnan(empty.price).all()


# -- currencies ---------------------------------------------------------------------------------


def test_prices_are_converted_day_by_day() -> None:
    prices = calm()
    rates = np.linspace(0.8, 0.9, 300)
    context = make_context(
        securities=(make_security("AAA"), make_security("BBB", currency="USD")),
        prices=prices,
        fx_rates={"USD": rates},
        lots=(),
    )
    history = build_history(context, SIGMAS)
    np.testing.assert_allclose(history.base[:, 0], prices[:, 0])
    np.testing.assert_allclose(history.base[:, 1], prices[:, 1] * rates)
    assert history.fx_rate.tolist() == [1.0, rates[-1]]
    assert history.price[1] == prices[-1, 1]


@pytest.mark.parametrize(("missing", "raises"), [(5, False), (6, True)])
def test_a_rate_may_be_five_days_old_and_no_older(missing: int, raises: bool) -> None:
    rates = 0.9 + 0.001 * (np.arange(300) % 2)
    rates[-missing:] = NAN
    context = make_context(
        securities=(make_security("AAA", currency="USD"),),
        prices=calm(n=1),
        fx_rates={"USD": rates},
        lots=(),
    )
    if raises:
        with pytest.raises(ContextError, match="AAA: no USD rate on 2024-06-28"):
            build_history(context, SIGMAS)
    else:
        assert build_history(context, SIGMAS).fx_rate[0] == rates[-6]


# -- the price guard ----------------------------------------------------------------------------


def test_calm_prices_are_believed_as_they_are() -> None:
    prices = calm()
    history = history_of(prices)
    np.testing.assert_array_equal(history.base, prices)
    assert history.quarantined == {}
    assert history.findings == ()


@pytest.mark.parametrize("row", [30, 150, -25, -3])
@pytest.mark.parametrize("factor", [10.0, 0.1, 1.5])
def test_a_spike_that_comes_back_is_dropped(row: int, factor: float) -> None:
    prices = calm()
    clean = prices.copy()
    prices[row, 0] *= factor
    history = history_of(prices)
    place = row % 300
    assert not history.observed[place, 0]
    assert history.base[place, 0] == clean[place - 1, 0]
    assert history.observed.sum() == prices.size - 1
    assert history.quarantined == {}
    (finding,) = history.findings
    assert (finding.id, finding.security) == ("price_spike", "AAA")
    assert finding.action.startswith("correct market/prices.csv")


@pytest.mark.parametrize(
    ("factor", "finding_id"),
    [
        (10.0, "looks_like_split"),
        (0.1, "looks_like_split"),
        (100.0, "looks_like_unit_change"),
        (1.75, "price_jump"),
        (0.7, "price_jump"),
    ],
)
def test_a_large_move_on_the_last_day_is_not_believed_and_values_at_the_lower_price(
    factor: float, finding_id: str
) -> None:
    prices = calm()
    prices[-1, 0] *= factor
    history = history_of(prices)
    assert list(history.quarantined) == [0]
    assert history.price[0] == pytest.approx(min(prices[-2, 0], prices[-1, 0]), rel=0.02)
    assert history.price[0] <= prices[-1, 0]
    assert not history.observed[-1, 0]
    (finding,) = history.findings
    assert (finding.id, finding.severity.value) == (finding_id, "error")
    assert finding.action.endswith(", run: trader data accept AAA 2024-06-28")


def test_an_unbelieved_fall_lowers_the_value_also_when_the_last_day_has_no_close() -> None:
    prices = calm()
    prices[-3:, 0] *= 0.1
    prices[-1, 0] = NAN
    assert history_of(prices).price[0] == prices[-2, 0]


def test_a_spike_of_several_days_is_dropped_and_a_longer_one_is_set_aside() -> None:
    for n_days, finding_id in ((REVERSAL_DAYS, "price_spike"), (30, "price_jump_taken_for_real")):
        prices = calm()
        prices[150 : 150 + n_days, 0] *= 1.4
        history = history_of(prices)
        assert (not history.observed[150 : 150 + n_days, 0].any()) is (n_days == REVERSAL_DAYS)
        assert set(ids(history.findings)) == {finding_id}


@pytest.mark.parametrize("n_days", [1, 3])
def test_a_spike_that_began_before_the_first_day_stops_nothing(n_days: int) -> None:
    prices = calm()
    prices[:n_days, 0] *= 10
    history = history_of(prices)
    assert history.quarantined == {}
    assert not history.observed[:n_days, 0].any()
    assert history.observed[n_days:, 0].all()
    assert ids(history.findings) == ["price_spike"]


@pytest.mark.parametrize("days_ago", [1, 2, PRICE_LIMITS.guard_days])
def test_a_large_move_is_not_believed_for_a_month(days_ago: int) -> None:
    prices = calm()
    prices[-days_ago:, 0] *= 0.7
    history = history_of(prices)
    assert list(history.quarantined) == [0]
    assert not history.observed[-days_ago:, 0].any()
    assert history.observed[:-days_ago, 0].all()
    assert ids(history.findings) == ["price_jump"]


@pytest.mark.parametrize("days_ago", [PRICE_LIMITS.guard_days + 1, 200])
def test_a_large_move_that_lasted_counts_as_real_and_is_named_until_accepted(days_ago: int) -> None:
    prices = calm()
    prices[-days_ago:, 0] *= 0.7
    history = history_of(prices)
    assert history.quarantined == {}
    np.testing.assert_array_equal(history.base, prices)
    (finding,) = history.findings
    assert (finding.id, finding.severity.value) == ("price_jump_taken_for_real", "warning")
    day = context_of(prices).dates[-days_ago].astype(object)
    assert history_of(prices, accepted_prices=frozenset({("AAA", day)})).findings == ()


def test_an_accepted_jump_is_believed_and_only_that_one() -> None:
    prices = calm()
    prices[-3:, 0] *= 0.5
    prices[-3:, 1] *= 0.5
    day = context_of(prices).dates[-3].astype(object)
    history = history_of(prices, accepted_prices=frozenset({("AAA", day)}))
    assert list(history.quarantined) == [1]
    assert history.price[0] == prices[-1, 0]


def test_one_bad_print_does_not_hide_the_next() -> None:
    prices = calm()
    prices[150, 0] *= 10
    prices[160, 0] *= 1.3
    history = history_of(prices)
    assert ids(history.findings) == ["price_spike"] * 2


def test_a_jump_over_a_gap_has_more_room_but_not_endlessly() -> None:
    gentle, violent = calm(), calm()
    gentle[-6:-1, 0] = NAN
    gentle[-1, 0] = gentle[-7, 0] * 1.15  # five days at 8 x 1 % each: up to 20 %
    violent[-60:-1, 0] = NAN
    violent[-1, 0] = violent[-61, 0] * 1.42
    assert history_of(gentle).findings == ()
    assert list(history_of(violent).quarantined) == [0]


def test_a_volatile_security_moves_further_unquestioned() -> None:
    for volatility, believed in ((0.008, False), (0.04, True)):
        prices = calm(volatility=volatility)
        prices[-1, 0] = prices[-2, 0] * 0.77
        assert (not history_of(prices).quarantined) is believed


def test_the_limit_is_a_parameter() -> None:
    prices = calm()
    prices[-1, 0] = prices[-2, 0] * 1.12
    dates = context_of(prices).dates
    assert suspicious_rows(dates, prices[:, 0], 8.0).tolist() == [299]
    assert suspicious_rows(dates, prices[:, 0], 30.0).tolist() == []


@settings(max_examples=30)
@given(st.integers(0, 2**16), st.integers(40, 290), st.sampled_from([0.1, 0.5, 0.8, 1.25, 2, 10]))
def test_the_guard_changes_nothing_but_what_it_reports(seed: int, row: int, factor: float) -> None:
    prices = price_paths(300, [100.0, 50.0], seed=seed)
    prices[row, 0] *= factor
    history = history_of(prices)
    believed = history.closes
    same = np.isnan(believed) | (believed == prices)
    assert same.all()
    if np.isnan(believed).any():
        assert history.findings
    assert set(history.quarantined) <= {0}
    assert not np.isnan(believed[:, 1]).any()


# -- days with news -----------------------------------------------------------------------------


@pytest.mark.parametrize("move", [-0.114, 0.084, -0.10, 0.13, -0.15])
@pytest.mark.parametrize("days_ago", [1, 2, 15])
def test_a_day_with_news_does_not_stop_a_share(move: float, days_ago: int) -> None:
    prices = calm(volatility=0.011)
    prices[-days_ago:, 0] *= 1 + move
    history = history_of(prices)
    assert history.quarantined == {}
    np.testing.assert_array_equal(history.base, prices)
    assert history.price[0] == prices[-1, 0]
    # On its own day it may be a typing error: it is named. A second close confirms it.
    is_named = days_ago == 1 and abs(move) >= 0.1
    assert ids(history.findings) == (["price_move_unusual"] if is_named else [])


def test_a_move_of_all_is_a_day_of_the_market_and_that_of_one_is_not() -> None:
    prices = price_paths(300, [100.0] * 5, volatility=0.008)
    prices[-1] = prices[-2] * np.array([0.86, 0.88, 0.87, 0.78, 0.88])
    history = history_of(prices)
    assert history.quarantined == {}
    # Further than the others even so: named, and used.
    assert [(f.id, f.security) for f in history.findings] == [("price_move_unusual", "DDD")]
    prices[-1, :4] = prices[-2, :4]
    prices[-1, 3] *= 0.72
    assert list(history_of(prices).quarantined) == [3]


def test_all_closes_in_another_unit_on_one_day_is_no_day_of_the_market() -> None:
    prices = price_paths(300, [100.0] * 5, volatility=0.008)
    prices[-30:] /= 100
    assert sorted(history_of(prices).quarantined) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("rows", ["blank", "repeated"])
@pytest.mark.parametrize(
    ("days_ago", "is_held"), [(PRICE_LIMITS.guard_days, True), (PRICE_LIMITS.guard_days + 1, False)]
)
def test_windows_count_own_market_days(rows: str, days_ago: int, is_held: bool) -> None:
    prices = calm()
    prices[-days_ago:, 0] *= 0.7
    prices[150:155, 1] *= 1.5  # a bad print of five market days, over a weekend
    own = weekdays(300)
    dates = np.arange(own[0], own[-1] + 1)
    spread = np.full((len(dates), 2), NAN)
    spread[np.searchsorted(dates, own)] = prices
    if rows == "repeated":
        spread = forward_fill(spread, dates, 5)
    history = history_of(spread, dates=dates)
    assert (list(history.quarantined) == [0]) is is_held
    assert [f.id for f in history.findings if f.security == "BBB"] == ["price_spike"]


# -- splits and units ---------------------------------------------------------------------------

SPLITS = [(2, 1), (4, 1), (20, 1), (1, 10), (3, 2), (5, 4), (1, 8)]


@pytest.mark.parametrize(("new", "old"), SPLITS)
@pytest.mark.parametrize("days_ago", [1, 40, 100, 290])
def test_a_split_is_never_taken_for_real_and_the_line_for_it_is_named(
    new: int, old: int, days_ago: int
) -> None:
    prices = calm(volatility=0.001)
    prices[:-days_ago, 0] *= new / old
    history = history_of(prices)
    assert list(history.quarantined) == [0]
    (finding,) = history.findings
    assert (finding.id, finding.severity.value) == ("looks_like_split", "error")
    day = context_of(prices).dates[-days_ago]
    ratio = f"{new}" if old == 1 else f"{new}:{old}"
    assert f"which looks like a {new}:{old} split" in finding.message
    assert f"add the line {day},AAA,{ratio} to market/corporate_actions.csv" in finding.action
    # One side of the move: the recent one if it is long enough, else that before it.
    used = history.observed[:, 0]
    recent = days_ago > 60
    assert used[-days_ago:].all() == recent
    assert used[: 300 - days_ago].all() == (not recent)
    returns = daily_returns(history)
    assert np.nanmax(np.abs(returns[:, 0])) < 0.02


@pytest.mark.parametrize("days_ago", [1, 15, 45, 200])
@pytest.mark.parametrize("factor", [0.01, 100.0, 0.001])
def test_pounds_for_pence_are_never_taken_for_real(days_ago: int, factor: float) -> None:
    prices = calm()
    prices[-days_ago:, 0] *= factor
    history = history_of(prices)
    assert list(history.quarantined) == [0]
    (finding,) = history.findings
    assert (finding.id, finding.severity.value) == ("looks_like_unit_change", "error")
    assert "write all closes of AAA in one unit" in finding.action


def test_the_lots_say_in_which_unit_a_holding_is_worth_what() -> None:
    prices = calm()
    prices[-100:, 0] /= 100
    lots = (make_lot("AAA", unit_cost=80.0),)
    assert history_of(prices, lots=lots).price[0] == pytest.approx(100.0)
    # Without a lot the lower price is the prudent one.
    assert history_of(prices).price[0] == pytest.approx(1.0)


def test_a_unit_that_came_back_is_set_aside_and_stops_nothing() -> None:
    prices = calm()
    clean = prices.copy()
    prices[100:180, 0] /= 100
    history = history_of(prices)
    assert history.quarantined == {}
    assert history.price[0] == clean[-1, 0]
    assert not history.observed[100:180, 0].any()
    assert history.observed[:100, 0].all()
    assert history.observed[180:, 0].all()
    assert {(f.id, f.severity.value) for f in history.findings} == {
        ("looks_like_unit_change", "warning")
    }


def test_two_splits_leave_only_what_is_on_the_latest_level() -> None:
    prices = calm(volatility=0.002)
    prices[:100, 0] *= 8
    prices[100:200, 0] *= 4
    history = history_of(prices)
    assert list(history.quarantined) == [0]
    assert ids(history.findings) == ["looks_like_split"] * 2
    assert history.observed[200:, 0].all()
    assert not history.observed[:200, 0].any()


@pytest.mark.parametrize("factor", [0.25 * 1.1, 0.45, 9.0 * 1.05, 0.55])
def test_a_move_beyond_all_real_days_is_not_taken_for_real_by_waiting(factor: float) -> None:
    prices = calm()
    prices[-150:, 0] *= factor
    history = history_of(prices)
    assert list(history.quarantined) == [0]
    (finding,) = history.findings
    assert (finding.id, finding.severity.value) == ("price_jump", "error")
    day = context_of(prices).dates[-150].astype(object)
    accepted = history_of(prices, accepted_prices=frozenset({("AAA", day)}))
    assert accepted.quarantined == {}
    np.testing.assert_array_equal(accepted.base, prices)


# -- the guard of the rates ---------------------------------------------------------------------


def rates_of(rates: Prices, **fields: Any) -> PriceHistory:
    context = make_context(
        securities=(make_security("AAA"), make_security("BBB", currency="USD")),
        prices=calm(),
        fx_rates={"USD": rates},
        lots=(),
        **fields,
    )
    return build_history(context, SIGMAS)


def calm_rates() -> Prices:
    rates: Prices = price_paths(300, [0.94], volatility=0.005, drift=0.0)[:, 0]
    return rates


@pytest.mark.parametrize(
    ("factor", "days_ago"),
    [(10.0, 1), (0.1, 1), (1.13, 1), (1.13, 15), (10.0, 15), (10.0, 120), (0.01, 120), (1.6, 120)],
)
def test_a_rate_that_jumps_is_not_believed_and_holds_what_is_in_it(
    factor: float, days_ago: int
) -> None:
    clean = calm_rates()
    rates = clean.copy()
    rates[-days_ago:] *= factor
    history = rates_of(rates)
    assert list(history.quarantined) == [1]
    assert list(history.held_currencies) == ["USD"]
    # The believed rate goes on at the level before the jump.
    assert history.fx_rate[1] == pytest.approx(clean[-1], rel=0.05)
    assert latest_rate(history, "USD") == history.fx_rate[1]
    (finding,) = history.findings
    assert (finding.id, finding.severity.value) == ("rate_jump", "error")
    day = weekdays(300)[-days_ago]
    assert finding.action.endswith(f"run: trader data accept USD {day}")


def test_a_rate_that_turns_upside_down_is_not_believed() -> None:
    rates = calm_rates() * 0.7 / 0.94
    rates[-50:] = 1 / rates[-50:]
    history = rates_of(rates)
    assert "the inverse of the rate before" in history.quarantined[1]


def test_a_rate_that_came_back_is_dropped() -> None:
    clean = calm_rates()
    rates = clean.copy()
    rates[200] = 9.4
    history = rates_of(rates)
    assert history.quarantined == {}
    assert ids(history.findings) == ["rate_spike"]
    assert history.rates["USD"][200] == clean[199]


def test_an_accepted_rate_is_believed() -> None:
    rates = calm_rates()
    rates[-1] *= 1.2
    accepted = frozenset({("USD", AS_OF)})
    history = rates_of(rates, accepted_prices=accepted)
    assert (history.quarantined, history.findings) == ({}, ())
    assert history.fx_rate[1] == rates[-1]


def test_an_ordinary_move_of_a_rate_passes() -> None:
    rates = calm_rates()
    rates[-1] = rates[-2] * 1.03
    assert rates_of(rates).quarantined == {}


def test_a_rate_that_is_always_one_is_not_believed_until_accepted() -> None:
    history = rates_of(np.ones(300))
    assert list(history.quarantined) == [1]
    assert [(f.id, f.severity.value) for f in history.findings] == [("rate_constant", "error")]
    accepted = frozenset({("USD", AS_OF)})
    assert rates_of(np.ones(300), accepted_prices=accepted).findings == ()
    assert suspicious_rows(weekdays(300), np.ones(300), SIGMAS, is_rate=True).tolist() == [299]


def test_a_rate_that_never_moves_is_named() -> None:
    history = rates_of(np.full(300, 0.5113))
    assert history.quarantined == {}
    assert [(f.id, f.severity.value) for f in history.findings] == [("rate_constant", "warning")]


# -- real prices --------------------------------------------------------------------------------


@cache
def demo() -> tuple[tuple[str, ...], np.ndarray[Any, Any], Prices]:
    with gzip.open(DEMO_PRICES, "rt") as file:
        lines = [line.rstrip("\n").split(",") for line in file if not line.startswith("#")]
    names = tuple(lines[0][1:])
    days = np.array([line[0] for line in lines[1:]], dtype="datetime64[D]")
    closes = np.array([[float(x or "nan") for x in line[1:]] for line in lines[1:]])
    return names, days, closes


def demo_context(last: str, n_days: int = 800) -> PlanningContext:
    names, days, closes = demo()
    end = int(np.searchsorted(days, np.datetime64(last), side="right"))
    begin = max(0, end - n_days)
    return PlanningContext(
        bucket_id="demo",
        as_of=days[end - 1].astype(object),
        base_currency="USD",
        securities=tuple(make_security(name, currency="USD") for name in names),
        dates=days[begin:end].copy(),
        prices=closes[begin:end].copy(),
    )


@pytest.mark.parametrize(
    "day",
    ["2020-03-09", "2020-03-12", "2020-03-16", "2020-03-20", "2020-03-24", "2020-04-06"],
)
def test_the_crash_of_march_2020_does_not_block_the_universe(day: str) -> None:
    history = build_history(demo_context(day), SIGMAS)
    assert len(history.quarantined) <= 1, history.quarantined


def test_real_prices_of_ten_years_are_hardly_ever_doubted() -> None:
    names, days, _ = demo()
    looks = range(300, len(days), 60)
    doubted = sum(
        len(build_history(demo_context(str(days[end]), 300), SIGMAS).quarantined) for end in looks
    )
    assert doubted <= 0.01 * len(looks) * len(names)


@pytest.mark.parametrize(
    ("ratio", "found_min"), [(0.01, 20), (10.0, 20), (0.5, 20), (2 / 3, 19), (0.8, 17)]
)
@pytest.mark.parametrize("days_ago", [1, 2, 15])
def test_a_split_is_found_in_real_calm_prices(ratio: float, found_min: int, days_ago: int) -> None:
    context = demo_context("2017-06-30")
    n_held = 0
    for column in range(context.n_securities):
        prices = context.prices.copy()
        prices[-days_ago:, column] *= ratio
        changed = replace(context, dates=context.dates.copy(), prices=prices)
        n_held += column in build_history(changed, SIGMAS).quarantined
    # What moves 3 % on an ordinary day (AMD) may fall by a fifth for a reason of its own.
    assert n_held >= found_min


@pytest.mark.parametrize(
    ("name", "day"), [("MRK", "2021-10-01"), ("WMT", "2022-05-17"), ("BBY", "2021-11-23")]
)
@pytest.mark.parametrize("days_later", [0, 1, 2, 10])
def test_real_days_with_news_stop_nothing(name: str, day: str, days_later: int) -> None:
    names, days, _ = demo()
    assert name in names
    row = int(np.searchsorted(days, np.datetime64(day)))
    assert build_history(demo_context(str(days[row + days_later])), SIGMAS).quarantined == {}


@pytest.mark.parametrize("day", ["2016-02-11", "2018-12-24", "2020-03-20", "2021-01-29"])
def test_what_comes_later_does_not_change_what_was_believed_before(day: str) -> None:
    names, days, _ = demo()
    whole = demo_context("2022-12-28", 5_000)
    end = int(np.searchsorted(days, np.datetime64(day), side="right"))
    then = build_history(demo_context(day, 5_000), SIGMAS)
    now = build_history(whole, SIGMAS)
    settled = end - PRICE_LIMITS.guard_days - REVERSAL_DAYS
    assert then.base.shape == (end, len(names))
    np.testing.assert_array_equal(then.base[:settled], now.base[:settled])
    np.testing.assert_array_equal(then.observed[:settled], now.observed[:settled])


def test_a_quarantined_holding_is_valued_prudently() -> None:
    prices = calm()
    prices[-1, 0] *= 10
    context = make_context(n_securities=2, prices=prices, lots=(make_lot("AAA"),), as_of=AS_OF)
    assert build_history(context, SIGMAS).price[0] == pytest.approx(prices[-1, 0] / 10)
