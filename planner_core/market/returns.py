"""What the price history says about the year ahead: mu, covariance, tail scenarios."""

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
"""A history shorter than this part of the longest does not shorten the others'."""


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
        60-day return; NaN without history.
    high : ndarray of shape (n_securities,), base currency
        Highest close of the last 252 days; NaN without any.
    cagr : ndarray of shape (n_securities,), per year
        Growth over the whole history given; NaN below a year of it.
    tail_episodes : int
        Separate episodes in the tail at equal weights: how few crises CVaR95 rests on.
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
    Simple daily returns over `history_days`. A filled day and the day after it are no returns. A
    security with fewer than `history_days_min` returns is left out alone; the others keep all of
    their common days. Covariance: Ledoit and Wolf (2004), toward a scaled identity, x 252. Mean: x
    252, `1 - mean_shrinkage` of its own and the rest of the cross-section mean. O(days x n^2).

    A history that is long enough but much shorter than the others must not shorten theirs: such a
    security is described by its beta to the equally weighted others and what is left over, after
    R. Stambaugh, "Analyzing investments whose histories differ in length", Journal of Financial
    Economics 45 (1997), 285-331.
    """
    returns = daily_returns(history)[-config.history_days :]
    n_returns = (~np.isnan(returns)).sum(axis=0)
    enough = n_returns >= config.history_days_min
    long = enough & (n_returns >= LONG_HISTORY * n_returns.max(initial=0))
    common = _common_days(returns, long, config.history_days_min)
    loadings = _loadings(returns, common, enough & ~long, config.history_days_min)
    has_history = loadings.has_history
    mu, covariance, volatility = _moments(common.returns, loadings, config)
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
    if len(history.base) <= 1:
        return np.empty((0, history.base.shape[1]))
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
    returns: FloatArray
    kept: BoolArray


def _common_days(returns: FloatArray, has_history: BoolArray, days_min: int) -> _CommonDays:
    """Find the days that all kept securities share, dropping the gappiest one until enough do."""
    kept = has_history.copy()
    while kept.any():
        complete = ~np.isnan(returns[:, kept]).any(axis=1)
        if complete.sum() >= days_min:
            return _CommonDays(returns[complete], kept)
        gaps = np.where(kept, np.isnan(returns).sum(axis=0), -1)
        kept[int(np.argmax(gaps))] = False
    return _CommonDays(returns[:0], kept)


@dataclass(frozen=True, slots=True, eq=False)
class _Loadings:
    """How every security follows those with a long history.

    `on_long` (n, n_long): the identity for those; a beta to their mean for a shorter history; their
    mean itself without history. `residual` (n,): daily variance of its own on top. `extra_mean`
    (n,): daily mean of its own on top.
    """

    on_long: FloatArray
    residual: FloatArray
    extra_mean: FloatArray
    long: BoolArray
    has_history: BoolArray


def _loadings(
    returns: FloatArray, common: _CommonDays, short: BoolArray, days_min: int
) -> _Loadings:
    n, long = common.kept.size, common.kept
    n_long = int(long.sum())
    on_long = np.zeros((n, n_long))
    residual, extra_mean, has_history = np.zeros(n), np.zeros(n), long.copy()
    if not n_long:
        return _Loadings(on_long, residual, extra_mean, long, has_history)
    on_long[long] = np.eye(n_long)
    on_long[~long] = 1 / n_long
    market = returns[:, long].mean(axis=1)
    for column in np.flatnonzero(short & ~long):
        shared = ~np.isnan(returns[:, column]) & ~np.isnan(market)
        if shared.sum() < days_min:
            continue
        own, others = returns[shared, column], market[shared]
        variance = float(others.var())
        centred = others - others.mean()
        beta = float(centred @ (own - own.mean())) / shared.sum() / variance if variance else 0.0
        on_long[column] = beta / n_long
        residual[column] = float((own - beta * others).var())
        extra_mean[column] = float((own - beta * others).mean())
        has_history[column] = True
    return _Loadings(on_long, residual, extra_mean, long, has_history)


def _moments(
    returns: FloatArray, loadings: _Loadings, config: EstimationConfig
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return mu, covariance and daily volatility; the market's for those without history."""
    n = loadings.long.size
    mu, covariance, volatility = np.zeros(n), np.zeros((n, n)), np.zeros(n)
    if not loadings.long.any():
        return mu, covariance, volatility
    known = returns[:, loadings.long]
    daily_mean = loadings.on_long @ known.mean(axis=0) + loadings.extra_mean
    mean = daily_mean * MARKET_DAYS_PER_YEAR
    typical = mean[loadings.has_history].mean()
    own = np.where(loadings.has_history, mean, typical)
    mu = np.clip(
        (1 - config.mean_shrinkage) * own + config.mean_shrinkage * typical,
        config.mean_min,
        config.mean_max,
    )
    daily = loadings.on_long @ ledoit_wolf(known) @ loadings.on_long.T
    covariance = (daily + np.diag(loadings.residual)) * MARKET_DAYS_PER_YEAR
    volatility = np.sqrt(np.maximum(np.diag(covariance), 0) / MARKET_DAYS_PER_YEAR)
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
    Journal of Multivariate Analysis 88 (2004), 365-411. O(n_days * n_securities^2).
    """
    n_days, n = returns.shape
    centred = returns - returns.mean(axis=0)
    sample = centred.T @ centred / n_days
    scale = np.trace(sample) / n
    distance = float(((sample - scale * np.eye(n)) ** 2).sum()) / n
    squared = centred**2
    error = float((squared.T @ squared / n_days - sample**2).sum()) / (n * n_days)
    intensity = min(error, distance) / distance if distance > 0 else 0.0
    shrunk: FloatArray = (1 - intensity) * sample + intensity * scale * np.eye(n)
    return shrunk


def _tail_scenarios(base: FloatArray, loadings: _Loadings, config: EstimationConfig) -> FloatArray:
    """Return overlapping 21-day returns, newest last; empty when there are too few windows."""
    n, long = loadings.long.size, loadings.long
    n_windows = min(config.tail_windows_max, base.shape[0] - TAIL_HORIZON_DAYS)
    if n_windows < config.tail_windows_min or not long.any():
        return np.empty((0, n))
    start = base[-n_windows - TAIL_HORIZON_DAYS : -TAIL_HORIZON_DAYS]
    windows = base[-n_windows:] / start - 1
    complete = ~np.isnan(windows[:, long]).any(axis=1)
    if complete.sum() < config.tail_windows_min:
        return np.empty((0, n))
    windows = windows[complete]
    followed = windows[:, long] @ loadings.on_long.T
    unknown = np.isnan(windows) | ~loadings.has_history
    return np.ascontiguousarray(np.where(unknown, followed, windows))


def cvar(losses: FloatArray, level: float = TAIL_LEVEL) -> FloatArray:
    """Mean of the worst `1 - level` of the losses, with a fractional last one.

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
    worst = np.partition(losses, n_windows - n_tail, axis=0)[n_windows - n_tail :]
    worst = np.sort(worst, axis=0)[::-1]
    tail: FloatArray = np.tensordot(weights, worst, axes=(0, 0))
    return tail


