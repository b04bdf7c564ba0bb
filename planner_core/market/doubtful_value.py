"""The range of the NAV while a value is in doubt, and what may be traded then.

A holding whose files contradict each other, or whose last move is not believed, may be worth more
or less than it is valued at. With it the NAV, and with the NAV every weight: what looks above its
target may lie below it. So the NAV has a range,

    NAV_low = NAV + sum_i (low_i - 1) v_i        NAV_high = NAV + sum_i (high_i - 1) v_i

where low_i and high_i are the least and the most that the holding may be worth, over its value v_i.
Nothing is sold for its weight while the range is wide: a sell cannot be taken back. A buy is right
under each reading where it ends below its target at NAV_low.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from planner_core.market.materiality import MATERIAL_VIOLATION
from planner_core.model.arrays import BoolArray, FloatArray
from planner_core.model.currencies import exact_amount
from planner_core.model.records import Finding, Severity

if TYPE_CHECKING:
    from planner_core.market.prices import PriceHistory
    from planner_core.market.targets import TargetPortfolio
    from planner_core.market.valuation import Portfolio
    from planner_core.model.context import PlanningContext

UNKNOWN_FACTORS = (0.0, np.inf)
"""A holding that nothing is known of may be worth nothing, or any amount."""
NAMES_SHOWN_MAX = 3


@dataclass(frozen=True, slots=True)
class NavRange:
    """The NAV under each reading.

    Parameters
    ----------
    names : tuple of str
        What is in doubt: securities that are held, currencies of accounts.
    nav, low, high : float, base currency
        As valued; the least; the most, which may be infinite.
    """

    names: tuple[str, ...]
    nav: float
    low: float
    high: float

    @property
    def is_wide(self) -> bool:
        """True if the doubt may change a weight by more than limits care about."""
        return self.high - self.low > MATERIAL_VIOLATION * self.nav

    @property
    def subject(self) -> str:
        """The names in words."""
        shown = ", ".join(self.names[:NAMES_SHOWN_MAX])
        more = len(self.names) - NAMES_SHOWN_MAX
        return f"{shown} and {more} more" if more > 0 else shown


def nav_range(context: PlanningContext, history: PriceHistory, portfolio: Portfolio) -> NavRange:
    """Return the NAV under each reading of what is held."""
    names: list[str] = []
    less = more = 0.0
    for column, security in enumerate(context.securities):
        low, high = _factors(context, history, column)
        if portfolio.quantity[column] > 0 and (low < 1 or high > 1):
            names.append(security.id)
            value = float(portfolio.value[column])
            less, more = less + (1 - low) * value, more + (high - 1) * value
    for balance in context.cash:
        factors = history.rate_readings.get(balance.currency)
        amount = balance.settled + balance.unsettled
        if factors is not None and amount:
            names.append(balance.currency)
            value = amount * float(history.rates[balance.currency][-1])
            # A debt is worth the least where the rate is the highest.
            low, high = sorted((factors[0] * value, factors[1] * value))
            less, more = less + value - low, more + high - value
    return NavRange(tuple(names), portfolio.nav, portfolio.nav - less, portfolio.nav + more)


def _factors(context: PlanningContext, history: PriceHistory, column: int) -> tuple[float, float]:
    """Return the least and the most that a security may be worth, over its value."""
    security = context.securities[column]
    low = high = 1.0
    readings = [
        history.price_readings.get(column),
        history.rate_readings.get(security.currency),
    ]
    if security.id in context.held_back:
        readings.append(context.value_factors.get(security.id, UNKNOWN_FACTORS))
    for factors in readings:
        if factors is not None:
            low, high = low * factors[0], high * factors[1]
    return low, high


def sells_for_weight(
    values: NavRange, portfolio: Portfolio, targets: TargetPortfolio | None, repairs: BoolArray
) -> dict[int, str]:
    """Return column -> reason of what is not sold while the NAV is in doubt.

    Parameters
    ----------
    values : NavRange
    portfolio : Portfolio
    targets : TargetPortfolio, optional
    repairs : ndarray of shape (n_securities,), bool
        What a violated limit needs a sell of: those limits hold.
    """
    reason = f"its surplus is not certain while the value of {values.subject} is in doubt"
    return {
        column: reason
        for column in range(len(portfolio.quantity))
        # A target of 0 is exceeded by whatever is held.
        if not repairs[column] and (targets is None or targets.weight[column] > 0)
    }


def certain_caps(
    values: NavRange, portfolio: Portfolio, targets: TargetPortfolio | None, cap: FloatArray
) -> FloatArray:
    """Return the weights up to which a buy is right under each reading, (n_securities,).

    Fractions of the NAV as valued; never below the present weight, so that no sell is forced.
    """
    highest = cap
    if targets is not None:
        highest = np.where(targets.has_pull, np.minimum(cap, targets.weight), cap)
    certain = highest * max(values.low, 0.0) / values.nav
    caps: FloatArray = np.minimum(cap, np.maximum(certain, portfolio.weight))
    return caps


def doubt_finding(context: PlanningContext, values: NavRange) -> Finding:
    """Return that reserve, default caps and targets cause no sell while a value is in doubt."""
    low = exact_amount(values.low, context.base_currency)
    most = "more" if np.isinf(values.high) else exact_amount(values.high, context.base_currency)
    return Finding(
        "limits_wait",
        Severity.INFO,
        f"while the value of {values.subject} is in doubt, all may be worth from {low} to {most}:"
        " nothing is sold for its weight, no reserve and no default cap forces a sell, and"
        " only what is below its target either way is bought",
        f"settle the finding of {values.subject} first",
    )
