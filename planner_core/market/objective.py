"""The objective: how far a portfolio is from the neutral one, and what it costs to move.

Weights w are fractions of the NAV before trading (V0), after trading too. With d = w - r the
distance from the neutral portfolio r, all terms per year and per V0,

    view'd                                expected return of leaving the neutral portfolio
    - a/2 d'Sd                            variance of the difference between both
    - kappa |d|^2                         concentration
    - sum_i tau_i d_i^2                   drift of securities, tau_i = tau / max(r_i, floor)
    - gamma |G d|^2                       drift of groups
    - eta (CVaR95(w) - c'w)               tail risk beyond that of r; c is CVaR95's slope at r
    - drag (cash - cash_r)^+              money that is not invested
    - cost - tax - rho * turnover         trading, see `charges.py`

**A bucket with targets.** r is the target portfolio (`targets.py`), and every term is at its best
there: before costs, the targets are the exact optimum. This is reverse optimisation, the step from
weights to equilibrium returns of Black and Litterman. a is the tracking aversion A: with A = 80, a
tracking error of 1 % a year is worth 0.4 %. History has no say unless the owner asks for it:
`view = opinion * (mu - lambda S w* - mean)`, with `opinion` 0 by default. It is what history says
beyond what the targets imply, less its mean under w*, so that it tilts the mix. `opinion_on` names
other bets.

**A bucket without targets.** r is cash alone: d = w. Then view is mu, a the risk aversion lambda,
and the sum is the one-year certainty equivalent of the portfolio, with an HHI penalty kappa w'w
toward diversification. CVaR95 is of 21-day losses, a shorter horizon than the year of mu.

Everything but CVaR95 and idle cash is linear plus quadratic in the weights:

    smooth(w) = b'w - w'Mw + constant,   b = view + 2 M r + eta c
    M = a/2 S + kappa I + diag(tau_i) + gamma G'G       positive semi-definite: concave

Sources: H. Markowitz, Journal of Finance 7 (1952), 77-91; F. Black, R. Litterman, Financial
Analysts Journal 48 (1992), 28-43; R. T. Rockafellar, S. Uryasev, Journal of Banking & Finance 26
(2002), 1443-1471.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from planner_core.market.returns import MarketModel, cvar, tail_weights
from planner_core.market.targets import TargetPortfolio
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
"""Terms of a bucket without targets, in the order in which they are shown."""
TERMS_WITH_TARGETS = (
    "tracking",
    "drift",
    "group_drift",
    "idle_cash",
    "opinion",
    "concentration",
    "tail_risk",
    "cost",
    "tax",
    "turnover",
)
"""Terms of a bucket with targets."""
INFORMATION_COEFFICIENT = 0.1
"""Correlation of a rank with the next year's return at an `opinion` of 1: a very good forecaster's.
"""
SCORE_MAX = 2.0
"""A score counts no further: one outlier must not be the whole opinion."""
TARGET_FLOOR = 0.02
"""A distance counts relative to its target, but to no smaller one than this weight."""


@dataclass(frozen=True, eq=False)
class Objective:
    """The coefficients of the objective.

    Parameters
    ----------
    weights : ObjectiveConfig
        kappa, gamma, eta, rho and the others, as they are in force for this bucket.
    mu : ndarray of shape (n,), per year
        Expected returns from history; reported, and part of `view`.
    covariance : ndarray of shape (n, n), per year
    scenarios : ndarray of shape (n_windows, n)
        Empty: the CVaR term is off.
    neutral : ndarray of shape (n,)
        r.
    view : ndarray of shape (n,), per year
    aversion : float
        a.
    pull : ndarray of shape (n,)
        tau_i; 0 for a security that no target concerns.
    group_membership : ndarray of shape (n_groups, n)
        Groups with a target.
    drag : float, per year
        Return that money misses while it is not invested.
    targets : TargetPortfolio, optional
        None in a bucket without targets.
    """

    weights: ObjectiveConfig
    mu: FloatArray
    covariance: FloatArray
    scenarios: FloatArray
    neutral: FloatArray
    view: FloatArray
    aversion: float
    pull: FloatArray
    group_membership: FloatArray
    drag: float = 0.0
    targets: TargetPortfolio | None = None

    @property
    def term_names(self) -> tuple[str, ...]:
        """Names of the terms, in the order in which they are shown."""
        return TERMS if self.targets is None else TERMS_WITH_TARGETS

    @property
    def cash_neutral(self) -> float:
        """cash_r; cash beyond it is idle. Without targets no cash is."""
        return self.targets.cash if self.targets is not None else np.inf

    def terms(
        self,
        weight: FloatArray,
        cash: float = 0.0,
        cost: float = 0.0,
        tax: float = 0.0,
        turnover: float = 0.0,
    ) -> dict[str, float]:
        """Return each term's signed contribution to the score; their sum is the score.

        Parameters
        ----------
        weight : ndarray of shape (n,)
        cash, turnover : float, fractions of V0
        cost, tax : float, fractions of V0
            As they are charged (`charges.py`).
        """
        c = self.weights
        d = weight - self.neutral
        group_drift = self.group_membership @ d
        by_name = {
            "expected_return": float(self.view @ d),
            "risk": float(-self.aversion / 2 * d @ self.covariance @ d),
            "concentration": float(-c.concentration_penalty * d @ d),
            "drift": float(-self.pull @ d**2),
            "group_drift": float(-c.group_drift_penalty * group_drift @ group_drift),
            "tail_risk": -c.tail_risk_penalty
            * (self.tail_risk(weight) - float(self.tail_slope @ weight)),
            "idle_cash": -self.drag * self.idle(cash),
            "cost": -cost,
            "tax": -tax,
            "turnover": -c.turnover_penalty * turnover,
        }
        by_name["opinion"], by_name["tracking"] = by_name["expected_return"], by_name["risk"]
        return {name: by_name[name] for name in self.term_names}

    def idle(self, cash: float) -> float:
        """Return the part of a weight of cash that is not wanted: (cash - cash_r)^+."""
        return max(0.0, cash - self.cash_neutral)

    def tail_risk(self, weight: FloatArray) -> float:
        """Return CVaR95 of the 21-day loss, a fraction of V0; 0 when the term is off."""
        return float(cvar(-(self.scenarios @ weight)))

    @cached_property
    def tail_slope(self) -> FloatArray:
        """The slope c of CVaR95 at the neutral portfolio; (n,), zeros when that is cash.

        CVaR95 is convex, and proportional to the size of the portfolio. So CVaR95(w) >= c'w for
        every w, with equality at r: the term is never positive, and 0 at r.
        """
        if self.targets is None or not len(self.scenarios):
            return np.zeros(self.mu.size)
        losses = -(self.scenarios @ self.neutral)
        weights = tail_weights(losses.size)
        # The mean loss per unit of weight in the windows that are worst for r.
        worst = np.argsort(-losses, kind="stable")[: weights.size]
        slope: FloatArray = -(weights @ self.scenarios[worst])
        return slope

    @cached_property
    def quadratic(self) -> FloatArray:
        """M of the smooth part `b'w - w'Mw`; (n, n), positive semi-definite."""
        c = self.weights
        # The second derivative of the smooth part is -2 M: a w'w term enters with its own factor.
        return (
            self.aversion / 2 * self.covariance
            + c.concentration_penalty * np.eye(self.mu.size)
            + np.diag(self.pull)
            + c.group_drift_penalty * self.group_membership.T @ self.group_membership
        )

    def gradient(self, weight: FloatArray) -> FloatArray:
        """Return the gradient at a weight, without CVaR95, idle cash and trading; (n,)."""
        # b - 2 M w with b = view + 2 M r + eta c
        return (
            self.view
            - 2 * self.quadratic @ (weight - self.neutral)
            + self.weights.tail_risk_penalty * self.tail_slope
        )

    def tracking_variance(self, weight: FloatArray) -> float:
        """Return d'Sd, the variance of the difference to the neutral portfolio, per year."""
        d = weight - self.neutral
        # Rounding can take that of nearly no difference below 0.
        return max(0.0, float(d @ self.covariance @ d))

    def drift_variance(self, unknown: float) -> FloatArray:
        """Return r_i^2 Var(r_i - r'r): how fast each weight drifts by itself; (n,), per year.

        `unknown` stands for the variance of a security without an estimate.
        """
        own = np.diag(self.covariance)
        beside = self.covariance @ self.neutral
        # Var(r_i - w*'r) = S_ii - 2 (S w*)_i + w*'S w*
        variance = own - 2 * beside + float(self.neutral @ beside)
        variance = np.where(own > 0, np.maximum(variance, 0.0), unknown)
        drift: FloatArray = self.neutral**2 * variance
        return drift


