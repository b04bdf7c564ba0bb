"""mu, covariance and tail, against naive definitions and tables."""

# ruff: noqa: ANN401 - overrides are of any type

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from planner_core.market.prices import PriceHistory, build_history, forward_fill
from planner_core.market.returns import (
    MarketModel,
    count_tail_episodes,
    cvar,
    daily_returns,
    estimate_market,
    ledoit_wolf,
    tail_weights,
)
from planner_core.model.arrays import DateArray, FloatArray
from planner_core.model.config import EstimationConfig
from planner_core.model.context import PlanningContext
from planner_core.model.records import SecurityKind
from tests.builders import (
    make_context,
    make_securities,
    make_security,
    make_state,
    price_paths,
    weekdays,
)

NAN = float("nan")


def history_of(context: PlanningContext) -> PriceHistory:
    return build_history(context, 100.0)


def market_of(context: PlanningContext, **config: Any) -> MarketModel:
    return estimate_market(context, history_of(context), EstimationConfig(**config))


def context_of(prices: FloatArray, **fields: Any) -> PlanningContext:
    return make_context(n_securities=prices.shape[1], prices=prices, lots=(), **fields)


# -- covariance ---------------------------------------------------------------------------------


def naive_ledoit_wolf(returns: FloatArray) -> FloatArray:
    """Equations (14), section 3.2 of the paper: m, d^2, b^2 and a^2, one day at a time."""
    n_days, n = returns.shape
    x = returns - returns.mean(axis=0)
    sample = sum(np.outer(day, day) for day in x) / n_days
    identity = np.eye(n)
    m = np.sum(sample * identity) / n
    d2 = np.sum((sample - m * identity) ** 2) / n
    b2 = sum(np.sum((np.outer(day, day) - sample) ** 2) / n for day in x) / n_days**2
    b2 = min(b2, d2)
    shrunk: FloatArray = b2 / d2 * m * identity + (d2 - b2) / d2 * sample if d2 else sample
    return shrunk


@pytest.mark.parametrize(("n_days", "n"), [(300, 4), (60, 20), (10, 30), (2, 3), (50, 1)])
def test_ledoit_wolf_is_what_the_paper_says(n_days: int, n: int) -> None:
    generator = np.random.default_rng(n_days)
    returns = generator.standard_normal((n_days, n)) * np.linspace(0.005, 0.03, n)
    returns += 0.01 * generator.standard_normal((n_days, 1))
    np.testing.assert_allclose(ledoit_wolf(returns), naive_ledoit_wolf(returns), rtol=1e-9)


@settings(max_examples=50)
@given(arrays(np.float64, (7, 3), elements=st.floats(-0.25, 0.25, width=32)))
def test_a_covariance_is_symmetric_positive_and_keeps_the_trace(returns: FloatArray) -> None:
    shrunk = ledoit_wolf(returns)
    np.testing.assert_allclose(shrunk, naive_ledoit_wolf(returns), atol=1e-12)
    np.testing.assert_allclose(shrunk, shrunk.T)
    assert np.linalg.eigvalsh(shrunk).min() >= -1e-12
    assert np.trace(shrunk) == pytest.approx(np.trace(np.cov(returns.T, bias=True)), abs=1e-12)


def test_fewer_days_than_securities_still_give_a_regular_matrix() -> None:
    returns = np.random.default_rng(1).standard_normal((20, 50)) * 0.01
    assert np.linalg.eigvalsh(ledoit_wolf(returns)).min() > 0


def test_prices_that_never_move_have_no_risk() -> None:
    assert not ledoit_wolf(np.zeros((10, 3))).any()
    market = market_of(context_of(np.full((400, 3), 100.0)))
    assert not market.covariance.any()
    assert not market.mu.any()


# -- returns and mu -----------------------------------------------------------------------------


def test_returns_are_simple_and_not_logarithmic() -> None:
    prices = np.array([[100.0], [110.0], [99.0]])
    returns = daily_returns(history_of(context_of(prices)))
    # The first day has no day before it.
    np.testing.assert_allclose(returns, [[NAN], [0.1], [-0.1]])


