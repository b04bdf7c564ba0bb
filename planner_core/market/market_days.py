"""The days on which a security's own market was open.

A table of closes has rows on which a market was closed: blank cells on holidays and weekends, or
the last close written once more. Taken as days without a move they would lower the volatility and
shorten every window. So a row is a market day of a security only if it has a close there, and:

* on a Saturday or Sunday, only if the close changed, except for what trades seven days a week;
* on other days, unless all securities of its currency repeat their last close on that row.

A security trades seven days a week when a quarter of its changes fall on weekends: of seven days
two do (29 %), of the Sunday-to-Thursday weeks of some exchanges one in five.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from planner_core.model.arrays import BoolArray, DateArray, FloatArray, IntArray

MARKET_DAYS_PER_YEAR = 252
CALENDAR_DAYS_PER_YEAR = 365
WEEKEND_SHARE_MIN = 0.25
"""Share of a security's changes on weekends from which on it trades seven days a week."""
REPEATS_MIN = 2
"""Closes of a currency that must repeat together: one alone may just not have moved."""


@dataclass(frozen=True, slots=True, eq=False)
class MarketDays:
    """When each security's market was open.

    Parameters
    ----------
    has_close : ndarray of shape (n_days, n_securities), bool
        A market day with a close.
    is_open : ndarray of shape (n_days, n_securities), bool
        The same, and the days on which the close is missing: at least half of the others of its
        currency have one.
    per_year : ndarray of shape (n_securities,), market days per year
        252, or 365 for what trades seven days a week.
    """

    has_close: BoolArray
    is_open: BoolArray
    per_year: IntArray


def find_market_days(dates: DateArray, closes: FloatArray, currencies: Sequence[str]) -> MarketDays:
    """Find the market days of each security.

    Parameters
    ----------
    dates : ndarray of shape (n_days,), datetime64[D]
    closes : ndarray of shape (n_days, n_securities)
        NaN where there is none.
    currencies : sequence of str
        Trade currency per security: those of one currency count as one exchange.
    """
    has_close = ~np.isnan(closes)
    before = _previous(closes)
    is_first = has_close & np.isnan(before)
    changed = has_close & (closes != before)
    weekend = ~np.is_busday(dates)[:, None]
    n_changes = (changed & ~is_first).sum(axis=0)
    on_weekends = (changed & ~is_first & weekend).sum(axis=0)
    all_week = (n_changes > 0) & (on_weekends >= WEEKEND_SHARE_MIN * n_changes)
    is_market_day = has_close & (changed | ~weekend | all_week)
    is_open = is_market_day.copy()
    for currency in sorted(set(currencies)):
        members = np.array([c == currency for c in currencies]) & ~all_week
        repeats = has_close & ~changed & members
        is_closed = (repeats.sum(axis=1) >= REPEATS_MIN) & ~(changed & members).any(axis=1)
        is_market_day[np.ix_(is_closed, members)] = False
        is_open[:, members] = _open_days(is_market_day[:, members])
    return MarketDays(
        has_close=is_market_day,
        is_open=is_open,
        per_year=np.where(all_week, CALENDAR_DAYS_PER_YEAR, MARKET_DAYS_PER_YEAR),
    )


def weekday_numbers(dates: DateArray) -> IntArray:
    """Return a running number of weekdays, (n_days,): a weekend has that of the next Monday."""
    if not len(dates):
        return np.empty(0, dtype=np.int64)
    numbers: IntArray = np.busday_count(dates[0], dates)
    return numbers


def last_rows(has_value: BoolArray) -> IntArray:
    """Return for every cell the last row up to it that has a value; -1 before the first."""
    rows = np.arange(len(has_value))[:, None]
    # A running maximum of the rows that have one.
    last: IntArray = np.maximum.accumulate(np.where(has_value, rows, -1), axis=0)
    return last


def _previous(closes: FloatArray) -> FloatArray:
    """Return the last close before each row; NaN before the first."""
    if not len(closes):
        return closes
    last = last_rows(~np.isnan(closes))[:-1]
    columns = np.arange(closes.shape[1])[None, :]
    before = np.full_like(closes, np.nan)
    before[1:] = np.where(last >= 0, closes[np.maximum(last, 0), columns], np.nan)
    return before


def _open_days(has_close: BoolArray) -> BoolArray:
    """Return the days of each security on which it has a close, or half of the others have."""
    is_listed = np.maximum.accumulate(has_close, axis=0)
    others = has_close.sum(axis=1, keepdims=True) - has_close
    others_listed = is_listed.sum(axis=1, keepdims=True) - is_listed
    is_open: BoolArray = has_close | ((others > 0) & (2 * others >= others_listed))
    return is_open
