"""Estimate the year ahead from the price history: mu, covariance, tail scenarios.

Three estimates feed the objective. All are of simple returns in base currency, because a
portfolio's simple return is the weighted sum of those of its securities; log returns do not add up.

* mu: the mean daily return x market days per year, shrunk toward the mean of all securities. A mean
  over three years has a standard error of its volatility / sqrt(3), far more than the differences
  between means.
* covariance = D R D. D are volatilities, each from the security's own market days. R are
  correlations on the days that all share, shrunk by Ledoit and Wolf: with few days per security the
  sample has eigenvalues near 0, which an optimiser takes for free diversification.
* scenarios: overlapping 21-day returns as they were, for CVaR95. They keep fat tails and joint
  crashes, which a covariance does not.

Securities differ in how much history they have. Those with a long one share the same days, and R
comes from those. One with a shorter history is correlated with the equally weighted mean of the
long ones, and below `history_days_min` its variance is shrunk toward that of its group. Below 60
returns, or where closes cannot be right, there is no estimate: the security is given that mean
itself, and nothing is traded because of an estimate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner_core.market.history_findings import (
    Doubt,
    empty_correlations_finding,
    estimate_findings,
    tail_risk_off_finding,
)
from planner_core.market.market_days import MARKET_DAYS_PER_YEAR, last_rows, weekday_numbers
from planner_core.market.prices import ESTIMATE_RETURNS_MIN, PriceHistory
from planner_core.model.arrays import BoolArray, FloatArray, IntArray
from planner_core.model.config import EstimationConfig
from planner_core.model.context import PlanningContext
from planner_core.model.records import Finding, SecurityKind

TAIL_HORIZON_DAYS = 21
TAIL_LEVEL = 0.95
MOMENTUM_DAYS = 60
LONG_HISTORY = 0.8
"""Part of the longest history that a security needs for its days to count among the common ones."""
GAP_WEEKDAYS_MAX = 3
"""Two closes further apart are not one market day's return: holidays close two weekdays at most."""
GAP_CALENDAR_DAYS_MAX = 7
"""Common closes further apart do not belong together."""
DAILY_VOLATILITY_MAX = 0.20
"""Per market day; above it closes are in changing units, or of changing securities."""
CONSTANT_CLOSES = 60
"""Market days with the same close after which a price counts as not maintained."""
CORRELATION_MIN = 1e-6
"""Below it everywhere a correlation matrix is empty: real returns differ by chance at least."""


@dataclass(frozen=True, slots=True, eq=False)
class MarketModel:
    """Estimates per security, base currency.

    Parameters
    ----------
    mu : ndarray of shape (n_securities,), per year
        Arithmetic expected return, shrunk and clipped.
    covariance : ndarray of shape (n_securities, n_securities), per year
    scenarios : ndarray of shape (n_windows, n_securities)
        Overlapping 21-day returns; (0, n_securities) when the CVaR term is off.
    daily_volatility : ndarray of shape (n_securities,), per market day
    has_estimate : ndarray of shape (n_securities,), bool
        False: the estimates are those of the market (mean of the others; zeros without others), and
        the security is traded toward its target only.
    has_history : ndarray of shape (n_securities,), bool
        It has an estimate from at least `history_days_min` returns: it may be bought without a
        target.
    momentum : ndarray of shape (n_securities,)
        Return over 60 of its market days; NaN with fewer.
    high : ndarray of shape (n_securities,), base currency
        Highest close of its last 252 market days; NaN without any.
    cagr : ndarray of shape (n_securities,), per year
        Compound growth over the whole history; NaN below a year of it.
    tail_episodes : int
        Separate episodes in the tail at equal weights: on how many crises CVaR95 rests.
    findings : tuple of Finding
    """

    mu: FloatArray
    covariance: FloatArray
    scenarios: FloatArray
    daily_volatility: FloatArray
    has_estimate: BoolArray
    has_history: BoolArray
    momentum: FloatArray
    high: FloatArray
    cagr: FloatArray
    tail_episodes: int
    findings: tuple[Finding, ...]


