"""Closes and costs that are both in hundredths of the currency, without a `price_unit`.

Pence for pounds in both agree with each other, so only the value tells. 1,000 units at 2,345 are
2.3 million pounds or 23,450: where the first is far above the target of the owner, and the second
is near it, it is asked. Without a target, or where all holdings are in pence and there is no cash,
nothing tells. A share of 2,345 pounds is never asked about for its price alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from host.home.portfolio.contradictions.contradiction import Contradiction, error
from host.home.portfolio.contradictions.lots import HUNDREDTH, MINOR_UNIT_OF

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from host.home.portfolio.market_data import DailyTable
    from host.home.portfolio.portfolio_file import PortfolioFile
    from planner_core.model.arrays import FloatArray

NEAR_TARGET: Final = 2.0
"""A weight within this factor of its target is one that its owner may have. A hundredfold that does
so while the weight as written does not, was at least nine tenths of the portfolio."""
ODDS_MIN: Final = 9.0
"""Value as written over everything else: what drifts so far by itself does not exist."""


def check_minor_units(
    portfolio: PortfolioFile,
    closes: Mapping[str, FloatArray],
    rates: DailyTable | None,
    skipped: Collection[str],
) -> list[Contradiction]:
    """Return the holdings whose values fit their targets only in hundredths.

    Parameters
    ----------
    portfolio : PortfolioFile
    closes : mapping of security to ndarray of shape (n_days,), trade currency
    rates : DailyTable, optional
        Base units per unit.
    skipped : collection of str
        Securities that are held for another reason.
    """
    tables = portfolio.tables
    rate_of = {tables.base_currency: 1.0, **({} if rates is None else rates.last_values())}
    values = {
        security: sum(lot.quantity for lot in table.lots)
        * _last(closes[security])
        * rate_of.get(table.currency, 0.0)
        for security, table in tables.securities.items()
    }
    cash = sum(
        (account.settled + account.unsettled) * rate_of.get(currency, 0.0)
        for currency, account in tables.cash.items()
    )
    nav = sum(values.values()) + cash
    open_units = [
        security
        for security, table in tables.securities.items()
        if table.currency in MINOR_UNIT_OF
        and table.price_unit is None
        and table.price_multiplier is None
        and table.target
        and values[security] > 0
        and security not in skipped
    ]
    groups = [open_units] if len(open_units) > 1 else []
    for securities in (*groups, *([security] for security in open_units)):
        value = sum(values[security] for security in securities)
        target = sum(tables.securities[security].target or 0.0 for security in securities)
        if _fits_in_hundredths(value, nav - value, target):
            return [
                _question(portfolio, security, values[security] / nav, _last(closes[security]))
                for security in securities
            ]
    return []


def _fits_in_hundredths(value: float, rest: float, target: float) -> bool:
    """Return whether a value is near its target in hundredths, and absurd as written."""
    if rest <= 0 or value < ODDS_MIN * rest or value <= NEAR_TARGET * target * (value + rest):
        return False
    weight = value * HUNDREDTH / (value * HUNDREDTH + rest)
    return target / NEAR_TARGET <= weight <= target * NEAR_TARGET


def _question(
    portfolio: PortfolioFile, security: str, weight: float, close: float
) -> Contradiction:
    table = portfolio.tables.securities[security]
    minor = MINOR_UNIT_OF[table.currency]
    place = portfolio.place("securities", security)
    finding = error(
        "closes_in_minor_unit",
        f"{place}: {security} is {weight:.0%} of the portfolio with a target of {table.target:.0%};"
        f" with closes and costs in {minor} it is near it",
        f'write price_unit = "{minor}" if they are, or price_unit = "unit" if one unit costs'
        f" {close:,.2f} {table.currency}",
        security,
    )
    reason = f"its closes and costs may be in {minor}"
    return Contradiction(finding, (security,), reason, value_factors=(HUNDREDTH, 1.0))


def _last(closes: FloatArray) -> float:
    """Return the last close; 0 without any."""
    own = closes[~np.isnan(closes)]
    return float(own[-1]) if own.size else 0.0
