"""A lot against the close of its day: a wrong unit, a split, a wrong currency.

The cost of a lot is compared with the close of its day, splits applied. Where closes are prices,
both agree within the range of a day. A total-return close lies below the price that was paid by all
dividends since. So where it is not said what the closes are, only a factor counts that nothing else
explains: 100 or 1/100, a declared split, or the exchange rate.

Until it is settled, the lot counts with the lower of both costs, so that the tax of a sell is the
higher one. No profit or loss is a reason to trade it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import exp, inf, log
from typing import TYPE_CHECKING, Final

import numpy as np

from host.home.portfolio.contradictions.contradiction import Contradiction, error, warning
from host.home.portfolio.contradictions.rates import is_near
from host.home.portfolio.portfolio_file import MINOR_UNITS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from host.home.portfolio.market_data import DailyTable, Split
    from planner_core.model.arrays import DateArray, FloatArray
    from planner_core.model.records import TaxLot

CLOSE_AGE_DAYS_MAX: Final = 4
"""A lot of a weekend or holiday is compared with the last close before it."""
DAY_TOLERANCE: Final = 0.05
"""Range of an ordinary day and fees: the cost of a purchase over the close of its day."""
DAY_SIGMAS: Final = 3.0
LARGE_FACTOR: Final = 3.0
LARGE_TOLERANCE: Final = 0.25
"""Nothing but the factor leads so far away: then a rounded or averaged cost is enough."""
CURRENCY_FACTOR_MIN: Final = 1.5
"""A rate nearer to 1 cannot be told from dividends and ranges."""
DIVIDENDS_PER_YEAR: Final = 0.10
"""A close with dividends counted back may lie below the price by this much per year, at most."""
UNTIL_THEN: Final = "until then a sell is taxed as if the gain were the higher one"
HUNDREDTH: Final = 0.01
MINOR_UNIT_OF: Final = {major: minor for minor, (major, _) in MINOR_UNITS.items()}
MAD_TO_SIGMA: Final = 1.4826
DAYS_PER_YEAR: Final = 365.25


@dataclass(frozen=True, slots=True)
class PlacedLot:
    """A lot, its place in the portfolio, and its cost as written there."""

    lot: TaxLot
    place: str
    written_cost: float


@dataclass(frozen=True, slots=True, eq=False)
class LotReferences:
    """Closes, rates and splits that lots are compared with.

    Parameters
    ----------
    dates : ndarray of shape (n_days,), datetime64[D]
    closes : mapping of security to ndarray of shape (n_days,)
        In trade currency, splits applied.
    kind : {"price", "total_return"}, optional
        What the closes are; None: the owner did not say.
    splits : sequence of Split
    rates : DailyTable, optional
        Base units per unit.
    currencies : mapping of security to str
    as_of : date
    """

    dates: DateArray
    closes: Mapping[str, FloatArray]
    kind: str | None
    splits: Sequence[Split]
    rates: DailyTable | None
    currencies: Mapping[str, str]
    as_of: date


@dataclass(frozen=True, slots=True)
class LotReview:
    """The lots, the doubtful ones with the lower cost; and what is wrong with those."""

    lots: tuple[TaxLot, ...]
    contradictions: tuple[Contradiction, ...]


@dataclass(frozen=True, slots=True)
class Factor:
    """A reading of a cost: the cost is `value` times the close; `cause` says why."""

    value: float
    cause: str
    is_split: bool = False


def review_lots(
    placed: Sequence[PlacedLot], references: LotReferences, skipped: Mapping[str, str]
) -> LotReview:
    """Compare every dated lot with the close and the rate of its day.

    Securities in `skipped` are held for another reason, which has to be settled first.
    """
    lots: list[TaxLot] = []
    contradictions: list[Contradiction] = []
    for entry in placed:
        lot = entry.lot
        if lot.acquired is None or lot.security in skipped or lot.unit_cost <= 0:
            lots.append(lot)
            continue
        close = close_of_day(references, lot.security, lot.acquired)
        lot, rate_doubt = _with_checked_rate(lot, references)
        problem = None if close is None else _doubt(entry, close, references)
        if problem is not None and close is not None:
            factor, contradiction = problem
            contradictions.append(contradiction)
            # The lower of both readings: the higher gain, and so the higher tax.
            cost = min(lot.unit_cost, lot.unit_cost / factor)
            lot = replace(lot, unit_cost=cost, is_doubtful=True)
        elif rate_doubt:
            lot = replace(lot, is_doubtful=True)
        lots.append(lot)
    return LotReview(tuple(lots), tuple(contradictions))


def _with_checked_rate(lot: TaxLot, references: LotReferences) -> tuple[TaxLot, bool]:
    """Return the lot with the lower of its own and its day's rate, where they disagree."""
    currency, rates = references.currencies[lot.security], references.rates
    if rates is None or currency not in rates.columns or lot.acquired is None:
        return lot, False
    value = rates.value_on(currency, lot.acquired)
    if value is None or is_near(lot.fx_rate, value):
        return lot, False
    return replace(lot, fx_rate=min(lot.fx_rate, value)), True