def estimate_market(
    context: PlanningContext, history: PriceHistory, config: EstimationConfig
) -> MarketModel:
    """Estimate the model from believed prices; never NaN in mu, covariance or scenarios.

    Notes
    -----
    The last `history_days` returns of each security. O(days x n^2).

    Shorter histories: R. Stambaugh, "Analyzing investments whose histories differ in length",
    Journal of Financial Economics 45 (1997), 285-331, with the equally weighted mean as the only
    regressor.
    """
    own = _own_moments(context, history, config)
    # A much shorter history would shorten the common days of all: it follows the others instead.
    most = own.n_returns.max(initial=0, where=own.has_estimate)
    long = own.has_estimate & (own.n_returns >= LONG_HISTORY * most)
    common = _common_returns(history, long, config.history_days)
    loadings = _loadings(history, common, own)
    has_estimate = own.has_estimate & loadings.is_known
    doubts = own.doubts | dict.fromkeys(
        map(int, np.flatnonzero(own.has_estimate & ~has_estimate)), Doubt.FEW_COMMON_RETURNS
    )
    findings = estimate_findings(context, history, doubts, own.n_returns, config.history_days_min)
    if _has_no_correlation(common.returns):
        findings.append(empty_correlations_finding())
        has_estimate = np.zeros_like(has_estimate)
    mu, covariance = _moments(own, loadings, has_estimate, config)
    # Bounded by `tail_windows_max`, not by `history_days`.
    scenarios = _tail_scenarios(history, loadings, has_estimate, config)
    if has_estimate.any() and not len(scenarios):
        findings.append(tail_risk_off_finding(config.tail_windows_min))
    return MarketModel(
        mu=mu,
        covariance=covariance,
        scenarios=scenarios,
        daily_volatility=np.sqrt(np.diag(covariance) / history.market_days.per_year),
        has_estimate=has_estimate,
        has_history=has_estimate & (own.n_returns >= config.history_days_min),
        momentum=_momentum(history),
        high=_high(history),
        cagr=_cagr(history),
        tail_episodes=count_tail_episodes(scenarios),
        findings=tuple(findings),
    )


def daily_returns(history: PriceHistory) -> FloatArray:
    """Return simple base-currency returns from one market day of a security to its next.

    Shape (n_days, n): in the row of the second day; NaN on a day without a close, and after one
    that is missing or not believed.
    """
    if not len(history.dates):
        return np.empty_like(history.base)
    last = last_rows(history.observed)
    before = np.vstack([np.full((1, last.shape[1]), -1), last[:-1]])
    start = np.maximum(before, 0)
    # Market days without a believed close that lie between: the number up to here less that there.
    missing = np.cumsum(history.market_days.is_open & ~history.observed, axis=0)
    columns = np.arange(last.shape[1])[None, :]
    numbers = weekday_numbers(history.dates)
    genuine = (
        history.observed
        & (before >= 0)
        & (missing == missing[start, columns])
        & (numbers[:, None] - numbers[start] <= GAP_WEEKDAYS_MAX)
    )
    ratio = np.divide(
        history.base,
        history.base[start, columns],
        out=np.full_like(history.base, np.nan),
        where=genuine,
    )
    returns: FloatArray = ratio - 1.0
    return returns


@dataclass(frozen=True, slots=True, eq=False)
class _OwnMoments:
    """Mean and variance of each security's own returns, per year; 0 without an estimate.

    `doubts` has why there is none; `trust` the weight of the own moments, 1 for a full history.
    """

    mean: FloatArray
    variance: FloatArray
    n_returns: IntArray
    has_estimate: BoolArray
    trust: FloatArray
    doubts: dict[int, Doubt]


def _own_moments(
    context: PlanningContext, history: PriceHistory, config: EstimationConfig
) -> _OwnMoments:
    """Estimate each security alone, from its own last `history_days` returns."""
    returns = daily_returns(history)
    valid = ~np.isnan(returns)
    # Of each security the last returns: as many as there are from a row to the end.
    from_end = np.cumsum(valid[::-1], axis=0)[::-1]
    valid &= from_end <= config.history_days
    n_returns = valid.sum(axis=0)
    counts = np.maximum(n_returns, 1)
    per_year = history.market_days.per_year
    mean = np.sum(returns, axis=0, where=valid) / counts
    deviation = np.where(valid, returns - mean, 0.0)
    variance = (deviation**2).sum(axis=0) / counts
    doubts = _doubts(context, history, n_returns, np.sqrt(variance))
    has_estimate = np.array([column not in doubts for column in range(context.n_securities)], bool)
    # 1 from `history_days_min` on: a variance from n returns has a relative error of sqrt(2 / n)
    # at least, and fat tails make it larger.
    trust = np.minimum(1.0, n_returns / config.history_days_min)
    own_variance = np.where(has_estimate, variance * per_year, 0.0)
    return _OwnMoments(
        mean=np.where(has_estimate, mean * per_year, 0.0),
        variance=_shrunk_variances(context, own_variance, has_estimate, trust),
        n_returns=n_returns,
        has_estimate=has_estimate,
        trust=trust,
        doubts=doubts,
    )


