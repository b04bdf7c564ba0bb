"""Prices that the planner believes: guarded, filled, in base currency.

A wrong price is worse than none: it makes trades look good that are not. So each close and each
rate is compared with the one before, on the security's own market days (`move_guard`). A bad print
is dropped. A security whose latest level is not believed is quarantined: neither bought nor sold,
and so is everything in a currency whose rate is not believed. There the rate before the move is
used.

A missing close is filled with the last one for at most a week, and a filled day is no return.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from planner_core.errors import ContextError
from planner_core.market.bonds import with_income
from planner_core.market.market_days import (
    MarketDays,
    find_market_days,
    last_rows,
    weekday_numbers,
)
from planner_core.market.move_findings import (
    constant_rate_finding,
    price_findings,
    rate_findings,
    reason_for_hold,
)
from planner_core.market.move_guard import (
    DECIMAL,
    MoveLimits,
    judge_table,
    move_limits,
)
from planner_core.model.arrays import BoolArray, DateArray, FloatArray, IntArray
from planner_core.model.context import PlanningContext
from planner_core.model.records import Finding

FILL_DAYS_MAX = 5
"""Market days over which a missing close is carried forward."""
HOLIDAYS_MAX = 5
"""Weekdays on which nothing at all was quoted, beyond which a gap is one all the same: the longest
closures, Golden Week and the Spring Festival, have five or six."""
ESTIMATE_RETURNS_MIN = 60
"""Daily returns that an estimate needs."""
CONSTANT_DAYS = 60
"""A rate that is the same on this many days is reported."""
PRICE_LIMITS = MoveLimits(
    volatility_min=0.01,
    large_min=0.08,
    large_max=0.20,
    break_factor=5 / 3,
    guard_days=20,
    returns_min=ESTIMATE_RETURNS_MIN,
    is_rate=False,
)
"""For closes. The floor of 1 % a day lets 8 % pass, an ordinary day with news of a quiet share. A
move of 20 % and more, once in 30 years of a large share, is asked for a month."""
RATE_LIMITS = MoveLimits(
    volatility_min=0.0025,
    large_min=0.05,
    large_max=0.10,
    break_factor=1.25,
    guard_days=20,
    returns_min=ESTIMATE_RETURNS_MIN,
    is_rate=True,
)
"""For rates, which move less: large currencies 0.5 % a day, pegged ones hardly. Beyond 5 % in a day
there are devaluations and the largest votes; a typing error is as likely, so it is asked."""


@dataclass(frozen=True, slots=True, eq=False)
class PriceHistory:
    """Believed closes.

    Parameters
    ----------
    base_currency : str
    dates : ndarray of shape (n_days,), datetime64[D]
    base : ndarray of shape (n_days, n_securities), base currency per unit
        Filled forward at most 5 market days; NaN elsewhere. Those of bonds include coupons.
    closes : ndarray of shape (n_days, n_securities), trade currency per unit
        Believed closes on market days; NaN elsewhere.
    observed : ndarray of shape (n_days, n_securities), bool
        True where there was a believed close on a market day: False on a filled day.
    market_days : MarketDays
        When each security's market was open.
    price, fx_rate : ndarray of shape (n_securities,)
        The latest believed close (trade currency) and its conversion; NaN without any.
    rates : mapping of currency to ndarray of shape (n_days,)
        Believed base units per unit, filled; the base currency's are 1.
    age : ndarray of shape (n_securities,), market days
        From the latest close to as_of, on weekdays.
    quarantined : mapping of column to reason
        Securities whose latest move is not believed; neither bought nor sold.
    held_currencies : mapping of currency to reason
        Currencies whose rate is not believed.
    price_readings : mapping of column to (float, float)
        Of quarantined closes: the least and the most that a unit may be worth, over `price`.
    rate_readings : mapping of currency to (float, float)
        The same of rates that are not believed, over the rate that is used.
    findings : tuple of Finding
    """

    base_currency: str
    dates: DateArray
    base: FloatArray
    closes: FloatArray
    observed: BoolArray
    market_days: MarketDays
    price: FloatArray
    fx_rate: FloatArray
    rates: Mapping[str, FloatArray]
    age: IntArray
    quarantined: dict[int, str]
    held_currencies: Mapping[str, str]
    price_readings: Mapping[int, tuple[float, float]]
    rate_readings: Mapping[str, tuple[float, float]]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, eq=False)
class BelievedPrices:
    """The closes that are believed, and what is said of the others.

    Parameters
    ----------
    closes : ndarray of shape (n_days, n_securities)
        On market days.
    price : ndarray of shape (n_securities,)
        The latest price in trade currency; a prudent one of a quarantined security.
    quarantined : mapping of column to reason
    readings : mapping of column to (float, float)
        Of those: the lowest and the highest price that it may have, over `price`.
    findings : tuple of Finding
    """

    closes: FloatArray
    price: FloatArray
    quarantined: dict[int, str]
    readings: Mapping[int, tuple[float, float]]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, eq=False)
class BelievedRates:
    """Rates that are believed.

    `series`: base units per unit of each currency, (n_days,), filled; `held`: why not traded;
    `readings`: of those, the lowest and the highest rate over the one that is used.
    """

    series: Mapping[str, FloatArray]
    held: Mapping[str, str]
    readings: Mapping[str, tuple[float, float]]
    findings: tuple[Finding, ...]


def build_history(context: PlanningContext, price_move_sigmas: float) -> PriceHistory:
    """Guard, fill and convert the context's prices.

    Raises
    ------
    ContextError
        When a currency in use has no rate within the last 5 days of prices.
    """
    currencies = [security.currency for security in context.securities]
    days = find_market_days(context.dates, context.prices, currencies)
    rates = guard_rates(context, price_move_sigmas)
    prices = guard_prices(context, days, price_move_sigmas)
    believed, quarantined = prices.closes, prices.quarantined
    for column, currency in enumerate(currencies):
        if currency in rates.held:
            quarantined.setdefault(column, rates.held[currency])
    per_security = np.ones((context.n_days, context.n_securities))
    for column, currency in enumerate(currencies):
        per_security[:, column] = rates.series[currency]
    filled = forward_fill(believed, context.dates, FILL_DAYS_MAX)
    # A close that only repeats the last one on a closed day has its age all the same.
    last_row = _last_observed_row(context.prices)
    return PriceHistory(
        base_currency=context.base_currency,
        dates=context.dates,
        base=with_income(context, filled) * per_security,
        closes=believed,
        observed=~np.isnan(believed) & ~np.isnan(per_security),
        market_days=days,
        price=prices.price,
        fx_rate=_latest_rates(context, per_security),
        rates=rates.series,
        age=_ages(context, last_row),
        quarantined=quarantined,
        held_currencies=rates.held,
        price_readings=prices.readings,
        rate_readings=rates.readings,
        findings=(*rates.findings, *prices.findings),
    )


def forward_fill(prices: FloatArray, dates: DateArray, days_max: int) -> FloatArray:
    """Carry each close forward over at most `days_max` weekdays; shape (n_days, n)."""
    if not len(prices):
        return prices.copy()
    source = last_rows(~np.isnan(prices))
    numbers = weekday_numbers(dates)
    usable = (source >= 0) & (numbers[:, None] - numbers[np.maximum(source, 0)] <= days_max)
    columns = np.arange(prices.shape[1])[None, :]
    return np.where(usable, prices[np.maximum(source, 0), columns], np.nan)


def guard_prices(
    context: PlanningContext, days: MarketDays, price_move_sigmas: float
) -> BelievedPrices:
    """Set closes aside that `move_guard` does not believe."""
    names = [security.id for security in context.securities]
    judgements = judge_table(
        context.dates,
        context.prices,
        days.has_close,
        _accepted_rows(context, names),
        price_move_sigmas,
        PRICE_LIMITS,
    )
    believed = np.full(context.prices.shape, np.nan)
    price = np.full(context.n_securities, np.nan)
    quarantined: dict[int, str] = {}
    readings: dict[int, tuple[float, float]] = {}
    findings: list[Finding] = []
    for column, judgement in enumerate(judgements):
        believed[:, column] = judgement.used
        last_row = int(_last_observed_row(context.prices[:, [column]])[0])
        findings += price_findings(context, column, judgement.moves, last_row)
        if judgement.open_move is None:
            price[column] = _last(judgement.continued)
        else:
            both = (_last(context.prices[:, column]), _last(judgement.continued))
            price[column] = _prudent_price(context, column, both)
            readings[column] = (min(both) / price[column], max(both) / price[column])
            quarantined[column] = reason_for_hold(context, names[column], judgement.open_move)
    return BelievedPrices(believed, price, quarantined, readings, tuple(findings))


def guard_rates(context: PlanningContext, price_move_sigmas: float) -> BelievedRates:
    """Set rates aside that `move_guard` does not believe, and those that cannot be rates."""
    names = sorted(context.fx_rates)
    series: dict[str, FloatArray] = {context.base_currency: np.ones(context.n_days)}
    held: dict[str, str] = {}
    readings: dict[str, tuple[float, float]] = {}
    findings: list[Finding] = []
    if not names:
        return BelievedRates(MappingProxyType(series), held, readings, ())
    table = np.column_stack([context.fx_rates[name] for name in names])
    days = find_market_days(context.dates, table, [context.base_currency] * len(names))
    accepted = _accepted_rows(context, names)
    judgements = judge_table(
        context.dates, table, days.has_close, accepted, price_move_sigmas, RATE_LIMITS
    )
    # A row without any close and any rate is a holiday.
    has_value: BoolArray = np.isfinite(np.hstack([context.prices, table]))
    is_quoted: BoolArray = np.logical_or.reduce(has_value, axis=1)
    for column, (name, judgement) in enumerate(zip(names, judgements, strict=True)):
        believed = judgement.continued
        if name != context.base_currency:
            series[name] = _filled_rates(believed, context, is_quoted)
        last_row = int(_last_observed_row(table[:, [column]])[0])
        findings += rate_findings(context, name, judgement.moves, last_row)
        if judgement.open_move is not None:
            held[name] = f"the rate of {reason_for_hold(context, name, judgement.open_move)}"
            # The rate that is used is that before the move; the other one may be right.
            factor = _last(table[:, column]) / _last(judgement.continued)
            readings[name] = (min(1.0, factor), max(1.0, factor))
        constant = None if accepted[column] else _constant_rate(table[:, column])
        if constant is not None and name != context.base_currency:
            is_one = constant == 1.0
            findings.append(constant_rate_finding(context, name, constant, last_row, is_one=is_one))
            if is_one:
                held[name] = f"the rate of {name} is 1 on every day"
                readings[name] = (0.0, np.inf)
    return BelievedRates(
        MappingProxyType(series), MappingProxyType(held), readings, tuple(findings)
    )


def _filled_rates(rates: FloatArray, context: PlanningContext, is_quoted: BoolArray) -> FloatArray:
    """Carry each rate forward over at most FILL_DAYS_MAX weekdays with quotes, (n_days,).

    Holidays of all markets, blank rows as well as days without a row, are no gap in the rates: up
    to HOLIDAYS_MAX of them, because a table with a row per month has a gap.
    """
    numbers = weekday_numbers(context.dates)
    within = forward_fill(rates[:, None], context.dates, FILL_DAYS_MAX + HOLIDAYS_MAX)[:, 0]
    # Number of the quoted weekdays up to each row; a weekend row has that of the Friday.
    quoted = np.cumsum(is_quoted & (np.diff(numbers, prepend=numbers[:1] - 1) > 0))
    source = last_rows(~np.isnan(rates[:, None]))[:, 0]
    is_near = quoted - quoted[np.maximum(source, 0)] <= FILL_DAYS_MAX
    return np.where(is_near, within, np.nan)


def suspicious_rows(
    dates: DateArray, values: FloatArray, sigmas: float, *, is_rate: bool = False
) -> IntArray:
    """Return the rows of one series, shape (n_days,), whose move can be accepted.

    Those that moved beyond the limit, whatever the market did; of a rate that is always 1 the last.
    """
    days = find_market_days(dates, values[:, None], [""])
    rows = np.flatnonzero(days.has_close[:, 0])
    moves = np.diff(np.log(values[rows]))
    volatility_min = (RATE_LIMITS if is_rate else PRICE_LIMITS).volatility_min
    limit, _ = move_limits(moves, weekday_numbers(dates)[rows], sigmas, volatility_min)
    suspicious: IntArray = rows[1:][np.abs(moves) > limit]
    if is_rate and _constant_rate(values) is not None:
        return rows[-1:]
    return suspicious


def _constant_rate(rates: FloatArray) -> float | None:
    """Return the rate that is the same on all days, if that is suspicious: 1, or on many days."""
    valid = rates[~np.isnan(rates)]
    if not valid.size or (valid != valid[0]).any():
        return None
    return float(valid[0]) if valid[0] == 1.0 or valid.size >= CONSTANT_DAYS else None


def _accepted_rows(context: PlanningContext, names: list[str]) -> list[set[int]]:
    """Return, per name, the rows whose move the owner accepted."""
    rows: dict[str, set[int]] = {name: set() for name in names}
    for name, day in context.accepted_prices:
        if name in rows:
            row = int(np.searchsorted(context.dates, np.datetime64(day)))
            if row < context.n_days and context.dates[row] == np.datetime64(day):
                rows[name].add(row)
    return [rows[name] for name in names]


def _prudent_price(context: PlanningContext, column: int, readings: tuple[float, float]) -> float:
    """Return the price of a quarantined security: what is not believed may only lower it.

    The readings are the latest close, and the level before the move. Lots decide between units that
    differ tenfold or more: their cost is in one of them.
    """
    latest, before = readings
    own_lots = [lot for lot in context.lots if lot.security == context.securities[column].id]
    units = sum(lot.quantity for lot in own_lots)
    cost = sum(lot.quantity * lot.unit_cost for lot in own_lots) / units if units else 0.0
    if cost > 0 and max(latest / before, before / latest) >= DECIMAL / 2:
        return min(latest, before, key=lambda price: abs(np.log(price / cost)))
    return min(latest, before)


def _last(series: FloatArray) -> float:
    """Return the last value of a series, (n_days,); NaN without any."""
    valid = series[~np.isnan(series)]
    return float(valid[-1]) if valid.size else float("nan")


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


def _ages(context: PlanningContext, last_row: IntArray) -> IntArray:
    """Return the weekdays from each security's latest close to `as_of`; huge without a close."""
    if context.n_days == 0:
        return np.full(context.n_securities, np.iinfo(np.int64).max)
    last_day = context.dates[np.maximum(last_row, 0)]
    ages = np.busday_count(last_day, np.datetime64(context.as_of))
    return np.where(last_row >= 0, ages, np.iinfo(np.int64).max)
