"""Interest by hand, by its rules, and returns that are those of a holder of the bond."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner_core.market.bonds import (
    accrued_interest,
    accrued_per_unit,
    coupon_dates,
    with_income,
)
from planner_core.market.prices import build_history
from planner_core.model.arrays import DateArray
from planner_core.model.records import BondTerms, DayCount
from tests.builders import AS_OF, make_context, make_security, weekdays

ANNUAL = BondTerms(0.05, 1, date(2030, 6, 15))
MONTH_END = BondTerms(0.04, 2, date(2030, 8, 31))


def on(*days: date) -> DateArray:
    return np.array(days, dtype="datetime64[D]")


def accrued(bond: BondTerms, day: date) -> float:
    return float(accrued_interest(bond, on(day))[0])


@pytest.mark.parametrize(
    ("day_count", "expected"),
    [
        # From 15 June to 28 December: 196 days, 193 of them in months of 30.
        (DayCount.ACT_ACT, 0.05 * 196 / 365),
        (DayCount.ACT_365, 0.05 * 196 / 365),
        (DayCount.ACT_360, 0.05 * 196 / 360),
        (DayCount.THIRTY_360, 0.05 * 193 / 360),
    ],
)
def test_interest_by_hand(day_count: DayCount, expected: float) -> None:
    bond = replace(ANNUAL, day_count=day_count)
    assert accrued(bond, date(2022, 12, 28)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("bond", "day", "expected"),
    [
        (ANNUAL, date(2023, 6, 14), 0.05 * 364 / 365),
        (ANNUAL, date(2023, 6, 15), 0.0),
        (ANNUAL, date(2030, 6, 15), 0.0),
        (ANNUAL, date(2031, 1, 1), 0.0),
        (MONTH_END, date(2024, 2, 29), 0.0),
        (MONTH_END, date(2024, 2, 28), 0.02 * 181 / 182),
        (replace(MONTH_END, day_count=DayCount.THIRTY_360), date(2024, 1, 31), 0.04 * 150 / 360),
        (replace(ANNUAL, coupon=0.0), date(2022, 12, 28), 0.0),
        # A leap year: 366 days from June 2023 to June 2024.
        (ANNUAL, date(2024, 3, 15), 0.05 * 274 / 366),
    ],
)
def test_interest_at_the_edges_of_a_period(bond: BondTerms, day: date, expected: float) -> None:
    assert accrued(bond, day) == pytest.approx(expected, abs=1e-15)


def test_coupons_of_the_end_of_a_month_stay_there() -> None:
    dates = coupon_dates(MONTH_END, date(2029, 1, 1))
    assert dates.tolist() == [
        date(2028, 8, 31),
        date(2029, 2, 28),
        date(2029, 8, 31),
        date(2030, 2, 28),
        date(2030, 8, 31),
    ]


bonds = st.builds(
    BondTerms,
    coupon=st.floats(0.001, 0.15),
    frequency=st.sampled_from([1, 2, 4, 12]),
    maturity=st.dates(date(2023, 6, 1), date(2060, 12, 31)),
    day_count=st.sampled_from(list(DayCount)),
)


@given(bonds, st.dates(date(2000, 1, 1), date(2023, 5, 30)))
def test_interest_grows_by_the_day_and_never_far_beyond_a_coupon(
    bond: BondTerms, day: date
) -> None:
    today, tomorrow = accrued(bond, day), accrued(bond, day + timedelta(days=1))
    coupon = bond.coupon / bond.frequency
    is_coupon_day = np.datetime64(day + timedelta(days=1)) in coupon_dates(bond, day)
    assert tomorrow == 0 if is_coupon_day else tomorrow >= today
    # Months of 31 days accrue a little more than a coupon under act/360.
    assert 0 <= today <= coupon * 1.05


@given(bonds, st.integers(0, 2**16), st.lists(st.integers(0, 59), max_size=12))
def test_returns_are_those_of_a_holder_who_is_paid_the_coupons(
    bond: BondTerms, seed: int, gaps: list[int]
) -> None:
    rng = np.random.default_rng(seed)
    dates = weekdays(60)
    clean = np.exp(np.cumsum(rng.normal(0, 0.003, 60)))[:, None]
    clean[gaps] = np.nan
    security = make_security("AAA", bond=bond, quote_factor=0.01)
    context = make_context(securities=(security,), prices=clean, lots=())
    levels = with_income(context, clean)[:, 0]
    rows = np.flatnonzero(~np.isnan(clean[:, 0]))
    schedule = coupon_dates(bond, dates[0].astype(object)).tolist()
    interest = accrued_interest(bond, dates)
    for before, row in pairwise(rows):
        first, last = dates[before].astype(object), dates[row].astype(object)
        paid = sum(first < day <= last for day in schedule) * bond.coupon / bond.frequency
        held = clean[before, 0] + interest[before]
        expected = (clean[row, 0] + interest[row] + paid) / held
        assert levels[row] / levels[before] == pytest.approx(expected, rel=1e-12)
    if rows.size:
        assert levels[rows[-1]] == pytest.approx(clean[rows[-1], 0] + interest[rows[-1]])


def test_a_price_that_never_moves_returns_the_coupon() -> None:
    security = make_security("AAA", bond=replace(ANNUAL, maturity=AS_OF.replace(year=2040)))
    context = make_context(securities=(security,), prices=np.ones((400, 1)), lots=())
    history = build_history(context, 8.0)
    # From coupon day to coupon day.
    year = np.searchsorted(context.dates, np.datetime64(AS_OF.replace(year=AS_OF.year - 1)))
    assert history.base[-1, 0] / history.base[year, 0] == pytest.approx(1.05, abs=5e-4)
    assert history.price[0] == 1.0


def test_interest_that_the_owner_typed_comes_first() -> None:
    securities = (
        make_security("AAA", bond=ANNUAL),
        make_security("BBB", bond=ANNUAL, accrued=0.012),
        make_security("CCC"),
    )
    context = make_context(securities=securities)
    assert accrued_per_unit(context).tolist() == [accrued(ANNUAL, AS_OF), 0.012, 0.0]