def _doubts(
    context: PlanningContext,
    history: PriceHistory,
    n_returns: IntArray,
    daily_volatility: FloatArray,
) -> dict[int, Doubt]:
    """Return why securities have no estimate, by column."""
    doubts: dict[int, Doubt] = {}
    # A money market fund may stay at 1 for ever.
    kinds = [security.kind for security in context.securities]
    for column in range(n_returns.size):
        if n_returns[column] < ESTIMATE_RETURNS_MIN:
            doubts[column] = Doubt.FEW_RETURNS
        elif daily_volatility[column] > DAILY_VOLATILITY_MAX:
            doubts[column] = Doubt.WILD
        elif kinds[column] is not SecurityKind.CASH and _is_constant(history, column):
            doubts[column] = Doubt.CONSTANT
    return doubts


def _is_constant(history: PriceHistory, column: int) -> bool:
    """Return whether the close, in trade currency, has been the same for 60 market days."""
    rows = np.flatnonzero(history.observed[:, column])[-CONSTANT_CLOSES:]
    closes = history.closes[rows, column]
    return bool(rows.size == CONSTANT_CLOSES and (closes == closes[0]).all())


def _shrunk_variances(
    context: PlanningContext, variance: FloatArray, has_estimate: BoolArray, trust: FloatArray
) -> FloatArray:
    """Shrink the variance of each short history toward the mean of its group's full ones.

        variance_i = trust_i own_i + (1 - trust_i) mean over the group

    The group is every security that shares a group with it; without such, all.
    """
    shrunk = variance.copy()
    full = has_estimate & (trust >= 1)
    for column in np.flatnonzero(has_estimate & ~full):
        own = context.securities[column]
        alike = np.array(
            [
                any(other.group_shares(name).keys() & own.group_shares(name) for name in own.groups)
                for other in context.securities
            ]
        )
        peers = full & alike if (full & alike).any() else full
        if peers.any():
            peer = float(variance[peers].mean())
            shrunk[column] = trust[column] * variance[column] + (1 - trust[column]) * peer
    return shrunk


@dataclass(frozen=True, slots=True, eq=False)
class _CommonReturns:
    """Returns between the days on which all `members` have a close.

    Parameters
    ----------
    returns : ndarray of shape (n_common, n_members)
    members : ndarray of shape (n,), bool
    """

    returns: FloatArray
    members: BoolArray


def _common_returns(history: PriceHistory, long: BoolArray, days_max: int) -> _CommonReturns:
    """Find the returns that securities share; drop that with most gaps until there are enough."""
    members = long.copy()
    while members.any():
        rows = np.flatnonzero(history.observed[:, members].all(axis=1))
        returns = _returns_between(history, rows, members)[-days_max:]
        if len(returns) >= ESTIMATE_RETURNS_MIN:
            return _CommonReturns(returns, members)
        # -1 for those that are out already, so that `argmax` never picks them again.
        gaps = np.where(members, (~history.observed).sum(axis=0), -1)
        members[int(np.argmax(gaps))] = False
    return _CommonReturns(np.empty((0, 0)), members)


def _returns_between(history: PriceHistory, rows: IntArray, columns: BoolArray) -> FloatArray:
    """Return the returns of columns from each of the rows to the next, without long gaps."""
    base = history.base[np.ix_(rows, columns)]
    days = np.diff(history.dates[rows]).astype(np.int64)
    returns: FloatArray = (base[1:] / base[:-1] - 1)[days <= GAP_CALENDAR_DAYS_MAX]
    return returns


