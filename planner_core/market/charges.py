"""Charges of trades in the score: costs are paid once, and turned into a rate per year.

A deviation from the targets costs something every year that it lasts; a trade costs once. To charge
the whole cost, as if every deviation lived exactly a year, trades too much where trading is cheap,
and too little where a tax is due. So a trade is charged at the marginal benefit at the edge of the
band within which trading is not worth its cost. With

    M = A/2 S + tau diag(1 / max(w*, floor))      k_i = 2 M_ii
    s_i^2 = w*_i^2 Var(r_i - w*'r)                variance of the weight's drift, per year
    C_i = c_sell + c_buy + t_i                    cost of a round trip, per value

the half-width of that band is `Delta_i = (3/2 C_i s_i^2 / k_i)^(1/3)`, and the marginal benefit at
its edge is k_i Delta_i per year. A round trip of cost C_i is thus charged k_i Delta_i a year, but
never less than a fifth of it: no deviation is expected to last longer than five years. A sell pays
its part of the round trip, (c_sell + t_i) / C_i, and a buy the rest.

A ticket fee F widens the band further; its charge is the benefit of a trade at the band's edge:
`max(1/4 k_i sqrt(24 F s_i^2 / (k_i V0)), F / (5 V0))`.

A realised gain is not taxed twice: selling steps up the cost of what is bought next. Only the
deferral is lost, which is the part phi = 1 - (1 + y)^-Y of the tax.

Deposits repair drifts for nothing. Where D a year flow in, a surplus d_i is gone after
T_i = d_i V0 / (D w*_i) years, so a sell is charged at least its cost over half of that time.

Without targets nothing is known about how long a trade's effect lasts: it is charged once, in full.

Sources: M. H. A. Davis, A. R. Norman, "Portfolio selection with transaction costs", Mathematics of
Operations Research 15 (1990), 676-713; H. E. Leland, "Optimal portfolio management with transaction
costs and capital gains taxes" (1999). The charge of waiting cash is the economic order quantity
(F. W. Harris, 1913).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner_core.market.costs import CostModel
from planner_core.market.objective import Objective
from planner_core.market.targets import TargetPortfolio
from planner_core.market.valuation import Portfolio
from planner_core.model.arrays import FloatArray
from planner_core.model.config import PlannerConfig
from planner_core.model.records import Side

YEARS_MAX = 5.0
"""No deviation is expected to last longer."""
YEARS_MIN = 1 / 24
"""Nor is any worth less patience than half a month."""
DEFERRAL_GROWTH = 0.04
"""Growth per year of money that a tax has not taken yet; not what idle cash is charged."""
VARIANCE_UNKNOWN = 0.2**2
"""Assumed variance per year of a security without an estimate: that of a share index."""


@dataclass(frozen=True, slots=True, eq=False)
class Charges:
    """Charges of trades in the score, per year.

    Parameters
    ----------
    per_cost_sell, per_cost_buy : ndarray of shape (n_securities,), 1 / year
        Factors of the costs that are proportional to the value.
    tax_factor : ndarray of shape (n_securities,), 1 / year
        Factor of the tax of a sell.
    fee_sell, fee_buy : ndarray of shape (n_securities,), base currency per year
        Charge of a trade of any size.
    """

    per_cost_sell: FloatArray
    per_cost_buy: FloatArray
    tax_factor: FloatArray
    fee_sell: FloatArray
    fee_buy: FloatArray

    def per_cost(self, column: int, side: Side) -> float:
        """Return the factor of the proportional costs of a trade."""
        factors = self.per_cost_buy if side is Side.BUY else self.per_cost_sell
        return float(factors[column])

    def fee(self, column: int, side: Side) -> float:
        """Return the charge of a trade of any size, base currency."""
        return float((self.fee_buy if side is Side.BUY else self.fee_sell)[column])


def charge_once(costs: CostModel, n_securities: int) -> Charges:
    """Return the charges of a bucket without targets: everything once, in full."""
    once, fee = np.ones(n_securities), np.full(n_securities, costs.fixed)
    return Charges(once, once, once, fee, fee)


def charge_per_year(
    objective: Objective,
    costs: CostModel,
    tax_per_value: FloatArray,
    targets: TargetPortfolio,
    portfolio: Portfolio,
    config: PlannerConfig,
    deposits_per_year: float = 0.0,
) -> Charges:
    """Return the charges of a bucket with targets, as derived at the top.

    Parameters
    ----------
    objective : Objective
    costs : CostModel
    tax_per_value : ndarray of shape (n_securities,)
        Tax per value sold, of the surplus above the target.
    targets : TargetPortfolio
    portfolio : Portfolio
    config : PlannerConfig
    deposits_per_year : float, base currency
        What the owner has written down; 0: deposits are not relied on.
    """
    nav, rate, fixed = portfolio.nav, costs.rate, costs.fixed
    # k = 2 M_ii; a floor, because without risk and pull no band is defined.
    curvature = np.maximum(2 * np.diag(objective.quadratic), 1e-12)
    variance = objective.drift_variance(VARIANCE_UNKNOWN)
    tax = deferral_part(config) * np.maximum(tax_per_value, 0.0)
    # C, of a round trip: the rate of the sell, that of the buy, and tax.
    round_trip = 2 * rate + tax
    half_width = np.cbrt(1.5 * round_trip * variance / curvature)
    benefit = np.maximum(curvature * half_width, round_trip / YEARS_MAX)
    # Without any cost there is nothing to charge, and 0 / 0 is left out.
    per_cost = np.divide(benefit, round_trip, out=np.zeros_like(benefit), where=round_trip > 0)
    fee = np.maximum(
        curvature / 4 * np.sqrt(24 * fixed * variance / (curvature * nav)) * nav,
        fixed / YEARS_MAX,
    )
    per_cost_sell, fee_sell, fee_buy = per_cost, fee, fee
    if deposits_per_year > 0:
        # T = surplus / what flows into this target in a year; then half of it, on average.
        surplus = np.maximum(portfolio.weight - targets.weight, 0.0) * nav
        inflow = np.maximum(deposits_per_year * targets.weight, 1e-12)
        wait = np.clip(surplus / inflow / 2, YEARS_MIN, None)
        patient = targets.has_pull & (targets.weight > 0)
        per_cost_sell = np.where(patient, np.maximum(per_cost, 1 / wait), per_cost)
        fee_sell = np.where(patient, np.maximum(fee, fixed / wait), fee)
        fee_buy = np.full_like(fee, fixed / waiting_years(fixed, deposits_per_year, objective.drag))
    return Charges(
        per_cost_sell=per_cost_sell,
        per_cost_buy=per_cost,
        tax_factor=deferral_part(config) * per_cost_sell,
        fee_sell=fee_sell,
        fee_buy=fee_buy,
    )


def waiting_years(fixed: float, deposits_per_year: float, drag: float) -> float:
    """Return how long it pays to let deposits gather before a buy, years.

    h = sqrt(2 F / (D drag)) balances a fee per h years with the return that is missed on D h / 2;
    half of it is the mean age of the money: max(1/24, sqrt(F / (2 D drag))).
    """
    if deposits_per_year <= 0 or drag <= 0:
        return YEARS_MAX
    return max(YEARS_MIN, float(np.sqrt(fixed / (2 * deposits_per_year * drag))))


def deferral_part(config: PlannerConfig) -> float:
    """Return phi, the part of a tax that is lost by paying it now: 1 - (1 + y)^-Y."""
    return float(1 - (1 + DEFERRAL_GROWTH) ** -config.costs.tax_deferral_years)