def test_without_two_days_there_are_no_returns() -> None:
    for n_days in (0, 1):
        prices = np.full((n_days, 3), 100.0)
        assert np.isnan(daily_returns(history_of(context_of(prices)))).all()


def test_hand_table_of_mu() -> None:
    # Returns of +1 % and -1 % in turn have a mean of 0, +0.6 % and -0.4 % one of 25.2 % a year.
    # Shrunk by 0.7 to the mean of both, 12.6 %: 8.82 % and 16.38 %.
    n_days = 401
    flat = 100 * np.cumprod([1.0, *[1.01, 0.99] * 200])
    rising = 100 * np.cumprod([1.0, *[1.006, 0.996] * (n_days // 2)])
    market = market_of(context_of(np.column_stack([flat, rising])))
    np.testing.assert_allclose(market.mu, [0.0882, 0.1638], atol=1e-9)
    # In logs the first would have lost 1.26 % a year.
    assert flat[-1] < flat[0]


def test_mu_is_clipped_after_it_is_shrunk() -> None:
    rising = 100 * np.cumprod([1.0, *[1.005, 1.003] * 200])
    falling = 100 * np.cumprod([1.0, *[0.997, 0.995] * 200])
    prices = np.column_stack([rising, falling])
    own = market_of(context_of(prices), mean_shrinkage=0.0)
    np.testing.assert_allclose(own.mu, [0.30, -0.10])
    shrunk = market_of(context_of(prices))  # 0.3 x (+-1.008) each
    np.testing.assert_allclose(shrunk.mu, [0.30, -0.10])
    alike = market_of(context_of(prices), mean_shrinkage=1.0)
    np.testing.assert_allclose(alike.mu, [0.0, 0.0], atol=1e-12)


def test_only_the_last_days_count() -> None:
    calm = price_paths(500, [100.0, 100.0], volatility=0.005)
    wild = price_paths(500, [calm[0, 0], calm[0, 1]], volatility=0.05)
    together = np.vstack([wild, calm])
    recent = market_of(context_of(together), history_days=400)
    alone = market_of(context_of(calm), history_days=400)
    np.testing.assert_allclose(recent.covariance, alone.covariance)
    np.testing.assert_allclose(recent.mu, alone.mu)


def test_volatility_per_day_is_that_of_the_covariance() -> None:
    market = market_of(make_context())
    np.testing.assert_allclose(market.daily_volatility**2 * 252, np.diag(market.covariance))


# -- too little history -------------------------------------------------------------------------


def test_a_short_history_is_left_out_alone_and_does_not_shorten_the_others() -> None:
    prices = price_paths(600, [100.0] * 3)
    short = prices.copy()
    short[:-200, 2] = NAN
    market, others = market_of(context_of(short)), market_of(context_of(prices[:, :2].copy()))
    assert market.has_history.tolist() == [True, True, False]
    np.testing.assert_allclose(market.mu[:2], others.mu)
    np.testing.assert_allclose(market.covariance[:2, :2], others.covariance)
    np.testing.assert_allclose(market.scenarios[:, :2], others.scenarios)
    assert [(f.id, f.security) for f in market.findings] == [("short_history", "CCC")]


@pytest.mark.parametrize(("n_days", "has_estimate"), [(60, False), (61, True)])
def test_what_has_below_sixty_returns_behaves_like_the_market(
    n_days: int, has_estimate: bool
) -> None:
    prices = price_paths(600, [100.0] * 3)
    prices[:-n_days, 2] = NAN
    market = market_of(context_of(prices))
    assert market.has_estimate.tolist() == [True, True, has_estimate]
    finding = market.findings[0]
    assert (finding.id, finding.security) == (
        ("short_history", "CCC") if has_estimate else ("risk_unknown", "CCC")
    )
    if has_estimate:
        return
    assert market.mu[2] == pytest.approx(market.mu[:2].mean())
    half = np.array([0.5, 0.5])
    assert market.covariance[2, 2] == pytest.approx(half @ market.covariance[:2, :2] @ half)
    np.testing.assert_allclose(market.covariance[2, :2], half @ market.covariance[:2, :2])
    np.testing.assert_allclose(market.scenarios[:, 2], market.scenarios[:, :2].mean(axis=1))


@pytest.mark.parametrize(("n_days", "enough"), [(252, False), (253, True)])
def test_252_returns_are_enough(n_days: int, enough: bool) -> None:
    market = market_of(make_context(n_days=n_days))
    assert market.has_history.all() == enough
    assert market.has_history.any() == enough


def test_gaps_are_shared_or_the_gappiest_is_left_out() -> None:
    prices = price_paths(400, [100.0] * 3)
    prices[10:390:2, 0] = NAN  # every other day: hardly a return left
    prices[50, 1] = NAN
    market = market_of(context_of(prices))
    assert market.has_history.tolist() == [False, True, True]
    assert market.has_estimate.tolist() == [False, True, True]


def test_no_security_with_enough_history_means_no_estimate_and_no_nan() -> None:
    market = market_of(make_context(n_days=30))
    for array in (market.mu, market.covariance, market.daily_volatility):
        assert not array.any()
    assert market.scenarios.shape == (0, 4)
    assert [finding.id for finding in market.findings] == ["risk_unknown"] * 4
    assert not market.has_estimate.any()


def test_a_short_history_has_the_variance_of_its_group_in_proportion() -> None:
    # Same path, twice and once the volatility; the third has 126 of 252 returns.
    moves = 0.01 * np.random.default_rng(5).standard_normal((400, 1))
    prices: FloatArray = 100 * np.cumprod(1 + moves * np.array([1.0, 3.0, 2.0, 2.0]), axis=0)
    prices[:-127, 2] = NAN
    prices[:-127, 3] = NAN
    groups = [{"industry": "calm"}, {"industry": "wild"}, {"industry": "calm"}, {}]
    securities = tuple(make_security(f"S{i}", groups=own) for i, own in enumerate(groups))
    market = market_of(make_context(prices=prices, securities=securities, lots=()))
    variance = np.diag(market.covariance)
    own = float(np.var(daily_returns(history_of(context_of(prices)))[-126:, 2])) * 252
    assert variance[2] == pytest.approx(0.5 * own + 0.5 * variance[0])
    # In no group: the mean of all that have a full history.
    assert variance[3] == pytest.approx(0.5 * own + 0.5 * (variance[0] + variance[1]) / 2)


# -- estimates that cannot be -------------------------------------------------------------------


def doubts_of(prices: FloatArray, **fields: Any) -> tuple[list[bool], list[str]]:
    market = market_of(context_of(prices, **fields))
    assert np.isfinite(market.covariance).all()
    return market.has_estimate.tolist(), [f.id for f in market.findings if f.security]


def test_closes_in_changing_units_give_no_estimate() -> None:
    prices = price_paths(400, [100.0] * 3)
    prices[::2, 0] *= 3
    assert doubts_of(prices) == ([False, True, True], ["closes_implausible"])


@pytest.mark.parametrize(("n_days", "is_constant"), [(59, False), (60, True)])
def test_the_same_close_for_sixty_days_gives_no_estimate(n_days: int, is_constant: bool) -> None:
    prices = price_paths(400, [100.0] * 3)
    prices[-n_days:, 0] = 100.0
    assert doubts_of(prices)[0] == [not is_constant, True, True]
    assert doubts_of(prices)[1] == (["closes_constant"] if is_constant else [])


def test_a_money_market_fund_may_never_move() -> None:
    prices = price_paths(400, [100.0] * 3)
    alone = market_of(context_of(prices[:, 1:].copy()))
    prices[:, 0] = 1.0
    securities = (make_security("AAA", kind=SecurityKind.CASH), *make_securities(3)[1:])
    market = market_of(make_context(prices=prices, securities=securities, lots=()))
    assert market.has_estimate.all()
    assert not market.covariance[0].any()
    np.testing.assert_allclose(np.diag(market.covariance)[1:], np.diag(alone.covariance))


def test_a_foreign_close_that_never_moves_has_no_estimate_though_its_rate_moves() -> None:
    prices = price_paths(400, [100.0] * 3)
    prices[:, 0] = 50.0
    securities = (make_security("AAA", currency="USD"), *make_securities(3)[1:])
    rates = price_paths(400, [0.9], volatility=0.005)[:, 0]
    context = make_context(prices=prices, securities=securities, fx_rates={"USD": rates}, lots=())
    assert market_of(context).has_estimate.tolist() == [False, True, True]


def test_two_securities_that_hardly_move_together_have_estimates() -> None:
    # Shares and bonds: the shrunk correlation may be 0, that of the sample never is.
    market = market_of(context_of(price_paths(400, [100.0, 100.0], common=0.0, seed=3)))
    assert market.has_estimate.all()
    assert np.diag(market.covariance).all()
    assert "correlations_empty" not in [finding.id for finding in market.findings]


def test_unrelated_to_the_last_digit_is_no_market() -> None:
    # Orthogonal by construction: no two real securities are.
    signs = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]] * 100)
    prices = 100 * np.cumprod(1 + 0.01 * signs[:, :3], axis=0)
    market = market_of(context_of(np.vstack([[[100.0] * 3], prices])))
    assert not market.has_estimate.any()
    assert not market.covariance.any()
    assert [f.id for f in market.findings] == ["correlations_empty"]


