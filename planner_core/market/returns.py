"""Estimate the year ahead from the price history: mu, covariance, tail scenarios.

Three estimates feed the objective. All are of simple returns in base currency, because a
portfolio's simple return is the weighted sum of those of its securities; log returns do not add up.

* mu: the mean daily return x 252, shrunk toward the mean of all securities. A mean over three years
  has a standard error of its volatility / sqrt(3), far more than the differences between means.
* covariance: Ledoit and Wolf's shrinkage x 252. With few days per security the sample covariance
  has eigenvalues near 0, which an optimiser takes for free diversification.
* scenarios: overlapping 21-day returns as they were, for CVaR95. They keep fat tails and joint
  crashes, which a covariance does not.

Securities differ in how much history they have. Those with a long one share the same days, and the
estimates come from those. One with a shorter history follows the equally weighted mean of the long
ones by its beta, with a variance of its own on top; one without history is given that mean itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner_core.market.prices import PriceHistory
from planner_core.model.arrays import BoolArray, FloatArray
from planner_core.model.config import EstimationConfig
from planner_core.model.context import PlanningContext
from planner_core.model.records import Finding, Severity

MARKET_DAYS_PER_YEAR = 252
TAIL_HORIZON_DAYS = 21
TAIL_LEVEL = 0.95
MOMENTUM_DAYS = 60
LONG_HISTORY = 0.8
"""Part of the longest history that a security needs for its days to count among the common ones."""


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
    has_history : ndarray of shape (n_securities,), bool
        False: too few returns; the estimates are those of the market (mean of the others), and the
        security is not bought.
    momentum : ndarray of shape (n_securities,)
        60-day return; NaN with fewer days.
    high : ndarray of shape (n_securities,), base currency
        Highest close of the last 252 days; NaN without any.
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
    Daily returns over `history_days`. A security with fewer than `history_days_min` of them has no
    history; the others keep all of their common days. O(days x n^2).

    Shorter histories: R. Stambaugh, "Analyzing investments whose histories differ in length",
    Journal of Financial Economics 45 (1997), 285-331, with the equally weighted mean as the only
    regressor.
    """
    returns = daily_returns(history)[-config.history_days :]
    n_returns = (~np.isnan(returns)).sum(axis=0)
    enough = n_returns >= config.history_days_min
    # A much shorter history would shorten the common days of all: it is regressed on the others.
    long = enough & (n_returns >= LONG_HISTORY * n_returns.max(initial=0))
    common = _common_days(returns, long, config.history_days_min)
    loadings = _loadings(returns, common, enough & ~long, config.history_days_min)
    has_history = loadings.has_history
    mu, covariance, volatility = _moments(common.returns, loadings, config)
    # Bounded by `tail_windows_max`, not by `history_days`.
    scenarios = _tail_scenarios(history.base, loadings, config)
    findings = [*_history_findings(context, has_history)]
    if has_history.any() and not len(scenarios):
        findings.append(
            Finding(
                "tail_risk_off",
                Severity.INFO,
                f"fewer than {config.tail_windows_min} 21-day windows: the CVaR95 term is off",
                "a longer price history switches it on",
            )
        )
    return MarketModel(
        mu=mu,
        covariance=covariance,
        scenarios=scenarios,
        daily_volatility=volatility,
        has_history=has_history,
        momentum=_momentum(history.base),
        high=_high(history.base),
        cagr=_cagr(history.base),
        tail_episodes=count_tail_episodes(scenarios),
        findings=tuple(findings),
    )


def daily_returns(history: PriceHistory) -> FloatArray:
    """Return simple base-currency returns, shape (n_days - 1, n); NaN beside a filled day."""
    # A filled price repeats the last close: 0 that day, and several days' move in one after it.
    if len(history.base) <= 1:
        return np.empty((0, history.base.shape[1]))
    # Both closes must be real for their ratio to be a day's return.
    genuine = history.observed[1:] & history.observed[:-1]
    ratio = np.divide(
        history.base[1:],
        history.base[:-1],
        out=np.full_like(history.base[1:], np.nan),
        where=genuine,
    )
    return ratio - 1.0


@dataclass(frozen=True, slots=True, eq=False)
class _CommonDays:
    """`returns` (n_common, n): the days on which all of `members` (n,) have a return."""

    returns: FloatArray
    members: BoolArray


def _common_days(returns: FloatArray, has_history: BoolArray, days_min: int) -> _CommonDays:
    """Find days that the securities share; drop the one with most gaps until there are enough."""
    members = has_history.copy()
    while members.any():
        complete = ~np.isnan(returns[:, members]).any(axis=1)
        if complete.sum() >= days_min:
            return _CommonDays(returns[complete], members)
        # -1 for those that are out already, so that `argmax` never picks them again.
        gaps = np.where(members, np.isnan(returns).sum(axis=0), -1)
        members[int(np.argmax(gaps))] = False
    return _CommonDays(returns[:0], members)


@dataclass(frozen=True, slots=True, eq=False)
class _Loadings:
    """The returns of every security as a linear model of those with a long history.

        r_i = sum_j on_long[i, j] r_j + alpha_i + noise_i

    Parameters
    ----------
    on_long : ndarray of shape (n, n_long)
        Identity for a long history; beta / n_long in each entry for a shorter one; 1 / n_long
        without history.
    residual_variance : ndarray of shape (n,), per day
        Variance of the noise.
    alpha : ndarray of shape (n,), per day
    long, has_history : ndarray of shape (n,), bool
    """

    on_long: FloatArray
    residual_variance: FloatArray
    alpha: FloatArray
    long: BoolArray
    has_history: BoolArray