def tail_weights(n_windows: int, level: float = TAIL_LEVEL) -> FloatArray:
    """Return the weights of the worst losses, worst first; they sum to 1."""
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
    losses = -scenarios.mean(axis=1)
    n_tail = tail_weights(len(losses)).size
    rows = np.sort(np.argsort(losses)[-n_tail:])
    return 1 + int((np.diff(rows) >= TAIL_HORIZON_DAYS).sum())


def _momentum(base: FloatArray) -> FloatArray:
    if base.shape[0] <= MOMENTUM_DAYS:
        return np.full(base.shape[1], np.nan)
    momentum: FloatArray = base[-1] / base[-1 - MOMENTUM_DAYS] - 1
    return momentum


def _high(base: FloatArray) -> FloatArray:
    recent = base[-MARKET_DAYS_PER_YEAR:]
    known = ~np.isnan(recent).all(axis=0) if len(recent) else np.zeros(base.shape[1], bool)
    high = np.full(base.shape[1], np.nan)
    high[known] = np.nanmax(recent[:, known], axis=0)
    return high


def _cagr(base: FloatArray) -> FloatArray:
    growth = np.full(base.shape[1], np.nan)
    for column in range(base.shape[1]):
        rows = np.flatnonzero(~np.isnan(base[:, column]))
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
