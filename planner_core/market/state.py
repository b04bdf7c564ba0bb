"""Everything that modules work on, computed once per run.

A run begins with prices and holdings (`value`), which decide whether anything can be planned at
all. Only then are the market estimated and limits, costs and objective built (`assess`). All later
stages read the resulting PlanningState and change nothing in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from planner_core.market.charges import Charges, charge_once, charge_per_year
from planner_core.market.costs import CostModel, build_costs, realised_gain
from planner_core.market.limits import Limits, build_limits, withdrawals_due
from planner_core.market.objective import Objective, build_objective
from planner_core.market.prices import PriceHistory, build_history
from planner_core.market.returns import MarketModel, estimate_market
from planner_core.market.targets import build_target_portfolio, has_targets
from planner_core.market.valuation import Portfolio, cash_yield, value_portfolio
from planner_core.model.arrays import FloatArray
from planner_core.model.config import PlannerConfig, config_in_force
from planner_core.model.context import PlanningContext
from planner_core.model.currencies import exact_amount
from planner_core.model.records import LedgerStatus, Side

LEVERAGE_MAX = 1_000.0
"""Holdings per NAV up to which weights still have digits to be compared by."""


@dataclass(frozen=True, eq=False)
class PlanningState:
    """The context, and what is computed from it.

    Parameters
    ----------
    context : PlanningContext
        The snapshot: securities, closes, holdings, cash, targets, the day of the plan.
    config : PlannerConfig
        All settings in force.
    history : PriceHistory
        Closes that can be trusted.
    market : MarketModel
        Estimates: expected return, covariance, momentum.
    portfolio : Portfolio
        Value and weight of what is held.
    limits : Limits
        Caps, required cash, and what may not be traded.
    costs : CostModel
    charges : Charges
        What the score is charged for a trade.
    objective : Objective
        The score of a set of weights.
    """

    context: PlanningContext
    config: PlannerConfig
    history: PriceHistory
    market: MarketModel
    portfolio: Portfolio
    limits: Limits
    costs: CostModel
    charges: Charges
    objective: Objective

    @property
    def nav(self) -> float:
        """Net asset value before trading, base currency."""
        return self.portfolio.nav

    @property
    def follows_targets(self) -> bool:
        """True if the targets alone decide: there are some, and no opinion tilts them."""
        # An opinion without data, such as one on quality without scores, has a view of 0.
        return self.objective.targets is not None and not self.objective.view.any()

    @cached_property
    def targets(self) -> FloatArray:
        """Target weights, (n_securities,); NaN without a target."""
        return np.array(
            [np.nan if s.target is None else s.target for s in self.context.securities],
            dtype=np.float64,
        )

    @cached_property
    def quality(self) -> FloatArray:
        """Quality scores, (n_securities,); NaN without one."""
        return np.array(
            [np.nan if s.quality is None else s.quality for s in self.context.securities],
            dtype=np.float64,
        )

    def can_buy(self, column: int) -> bool:
        """Return whether a security may be bought at all; the size is limited elsewhere."""
        # Without the history for a judgement only a target is a reason to buy.
        is_judged = self.market.has_history[column] or self.is_toward_target(column, Side.BUY)
        return column not in self.limits.buy_block and bool(is_judged)

    def is_toward_target(self, column: int, side: Side) -> bool:
        """Return whether a trade on this side brings a security closer to its target weight."""
        targets = self.objective.targets
        if targets is None or not targets.has_pull[column]:
            return False
        gap = targets.weight[column] - self.portfolio.weight[column]
        return bool(gap > 0 if side is Side.BUY else gap < 0)

    def can_sell(self, column: int) -> bool:
        """Return whether a security may be sold: not blocked, and held in old enough lots."""
        return column not in self.limits.sell_block and self.portfolio.sellable[column] > 0


def value(context: PlanningContext, config: PlannerConfig) -> tuple[PriceHistory, Portfolio]:
    """Check the prices and value the holdings."""
    config = config_in_force(config, with_targets=has_targets(context))
    history = build_history(context, config.constraints.price_move_sigmas)
    return history, value_portfolio(context, history, config.constraints)


def find_hold_reason(context: PlanningContext, portfolio: Portfolio) -> str | None:
    """Return why no plan can be made at all, before any market is looked at."""
    if context.hold_reason:
        return context.hold_reason
    if context.ledger_status is not LedgerStatus.VALID:
        path = f"portfolios/{context.bucket_id}.trades.csv"
        remedy = (
            f"create {path}; only the header line if you never traded"
            if context.ledger_status is LedgerStatus.MISSING
            else f"fix {path}"
        )
        return f"the trade ledger is {context.ledger_status.value}: {remedy}"
    if not context.securities:
        return f"no securities: add some to portfolios/{context.bucket_id}.toml"
    if portfolio.nav <= 0:
        return (
            f"the bucket is worth {exact_amount(portfolio.nav, context.base_currency)}: add"
            f" holdings or cash to portfolios/{context.bucket_id}.toml"
        )
    held = float(portfolio.value.sum())
    if held > LEVERAGE_MAX * portfolio.nav:
        return (
            f"debt leaves {exact_amount(portfolio.nav, context.base_currency)} of holdings worth"
            f" {exact_amount(held, context.base_currency)}: too little to compute weights;"
            " deposit money"
        )
    return None


def find_day_reason(
    context: PlanningContext, config: PlannerConfig, history: PriceHistory
) -> str | None:
    """Return why nothing at all can be traded today: prices that are all too old, or missing."""
    oldest = config.constraints.price_age_days_max
    if (history.age <= oldest).any():
        return None
    last = f"the last is of {context.dates[-1]}" if context.n_days else "there are none"
    return (
        f"no security has a close within {oldest} market days of {context.as_of} ({last});"
        " add newer closes to market/prices.csv"
    )


def assess(
    context: PlanningContext,
    config: PlannerConfig,
    history: PriceHistory,
    portfolio: Portfolio,
) -> PlanningState:
    """Estimate the market, then build limits, costs and objective."""
    config = config_in_force(config, with_targets=has_targets(context))
    market = estimate_market(context, history, config.estimation)
    due = withdrawals_due(context, config.constraints)
    withdrawn = -sum(flow.amount for flow in due) / portfolio.nav
    free = portfolio.cash - portfolio.cash_pending - context.invest
    targets = build_target_portfolio(
        context,
        portfolio.weight,
        withdrawn,
        cash_before=free / portfolio.nav,
        cash_required=config.constraints.cash_reserve + withdrawn,
    )
    costs = build_costs(
        context,
        market.daily_volatility,
        config.costs,
        # With a cash row per currency, conversions are steps with costs of their own.
        converts=not config.constraints.multi_currency,
    )
    objective = build_objective(
        context,
        market,
        config.objective,
        targets,
        portfolio.unit_value,
        cash_yield(context, history),
    )
    return PlanningState(
        context=context,
        config=config,
        history=history,
        market=market,
        portfolio=portfolio,
        limits=build_limits(context, history, portfolio, config, costs, targets),
        costs=costs,
        charges=_charges(context, config, portfolio, costs, objective),
        objective=objective,
    )


def _charges(
    context: PlanningContext,
    config: PlannerConfig,
    portfolio: Portfolio,
    costs: CostModel,
    objective: Objective,
) -> Charges:
    """Return what the score is charged for trades."""
    targets = objective.targets
    if targets is None:
        return charge_once(costs, context.n_securities)
    tax = [
        _tax_of_surplus(portfolio, column, float(targets.weight[column]), config)
        for column in range(context.n_securities)
    ]
    return charge_per_year(
        objective,
        costs,
        np.array(tax, dtype=np.float64),
        targets,
        portfolio,
        config,
        context.deposits_per_year,
    )


def _tax_of_surplus(
    portfolio: Portfolio, column: int, target: float, config: PlannerConfig
) -> float:
    """Return the tax per value sold of what a position holds above its target; 0 for a loss."""
    surplus = float(portfolio.value[column]) - target * portfolio.nav
    if surplus <= 0 or config.costs.tax_rate == 0 or portfolio.sellable[column] <= 0:
        return 0.0
    unit_value = float(portfolio.unit_value[column])
    quantity = min(surplus / unit_value, float(portfolio.sellable[column]))
    # Without accrued interest, as the costs of the lots are.
    clean = float(portfolio.clean_unit_value[column])
    gain = realised_gain(portfolio.sellable_lots[column], quantity, clean, config.costs.tax_lots)
    return config.costs.tax_rate * max(0.0, gain) / (quantity * unit_value)
