"""Prices as the planner believes them: guarded, filled, in base currency.

A price is believed unless it moved further than the security's own volatility allows. What is not
believed is set aside until the owner accepts it; a gap is filled for at most a week.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner_core.errors import ContextError
from planner_core.model.arrays import BoolArray, FloatArray, IntArray
from planner_core.model.context import PlanningContext
from planner_core.model.records import Finding, Severity

FILL_DAYS_MAX = 5
"""Market days over which a missing close is carried forward."""
GUARD_DAYS = 20
"""A jump this recent must be accepted or declared as a split; an older one is taken for real."""
LAPSE_TOLD_DAYS = 40
"""Market days for which a finding says that a jump was taken for real without being accepted."""
REVERSAL_DAYS = 5
"""A jump that is undone this soon was a bad print."""
EWMA_DECAY = 0.94
"""RiskMetrics' decay for daily volatility."""
DAILY_VOLATILITY_MIN = 0.01
"""Floor under a quiet security's volatility, so that an ordinary earnings day passes."""


@dataclass(frozen=True, slots=True, eq=False)
class PriceHistory:
    """Believed closes.

    Parameters
    ----------
    base : ndarray of shape (n_days, n_securities), base currency per unit
        Filled forward at most 5 market days; NaN elsewhere.
    observed : ndarray of shape (n_days, n_securities), bool
        True where there was a believed close: a filled day is no return.
    price, fx_rate : ndarray of shape (n_securities,)
        The latest believed close (trade currency) and its conversion; NaN without any.
    age : ndarray of shape (n_securities,), market days
        From the latest close to as_of, on weekdays.
    quarantined : mapping of column to reason
        Securities whose latest move is not believed; neither bought nor sold.
    findings : tuple of Finding
    """

    base: FloatArray
    observed: BoolArray
    price: FloatArray
    fx_rate: FloatArray
    age: IntArray
    quarantined: dict[int, str]
    findings: tuple[Finding, ...]


def build_history(context: PlanningContext, price_move_sigmas: float) -> PriceHistory:
    """Guard, fill and convert the context's prices.

    Raises
    ------
    ContextError
        When a currency in use has no rate within the last 5 days of prices.
    """
    believed, quarantined, findings = guard_prices(context, price_move_sigmas)
    rates = _rates_per_security(context)
    filled = forward_fill(believed, FILL_DAYS_MAX)
    last_row = _last_observed_row(believed)
    price = _take_rows(believed, last_row)
    latest = _take_rows(context.prices, _last_observed_row(context.prices))
    for column in quarantined:
        # Prudent: an unbelieved price may lower the value shown, never raise it.
        price[column] = np.fmin(price[column], latest[column])
    return PriceHistory(
        base=filled * rates,
        observed=~np.isnan(believed) & ~np.isnan(rates),
        price=price,
        fx_rate=_latest_rates(context, rates),
        age=_ages(context, last_row),
        quarantined=quarantined,
        findings=tuple(findings),
    )


def forward_fill(prices: FloatArray, days_max: int) -> FloatArray:
    """Carry each close forward over gaps of at most `days_max` rows; shape (n_days, n)."""
    n_days = prices.shape[0]
    rows = np.arange(n_days)[:, None]
    source = np.maximum.accumulate(np.where(np.isnan(prices), -1, rows), axis=0)
    usable = (source >= 0) & (rows - source <= days_max)
    columns = np.arange(prices.shape[1])[None, :]
    return np.where(usable, prices[np.maximum(source, 0), columns], np.nan)


def guard_prices(
    context: PlanningContext, price_move_sigmas: float
) -> tuple[FloatArray, dict[int, str], list[Finding]]:
    """Set closes aside that moved beyond `price_move_sigmas` daily standard deviations.

    A jump that is undone within a week is a bad print and is dropped wherever it stands. A recent
    jump that stays is quarantined until it is accepted; an old one is taken for real, and a finding
    says so for LAPSE_TOLD_DAYS: held for ever, every crash of the last years had to be accepted.

    Returns
    -------
    believed : ndarray of shape (n_days, n_securities)
    quarantined : dict of column to reason
    findings : list of Finding
    """
    believed = np.array(context.prices, dtype=np.float64)
    quarantined: dict[int, str] = {}
    findings: list[Finding] = []
    for column, rows in _suspicious_moves(believed, price_move_sigmas).items():
        _judge(context, believed, column, rows, quarantined, findings)
    return believed, quarantined, findings


def _suspicious_moves(prices: FloatArray, sigmas: float) -> dict[int, IntArray]:
    """Return column -> rows whose move from the previous close is beyond the limit."""
    moves: dict[int, IntArray] = {}
    for column in range(prices.shape[1]):
        rows = np.flatnonzero(~np.isnan(prices[:, column]))
        if rows.size <= 1:
            continue
        returns = np.diff(np.log(prices[rows, column]))
        limit = sigmas * _ewma_volatility(returns) * np.sqrt(np.minimum(np.diff(rows), 5))
        flagged = rows[1:][np.abs(returns) > limit]
        if flagged.size:
            moves[column] = flagged
    return moves


