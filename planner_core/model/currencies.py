"""Currencies: how many units make about one euro, and how many decimals their money has.

The sizes are for plausibility and for defaults alone, never for a valuation. A rate that is off by
a factor of two does no harm there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

UNITS_PER_EURO: Final[Mapping[str, float]] = {
    "AED": 4.0,
    "AUD": 1.65,
    "BDT": 130.0,
    "BGN": 1.96,
    "BHD": 0.41,
    "BRL": 6.0,
    "CAD": 1.5,
    "CHF": 0.95,
    "CLP": 1_000.0,
    "CNY": 7.8,
    "COP": 4_300.0,
    "CZK": 25.0,
    "DKK": 7.46,
    "EUR": 1.0,
    "GBP": 0.85,
    "HKD": 8.5,
    "HRK": 7.5,
    "HUF": 390.0,
    "IDR": 17_500.0,
    "ILS": 4.0,
    "INR": 90.0,
    "ISK": 150.0,
    "JOD": 0.77,
    "JPY": 150.0,
    "KES": 145.0,
    "KRW": 1_450.0,
    "KWD": 0.33,
    "KZT": 520.0,
    "LKR": 330.0,
    "MXN": 20.0,
    "MYR": 5.0,
    "NOK": 11.5,
    "NZD": 1.8,
    "OMR": 0.42,
    "PEN": 4.0,
    "PHP": 62.0,
    "PKR": 300.0,
    "PLN": 4.4,
    "QAR": 4.0,
    "RON": 5.0,
    "SAR": 4.1,
    "SEK": 11.3,
    "SGD": 1.45,
    "THB": 38.0,
    "TWD": 34.0,
    "UAH": 43.0,
    "USD": 1.1,
    "VND": 27_000.0,
    "XAF": 656.0,
    "XOF": 656.0,
    "ZAR": 20.0,
}
"""Rounded averages of 2020 to 2025. Currencies that lost most of their value then are left out."""

EURO_RANGES: Final[Mapping[str, tuple[float, float]]] = {
    "EUR": (1.0, 1.0),
    "AUD": (1.12, 2.15),
    "BGN": (1.93, 1.98),
    "BRL": (2.0, 7.5),
    "CAD": (1.17, 1.80),
    "CHF": (0.86, 1.70),
    "CNY": (6.3, 11.7),
    "CZK": (22.0, 34.0),
    "DKK": (7.38, 7.52),
    "GBP": (0.63, 1.00),
    "HKD": (7.2, 12.7),
    "HUF": (220.0, 450.0),
    "ILS": (3.0, 6.7),
    "INR": (46.0, 130.0),
    "ISK": (75.0, 320.0),
    "JPY": (88.0, 210.0),
    "KRW": (1_080.0, 2_100.0),
    "MXN": (10.0, 29.0),
    "NOK": (7.0, 12.8),
    "NZD": (1.32, 2.70),
    "PLN": (3.1, 5.05),
    "RON": (3.0, 5.6),
    "SEK": (8.0, 12.4),
    "SGD": (1.30, 2.35),
    "THB": (31.0, 58.0),
    "TRY": (1.4, 100.0),
    "USD": (0.94, 1.62),
    "ZAR": (7.0, 23.5),
}
"""Lowest and highest units per 1 EUR on any day since 2003.

Derived from the daily euro reference rates of the European Central Bank, rounded outwards by some
per cent. The median of a column of any length lies inside.
"""

MINOR_DIGITS: Final[Mapping[str, int]] = {
    **dict.fromkeys(
        ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX"), 0
    ),
    **dict.fromkeys(("VND", "VUV", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}
"""Decimals of an amount of money, ISO 4217; 2 where nothing is listed."""

STEPS: Final = (1.0, 2.0, 5.0, 10.0)
WITNESS_RATIO: Final = 20.0
"""A pair whose units differ by that much: which way round its rate is can be seen at once."""
INVERSION_MARGIN: Final = 10.0
"""Only a rate that fits so many times better upside down is called upside down."""


def minor_digits(currency: str) -> int:
    """Return the decimals of an amount of money in a currency."""
    return MINOR_DIGITS.get(currency, 2)


def exact_amount(value: float, currency: str) -> str:
    """Return an amount of money with the decimals of its currency and with its code."""
    return f"{value:,.{minor_digits(currency)}f} {currency}"


def currency_scale(currency: str) -> float:
    """Return 1, 2 or 5 times a power of ten: about how many units make one euro.

    1 for the euro, the dollar, the pound, the franc and currencies that are not listed.
    """
    units = UNITS_PER_EURO.get(currency, 1.0)
    power = 10.0 ** math.floor(math.log10(units))
    return power * min(STEPS, key=lambda step: abs(math.log(step * power / units)))


def is_witness(currency: str, base: str) -> bool:
    """Return whether a rate between two currencies shows at once which way round it is."""
    if currency not in UNITS_PER_EURO or base not in UNITS_PER_EURO:
        return False
    ratio = UNITS_PER_EURO[base] / UNITS_PER_EURO[currency]
    return max(ratio, 1 / ratio) >= WITNESS_RATIO


def is_inverted(rate: float, currency: str, base: str) -> bool:
    """Return whether a rate, base units per 1 unit, is units per 1 base unit for certain."""
    if not is_witness(currency, base):
        return False
    expected = UNITS_PER_EURO[base] / UNITS_PER_EURO[currency]
    error, inverse_error = abs(math.log(rate / expected)), abs(math.log(rate * expected))
    return inverse_error + math.log(INVERSION_MARGIN) < error
