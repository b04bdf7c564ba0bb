"""The objective: a one-year certainty equivalent, per NAV before trading (V0).

    mu'w - (lambda/2) w'Sw - kappa*HHI - tau*|w-w*|^2 - gamma*sum_g (w_g-w*_g)^2
         - eta*CVaR95 - cost/V0 - tax/V0 - rho*turnover

The first two terms are the return that an investor with risk aversion lambda would take for certain
in place of the portfolio. The next three pull toward diversification (HHI = w'w) and toward the
owner's targets for securities (w*) and groups (w*_g). CVaR95 is the mean of the worst 5 % of 21-day
losses: a shorter horizon than mu's year, and eta is set for that. The last three are what trading
costs, once.

Weights are fractions of V0 after trading too. So everything but CVaR95 is linear plus quadratic in
the weight changes d: with g the gradient at the weights before trading,

    smooth(w + d) = smooth(w) + g'd - d'Md
    M = (lambda/2) S + kappa I + tau diag(has target) + gamma C'C

where C is the membership of groups with a target. M is positive semi-definite: the objective is
concave.

Sources: H. Markowitz, Journal of Finance 7 (1952), 77-91; R. T. Rockafellar, S. Uryasev, Journal of
Banking & Finance 26 (2002), 1443-1471.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from planner_core.market.limits import group_membership
from planner_core.market.returns import MarketModel, cvar
from planner_core.model.arrays import BoolArray, FloatArray
from planner_core.model.config import ObjectiveConfig
from planner_core.model.context import PlanningContext

TERMS = (
    "expected_return",
    "risk",
    "concentration",
    "drift",
    "group_drift",
    "tail_risk",
    "cost",
    "tax",
    "turnover",
)


@dataclass(frozen=True, slots=True, eq=False)
class Objective:
    """The coefficients of the objective.

    Parameters
    ----------
    weights : ObjectiveConfig
        lambda, kappa, tau, gamma, eta, rho.
    mu : ndarray of shape (n,)
    covariance : ndarray of shape (n, n)
    scenarios : ndarray of shape (n_windows, n)
        Empty: the CVaR term is off.
    target : ndarray of shape (n,)
        0 where `has_target` is False; such a security has no drift.
    has_target : ndarray of shape (n,), bool
    group_membership : ndarray of shape (n_groups, n)
        Groups with a target.
    group_target : ndarray of shape (n_groups,)
    """

    weights: ObjectiveConfig
    mu: FloatArray
    covariance: FloatArray
    scenarios: FloatArray
    target: FloatArray
    has_target: BoolArray
    group_membership: FloatArray
    group_target: FloatArray

    def terms(
        self, weight: FloatArray, cost: float = 0.0, tax: float = 0.0, turnover: float = 0.0
    ) -> dict[str, float]:
        """Return each term's signed contribution to the score; their sum is the score.

        Parameters
        ----------
        weight : ndarray of shape (n,)
        cost, tax, turnover : float, fractions of V0
        """
        c = self.weights
        # A security without a target does not drift.
        drift = np.where(self.has_target, weight - self.target, 0.0)
        group_drift = self.group_membership @ weight - self.group_target
        return {
            "expected_return": float(self.mu @ weight),
            "risk": float(-c.risk_aversion / 2 * weight @ self.covariance @ weight),
            "concentration": float(-c.concentration_penalty * weight @ weight),
            "drift": float(-c.drift_penalty * drift @ drift),
            "group_drift": float(-c.group_drift_penalty * group_drift @ group_drift),
            "tail_risk": -c.tail_risk_penalty * self.tail_risk(weight),
            "cost": -cost,
            "tax": -tax,
            "turnover": -c.turnover_penalty * turnover,
        }

    def tail_risk(self, weight: FloatArray) -> float:
        """Return CVaR95 of the 21-day loss, a fraction of V0; 0 when the term is off."""
        return float(cvar(-(self.scenarios @ weight)))

    def quadratic(self) -> FloatArray:
        """Return M of the smooth part `g'd - d'Md`; (n, n), positive semi-definite."""
        c = self.weights
        n = self.mu.size
        # The second derivative of the smooth part is -2 M: a w'w term enters with its own factor.
        return (
            c.risk_aversion / 2 * self.covariance
            + c.concentration_penalty * np.eye(n)
            + c.drift_penalty * np.diag(self.has_target.astype(np.float64))
            + c.group_drift_penalty * self.group_membership.T @ self.group_membership
        )

    def gradient(self, weight: FloatArray) -> FloatArray:
        """Return the gradient of the smooth part (without CVaR and trading) at a weight; (n,)."""
        c = self.weights
        # -tau |w - w*|^2 = -tau w'w + 2 tau w*'w - tau w*'w*: targets are linear, w'w is in M.
        pull = c.drift_penalty * np.where(self.has_target, self.target, 0.0)
        group_pull = c.group_drift_penalty * self.group_membership.T @ self.group_target
        # g = mu + 2 (tau w* + gamma C'w*_g) - 2 M w
        return self.mu + 2 * (pull + group_pull) - 2 * self.quadratic() @ weight


def build_objective(
    context: PlanningContext, market: MarketModel, weights: ObjectiveConfig
) -> Objective:
    """Collect the coefficients from context, estimates and configuration."""
    targets = np.array(
        [np.nan if s.target is None else s.target for s in context.securities], dtype=np.float64
    )
    rules = [rule for rule in context.group_rules if rule.target is not None]
    return Objective(
        weights=weights,
        mu=market.mu,
        covariance=market.covariance,
        scenarios=market.scenarios,
        target=np.nan_to_num(targets),
        has_target=~np.isnan(targets),
        group_membership=group_membership(context, [(r.classification, r.group) for r in rules]),
        group_target=np.array([rule.target for rule in rules], dtype=np.float64),
    )


def portfolio_metrics(weight: FloatArray, objective: Objective) -> Mapping[str, float]:
    """Return figures that are reported but not optimised; fractions, per year.

    `effective_n` is 1/HHI of the invested part; `diversification_ratio` the weighted mean of the
    volatilities over the portfolio's; `cvar95_21d` a 21-day loss. All are 0 with nothing invested.
    """
    invested = float(weight.sum())
    # w'Sw; rounding can take that of a nearly riskless portfolio below 0.
    variance = float(weight @ objective.covariance @ weight)
    volatility = float(np.sqrt(max(variance, 0.0)))
    own = np.sqrt(np.maximum(np.diag(objective.covariance), 0.0))
    expected = float(objective.mu @ weight)
    squares = float(weight @ weight)
    return {
        "invested": invested,
        # HHI of the invested part is sum (w / invested)^2.
        "effective_n": invested**2 / squares if squares > 0 else 0.0,
        "largest_weight": float(weight.max()) if weight.size else 0.0,
        "volatility": volatility,
        "expected_return": expected,
        "sharpe": expected / volatility if volatility > 0 else 0.0,
        "diversification_ratio": float(own @ weight) / volatility if volatility > 0 else 0.0,
        "cvar95_21d": objective.tail_risk(weight),
    }
