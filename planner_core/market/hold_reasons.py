"""Reasons to hold: why no plan can be made, each with what the owner can do."""

from __future__ import annotations

from planner_core.market.prices import PriceHistory
from planner_core.market.valuation import Portfolio
from planner_core.model.config import PlannerConfig
from planner_core.model.context import PlanningContext
from planner_core.model.records import LedgerStatus

LEVERAGE_MAX = 1_000.0
"""Holdings per NAV up to which weights still have digits to be compared by."""


def why_hold(context: PlanningContext, portfolio: Portfolio) -> str | None:
    """Return why no plan can be made at all, before any market is looked at."""
    if context.ledger_status is not LedgerStatus.VALID:
        return (
            f"the trade ledger is {context.ledger_status.value}: no plan until"
            f" portfolios/{context.bucket_id}.trades.csv is fixed (only a header if you never"
            " traded)"
        )
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
            f" {held:,.2f}: too little to judge a weight by; pay money in"
        )
    return None


def why_not_today(
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