@dataclass(frozen=True, slots=True, eq=False)
class _Loadings:
    """How every security moves with those with a long history.

        r_i / sigma_i = sum_j on_long[i, j] r_j / sigma_j + noise_i

    Parameters
    ----------
    correlation : ndarray of shape (n_long, n_long)
        Of the long ones, shrunk.
    with_market : ndarray of shape (n,)
        Correlation of each shorter history with the equally weighted mean of the long ones.
    long : ndarray of shape (n,), bool
    is_known : ndarray of shape (n,), bool
        False: no common days with the long ones.
    """

    correlation: FloatArray
    with_market: FloatArray
    long: BoolArray
    is_known: BoolArray


def _loadings(history: PriceHistory, common: _CommonReturns, own: _OwnMoments) -> _Loadings:
    """Correlate the long histories with each other, and each shorter one with their mean."""
    long = common.members
    with_market, is_known = np.zeros(long.size), long.copy()
    if not long.any():
        return _Loadings(np.empty((0, 0)), with_market, long, is_known)
    scale = common.returns.std(axis=0)
    # Prices that never move correlate with nothing: 0 / 1.
    standardised = (common.returns - common.returns.mean(axis=0)) / np.where(scale > 0, scale, 1.0)
    shrunk = ledoit_wolf(standardised)
    # A column without any variance leaves all diagonals below 1.
    own_scale = np.sqrt(np.diag(shrunk))
    correlation = shrunk / np.outer(own_scale, own_scale)
    all_long = history.observed[:, long].all(axis=1)
    for column in np.flatnonzero(own.has_estimate & ~long):
        rows = np.flatnonzero(all_long & history.observed[:, column])
        shared = _returns_between(history, rows, long)
        if len(shared) < ESTIMATE_RETURNS_MIN:
            continue
        is_column = np.arange(long.size) == column
        returns = _returns_between(history, rows, is_column)[:, 0]
        market = shared.mean(axis=1)
        spread = float(returns.std() * market.std())
        # rho = cov(own, market) / (sigma_own sigma_market), over the shared days
        covariance = float(np.mean((returns - returns.mean()) * (market - market.mean())))
        with_market[column] = covariance / spread if spread > 0 else 0.0
        is_known[column] = True
    return _Loadings(correlation, np.clip(with_market, -1.0, 1.0), long, is_known)


def _has_no_correlation(returns: FloatArray) -> bool:
    """Return whether securities seem to have nothing at all to do with each other.

    By the sample, before any shrinkage: that may set the small correlations of two or three
    securities, such as shares and bonds, to 0.
    """
    if returns.shape[1] <= 1 or not len(returns):
        return False
    centred = returns - returns.mean(axis=0)
    scale = centred.std(axis=0)
    standardised = centred / np.where(scale > 0, scale, 1.0)
    sample = standardised.T @ standardised / len(returns)
    off_diagonal = sample[~np.eye(len(sample), dtype=np.bool_)]
    return bool((np.abs(off_diagonal) < CORRELATION_MIN).all())


def _moments(
    own: _OwnMoments, loadings: _Loadings, has_estimate: BoolArray, config: EstimationConfig
) -> tuple[FloatArray, FloatArray]:
    """Return mu and covariance per year; those of the market without an estimate."""
    n, long = has_estimate.size, loadings.long
    if not has_estimate.any():
        return np.zeros(n), np.zeros((n, n))
    # The mean of a few months says nothing about others: only full histories count, if there are.
    full = has_estimate & (own.trust >= 1)
    cross_section = own.mean[full if full.any() else has_estimate].mean()
    # A mean from few returns counts less, as its variance does.
    trust = np.where(has_estimate, own.trust, 0.0)
    mean = trust * own.mean + (1 - trust) * cross_section
    # mu = (1 - k) own + k cross-section, within bounds that no year's mean should be trusted beyond
    mu = np.clip(
        (1 - config.mean_shrinkage) * mean + config.mean_shrinkage * cross_section,
        config.mean_min,
        config.mean_max,
    )
    # D R D for the long ones, per year
    volatility = np.sqrt(own.variance)
    long_covariance = _positive(loadings.correlation) * np.outer(volatility[long], volatility[long])
    n_long = int(long.sum())
    market_volatility = float(np.sqrt(max(long_covariance.sum(), 0.0))) / n_long
    # beta = rho sigma_own / sigma_market; without an estimate a security is the market: beta 1
    beta = np.ones(n)
    short = has_estimate & ~long
    if market_volatility > 0:
        beta[short] = loadings.with_market[short] * volatility[short] / market_volatility
    on_long = np.repeat(beta[:, None] / n_long, n_long, axis=1)
    on_long[long] = np.eye(n_long)
    residual = np.zeros(n)
    # What the market does not explain: sigma^2 (1 - rho^2)
    residual[short] = own.variance[short] - (beta[short] * market_volatility) ** 2
    covariance = on_long @ long_covariance @ on_long.T + np.diag(np.maximum(residual, 0.0))
    # Matrix products leave the last bit unsymmetric.
    return mu, (covariance + covariance.T) / 2


