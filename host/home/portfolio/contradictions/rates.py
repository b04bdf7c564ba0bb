"""Exchange rates that are upside down, or another quantity.

A file of rates per 1 EUR, as central banks publish them, looks like any other. Two things tell: the
rates in the owner's own lots, and what a currency has been worth. A column is refused only when it
does not fit and its inverse, or a hundredth of it, does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from host.home.portfolio.contradictions.contradiction import Contradiction, error, warning
from planner_core.model.currencies import EURO_RANGES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import date

    from host.home.portfolio.market_data import DailyTable
    from planner_core.model.arrays import FloatArray

RATE_TOLERANCE: Final = 0.05
"""A bank's own rate may differ this much from the reference rate of the day."""
IMPLAUSIBLE_FACTOR: Final = 3.0
"""So far outside everything that a currency has been worth, a rate is another quantity."""
FIRST_DAY: Final = np.datetime64("2003-01-01")
LAST_DAY: Final = np.datetime64("2027-12-31")
"""Rates of other days are not compared with EURO_RANGES."""


@dataclass(frozen=True, slots=True)
class OwnRate:
    """A rate that the owner wrote beside a lot or a fill, base units per unit; with its place."""

    currency: str
    on: date
    rate: float
    place: str


def check_rates(
    rates: DailyTable | None,
    base: str,
    own: Sequence[OwnRate],
    direction_of: Callable[[str], str | None],
    where: str,
) -> list[Contradiction]:
    """Return the columns that seem upside down, or are another quantity.

    Parameters
    ----------
    rates : DailyTable, optional
        Base units per unit, after the direction was applied.
    base : str
    own : sequence of OwnRate
    direction_of : callable taking a currency
        Its direction as the owner wrote it, or None: "direct" is the last word, and is not refused.
    where : str
        The file that may hold the direction.
    """
    if rates is None:
        return []
    contradictions = []
    for currency in rates.columns:
        if currency == base:
            continue
        plausible = _plausibility(rates, currency, base)
        fits = _fit_of_own_rates(rates, currency, own)
        # A column that only makes sense as it is does not turn around for a typing error in a lot.
        if "direct" in (fits, plausible):
            continue
        what = fits or plausible
        if what and direction_of(currency) != "direct":
            is_turned = what == "inverse" and direction_of(currency) is None
            choice = "inverse" if is_turned else "direct"
            written = {name: direction_of(name) for name in rates.columns if name != base}
            alone = directions_as_toml({**written, currency: choice})
            contradictions.append(_refusal(rates, currency, base, what, where, choice, alone))
    return [*contradictions, *_odd_own_rates(rates, base, own, contradictions)]


def _fit_of_own_rates(rates: DailyTable, currency: str, own: Sequence[OwnRate]) -> str:
    """Return whether the owner's rates fit the column, its inverse, or neither (empty)."""
    ratios = np.array(
        [
            [entry.rate / value, entry.rate * value]
            for entry in own
            if entry.currency == currency
            and (value := rates.value_on(currency, entry.on)) is not None
        ]
    )
    if not ratios.size:
        return ""
    # The middle one of several: a single typing error does not turn a column around.
    direct, inverse = np.median(np.abs(np.log(ratios)), axis=0)
    if direct <= np.log1p(RATE_TOLERANCE):
        return "direct"
    return "inverse" if inverse <= np.log1p(RATE_TOLERANCE) else ""


def _plausibility(rates: DailyTable, currency: str, base: str) -> str:
    """Return the direction of a column by what the currencies have been worth.

    "direct" or "inverse" where only that makes sense, "implausible" where neither does, and nothing
    where both do or the currencies are not listed.
    """
    median = _median_in_table(rates, currency)
    if currency not in EURO_RANGES or median is None:
        return ""
    if base not in EURO_RANGES:
        return _direction_by_others(rates, currency, median)
    return _direction(median, currency, base)