def close_of_day(references: LotReferences, security: str, day: date) -> float | None:
    """Return the close of a day of a security; see `close_on`."""
    closes = references.closes.get(security)
    return None if closes is None else close_on(references.dates, closes, day)


def close_on(dates: DateArray, closes: FloatArray, day: date) -> float | None:
    """Return the close of a day, or the last one within `CLOSE_AGE_DAYS_MAX` days before it."""
    end = int(np.searchsorted(dates, np.datetime64(day), side="right"))
    begin = int(np.searchsorted(dates, np.datetime64(day) - CLOSE_AGE_DAYS_MAX))
    recent = closes[begin:end]
    recent = recent[~np.isnan(recent)]
    return float(recent[-1]) if recent.size else None


def _doubt(
    entry: PlacedLot, close: float, references: LotReferences
) -> tuple[float, Contradiction] | None:
    """Return the factor that is doubted and the contradiction; None when the cost fits."""
    lot = entry.lot
    assert lot.acquired is not None
    ratio = lot.unit_cost / close
    if is_possible(ratio, lot, references):
        return None
    factor = best_factor(lot, ratio, references)
    # The close in the unit that the owner writes: hundredths, per cent.
    shown = close * entry.written_cost / lot.unit_cost
    what = (
        f"{entry.place}: {lot.security}: unit_cost = {entry.written_cost:g} is"
        f" {ratio_in_words(ratio)} the close of {lot.acquired}, {shown:.6g}"
    )
    if factor is not None:
        return factor.value, _explained(what, factor, entry, references.currencies[lot.security])
    if references.kind != "price":
        return None
    finding = warning(
        "lot_cost_doubtful",
        f"{what}, and no factor explains it",
        f"check date and unit_cost of the lot; {UNTIL_THEN}",
        lot.security,
    )
    return ratio, Contradiction(finding)


def _explained(what: str, factor: Factor, entry: PlacedLot, currency: str) -> Contradiction:
    lot, cost = entry.lot, entry.written_cost / factor.value
    if factor.is_split:
        finding = error(
            "lot_split_missing",
            f"{what}; that fits {factor.cause}",
            f"write the lot in today's units: unit_cost = {cost:g}, and quantity ="
            f" {lot.quantity * factor.value:g} unless that is right already; or delete the split if"
            " there was none",
            lot.security,
        )
        reason = f"its lot of {lot.acquired} is not in today's units"
        factors = (min(1.0, factor.value), max(1.0, factor.value))
        return Contradiction(finding, (lot.security,), reason, value_factors=factors)
    minor = MINOR_UNIT_OF.get(currency)
    if factor.value == HUNDREDTH and minor is not None and entry.written_cost == lot.unit_cost:
        # Without a price_unit the closes may count a hundred times too much: the value is in doubt.
        finding = error(
            "closes_in_minor_unit",
            f"{what}; that fits closes in {minor}",
            f'write price_unit = "{minor}" and unit_cost = {cost:g} if the closes are in {minor};'
            f" else unit_cost = {cost:g} alone",
            lot.security,
        )
        reason = f"its closes may be in {minor}"
        return Contradiction(finding, (lot.security,), reason, value_factors=(HUNDREDTH, 1.0))
    finding = warning(
        "lot_cost_doubtful",
        f"{what}; that fits {factor.cause}",
        f"write unit_cost = {cost:g}, in the unit of the prices; {UNTIL_THEN}",
        lot.security,
    )
    return Contradiction(finding)