def _positive(correlation: FloatArray) -> FloatArray:
    """Return the matrix with negative eigenvalues, left by rounding, clipped to 0."""
    values, vectors = np.linalg.eigh(correlation)
    if values.size == 0 or values[0] >= 0:
        return correlation
    clipped: FloatArray = (vectors * np.maximum(values, 0.0)) @ vectors.T
    return clipped


def ledoit_wolf(returns: FloatArray) -> FloatArray:
    """Shrink the sample covariance toward a scaled identity by the optimal intensity.

    Parameters
    ----------
    returns : ndarray of shape (n_days, n_securities)
        Without NaN.

    Returns
    -------
    ndarray of shape (n_securities, n_securities), per day; positive semi-definite, and positive
    definite whenever any shrinkage applies, also with fewer days than securities.

    Notes
    -----
    O. Ledoit, M. Wolf, "A well-conditioned estimator for large-dimensional covariance matrices",
    Journal of Multivariate Analysis 88 (2004), 365-411; m, d^2 and b^2 are theirs.
    O(n_days * n_securities^2).
    """
    n_days, n = returns.shape
    centred = returns - returns.mean(axis=0)
    sample = centred.T @ centred / n_days
    # m = tr(S)/n: the identity scaled to the mean variance is the target.
    scale = np.trace(sample) / n
    # d^2 = |S - m I|^2 / n: how far the sample is from the target.
    distance = float(((sample - scale * np.eye(n)) ** 2).sum()) / n
    # b^2 = sum_t |x_t x_t' - S|^2 / (n n_days^2): how much of that is estimation error. Entry ij of
    # the sum over t is sum_t x_ti^2 x_tj^2 - n_days S_ij^2.
    squared = centred**2
    error = float((squared.T @ squared / n_days - sample**2).sum()) / (n * n_days)
    # S* = (1 - b^2/d^2) S + (b^2/d^2) m I
    intensity = min(error, distance) / distance if distance > 0 else 0.0
    shrunk: FloatArray = (1 - intensity) * sample + intensity * scale * np.eye(n)
    return shrunk


def _tail_scenarios(
    history: PriceHistory, loadings: _Loadings, has_estimate: BoolArray, config: EstimationConfig
) -> FloatArray:
    """Return overlapping 21-day returns, newest last; empty when there are too few windows."""
    long = loadings.long & has_estimate
    n = long.size
    base = history.base[_market_rows(history, long)]
    n_windows = min(config.tail_windows_max, base.shape[0] - TAIL_HORIZON_DAYS)
    # The worst 5 % of a few overlapping windows is one bad month: then the term is off.
    if n_windows < config.tail_windows_min or not long.any():
        return np.empty((0, n))
    # Window t ends on day t: base[t] / base[t - 21] - 1.
    start = base[-n_windows - TAIL_HORIZON_DAYS : -TAIL_HORIZON_DAYS]
    windows = base[-n_windows:] / start - 1
    # A scenario needs all long histories at once: joint crashes are what it is for.
    complete = ~np.isnan(windows[:, long]).any(axis=1)
    if complete.sum() < config.tail_windows_min:
        return np.empty((0, n))
    windows = windows[complete]
    # Windows before a shorter history began are those of the market.
    market = windows[:, long].mean(axis=1, keepdims=True)
    missing = np.isnan(windows) | ~has_estimate
    return np.ascontiguousarray(np.where(missing, market, windows))