def build_objective(
    context: PlanningContext,
    market: MarketModel,
    weights: ObjectiveConfig,
    targets: TargetPortfolio | None,
    unit_value: FloatArray,
    yield_of_cash: float,
) -> Objective:
    """Collect the coefficients from context, estimates and configuration in force.

    Parameters
    ----------
    context : PlanningContext
    market : MarketModel
    weights : ObjectiveConfig
    targets : TargetPortfolio, optional
    unit_value : ndarray of shape (n,), base currency per unit
        For opinions on prices.
    yield_of_cash : float, per year
    """
    n = context.n_securities
    if targets is None:
        return Objective(
            weights=weights,
            mu=market.mu,
            covariance=market.covariance,
            scenarios=market.scenarios,
            neutral=np.zeros(n),
            view=market.mu,
            aversion=weights.risk_aversion,
            pull=np.zeros(n),
            group_membership=np.zeros((0, n)),
        )
    pull = weights.drift_penalty / np.maximum(targets.weight, TARGET_FLOOR)
    return Objective(
        weights=weights,
        mu=market.mu,
        covariance=market.covariance,
        scenarios=market.scenarios,
        neutral=targets.weight,
        view=_view(context, market, weights, targets, unit_value),
        aversion=weights.tracking_aversion,
        pull=np.where(targets.has_pull, pull, 0.0),
        group_membership=targets.group_membership,
        drag=max(0.0, weights.invested_return_assumed - yield_of_cash),
        targets=targets,
    )