# -- market days --------------------------------------------------------------------------------


def all_week(prices: FloatArray) -> tuple[FloatArray, DateArray]:
    """Put weekday closes on a calendar of all days; blank on weekends."""
    own = weekdays(len(prices))
    dates: DateArray = np.arange(own[0], own[-1] + 1)
    spread = np.full((len(dates), prices.shape[1]), NAN)
    spread[np.searchsorted(dates, own)] = prices
    return spread, dates


def assert_same_model(model: MarketModel, other: MarketModel) -> None:
    names = ("mu", "covariance", "scenarios", "daily_volatility", "momentum", "high", "cagr")
    for name in names:
        np.testing.assert_allclose(getattr(model, name), getattr(other, name), err_msg=name)


@pytest.mark.parametrize("rows", ["blank", "repeated"])
def test_rows_of_weekends_change_nothing(rows: str) -> None:
    prices = price_paths(900, [100.0] * 4)
    spread, dates = all_week(prices)
    if rows == "repeated":
        spread = forward_fill(spread, dates, 5)
    context = context_of(spread, dates=dates)
    assert_same_model(market_of(context), market_of(context_of(prices)))
    assert history_of(context).age.tolist() == [0] * 4


@pytest.mark.parametrize("rows", ["blank", "repeated"])
def test_a_holiday_of_all_changes_nothing(rows: str) -> None:
    prices = price_paths(900, [100.0] * 4)
    dates = weekdays(930)
    holidays = np.arange(20, 920, 30)
    is_open = ~np.isin(np.arange(930), holidays)
    with_holidays = np.full((930, 4), NAN)
    with_holidays[is_open] = prices
    if rows == "repeated":
        with_holidays = forward_fill(with_holidays, dates, 5)
    assert_same_model(
        market_of(context_of(with_holidays, dates=dates)),
        market_of(context_of(prices, dates=dates[is_open])),
    )