def _ewma_volatility(returns: FloatArray) -> FloatArray:
    """Volatility known *before* each return; a jump must not raise its own limit.

    Returns are winsorised at the limit of a fat tail first, so that one bad print does not hide the
    next. Exponential weights are cut after 100 days (0.94**100 = 0.2 %), as one convolution.
    """
    typical = max(float(np.median(np.abs(returns))) * 1.4826, DAILY_VOLATILITY_MIN)
    squared = np.minimum(returns**2, (10 * typical) ** 2)
    weights = (1 - EWMA_DECAY) * EWMA_DECAY ** np.arange(100)
    padded = np.concatenate([np.full(100, typical**2), squared[:-1]])
    variance = np.convolve(padded, weights, mode="full")[99 : 99 + returns.size]
    volatility: FloatArray = np.maximum(np.sqrt(variance / weights.sum()), DAILY_VOLATILITY_MIN)
    return volatility


def _judge(
    context: PlanningContext,
    believed: FloatArray,
    column: int,
    rows: IntArray,
    quarantined: dict[int, str],
    findings: list[Finding],
) -> None:
    security = context.securities[column].id
    prices = context.prices[:, column]
    skip_until = -1
    for row in rows:
        if row <= skip_until:
            continue
        before = _previous_close(prices, int(row))
        day = context.dates[row].astype(object)
        if (security, day) in context.accepted_prices:
            continue
        end = _reversal_end(prices, int(row), before)
        change = prices[row] / before - 1
        if end is not None:
            believed[row:end, column] = np.nan
            skip_until = end
            findings.append(
                Finding(
                    "price_spike",
                    Severity.WARNING,
                    f"{security}: {day} moved {change:+.0%} and came back; that close is not used",
                    f"correct market/prices.csv, or run: trader data accept {security} {day}",
                    security,
                )
            )
        elif context.n_days - row <= GUARD_DAYS:
            believed[row:, column] = np.nan
            quarantined[column] = (
                f"{security} moved {change:+.1%} on {day}, more than its volatility explains"
            )
            findings.append(
                Finding(
                    "price_jump",
                    Severity.ERROR,
                    f"{quarantined[column]}; it is not traded",
                    f"if it was a split, declare it in market/corporate_actions.csv; if the price"
                    f" is right, run: trader data accept {security} {day}",
                    security,
                )
            )
            return
        elif context.n_days - row <= GUARD_DAYS + LAPSE_TOLD_DAYS:
            findings.append(
                Finding(
                    "price_jump_taken_for_real",
                    Severity.WARNING,
                    f"{security} moved {change:+.1%} on {day}, more than its volatility explains;"
                    f" nobody said otherwise for {GUARD_DAYS} market days, so it is taken for real",
                    f"if it was a split, declare it in market/corporate_actions.csv; if the price"
                    f" is right, run: trader data accept {security} {day}",
                    security,
                )
            )


def _previous_close(prices: FloatArray, row: int) -> float:
    known = np.flatnonzero(~np.isnan(prices[:row]))
    return float(prices[known[-1]])


def _reversal_end(prices: FloatArray, row: int, before: float) -> int | None:
    """Return the first row within a week at which most of the jump is undone."""
    jump = abs(np.log(prices[row] / before))
    for later in range(row + 1, min(row + 1 + REVERSAL_DAYS, len(prices))):
        if not np.isnan(prices[later]) and abs(np.log(prices[later] / before)) < 0.25 * jump:
            return later
    return None


def _rates_per_security(context: PlanningContext) -> FloatArray:
    """Return base units per unit of trade currency, shape (n_days, n_securities)."""
    rates = np.ones((context.n_days, context.n_securities))
    for column, security in enumerate(context.securities):
        if security.currency != context.base_currency:
            series = context.fx_rates[security.currency][:, None]
            rates[:, column] = forward_fill(series, FILL_DAYS_MAX)[:, 0]
    return rates


def _latest_rates(context: PlanningContext, rates: FloatArray) -> FloatArray:
    if context.n_days == 0:
        return np.full(context.n_securities, np.nan)
    for security, rate in zip(context.securities, rates[-1], strict=True):
        if np.isnan(rate):
            raise ContextError(
                f"{security.id}: no {security.currency} rate on {context.dates[-1]} or the"
                f" {FILL_DAYS_MAX} market days before; add it to market/fx.csv"
            )
    latest: FloatArray = rates[-1].copy()
    return latest


def _last_observed_row(prices: FloatArray) -> IntArray:
    """Return the last row with a close per column, -1 without any."""
    rows = np.where(np.isnan(prices), -1, np.arange(prices.shape[0])[:, None])
    if prices.shape[0] == 0:
        return np.full(prices.shape[1], -1)
    last: IntArray = rows.max(axis=0)
    return last


def _take_rows(prices: FloatArray, rows: IntArray) -> FloatArray:
    if prices.shape[0] == 0:
        return np.full(prices.shape[1], np.nan)
    taken = prices[np.maximum(rows, 0), np.arange(prices.shape[1])]
    return np.where(rows >= 0, taken, np.nan)


def _ages(context: PlanningContext, last_row: IntArray) -> IntArray:
    if context.n_days == 0:
        return np.full(context.n_securities, np.iinfo(np.int64).max)
    last_day = context.dates[np.maximum(last_row, 0)]
    ages = np.busday_count(last_day, np.datetime64(context.as_of))
    return np.where(last_row >= 0, ages, np.iinfo(np.int64).max)