def _market_rows(history: PriceHistory, members: BoolArray) -> IntArray:
    """Return the rows on which at least half of the members have a close.

    What trades seven days a week does not count beside others: 21 days are 21 of theirs.
    """
    all_week = history.market_days.per_year > MARKET_DAYS_PER_YEAR
    counted = members & ~all_week if (members & ~all_week).any() else members
    has_close = history.observed[:, counted]
    rows: IntArray = np.flatnonzero((2 * has_close.sum(axis=1) >= counted.sum()) & counted.any())
    return rows


def cvar(losses: FloatArray, level: float = TAIL_LEVEL) -> FloatArray:
    """Return the mean of the worst `1 - level` of the losses, with a fractional last one.

    Parameters
    ----------
    losses : ndarray of shape (n_windows, ...)
        Positive is bad; equally likely along the first axis.
    level : float

    Returns
    -------
    ndarray of shape (...); zeros when there are no windows.

    Notes
    -----
    R. T. Rockafellar, S. Uryasev, "Conditional value-at-risk for general loss distributions",
    Journal of Banking & Finance 26 (2002), 1443-1471.
    """
    n_windows = losses.shape[0]
    if n_windows == 0:
        return np.zeros(losses.shape[1:])
    weights = tail_weights(n_windows, level)
    n_tail = weights.size
    # Partition first: only the tail needs to be sorted.
    worst = np.partition(losses, n_windows - n_tail, axis=0)[n_windows - n_tail :]
    worst = np.sort(worst, axis=0)[::-1]
    # sum_j weight_j worst_j along the windows, for every other axis at once
    tail: FloatArray = np.tensordot(weights, worst, axes=(0, 0))
    return tail


def tail_weights(n_windows: int, level: float = TAIL_LEVEL) -> FloatArray:
    """Return the weights of the worst losses, worst first; they sum to 1.

    The tail holds `(1 - level) n` losses, in general not a whole number. All but the last count in
    full, the last with the fraction that is left.
    """
    mass = (1 - level) * n_windows
    # 0.05 * 500 is 25.000000000000021 in binary: round before counting whole losses.
    n_tail = max(1, int(np.ceil(round(mass, 9))))
    weights = np.full(n_tail, 1.0)
    weights[-1] = mass - (n_tail - 1)
    weights /= weights.sum()
    return weights


def count_tail_episodes(scenarios: FloatArray) -> int:
    """Count separate episodes among the tail windows of the equally weighted portfolio."""
    if not len(scenarios):
        return 0
    # Weights are not decided yet: equal ones stand for any portfolio.
    losses = -scenarios.mean(axis=1)
    n_tail = tail_weights(len(losses)).size
    rows = np.sort(np.argsort(losses)[-n_tail:])
    # Windows less than 21 days apart overlap: they saw the same days, and are one episode.
    return 1 + int((np.diff(rows) >= TAIL_HORIZON_DAYS).sum())


def _own_closes(history: PriceHistory, column: int) -> FloatArray:
    """Return the believed closes of a security's market days, base currency, oldest first."""
    closes: FloatArray = history.base[history.observed[:, column], column]
    return closes


def _momentum(history: PriceHistory) -> FloatArray:
    """Return the return over MOMENTUM_DAYS own market days; (n,), NaN where it is not known."""
    momentum = np.full(history.price.size, np.nan)
    for column in range(momentum.size):
        closes = _own_closes(history, column)
        # Without a close in the last week there is no present to compare with the past.
        if closes.size > MOMENTUM_DAYS and not np.isnan(history.base[-1, column]):
            momentum[column] = closes[-1] / closes[-1 - MOMENTUM_DAYS] - 1
    return momentum


def _high(history: PriceHistory) -> FloatArray:
    """Return the highest close of the last 252 own market days; (n,), NaN without any."""
    high = np.full(history.price.size, np.nan)
    for column in range(high.size):
        closes = _own_closes(history, column)[-MARKET_DAYS_PER_YEAR:]
        if closes.size:
            high[column] = closes.max()
    return high


def _cagr(history: PriceHistory) -> FloatArray:
    """Return (last close / first close)^(1 / years) - 1; (n,), NaN below a year."""
    growth = np.full(history.price.size, np.nan)
    for column in range(growth.size):
        closes = _own_closes(history, column)
        # By own market days: a gap in the data is no time that passed for the price.
        years = (closes.size - 1) / history.market_days.per_year[column]
        if years >= 1:
            growth[column] = (closes[-1] / closes[0]) ** (1 / years) - 1
    return growth