def test_what_trades_all_week_does_not_change_the_others() -> None:
    prices = price_paths(900, [100.0] * 4)
    spread, dates = all_week(prices)
    coin = price_paths(len(dates), [100.0], seed=9, volatility=0.03)
    joined = np.hstack([spread, coin])
    together, alone = market_of(context_of(joined, dates=dates)), market_of(context_of(prices))
    own = slice(0, 4)
    np.testing.assert_allclose(together.daily_volatility[own], alone.daily_volatility)
    np.testing.assert_allclose(together.momentum[own], alone.momentum)
    np.testing.assert_allclose(together.high[own], alone.high)
    np.testing.assert_allclose(together.cagr[own], alone.cagr)
    assert len(together.scenarios) == len(alone.scenarios)
    # Its own volatility is that of its own days, and its year has 365 of them.
    assert together.daily_volatility[4] == pytest.approx(0.03, rel=0.08)
    assert together.covariance[4, 4] == pytest.approx(together.daily_volatility[4] ** 2 * 365)


@pytest.mark.parametrize(("every", "is_known"), [(1, True), (2, True), (5, False)])
def test_a_week_is_not_a_market_day_and_a_holiday_is_no_week(every: int, is_known: bool) -> None:
    # Alone in its currency there is nobody to tell a closed market from a missing close.
    prices = price_paths(400, [100.0])
    sparse = np.full_like(prices, NAN)
    sparse[::every] = prices[::every]
    assert market_of(context_of(sparse)).has_estimate.tolist() == [is_known]