def _view(
    context: PlanningContext,
    market: MarketModel,
    weights: ObjectiveConfig,
    targets: TargetPortfolio,
    unit_value: FloatArray,
) -> FloatArray:
    """Return the expected returns beyond those that the targets imply; (n,), zeros without any.

    Past returns are compared with the implied ones, lambda S w*: the returns that make w* the best
    mix. The other opinions rank securities, and a rank becomes a return by IC * volatility * score
    (R. Grinold, R. Kahn, "Active Portfolio Management", 2nd ed. (2000), chapter 10).
    """
    if weights.opinion == 0:
        return np.zeros(market.mu.size)
    if weights.opinion_on == "past_returns":
        difference = market.mu - weights.risk_aversion * market.covariance @ targets.weight
        ranked = market.has_history
    else:
        figures = _figures(weights.opinion_on, context, market, unit_value)
        ranked = market.has_history & ~np.isnan(figures)
        volatility = np.sqrt(np.maximum(np.diag(market.covariance), 0.0))
        difference = INFORMATION_COEFFICIENT * volatility * _scores(figures, ranked)
    difference = np.where(ranked, difference, 0.0)
    # Less the mean under w*: an opinion moves the mix, not the share that is invested.
    weight = np.where(ranked, targets.weight, 0.0)
    invested = float(weight.sum())
    mean = float(weight @ difference) / invested if invested > 0 else 0.0
    return weights.opinion * np.where(ranked, difference - mean, 0.0)


def _figures(
    opinion_on: str, context: PlanningContext, market: MarketModel, unit_value: FloatArray
) -> FloatArray:
    """Return the figure by which an opinion ranks securities, more is better; NaN: not known."""
    if opinion_on == "momentum":
        return market.momentum
    if opinion_on == "reversal":
        # How far below its high of the last year.
        fallen: FloatArray = 1 - unit_value / market.high
        return fallen
    return np.array(
        [np.nan if s.quality is None else s.quality for s in context.securities], dtype=np.float64
    )


def _scores(figures: FloatArray, ranked: BoolArray) -> FloatArray:
    """Return (x - mean) / standard deviation of those ranked, within limits; 0 if all are alike."""
    scores = np.zeros(figures.size)
    values = figures[ranked]
    if not values.size or values.std() == 0:
        return scores
    scores[ranked] = np.clip((values - values.mean()) / values.std(), -SCORE_MAX, SCORE_MAX)
    return scores


def portfolio_metrics(weight: FloatArray, cash: float, objective: Objective) -> Mapping[str, float]:
    """Return figures that are reported but not optimised; fractions, per year.

    `effective_n` is 1/HHI of the invested part; `diversification_ratio` the weighted mean of the
    volatilities over the portfolio's; `cvar95_21d` a 21-day loss. All are 0 with nothing invested.
    With targets there are also `distance`, half the sum of |w - w*| over securities and cash, and
    `tracking_error`, the volatility of the difference to the target portfolio.
    """
    invested = float(weight.sum())
    # w'Sw; rounding can take that of a nearly riskless portfolio below 0.
    variance = float(weight @ objective.covariance @ weight)
    volatility = float(np.sqrt(max(variance, 0.0)))
    own = np.sqrt(np.maximum(np.diag(objective.covariance), 0.0))
    expected = float(objective.mu @ weight)
    squares = float(weight @ weight)
    to_targets = {}
    if objective.targets is not None:
        to_targets = {
            "distance": objective.targets.distance(weight, cash),
            "tracking_error": float(np.sqrt(objective.tracking_variance(weight))),
        }
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
        **to_targets,
    }