def _direction_by_others(rates: DailyTable, currency: str, median: float) -> str:
    """Return the direction of a column beside other columns, whatever the base is worth.

    Base per unit over base per unit of another is the other per unit. Only where all agree.
    """
    ratios = {
        other: median / other_median
        for other in rates.columns
        if other in EURO_RANGES and other != currency
        if (other_median := _median_in_table(rates, other)) is not None
    }
    directions = {_direction(ratio, currency, other) for other, ratio in ratios.items()} - {""}
    # A ratio that fits neither way does not tell which of the two columns is wrong.
    return directions.pop() if directions in ({"direct"}, {"inverse"}) else ""


def _direction(median: float, currency: str, base: str) -> str:
    """Return the direction of a rate between two listed currencies; see `_plausibility`."""
    (base_low, base_high), (low, high) = EURO_RANGES[base], EURO_RANGES[currency]
    # base per unit = (base per EUR) / (units per EUR), at its extremes
    least, most = base_low / high, base_high / low
    is_direct, is_inverse = least <= median <= most, least <= 1 / median <= most
    if is_direct or is_inverse:
        return "" if is_direct and is_inverse else ("direct" if is_direct else "inverse")
    is_far = median < least / IMPLAUSIBLE_FACTOR or median > most * IMPLAUSIBLE_FACTOR
    return "implausible" if is_far else ""


def _median_in_table(rates: DailyTable, currency: str) -> float | None:
    is_covered = (rates.dates >= FIRST_DAY) & (rates.dates <= LAST_DAY)
    values: FloatArray = rates.series(currency)[is_covered]
    values = values[~np.isnan(values)]
    return float(np.median(values)) if values.size else None


def directions_as_toml(directions: Mapping[str, str | None]) -> str:
    """Return directions by currency as the portfolio takes them."""
    pairs = [f'{name} = "{direction}"' for name, direction in directions.items() if direction]
    return f"{{ {', '.join(pairs)} }}"


def _refusal(
    rates: DailyTable, currency: str, base: str, what: str, where: str, choice: str, alone: str
) -> Contradiction:
    """Return that a column is refused; `alone` is the setting that changes no other column."""
    values = rates.series(currency)
    rows = np.flatnonzero(~np.isnan(values))
    last = f"{values[rows[-1]]:g} on {rates.dates[rows[-1]]}"
    cure = (
        f"give {base} per 1 {currency}; or under [market] in {where} write rates_direction ="
        f' {alone}, or "{choice}" for all columns'
    )
    if what == "inverse":
        message = (
            f"{rates.source}: the rates of {currency} ({last}) look like {currency} per 1 {base},"
            f" not {base} per 1 {currency}"
        )
        right = ' ("direct": they are right)' if choice == "inverse" else ""
        finding = error("rate_direction", message, f"{cure}{right}")
    else:
        message = (
            f"{rates.source}: the rates of {currency} ({last}) are far from anything that 1"
            f" {currency} has been worth in {base}"
        )
        finding = error("rate_implausible", message, f"{cure}, if they are right")
    reason = f"the rates of {currency} look {'upside down' if what == 'inverse' else 'wrong'}"
    return Contradiction(finding, reason=reason, stops_plan=True)


def _odd_own_rates(
    rates: DailyTable, base: str, own: Sequence[OwnRate], refused: Sequence[Contradiction]
) -> list[Contradiction]:
    """Return a warning for each own rate that is far from the rate of its day."""
    if refused:
        return []  # which of the two is wrong is not settled yet
    contradictions = []
    for entry in own:
        if entry.currency not in rates.columns:
            continue
        value = rates.value_on(entry.currency, entry.on)
        if value is None or is_near(entry.rate, value):
            continue
        message = (
            f"{entry.place}: fx_rate = {entry.rate:g}, but {rates.source} has {value:g} {base} per"
            f" 1 {entry.currency} on {entry.on}"
        )
        if is_near(entry.rate, 1 / value):
            message += f"; it looks like {entry.currency} per 1 {base}"
        action = f"write {base} per 1 {entry.currency}, or leave fx_rate out"
        contradictions.append(Contradiction(warning("own_rate_doubtful", message, action)))
    return contradictions


def is_near(rate: float, other: float) -> bool:
    """Return whether two rates of a day agree within what banks charge."""
    return bool(abs(np.log(rate / other)) <= np.log1p(RATE_TOLERANCE))
