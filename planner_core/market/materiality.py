"""When a violated limit is worth a trade: repairs must not cost more than they repair.

A violation below a thousandth of NAV, or below what the cheapest legal sell costs, waits: the next
deposit refills a reserve, and a later trade lowers a position. Such a limit is set to where the
portfolio is now, so that it blocks what would make the violation larger and forces no trade.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from planner_core.model.arrays import FloatArray
from planner_core.model.currencies import exact_amount, minor_digits
from planner_core.model.records import Finding, Severity

if TYPE_CHECKING:
    from planner_core.market.costs import CostModel
    from planner_core.market.valuation import Portfolio
    from planner_core.model.config import ConstraintsConfig
    from planner_core.model.context import PlanningContext

MATERIAL_VIOLATION = 0.001
"""Part of NAV below which a violation waits."""
MATERIAL_CONVERSION = 0.1
"""Part of the smallest trade below which no money is converted: a few units of a currency."""


def immaterial_amount(
    context: PlanningContext,
    portfolio: Portfolio,
    constraints: ConstraintsConfig,
    costs: CostModel,
    min_trade_value: float,
) -> float:
    """Return the largest violation that waits, base currency.

    The costs are those of the cheapest legal sell. It is worth a lot at least, and
    fixed / (ratio - rate), because its cost fixed + rate v may be ratio v at most.
    """
    cheapest = np.inf
    for column in np.flatnonzero(portfolio.sellable > 0):
        security, rate = context.securities[column], float(costs.rate[column])
        lot = 0.0 if security.fractional else security.lot_size
        value = max(
            min_trade_value, security.min_trade_value, lot * float(portfolio.unit_value[column])
        )
        if rate < constraints.cost_ratio_max:
            value = max(value, costs.fixed / (constraints.cost_ratio_max - rate))
        cheapest = min(cheapest, costs.cost(int(column), value))
    # With nothing to sell, the fee alone is a floor under any repair.
    cheapest = costs.fixed if np.isinf(cheapest) else float(cheapest)
    return max(MATERIAL_VIOLATION * portfolio.nav, cheapest)


def eased_minimum(
    required: float, free: float, must: float, immaterial: float, *, reserve_waits: bool = False
) -> float:
    """Return the cash to require: what is there, where only an immaterial part is missing.

    Parameters
    ----------
    required, free : float, base currency
        The reserve with all withdrawals; the cash that there is.
    must : float, base currency
        Withdrawals alone. Where they lack more than `immaterial`, nothing is eased.
    immaterial : float, base currency
    reserve_waits : bool
        Whatever lacks of the reserve waits for the next deposit.
    """
    if reserve_waits:
        required = min(required, max(free, must))
    missing = required - free
    eases = 0 < missing <= immaterial and free >= must - immaterial
    return free if eases else required


def eased_caps(weight: FloatArray, cap: FloatArray, immaterial: float) -> FloatArray:
    """Return the caps: the present weight where only an immaterial part exceeds them."""
    excess = weight - cap
    return np.where((excess > 0) & (excess <= immaterial), weight, cap)


def cash_finding(missing: float, currency: str, place: str) -> Iterator[Finding]:
    """Yield that cash is short by an amount that is too little to sell for, base currency.

    Parameters
    ----------
    missing : float, base currency
    currency : str
        The base currency.
    place : str
        The account, in words; empty for the total.
    """
    if round(missing, minor_digits(currency)) > 0:
        yield Finding(
            "reserve_short",
            Severity.INFO,
            f"cash is {exact_amount(missing, currency)}{place} below what must stay; too little to"
            " sell for, the next deposit refills it",
        )


def cap_findings(
    names: list[str], weight: FloatArray, cap: FloatArray, eased: FloatArray
) -> Iterator[Finding]:
    """Yield which positions or groups exceed their caps by too little to sell for."""
    for row in np.flatnonzero(eased > cap):
        yield Finding(
            "cap_exceeded_slightly",
            Severity.INFO,
            f"{names[row]} is {weight[row] - cap[row]:.2%} of the portfolio above its limit of"
            f" {cap[row]:.1%}; too little to sell for, it is not bought",
        )
