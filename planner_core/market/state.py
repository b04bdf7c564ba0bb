"""Everything a module may look at, computed once per run."""

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


@dataclass(frozen=True, eq=False)
class PlanningState:
    """The context with all that follows from it."""

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
        """Target weights, (n_securities,); NaN where the owner has no opinion."""
        return np.array(
            [np.nan if s.target is None else s.target for s in self.context.securities],
            dtype=np.float64,
        )

    @cached_property
    def quality(self) -> FloatArray:
        """Quality scores, (n_securities,); NaN where there is none."""
        return np.array(
            [np.nan if s.quality is None else s.quality for s in self.context.securities],
            dtype=np.float64,
        )

    def can_buy(self, column: int) -> bool:
        """Tell whether nothing forbids buying a security as such."""
        return column not in self.limits.buy_block and bool(self.market.has_history[column])

    def can_sell(self, column: int) -> bool:
        """Tell whether a security is held in old enough lots and nothing forbids selling it."""
        return column not in self.limits.sell_block and self.portfolio.sellable[column] > 0


def assess(
    context: PlanningContext,
    config: PlannerConfig,
    history: PriceHistory,
    portfolio: Portfolio,
) -> PlanningState:
    """Estimate the market, and turn configuration and circumstances into numbers."""
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
            converts=not config.constraints.multi_currency,
        ),
        objective=build_objective(context, market, config.objective),
    )


def value(context: PlanningContext, config: PlannerConfig) -> tuple[PriceHistory, Portfolio]:
    """Believe prices and value the holdings: what comes before any estimate."""
    history = build_history(context, config.constraints.price_move_sigmas)
    return history, value_portfolio(context, history, config.constraints)