def _loadings(
    returns: FloatArray, common: _CommonDays, short: BoolArray, days_min: int
) -> _Loadings:
    """Regress each shorter history on the equally weighted mean of the long ones."""
    # Members of the common days are the long ones; a long history that was dropped is not.
    n, long = common.members.size, common.members
    n_long = int(long.sum())
    on_long = np.zeros((n, n_long))
    residual_variance, alpha, has_history = np.zeros(n), np.zeros(n), long.copy()
    if not n_long:
        return _Loadings(on_long, residual_variance, alpha, long, has_history)
    on_long[long] = np.eye(n_long)
    # Without history of its own a security is the market: beta 1, no alpha, no noise.
    on_long[~long] = 1 / n_long
    # NaN on a day that any long history lacks.
    market = returns[:, long].mean(axis=1)
    for column in np.flatnonzero(short & ~long):
        shared = ~np.isnan(returns[:, column]) & ~np.isnan(market)
        if shared.sum() < days_min:
            # Too few days beside the market: treated as without history.
            continue
        own, market_then = returns[shared, column], market[shared]
        # beta = cov(own, market) / var(market), both over the shared days
        variance = float(market_then.var())
        centred = market_then - market_then.mean()
        beta = float(centred @ (own - own.mean())) / shared.sum() / variance if variance else 0.0
        on_long[column] = beta / n_long
        # Least squares: the residual own - beta market is uncorrelated with the market.
        residual_variance[column] = float((own - beta * market_then).var())
        alpha[column] = float((own - beta * market_then).mean())
        has_history[column] = True
    return _Loadings(on_long, residual_variance, alpha, long, has_history)


def _moments(
    returns: FloatArray, loadings: _Loadings, config: EstimationConfig
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return mu, covariance and daily volatility; those of the market without history."""
    n = loadings.long.size
    mu, covariance, volatility = np.zeros(n), np.zeros((n, n)), np.zeros(n)
    if not loadings.long.any():
        return mu, covariance, volatility
    long_returns = returns[:, loadings.long]
    # With B = on_long: E r = B E r_long + alpha
    daily_mean = loadings.on_long @ long_returns.mean(axis=0) + loadings.alpha
    mean = daily_mean * MARKET_DAYS_PER_YEAR
    cross_section = mean[loadings.has_history].mean()
    own = np.where(loadings.has_history, mean, cross_section)
    # mu = (1 - k) own + k cross-section, within bounds that no year's mean should be trusted beyond
    mu = np.clip(
        (1 - config.mean_shrinkage) * own + config.mean_shrinkage * cross_section,
        config.mean_min,
        config.mean_max,
    )
    # S = (B S_long B' + diag(residual variance)) x 252; daily returns count as independent.
    daily = loadings.on_long @ ledoit_wolf(long_returns) @ loadings.on_long.T
    covariance = (daily + np.diag(loadings.residual_variance)) * MARKET_DAYS_PER_YEAR
    volatility = np.sqrt(np.maximum(np.diag(covariance), 0) / MARKET_DAYS_PER_YEAR)
    # Matrix products leave the last bit unsymmetric.
    return mu, (covariance + covariance.T) / 2, volatility


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


def _tail_scenarios(base: FloatArray, loadings: _Loadings, config: EstimationConfig) -> FloatArray:
    """Return overlapping 21-day returns, newest last; empty when there are too few windows."""
    n, long = loadings.long.size, loadings.long
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
    # Windows before a shorter history began follow the linear model, without alpha and noise.
    modelled = windows[:, long] @ loadings.on_long.T
    missing = np.isnan(windows) | ~loadings.has_history
    return np.ascontiguousarray(np.where(missing, modelled, windows))


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


def _momentum(base: FloatArray) -> FloatArray:
    """Return the return over MOMENTUM_DAYS; (n,), NaN where it is not known."""
    if base.shape[0] <= MOMENTUM_DAYS:
        return np.full(base.shape[1], np.nan)
    momentum: FloatArray = base[-1] / base[-1 - MOMENTUM_DAYS] - 1
    return momentum


def _high(base: FloatArray) -> FloatArray:
    """Return the highest close of the last 252 days; (n,), NaN without any."""
    recent = base[-MARKET_DAYS_PER_YEAR:]
    has_close = ~np.isnan(recent).all(axis=0) if len(recent) else np.zeros(base.shape[1], bool)
    high = np.full(base.shape[1], np.nan)
    # `nanmax` warns about a column of NaN: leave those out.
    high[has_close] = np.nanmax(recent[:, has_close], axis=0)
    return high


def _cagr(base: FloatArray) -> FloatArray:
    """Return (last close / first close)^(1 / years) - 1; (n,), NaN below a year."""
    growth = np.full(base.shape[1], np.nan)
    for column in range(base.shape[1]):
        rows = np.flatnonzero(~np.isnan(base[:, column]))
        # By rows with a price: market days, not calendar days.
        years = (rows[-1] - rows[0]) / MARKET_DAYS_PER_YEAR if rows.size else 0.0
        if years >= 1:
            growth[column] = (base[rows[-1], column] / base[rows[0], column]) ** (1 / years) - 1
    return growth


def _history_findings(context: PlanningContext, has_history: BoolArray) -> list[Finding]:
    return [
        Finding(
            "short_history",
            Severity.WARNING,
            f"{security.id} has too few daily returns to be judged; it is not bought",
            "add closes to market/prices.csv",
            security.id,
        )
        for security, enough in zip(context.securities, has_history, strict=True)
        if not enough
    ]
