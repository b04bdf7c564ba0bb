"""Prices that the planner believes: guarded, filled, in base currency.

A wrong price is worse than none: it makes trades look good that are not. So each close is compared
with the one before. A move is suspicious when its log return exceeds

    price_move_sigmas * sigma_t * sqrt(days since the close before)

where sigma_t is the security's own daily volatility as it was before that day, an exponentially
weighted mean as in RiskMetrics. A suspicious move that is undone within a week was a bad print, and
is dropped. One that stays is real or an undeclared split: while it is recent, the security is
quarantined until the owner accepts the price; later it counts as real.

A missing close is filled with the last one for at most a week, and a filled day is no return.

Source: J. P. Morgan, "RiskMetrics - Technical Document", 4th ed. (1996), for the decay of 0.94.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from planner_core.errors import ContextError
from planner_core.market.bonds import with_income
from planner_core.model.arrays import BoolArray, FloatArray, IntArray
from planner_core.model.context import PlanningContext
from planner_core.model.records import Finding, Severity

FILL_DAYS_MAX = 5
"""Market days over which a missing close is carried forward."""
GUARD_DAYS = 20
"""A jump this recent must be accepted or declared as a split; an older one counts as real."""
LAPSE_FINDING_DAYS = 40
"""Market days for which a finding reports a jump that counts as real without acceptance."""
REVERSAL_DAYS = 5
"""A jump that is undone within this many days was a bad print."""
REVERSAL_FRACTION = 0.25
"""A jump counts as undone when less than this part of it is left."""
GAP_DAYS_MAX = 5
"""A gap without closes allows a larger move, up to this many days."""
MAD_TO_SIGMA = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""
WINSOR_SIGMAS = 10
"""Returns beyond this many typical deviations are cut to it."""
EWMA_DAYS = 100
"""Length of the exponential weights: 0.94**100 = 0.2 % is left out."""
EWMA_DECAY = 0.94
"""Decay per day of the weights in a volatility."""
DAILY_VOLATILITY_MIN = 0.01
"""Floor under the volatility of a quiet security: an ordinary earnings day must pass."""


@dataclass(frozen=True, slots=True, eq=False)
class PriceHistory:
    """Believed closes.

    Parameters
    ----------
    base : ndarray of shape (n_days, n_securities), base currency per unit
        Filled forward at most 5 market days; NaN elsewhere. Those of bonds include coupons.
    observed : ndarray of shape (n_days, n_securities), bool
        True where there was a believed close: False on a filled day.
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
        # Prudent: a price that is not believed may lower the value shown, never raise it.
        price[column] = np.fmin(price[column], latest[column])
    return PriceHistory(
        base=with_income(context, filled) * rates,
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
    # The last row with a close, for every cell: a running maximum of the rows that have one.
    source = np.maximum.accumulate(np.where(np.isnan(prices), -1, rows), axis=0)
    usable = (source >= 0) & (rows - source <= days_max)
    columns = np.arange(prices.shape[1])[None, :]
    return np.where(usable, prices[np.maximum(source, 0), columns], np.nan)


def guard_prices(
    context: PlanningContext, price_move_sigmas: float
) -> tuple[FloatArray, dict[int, str], list[Finding]]:
    """Set closes aside that moved beyond `price_move_sigmas` daily standard deviations.

    A jump that is undone within a week is dropped wherever it stands. A recent jump that stays is
    quarantined until it is accepted. An older one counts as real, with a finding for
    LAPSE_FINDING_DAYS: otherwise every crash of the last years would have to be accepted by hand.

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
        _resolve_moves(context, believed, column, rows, quarantined, findings)
    return believed, quarantined, findings


def suspicious_rows(values: FloatArray, sigmas: float) -> IntArray:
    """Return the rows of one series, shape (n_days,), that moved beyond the limit."""
    return _suspicious_moves(values[:, None], sigmas).get(0, np.empty(0, dtype=np.int64))


def _suspicious_moves(prices: FloatArray, sigmas: float) -> dict[int, IntArray]:
    """Return column -> rows whose move from the previous close is beyond the limit."""
    moves: dict[int, IntArray] = {}
    for column in range(prices.shape[1]):
        rows = np.flatnonzero(~np.isnan(prices[:, column]))
        if rows.size <= 1:
            continue
        returns = np.diff(np.log(prices[rows, column]))
        # Volatility grows with the square root of time.
        days = np.minimum(np.diff(rows), GAP_DAYS_MAX)
        limit = sigmas * _ewma_volatility(returns) * np.sqrt(days)
        flagged = rows[1:][np.abs(returns) > limit]
        if flagged.size:
            moves[column] = flagged
    return moves


def _ewma_volatility(returns: FloatArray) -> FloatArray:
    """Return the volatility *before* each return: a jump must not raise its own limit."""
    # The median ignores jumps: it gives a robust level to start from and to winsorise at.
    typical = max(float(np.median(np.abs(returns))) * MAD_TO_SIGMA, DAILY_VOLATILITY_MIN)
    # One bad print must not hide the next.
    squared = np.minimum(returns**2, (WINSOR_SIGMAS * typical) ** 2)
    # sigma_t^2 = sum_k (1 - decay) decay^k r_{t-1-k}^2 over EWMA_DAYS days, as one convolution.
    weights = (1 - EWMA_DECAY) * EWMA_DECAY ** np.arange(EWMA_DAYS)
    # The past of the first return is the typical variance. The last return is before no other.
    padded = np.concatenate([np.full(EWMA_DAYS, typical**2), squared[:-1]])
    last = EWMA_DAYS - 1
    variance = np.convolve(padded, weights, mode="full")[last : last + returns.size]
    # The weights were cut: divide by their sum.
    volatility: FloatArray = np.maximum(np.sqrt(variance / weights.sum()), DAILY_VOLATILITY_MIN)
    return volatility


def _resolve_moves(
    context: PlanningContext,
    believed: FloatArray,
    column: int,
    rows: IntArray,
    quarantined: dict[int, str],
    findings: list[Finding],
) -> None:
    """Drop, quarantine or accept the suspicious moves of a security, oldest first."""
    security = context.securities[column].id
    prices = context.prices[:, column]
    skip_until = -1
    for row in rows:
        if row <= skip_until:
            # The way back of a jump that was dropped already.
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
                    "correct market/prices.csv; if the price is right,"
                    f" {_accept(context, security, day)}",
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
                    "if it was a split, declare it in market/corporate_actions.csv; if the price"
                    f" is right, {_accept(context, security, day)}",
                    security,
                )
            )
            return
        elif context.n_days - row <= GUARD_DAYS + LAPSE_FINDING_DAYS:
            findings.append(
                Finding(
                    "price_jump_taken_for_real",
                    Severity.WARNING,
                    f"{security} moved {change:+.1%} on {day}, more than its volatility explains;"
                    f" not accepted for {GUARD_DAYS} market days, so it counts as real",
                    "if it was a split, declare it in market/corporate_actions.csv; if the price"
                    f" is right, {_accept(context, security, day)}",
                    security,
                )
            )


def _accept(context: PlanningContext, security: str, day: date) -> str:
    """Return how to accept a move of a price, in words."""
    return (
        f'write [[accepted_prices]] with security = "{security}" and date = {day}'
        f" into portfolios/{context.bucket_id}.toml"
    )


def _previous_close(prices: FloatArray, row: int) -> float:
    """Return the last close before a row."""
    with_close = np.flatnonzero(~np.isnan(prices[:row]))
    return float(prices[with_close[-1]])


def _reversal_end(prices: FloatArray, row: int, before: float) -> int | None:
    """Return the first row within a week at which most of the jump is undone; None without."""
    jump = abs(np.log(prices[row] / before))
    for later in range(row + 1, min(row + 1 + REVERSAL_DAYS, len(prices))):
        if np.isnan(prices[later]):
            continue
        if abs(np.log(prices[later] / before)) < REVERSAL_FRACTION * jump:
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
    """Return the last filled rate of each security's currency; a missing one is an error."""
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
    """Return one price per column, at its row; NaN where the row is -1."""
    if prices.shape[0] == 0:
        return np.full(prices.shape[1], np.nan)
    price = prices[np.maximum(rows, 0), np.arange(prices.shape[1])]
    return np.where(rows >= 0, price, np.nan)


def _ages(context: PlanningContext, last_row: IntArray) -> IntArray:
    """Return the weekdays from each security's latest close to `as_of`; huge without a close."""
    if context.n_days == 0:
        return np.full(context.n_securities, np.iinfo(np.int64).max)
    last_day = context.dates[np.maximum(last_row, 0)]
    ages = np.busday_count(last_day, np.datetime64(context.as_of))
    return np.where(last_row >= 0, ages, np.iinfo(np.int64).max)
