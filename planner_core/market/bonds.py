"""Bonds quoted in percent of par: interest accrued since the last coupon, and returns with coupons.

A quote is clean: a buyer pays it plus the interest accrued since the last coupon date. Both are per
1 of nominal here, so a quote of 98 % is 0.98 and a coupon of 5 % a year is 0.05.

Coupon dates are counted back from the maturity in whole months. With c the coupon per year and f
the coupons per year, the interest accrued on day t after the coupon date a, with the next one on b,
is

    act/act   c / f * (t - a) / (b - a)       30/360    c * days of 30/360 from a to t / 360
    act/365   c * (t - a) / 365               act/360   c * (t - a) / 360

The return of a day counts what a holder has: the clean price, the accrued interest and a coupon
that was paid.

    r_t = (clean_t + accrued_t + coupon_t) / (clean_{t-1} + accrued_{t-1}) - 1

Source: ICMA Rule 251 for act/act; ISDA 2006 definitions, section 4.16, for the others.
"""

from __future__ import annotations

import calendar
from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from planner_core.model.records import BondTerms, DayCount

if TYPE_CHECKING:
    from planner_core.model.arrays import DateArray, FloatArray
    from planner_core.model.context import PlanningContext

MONTHS_PER_YEAR = 12
DAYS_OF_YEAR = {DayCount.ACT_365: 365, DayCount.ACT_360: 360}


def accrued_per_unit(context: PlanningContext) -> FloatArray:
    """Return the accrued interest of each security on `as_of`, trade currency per unit.

    Shape (n_securities,); 0 for all but bonds. Interest that the owner typed comes before what the
    terms give.
    """
    accrued = np.zeros(context.n_securities)
    today: DateArray = np.array([context.as_of], dtype="datetime64[D]")
    for column, security in enumerate(context.securities):
        if security.accrued is not None:
            accrued[column] = security.accrued
        elif security.bond is not None:
            accrued[column] = accrued_interest(security.bond, today)[0]
    return accrued


def accrued_interest(bond: BondTerms, days: DateArray) -> FloatArray:
    """Return the interest accrued since the last coupon, per 1 of nominal; 0 from maturity on.

    Parameters
    ----------
    bond : BondTerms
    days : ndarray of shape (n_days,), datetime64[D], increasing

    Returns
    -------
    ndarray of shape (n_days,)
    """
    if bond.coupon == 0 or not len(days):
        return np.zeros(len(days))
    schedule = coupon_dates(bond, days[0].astype(object))
    # The period of a day begins with the last coupon date on or before it.
    period = np.searchsorted(schedule, days, side="right") - 1
    running = period < len(schedule) - 1
    begin = schedule[np.minimum(period, len(schedule) - 2)]
    end = schedule[np.minimum(period, len(schedule) - 2) + 1]
    elapsed = (days - begin).astype(np.float64)
    if bond.day_count is DayCount.ACT_ACT:
        # A period accrues exactly one coupon, whatever its length.
        years = elapsed / (end - begin).astype(np.float64) / bond.frequency
    elif bond.day_count is DayCount.THIRTY_360:
        years = _days_30_360(begin, days) / 360
    else:
        years = elapsed / DAYS_OF_YEAR[bond.day_count]
    return np.where(running, bond.coupon * years, 0.0)


def coupon_dates(bond: BondTerms, first: date) -> DateArray:
    """Return the coupon dates from the last one on or before `first` to the maturity."""
    step = MONTHS_PER_YEAR // bond.frequency
    last_month = bond.maturity.year * MONTHS_PER_YEAR + bond.maturity.month - 1
    # A bond that matures at the end of a month pays at the ends of months.
    at_end = bond.maturity.day == _days_in(last_month)
    dates = [bond.maturity]
    # Two at least, so that a day after the maturity has a period too.
    while dates[-1] > first or len(dates) == 1:
        month = last_month - len(dates) * step
        day = _days_in(month) if at_end else min(bond.maturity.day, _days_in(month))
        dates.append(date(month // MONTHS_PER_YEAR, month % MONTHS_PER_YEAR + 1, day))
    return np.array(dates[::-1], dtype="datetime64[D]")


def _days_in(month: int) -> int:
    """Return the days of a month, counted from January of year 0."""
    return calendar.monthrange(month // MONTHS_PER_YEAR, month % MONTHS_PER_YEAR + 1)[1]


def _days_30_360(begin: DateArray, end: DateArray) -> FloatArray:
    """Return the days between two dates when every month has 30."""
    months = (end.astype("datetime64[M]") - begin.astype("datetime64[M]")).astype(np.float64)
    day_of_begin = np.minimum(_day_of_month(begin), 30)
    # The 31st counts as the 30th only after a period that began at the end of a month.
    ends_late = (_day_of_month(end) == 31) & (day_of_begin == 30)  # noqa: PLR2004 - days of a month
    days: FloatArray = 30 * months + np.where(ends_late, 30, _day_of_month(end)) - day_of_begin
    return days


def _day_of_month(dates: DateArray) -> FloatArray:
    first = dates.astype("datetime64[M]").astype("datetime64[D]")
    day: FloatArray = (dates - first).astype(np.float64) + 1
    return day


def with_income(context: PlanningContext, closes: FloatArray) -> FloatArray:
    """Return closes whose ratios are returns with interest and coupons.

    Parameters
    ----------
    context : PlanningContext
    closes : ndarray of shape (n_days, n_securities), trade currency per unit
        Clean closes of bonds; NaN where there is none.

    Returns
    -------
    ndarray of shape (n_days, n_securities)
        The last close of a bond is its price with accrued interest, so that levels compare with
        today's. Other securities are as they came.
    """
    adjusted = closes
    for column, security in enumerate(context.securities):
        if security.bond is not None and security.bond.coupon > 0 and context.n_days:
            adjusted = adjusted.copy() if adjusted is closes else adjusted
            adjusted[:, column] = _reinvested(security.bond, context.dates, closes[:, column])
    return adjusted


def _reinvested(bond: BondTerms, dates: DateArray, clean: FloatArray) -> FloatArray:
    """Return the price with accrued interest of a holding that buys more of itself with coupons."""
    dirty = clean + accrued_interest(bond, dates)
    rows = np.flatnonzero(~np.isnan(dirty))
    if not rows.size:
        return dirty
    schedule = coupon_dates(bond, dates[0].astype(object))
    # Coupons since the close before; those between two closes count with the later one.
    paid = np.diff(np.searchsorted(schedule, dates[rows], side="right"), prepend=0)
    paid[0] = 0
    # units_t = units_{t-1} * (1 + coupon_t / dirty_t): r_t of the module's formula, compounded.
    units = np.cumprod(1 + paid * bond.coupon / bond.frequency / dirty[rows])
    reinvested = np.full(dirty.shape, np.nan)
    reinvested[rows] = dirty[rows] * units / units[-1]
    return reinvested