def test_a_holiday_of_one_exchange_is_no_gap_in_the_others() -> None:
    prices = price_paths(900, [100.0] * 4, common=0.6)
    abroad = prices.copy()
    abroad[20::30, 3] = NAN
    securities = (*make_securities(3), make_security("DDD", currency="USD"))
    rates = {"USD": 0.9 + 0.001 * (np.arange(900) % 2)}

    def model(closes: FloatArray) -> MarketModel:
        return market_of(
            make_context(prices=closes, securities=securities, fx_rates=rates, lots=())
        )

    with_holidays, without = model(abroad), model(prices)
    np.testing.assert_allclose(with_holidays.daily_volatility[:3], without.daily_volatility[:3])
    correlation = with_holidays.covariance[3, 0] / without.covariance[3, 0]
    assert correlation == pytest.approx(1.0, abs=0.1)


# -- the tail -----------------------------------------------------------------------------------


def naive_cvar(losses: FloatArray, level: float) -> float:
    """The least of a + E[(loss - a)+] / (1 - level), by trying every a that can be the least."""
    candidates = [a + np.maximum(losses - a, 0).mean() / (1 - level) for a in losses]
    return float(min(candidates))


@settings(max_examples=100)
@given(
    arrays(np.float64, st.integers(1, 60), elements=st.floats(-1, 1, width=32)),
    st.sampled_from([0.5, 0.9, 0.95, 0.975]),
)
def test_cvar_is_what_rockafellar_and_uryasev_define(losses: FloatArray, level: float) -> None:
    assert float(cvar(losses, level)) == pytest.approx(naive_cvar(losses, level), abs=1e-9)


@pytest.mark.parametrize(
    ("n_windows", "weights"),
    [
        (500, [1 / 25] * 25),
        (20, [1.0]),
        (10, [1.0]),  # half an observation is still the worst one
        (30, [1 / 1.5, 0.5 / 1.5]),
        (41, [1 / 2.05, 1 / 2.05, 0.05 / 2.05]),
    ],
)
def test_the_last_loss_of_the_tail_counts_by_its_fraction(
    n_windows: int, weights: list[float]
) -> None:
    np.testing.assert_allclose(tail_weights(n_windows), weights)


def test_cvar_works_column_by_column_and_is_zero_without_windows() -> None:
    losses = np.random.default_rng(3).standard_normal((41, 2, 3))
    tail = cvar(losses)
    assert tail.shape == (2, 3)
    assert tail[1, 2] == pytest.approx(float(cvar(losses[:, 1, 2])))
    assert cvar(np.empty((0, 5))).tolist() == [0.0] * 5


def test_windows_are_overlapping_21_day_returns_newest_last() -> None:
    context = make_context(n_days=600)
    scenarios = market_of(context).scenarios
    prices = context.prices
    assert scenarios.shape == (500, 4)
    np.testing.assert_allclose(scenarios[-1], prices[-1] / prices[-22] - 1)
    np.testing.assert_allclose(scenarios[0], prices[100] / prices[79] - 1)


