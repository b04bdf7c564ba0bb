"""Costs of a trade, and the gain that it realises; costs and tax leave cash.

A trade of value v costs `fixed + rate v + impact v^1.5`: the broker's ticket fee; commission, half
the spread and currency conversion in proportion; and market impact by the square-root law. Each
term depends on one trade alone, so the costs of a set of trades add up.

A sell takes tax lots in a fixed order. Its gain is what the units sold are worth less what those
lots cost, both in base currency, so that gains of the currency count too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from planner_core.model.arrays import FloatArray
from planner_core.model.config import CostsConfig
from planner_core.model.context import PlanningContext
from planner_core.model.records import TaxLot

BASIS_POINT = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class CostModel:
    """Cost per trade: `fixed + rate * v + impact * v**1.5`, base currency.

    Parameters
    ----------
    fixed : float, base currency per trade
    rate : ndarray of shape (n_securities,)
        Commission, half the spread and, for a foreign trade, the conversion.
    impact : ndarray of shape (n_securities,)
        `c * sigma_daily / sqrt(ADV)`: the square-root law; 0 without an ADV.
    """

    fixed: float
    rate: FloatArray
    impact: FloatArray

    def cost(self, column: int, value: float) -> float:
        """Return the cost of trading `value` (positive, base currency) of a security."""
        return float(self.fixed + self.rate[column] * value + self.impact[column] * value**1.5)


def build_costs(
    context: PlanningContext,
    daily_volatility: FloatArray,
    config: CostsConfig,
    *,
    converts: bool = True,
) -> CostModel:
    """Build the cost model of a context; `converts`: a foreign trade pays for its conversion.

    Notes
    -----
    Impact: J. Gatheral, "No-dynamic-arbitrage and market impact", Quantitative Finance 10 (2010):
    `c * sigma_daily * sqrt(v / ADV)` of the value.
    """
    # Values are at the mid price: a trade at the quote pays half the spread on top.
    rate = np.array(
        [
            config.cost_bps
            + (config.half_spread_bps if s.half_spread_bps is None else s.half_spread_bps)
            + (config.fx_bps if converts and s.currency != context.base_currency else 0.0)
            for s in context.securities
        ],
        dtype=np.float64,
    )
    # Without an ADV the market counts as infinitely deep: no impact.
    adv = np.array([s.adv_value or np.inf for s in context.securities], dtype=np.float64)
    return CostModel(
        fixed=config.fixed_cost,
        rate=rate * BASIS_POINT,
        # v * c sigma sqrt(v / ADV) = (c sigma / sqrt(ADV)) v^1.5
        impact=config.impact_coefficient * daily_volatility / np.sqrt(adv),
    )


def realised_gain(lots: Sequence[TaxLot], quantity: float, unit_value: float, method: str) -> float:
    """Return the gain of selling `quantity` units, in base currency; negative is a loss.

    Parameters
    ----------
    lots : sequence of TaxLot
        Those that may be sold.
    quantity : float, units
        At most the sum of the lots; any excess realises nothing.
    unit_value : float, base currency per unit
    method : {"hifo", "fifo"}
        Highest cost first, or oldest first.
    """
    gain, unsold = 0.0, quantity
    for lot in in_selling_order(lots, method):
        units = min(unsold, lot.quantity)
        # Cost at the rate of the day it was bought.
        gain += units * (unit_value - lot.unit_cost * lot.fx_rate)
        unsold -= units
        if unsold <= 0:
            break
    return gain


def in_selling_order(lots: Sequence[TaxLot], method: str) -> list[TaxLot]:
    """Return the lots in the order a sell takes them; ties by date, so that it is repeatable."""
    # A lot of unknown date counts as the oldest.
    if method == "fifo":
        return sorted(lots, key=lambda lot: (lot.acquired or date.min, lot.unit_cost * lot.fx_rate))
    return sorted(lots, key=lambda lot: (-lot.unit_cost * lot.fx_rate, lot.acquired or date.min))
