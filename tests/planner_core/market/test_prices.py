"""Which prices are believed: gaps, spikes, splits, crashes, real and made."""

# ruff: noqa: ANN401 - overrides are of any type

from __future__ import annotations

import gzip
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner_core.errors import ContextError
from planner_core.market.prices import (
    FILL_DAYS_MAX,
    GUARD_DAYS,
    LAPSE_FINDING_DAYS,
    REVERSAL_DAYS,
    PriceHistory,
    build_history,
    forward_fill,
    guard_prices,
)
from planner_core.market.returns import daily_returns
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
    filled = forward_fill(prices, FILL_DAYS_MAX)[:, 0]
    np.testing.assert_array_equal(filled, [1, 1, 1, 1, 1, 1, NAN, NAN, 2, 2])


def test_nothing_is_filled_before_the_first_close() -> None:
    filled = forward_fill(np.array([[NAN, 1.0], [3.0, NAN]]), 5)
    np.testing.assert_array_equal(filled, [[NAN, 1.0], [3.0, 1.0]])
    assert forward_fill(np.empty((0, 2)), 5).shape == (0, 2)


@given(st.lists(st.one_of(st.just(NAN), st.floats(1, 9)), max_size=40), st.integers(0, 6))
def test_filling_is_what_a_loop_would_do(closes: list[float], days_max: int) -> None:
    expected, last, age = [], NAN, 0
    for close in closes:
        last, age = (last, age + 1) if np.isnan(close) else (close, 0)
        expected.append(last if age <= days_max else NAN)
    filled = forward_fill(np.array(closes, dtype=float).reshape(-1, 1), days_max)
    np.testing.assert_array_equal(filled[:, 0], expected)


def test_a_filled_day_is_no_return_and_neither_is_the_day_after_it() -> None:
    prices = calm()
    prices[100, 0] = NAN
    history = history_of(prices)
    returns = daily_returns(history)
    assert np.flatnonzero(np.isnan(returns[:, 0])).tolist() == [99, 100]
    assert not np.isnan(returns[:, 1]).any()
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
    rates = np.full(300, 0.9)
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
        assert build_history(context, SIGMAS).fx_rate[0] == 0.9


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


@pytest.mark.parametrize("factor", [10.0, 0.1])
def test_a_spike_on_the_last_day_is_not_believed_and_values_at_the_lower_price(
    factor: float,
) -> None:
    prices = calm()
    prices[-1, 0] *= factor
    history = history_of(prices)
    assert list(history.quarantined) == [0]
    assert history.price[0] == min(prices[-2, 0], prices[-1, 0])
    assert not history.observed[-1, 0]
    (finding,) = history.findings
    assert (finding.id, finding.severity.value) == ("price_jump", "error")
    assert finding.action.endswith(
        'if the price is right, write [[accepted_prices]] with security = "AAA" and'
        " date = 2024-06-28 into portfolios/core.toml"
    )


def test_an_unbelieved_fall_lowers_the_value_also_when_the_last_day_has_no_close() -> None:
    prices = calm()
    prices[-3:, 0] *= 0.1
    prices[-1, 0] = NAN
    assert history_of(prices).price[0] == prices[-2, 0]


def test_a_spike_of_several_days_is_dropped_and_a_longer_one_is_a_jump() -> None:
    for n_days, spike in ((REVERSAL_DAYS, True), (REVERSAL_DAYS + 1, False)):
        prices = calm()
        prices[150 : 150 + n_days, 0] *= 3
        history = history_of(prices)
        assert (not history.observed[150 : 150 + n_days, 0].any()) is spike
        assert ids(history.findings) == (["price_spike"] if spike else [])


@pytest.mark.parametrize("ratio", [4 / 5, 1 / 2, 1 / 20, 5 / 4, 2.0])
@pytest.mark.parametrize("days_ago", [1, 2, GUARD_DAYS])
def test_an_undeclared_split_in_a_calm_market_is_not_believed(ratio: float, days_ago: int) -> None:
    prices = calm()
    prices[-days_ago:, 0] *= ratio
    history = history_of(prices)
    assert list(history.quarantined) == [0]
    assert not history.observed[-days_ago:, 0].any()
    assert history.observed[:-days_ago, 0].all()
    assert ids(history.findings) == ["price_jump"]


