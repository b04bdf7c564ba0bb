"""Everything that modules work on, computed once per run.

A run begins with prices and holdings (`value`), which decide whether anything can be planned at
all. Only then are the market estimated and limits, costs and objective built (`assess`). All later
stages read the resulting PlanningState and change nothing in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from planner_core.market.costs import CostModel, build_costs
from planner_core.market.limits import Limits, build_limits
from planner_core.market.objective import Objective, build_objective
from planner_core.market.prices import PriceHistory, build_history
from planner_core.market.returns import MarketModel, estimate_market
from planner_core.market.valuation import Portfolio, value_portfolio
from planner_core.model.arrays import FloatArray
from planner_core.model.config import PlannerConfig
from planner_core.model.context import PlanningContext
from planner_core.model.records import LedgerStatus, Side

LEVERAGE_MAX = 1_000.0
"""Holdings per NAV up to which weights still have digits to be compared by."""


@dataclass(frozen=True, eq=False)
class PlanningState:
    """The context, and what is computed from it."""

    context: PlanningContext
    config: PlannerConfig
    history: PriceHistory
    market: MarketModel
    portfolio: Portfolio
    limits: Limits
    costs: CostModel
    objective: Objective

    @property
    def nav(self) -> float:
        """Net asset value before trading, base currency."""
        return self.portfolio.nav

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
        gap = self.targets[column] - self.portfolio.weight[column]
        # NaN without a target: neither side.
        return bool(gap > 0 if side is Side.BUY else gap < 0)

    def can_sell(self, column: int) -> bool:
        """Return whether a security may be sold: not blocked, and held in old enough lots."""
        return column not in self.limits.sell_block and self.portfolio.sellable[column] > 0


def value(context: PlanningContext, config: PlannerConfig) -> tuple[PriceHistory, Portfolio]:
    """Check the prices and value the holdings."""
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
            f"the bucket is worth {portfolio.nav:,.2f} {context.base_currency}: add holdings or"
            f" cash to portfolios/{context.bucket_id}.toml"
        )
    held = float(portfolio.value.sum())
    if held > LEVERAGE_MAX * portfolio.nav:
        return (
            f"debt leaves {portfolio.nav:,.2f} {context.base_currency} of holdings worth"
            f" {held:,.2f}: too little to compute weights; deposit money"
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
    market = estimate_market(context, history, config.estimation)
    return PlanningState(
        context=context,
        config=config,
        history=history,
        market=market,
        portfolio=portfolio,
        limits=build_limits(context, history, portfolio, config.constraints, config.costs.tax_rate),
        costs=build_costs(
            context,
            market.daily_volatility,
            config.costs,
            # With a cash row per currency, conversions are steps with costs of their own.
            converts=not config.constraints.multi_currency,
        ),
        objective=build_objective(context, market, config.objective),
    )
