"""Weekly plans of five trades in a row, by an opinion, against one plan of ten trades."""

from __future__ import annotations

import statistics
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from planner_core.config_api.config_loading import load_config
from planner_core.model.context import PlanningContext
from planner_core.model.records import CashBalance, Security, Side, TaxLot, Trade
from planner_core.modules.builtin import builtin_registries
from planner_core.planner import plan
from tools.benchmarks._portfolios import state_of

if TYPE_CHECKING:
    from planner_core.model.config import PlannerConfig
    from planner_core.model.plan import Plan

PORTFOLIOS = 8
SECURITIES = 12
NAV = 100_000.0
INVESTED = 0.95
DAYS = 400
WEEKS = 4
WEEKLY_DEPTH, DEEP = 5, 10
DAILY_VOLATILITY = (0.008, 0.025)
COMMON_SHARE = 0.5
"""Part of each variance that all securities have in common."""
UNLOCKED = {
    "buy_cooldown_days": 0,
    "sell_cooldown_days": 0,
    "lot_age_min": 0,
    "rebuy_after_sell_days": 0,
}
"""Without these, no trade of a week locks one of a later week."""


def run(seed: int = 1, *, quick: bool = False) -> dict[str, object]:
    """Plan four weeks of five trades from a far start, prices unchanged; about a minute.

    8 portfolios of 12 simulated securities, with weights far from their targets and an opinion of
    1. `reached_*`: the gain in the objective, trading left out, of four weekly plans over that of
    one plan of ten trades; the mean and the least of the portfolios. `defaults` has the cool-downs
    and the age of lots that come with an opinion, `unlocked` none of them: the difference is what
    they lock. `first_week_mean` is what the first plan alone reaches.
    """
    portfolios = [drawn_portfolio(seed + i) for i in range(3 if quick else PORTFOLIOS)]
    results: dict[str, object] = {"portfolios": len(portfolios)}
    for name, limits in (("defaults", {}), ("unlocked", UNLOCKED)):
        shares = [_shares(portfolio, limits) for portfolio in portfolios]
        results[f"reached_mean_{name}"] = statistics.mean(last for _, last in shares)
        results[f"reached_min_{name}"] = min(last for _, last in shares)
        results[f"first_week_mean_{name}"] = statistics.mean(first for first, _ in shares)
    return results


def _shares(context: PlanningContext, limits: dict[str, int]) -> tuple[float, float]:
    """Return what the first week and all weeks reach of the gain of one deep plan."""
    weekly, deep = _config(WEEKLY_DEPTH, limits), _config(DEEP, limits)
    start = _score(context, weekly)
    most = _score(carried_out(context, plan(context, deep)), weekly) - start
    reached = []
    for _ in range(WEEKS):
        context = carried_out(context, plan(context, weekly))
        reached.append((_score(context, weekly) - start) / most)
        # Prices stay; only lots and fills grow older.
        context = replace(
            context,
            as_of=context.as_of + timedelta(days=7),
            dates=context.dates + np.timedelta64(7, "D"),
        )
    return reached[0], reached[-1]


def _config(depth: int, limits: dict[str, int]) -> PlannerConfig:
    document = {
        "max_plan_depth": depth,
        "objective": {"opinion": 1.0},
        "constraints": {"turnover_max": 10.0, **limits},
    }
    return load_config(document, builtin_registries())


def _score(context: PlanningContext, config: PlannerConfig) -> float:
    """Return the objective of what is held, without trading."""
    state = state_of(context, config)
    cash = state.limits.cash_free / state.nav
    return sum(state.objective.terms(state.portfolio.weight, cash).values())


def carried_out(context: PlanningContext, advice: Plan) -> PlanningContext:
    """Return the context with every step filled at its price."""
    cash = context.cash[0].settled
    lots, trades = list(context.lots), list(context.trades)
    for step in advice.steps:
        units = step.quantity
        if step.side is Side.BUY:
            lots.append(TaxLot(step.security, units, step.price, 1.0, context.as_of))
            cash -= step.value + step.cost
        else:
            smaller = (_after_sale(lot, step.security, units) for lot in lots)
            lots = [lot for lot in smaller if lot is not None]
            cash += step.value - step.cost - step.tax
        trades.append(Trade(context.as_of, step.security, step.side, units, step.price, 1.0))
    return replace(
        context,
        lots=tuple(lots),
        trades=tuple(trades),
        cash=(CashBalance(context.base_currency, cash),),
    )


def _after_sale(lot: TaxLot, security: str, units: float) -> TaxLot | None:
    """Return what a sale leaves of a lot: every security has one when it is sold."""
    if lot.security != security:
        return lot
    return replace(lot, quantity=lot.quantity - units) if lot.quantity > units else None


def drawn_portfolio(seed: int) -> PlanningContext:
    """Draw a portfolio whose weights have little to do with its targets."""
    generator = np.random.default_rng(seed)
    targets = INVESTED * generator.dirichlet(np.full(SECURITIES, 3.0))
    weights = INVESTED * generator.dirichlet(np.full(SECURITIES, 0.6))
    last = generator.uniform(20.0, 200.0, SECURITIES)
    volatility = generator.uniform(*DAILY_VOLATILITY, SECURITIES)
    market = generator.standard_normal((DAYS, 1)) * np.sqrt(COMMON_SHARE)
    own = generator.standard_normal((DAYS, SECURITIES)) * np.sqrt(1 - COMMON_SHARE)
    paths = np.cumsum(volatility * (market + own), axis=0)
    dates = np.busday_offset("2024-06-28", np.arange(1 - DAYS, 1), roll="backward")
    securities = tuple(
        Security(id=f"S{i}", name=f"S{i}", currency="EUR", target=float(target))
        for i, target in enumerate(targets)
    )
    bought = dates[0].astype(object) - timedelta(days=900)
    lots = tuple(
        TaxLot(security.id, float(max(1, round(weight * NAV / price))), float(price), 1.0, bought)
        for security, weight, price in zip(securities, weights, last, strict=True)
    )
    return PlanningContext(
        bucket_id="drawn",
        as_of=dates[-1].astype(object),
        base_currency="EUR",
        securities=securities,
        dates=dates,
        prices=last * np.exp(paths - paths[-1]),
        fx_rates={},
        lots=lots,
        cash=(CashBalance("EUR", (1 - INVESTED) * NAV),),
    )
