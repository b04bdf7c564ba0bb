"""One security or currency, day by day: what the files say, and what a plan uses of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final

import numpy as np

from host.errors import UsageError, did_you_mean
from host.home.portfolio.market_data import adjust_for_splits, read_splits
from host.home.portfolio.portfolio_file import read_portfolio
from host.home.portfolio.portfolio_prices import (
    missing_column,
    read_portfolio_prices,
    read_portfolio_rates,
)
from host.home.portfolio.snapshot import currencies_in_use, take_snapshot
from host.home.storage.problems import PortfolioFileError
from planner_core.market.prices import build_history, suspicious_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from host.home.home import Home
    from host.home.portfolio.portfolio_file import PortfolioFile
    from planner_core.model.arrays import BoolArray, DateArray, FloatArray
    from planner_core.model.config import PlannerConfig
    from planner_core.model.context import PlanningContext

ACCEPTED: Final = "accepted"
CLOSED: Final = "closed"
DROPPED: Final = "dropped"
FILLED: Final = "filled"
MISSING: Final = "missing"
QUARANTINED: Final = "quarantined"
SPLIT_ADJUSTED: Final = "split-adjusted"
SUSPICIOUS: Final = "suspicious"


@dataclass(frozen=True, slots=True, eq=False)
class DailySeries:
    """A column of prices.csv or fx.csv, with all its history.

    Parameters
    ----------
    name : str
        A security id or a currency.
    bucket_id : str
        The bucket that it was looked up in.
    is_currency : bool
    unit : str
        Of `written`: `GBX`, `USD`, or base per foreign currency such as `EUR per USD`.
    dates : ndarray of shape (n_days,), datetime64[D]
        Oldest first, none after the bucket's as_of.
    written : ndarray of shape (n_days,)
        As in the file; NaN where there was no usable value.
    adjusted : ndarray of shape (n_days,)
        The same with declared splits applied.
    """

    name: str
    bucket_id: str
    is_currency: bool
    unit: str
    dates: DateArray
    written: FloatArray
    adjusted: FloatArray

    def row_of(self, day: date) -> int | None:
        """Return the row of a day with a value; None without one."""
        row = int(np.searchsorted(self.dates, np.datetime64(day)))
        is_there = row < len(self.dates) and self.dates[row] == np.datetime64(day)
        return row if is_there and not np.isnan(self.written[row]) else None


@dataclass(frozen=True, slots=True)
class DayUse:
    """A day: the value in the file, what a plan uses, and why they differ.

    `used` is in trade currency per unit (a currency: base per 1 unit), `rate` the base units per
    unit of trade currency; None where there is none.
    """

    on: date
    written: float | None
    used: float | None
    rate: float | None
    flags: tuple[str, ...]


def find_series(home: Home, bucket_ids: Sequence[str], name: str) -> tuple[DailySeries, ...]:
    """Return the series of a name in each bucket that uses it.

    Raises
    ------
    UsageError
        No bucket uses the name; with the nearest one.
    PortfolioFileError
        No bucket that can be read uses it, and a portfolio cannot be read.
    MarketDataError
        Its file cannot be used.
    """
    names: set[str] = set()
    bases: set[str] = set()
    every: list[DailySeries] = []
    unreadable: PortfolioFileError | None = None
    for bucket_id in bucket_ids:
        try:
            portfolio = read_portfolio(home.portfolio_file(bucket_id))
        except PortfolioFileError as error:
            unreadable = unreadable or error
            continue
        names.update(portfolio.tables.securities, currencies_in_use(portfolio))
        bases.add(portfolio.tables.base_currency)
        series = _read_series(home, bucket_id, portfolio, name)
        if series is not None:
            every.append(series)
    if every:
        return tuple(every)
    if unreadable is not None:
        raise unreadable
    if name in bases:
        raise UsageError(f"{name} is the base currency: it has no rate")
    where = bucket_ids[0] if len(bucket_ids) == 1 else "any bucket"
    hint = did_you_mean(name, sorted(names), otherwise="see the portfolio")
    raise UsageError(f"no security or foreign currency {name!r:.80} in {where} ({hint})")


def _read_series(
    home: Home, bucket_id: str, portfolio: PortfolioFile, name: str
) -> DailySeries | None:
    """Return the series of a name in one bucket; None when the bucket does not use it."""
    tables = portfolio.tables
    if name in tables.securities:
        security = tables.securities[name]
        prices = read_portfolio_prices(home, portfolio, (name,))
        adjusted, _ = adjust_for_splits(
            prices, read_splits(home.corporate_actions_file, portfolio.as_of, (name,))
        )
        in_percent = security.price_unit == "percent"
        unit = "percent of par" if in_percent else security.quote_currency
        if not prices.columns:
            raise UsageError(f"{missing_column(prices, name)} (add it, with closes)")
        written = prices.series(name)
        return DailySeries(name, bucket_id, False, unit, prices.dates, written, adjusted[:, 0])
    if name in currencies_in_use(portfolio):
        rates = read_portfolio_rates(home, portfolio, (name,))
        if not rates.columns:
            raise UsageError(f"{missing_column(rates, name)} (add it, with rates)")
        values = rates.series(name)
        unit = f"{tables.base_currency} per {name}"
        return DailySeries(name, bucket_id, True, unit, rates.dates, values, values)
    return None


def was_ever_suspicious(series: DailySeries, row: int, sigmas: float, rows_max: int) -> bool:
    """Return whether a plan of any day since the row would have called its move suspicious.

    The limit depends on the closes that a plan of that day reads, `rows_max` at most.
    """
    for end in range(row + 1, len(series.dates) + 1):
        begin = max(0, end - rows_max)
        if begin >= row:
            return False
        window = slice(begin, end)
        rows = suspicious_rows(
            series.dates[window], series.adjusted[window], sigmas, is_rate=series.is_currency
        )
        if row - begin in rows:
            return True
    return False


def use_by_day(home: Home, series: DailySeries, config: PlannerConfig) -> tuple[DayUse, ...]:
    """Return what a plan of today uses of a series, oldest day first.

    Raises
    ------
    MarketDataError, ContextError
        No plan can be made from the files.
    """
    context = take_snapshot(home, series.bucket_id, history_days=config.estimation.history_days)
    if series.is_currency:
        return _use_of_rates(context, series, config)
    return _use_of_closes(context, series, config)


def _use_of_closes(
    context: PlanningContext, series: DailySeries, config: PlannerConfig
) -> tuple[DayUse, ...]:
    sigmas = config.constraints.price_move_sigmas
    history = build_history(context, sigmas)
    column = context.security_index()[series.name]
    closes, observed = context.prices[:, column], history.observed[:, column]
    rate = history.rates[context.securities[column].currency]
    # base = close * rate: back to the trade currency.
    used = history.base[:, column] / rate
    suspicious = _flagged(context.dates, closes, sigmas, is_rate=False)
    written = series.written[np.searchsorted(series.dates, context.dates)]
    # A declared split that the closes do not show is not applied.
    is_adjusted = (series.adjusted != series.written)[np.searchsorted(series.dates, context.dates)]
    set_aside = ~np.isnan(closes) & ~observed
    rows = []
    for row, day in enumerate(context.dates.astype(object)):
        flags = []
        if np.isnan(closes[row]):
            flags.append(MISSING if np.isnan(used[row]) else FILLED)
        elif not history.market_days.has_close[row, column]:
            flags.append(CLOSED)
        elif set_aside[row]:
            # A quarantine lasts to the end of the history.
            is_open = column in history.quarantined and not observed[row:].any()
            flags.append(QUARANTINED if is_open else DROPPED)
        if suspicious[row]:
            is_accepted = (series.name, day) in context.accepted_prices
            flags.append(ACCEPTED if is_accepted else SUSPICIOUS)
        if is_adjusted[row] and not np.isnan(closes[row]):
            flags.append(SPLIT_ADJUSTED)
        rows.append(_day_use(day, written[row], used[row], rate[row], flags))
    return tuple(rows)


def _use_of_rates(
    context: PlanningContext, series: DailySeries, config: PlannerConfig
) -> tuple[DayUse, ...]:
    values = context.fx_rates[series.name]
    sigmas = config.constraints.price_move_sigmas
    history = build_history(context, sigmas)
    used = history.rates[series.name]
    suspicious = _flagged(context.dates, values, sigmas, is_rate=True)
    rows = []
    for row, day in enumerate(context.dates.astype(object)):
        flags = []
        if np.isnan(values[row]):
            flags.append(MISSING if np.isnan(used[row]) else FILLED)
        elif used[row] != values[row]:
            flags.append(QUARANTINED if series.name in history.held_currencies else DROPPED)
        if suspicious[row]:
            is_accepted = (series.name, day) in context.accepted_prices
            flags.append(ACCEPTED if is_accepted else SUSPICIOUS)
        rows.append(_day_use(day, values[row], used[row], np.nan, flags))
    return tuple(rows)


def _flagged(dates: DateArray, values: FloatArray, sigmas: float, *, is_rate: bool) -> BoolArray:
    flagged = np.zeros(len(values), dtype=np.bool_)
    flagged[suspicious_rows(dates, values, sigmas, is_rate=is_rate)] = True
    return flagged


def _day_use(day: date, written: float, used: float, rate: float, flags: list[str]) -> DayUse:
    values = [None if np.isnan(value) else float(value) for value in (written, used, rate)]
    return DayUse(day, values[0], values[1], values[2], tuple(flags))