def is_possible(ratio: float, lot: TaxLot, references: LotReferences) -> bool:
    """Return whether a cost may be so many times the close of its day."""
    day = log(1 + DAY_TOLERANCE)
    if references.kind == "price":
        day += DAY_SIGMAS * _daily_sigma(references.closes[lot.security])
    return -day <= log(ratio) <= day + log(_growth(lot, references))


def _growth(lot: TaxLot, references: LotReferences) -> float:
    """Return by how much dividends since the purchase may have lowered the close of its day."""
    assert lot.acquired is not None
    years = (references.as_of - lot.acquired).days / DAYS_PER_YEAR
    # They are not in a price; they lower a close that counts them back.
    return 1.0 if references.kind == "price" else float((1 + DIVIDENDS_PER_YEAR) ** years)


def best_factor(lot: TaxLot, ratio: float, references: LotReferences) -> Factor | None:
    """Return the factor that explains a ratio best; None when none does."""
    best, distance = None, inf
    growth = _growth(lot, references)
    for factor in _factors(lot, references):
        is_large = abs(log(factor.value)) >= log(LARGE_FACTOR)
        tolerance = log(1 + (LARGE_TOLERANCE if is_large else DAY_TOLERANCE))
        rest = log(ratio / factor.value)
        if -tolerance <= rest <= tolerance + log(growth) and abs(rest) < distance:
            best, distance = factor, abs(rest)
    return best


def _factors(lot: TaxLot, references: LotReferences) -> list[Factor]:
    """Return what a cost is multiplied with by mistake: units, splits since, the currency."""
    assert lot.acquired is not None
    factors = [
        Factor(100.0, "a factor of 100: the cost is in hundredths of the prices' unit"),
        Factor(HUNDREDTH, "a factor of 1/100: prices are in hundredths of the cost's unit"),
    ]
    product = 1.0
    for split in sorted(references.splits, key=lambda s: s.on, reverse=True):
        if split.security == lot.security and split.on > lot.acquired:
            product *= split.ratio
            factors.append(
                Factor(product, f"the split of {split.ratio:g} on {split.on}", is_split=True)
            )
    currency, rates = references.currencies[lot.security], references.rates
    if rates is not None and currency in rates.columns:
        rate = rates.value_on(currency, lot.acquired)
        if rate is not None and abs(log(rate)) >= log(CURRENCY_FACTOR_MIN):
            factors.append(Factor(rate, "the exchange rate: the cost is in base currency"))
            factors.append(Factor(1 / rate, "the exchange rate, applied the wrong way round"))
    return factors


def _daily_sigma(closes: FloatArray) -> float:
    """Return the standard deviation of a day, from the median, which jumps do not move."""
    values = closes[~np.isnan(closes)]
    if values.size <= 1:
        return 0.0
    return float(np.median(np.abs(np.diff(np.log(values))))) * MAD_TO_SIGMA


def ratio_in_words(ratio: float) -> str:
    """Return a ratio in words: `5.4 times`, or `1/110 of`."""
    return f"{ratio:.3g} times" if ratio >= 1 else f"1/{exp(-log(ratio)):.3g} of"