def test_an_old_jump_that_stayed_is_taken_for_real() -> None:
    prices = calm()
    prices[-GUARD_DAYS - 1 :, 0] *= 0.5
    history = history_of(prices)
    assert history.quarantined == {}
    np.testing.assert_array_equal(history.base, prices)


@pytest.mark.parametrize(
    ("days_ago", "finding_ids"),
    [
        (GUARD_DAYS, ["price_jump"]),
        (GUARD_DAYS + 1, ["price_jump_taken_for_real"]),
        (GUARD_DAYS + LAPSE_FINDING_DAYS, ["price_jump_taken_for_real"]),
        (GUARD_DAYS + LAPSE_FINDING_DAYS + 1, []),
    ],
)
def test_a_jump_that_counts_without_being_accepted_is_a_finding(
    days_ago: int, finding_ids: list[str]
) -> None:
    prices = calm()
    prices[-days_ago:, 0] *= 0.5
    history = history_of(prices)
    assert ids(history.findings) == finding_ids
    for finding in history.findings:
        assert "moved -50" in finding.message or "moved -49" in finding.message
        assert '[[accepted_prices]] with security = "AAA"' in finding.action


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
    violent[-1, 0] = violent[-61, 0] * 1.5
    assert history_of(gentle).quarantined == {}
    assert list(history_of(violent).quarantined) == [0]


def test_a_volatile_security_moves_further_unquestioned() -> None:
    for volatility, believed in ((0.008, False), (0.04, True)):
        prices = calm(volatility=volatility)
        prices[-1, 0] = prices[-2, 0] * 0.8
        assert (not history_of(prices).quarantined) is believed


def test_the_limit_is_a_parameter() -> None:
    prices = calm()
    prices[-1, 0] = prices[-2, 0] * 1.12
    assert guard_prices(context_of(prices), 8.0)[1]
    assert not guard_prices(context_of(prices), 30.0)[1]


@settings(max_examples=30)
@given(st.integers(0, 2**16), st.integers(40, 290), st.sampled_from([0.1, 0.5, 0.8, 1.25, 2, 10]))
def test_the_guard_changes_nothing_but_what_it_reports(seed: int, row: int, factor: float) -> None:
    prices = price_paths(300, [100.0, 50.0], seed=seed)
    prices[row, 0] *= factor
    context = context_of(prices)
    believed, quarantined, findings = guard_prices(context, SIGMAS)
    same = np.isnan(believed) | (believed == context.prices)
    assert same.all()
    assert bool(np.isnan(believed).any()) == bool(findings)
    assert set(quarantined) <= {0}
    assert not np.isnan(believed[:, 1]).any()


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


@pytest.mark.parametrize(("ratio", "found_min"), [(0.5, 20), (0.8, 18)])
def test_a_split_is_found_in_real_calm_prices(ratio: float, found_min: int) -> None:
    context = demo_context("2017-06-30")
    prices = context.prices.copy()
    prices[-2:, :] *= ratio
    changed = PlanningContext(
        bucket_id="demo",
        as_of=context.as_of,
        base_currency="USD",
        securities=context.securities,
        dates=context.dates,
        prices=prices,
    )
    # What moves 3 % on an ordinary day (AMD) may fall by a fifth for a reason of its own.
    assert len(build_history(changed, SIGMAS).quarantined) >= found_min


@pytest.mark.parametrize("day", ["2016-02-11", "2018-12-24", "2020-03-20", "2021-01-29"])
def test_what_comes_later_does_not_change_what_was_believed_before(day: str) -> None:
    names, days, _ = demo()
    whole = demo_context("2022-12-28", 5_000)
    end = int(np.searchsorted(days, np.datetime64(day), side="right"))
    then = build_history(demo_context(day, 5_000), SIGMAS)
    now = build_history(whole, SIGMAS)
    settled = end - GUARD_DAYS - REVERSAL_DAYS
    assert then.base.shape == (end, len(names))
    np.testing.assert_array_equal(then.base[:settled], now.base[:settled])
    np.testing.assert_array_equal(then.observed[:settled], now.observed[:settled])


def test_a_quarantined_holding_is_valued_prudently() -> None:
    prices = calm()
    prices[-1, 0] *= 10
    context = make_context(n_securities=2, prices=prices, lots=(make_lot("AAA"),), as_of=AS_OF)
    assert build_history(context, SIGMAS).price[0] == prices[-2, 0]