@pytest.mark.parametrize(("n_days", "n_windows"), [(272, 0), (273, 252), (400, 379), (800, 500)])
def test_below_252_windows_the_term_is_off_and_says_so(n_days: int, n_windows: int) -> None:
    market = market_of(make_context(n_days=n_days))
    assert len(market.scenarios) == n_windows
    assert ("tail_risk_off" in [f.id for f in market.findings]) is (n_windows == 0)


def test_episodes_are_counted_apart_by_a_horizon() -> None:
    losses = np.zeros(500)
    losses[[10, 11, 12]] = 3.0
    losses[[33, 34]] = 2.0  # 21 days after the last one: another episode
    losses[400:420] = 1.0
    assert count_tail_episodes(-losses[:, None]) == 3
    losses[[33, 34]] = 0.0
    losses[[32, 31]] = 2.0  # 19 days after: the same one
    assert count_tail_episodes(-losses[:, None]) == 2
    assert count_tail_episodes(np.empty((0, 3))) == 0


# -- what calculators look at -------------------------------------------------------------------


def test_momentum_high_and_growth_of_a_steady_rise() -> None:
    prices: FloatArray = (100.0 * 1.0005 ** np.arange(505.0))[:, None].astype(np.float64)
    market = market_of(context_of(prices))
    assert market.momentum[0] == pytest.approx(1.0005**60 - 1)
    assert market.high[0] == prices[-1, 0]
    assert market.cagr[0] == pytest.approx(1.0005**252 - 1)


def test_the_high_is_that_of_the_last_252_days() -> None:
    prices = np.full((400, 2), 100.0)
    prices[::2] = 99.0
    prices[147, 0] = 120.0
    prices[148, 1] = 120.0
    assert market_of(context_of(prices)).high.tolist() == [100.0, 120.0]


def test_growth_needs_a_year_and_momentum_sixty_days() -> None:
    year = market_of(make_context(n_days=253))
    assert not np.isnan(year.cagr).any()
    less = market_of(make_context(n_days=252))
    assert np.isnan(less.cagr).all()
    assert np.isnan(market_of(make_context(n_days=60)).momentum).all()
    assert not np.isnan(market_of(make_context(n_days=61)).momentum).any()


def test_a_young_history_shortens_no_other_and_is_described_by_its_beta() -> None:
    prices = price_paths(800, [100.0] * 4, seed=3)
    alone = make_state(make_context(prices=prices[:, :3], securities=make_securities(3)))
    market = prices[:, :3] / prices[0, :3]
    young = market.mean(axis=1) ** 1.5
    young[:500] = np.nan
    joined = np.column_stack([prices[:, :3], 100 * young])
    state = make_state(make_context(prices=joined, securities=make_securities(4)))
    assert state.market.has_history.all()
    np.testing.assert_allclose(
        state.market.covariance[:3, :3], alone.market.covariance, rtol=1e-9, atol=0
    )
    assert len(state.market.scenarios) == len(alone.market.scenarios)
    assert np.isfinite(state.market.scenarios).all()
    own = state.market.covariance[:3, :3]
    beta = state.market.covariance[3, :3].sum() / own.mean() / 3
    assert 1.2 < beta < 1.8
    assert np.linalg.eigvalsh(state.market.covariance)[0] > 0


def test_a_history_cut_by_a_doubtful_move_is_no_short_one() -> None:
    # 100 returns since the move: its finding has the cure, and more closes are none.
    prices = price_paths(400, [100.0] * 3)
    prices[-100:, 0] *= 4
    context = context_of(prices)
    assert [f.id for f in history_of(context).findings] == ["looks_like_split"]
    assert market_of(context).findings == ()


def test_closes_on_another_level_are_named_with_the_command_that_shows_them() -> None:
    # Hundredths for a while, and pounds again: only 240 closes are comparable.
    prices = price_paths(400, [100.0] * 3)
    prices[100:260, 0] *= 100
    (finding,) = market_of(context_of(prices)).findings
    assert "160 closes of AAA are on another level and not used" in finding.message
    assert finding.action.endswith("run: trader data show AAA")
