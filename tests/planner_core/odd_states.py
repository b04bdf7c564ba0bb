"""States that every module must handle: an ordinary one and many unusual ones."""

# ruff: noqa: ANN401 - overrides are of any type

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from planner_core.market.state import PlanningState
from planner_core.market.trade_sizing import size_opportunities
from planner_core.model.candidates import Candidates
from planner_core.model.config import PlannerConfig
from planner_core.model.context import PlanningContext
from planner_core.model.records import (
    CashBalance,
    CashFlow,
    GroupRule,
    PendingOrder,
    Security,
    Side,
    Trade,
)
from planner_core.modules.module import AnyModule, ModuleParameters
from planner_core.modules.opportunities import BUILTIN_OPPORTUNITIES
from tests.builders import (
    constant_rate,
    days_ago,
    make_candidates,
    make_config,
    make_context,
    make_lot,
    make_securities,
    make_security,
    make_state,
    price_paths,
)


def rich_securities() -> tuple[Security, ...]:
    """Make eight securities in two industries: targets, quality scores, one foreign currency."""
    rows: list[tuple[str, float | None, float | None]] = [
        ("AAA", 0.05, 0.9),
        ("BBB", 0.20, 0.8),
        ("CCC", 0.10, 0.7),
        ("DDD", 0.25, 0.5),
        ("EEE", 0.10, None),
        ("FFF", None, 0.95),
        ("GGG", 0.15, 0.75),
        ("HHH", 0.0, 0.3),
    ]
    return tuple(
        make_security(
            name,
            target=target,
            quality=quality,
            currency="USD" if name == "GGG" else "EUR",
            groups={"industry": "energy" if place % 2 else "health"},
        )
        for place, (name, target, quality) in enumerate(rows)
    )


def rich_context(**overrides: Any) -> PlanningContext:
    """Make a context with gains, losses, drift, groups, and cash below the reserve."""
    lots = (
        make_lot("AAA", 120, unit_cost=40.0),
        make_lot("BBB", 90, unit_cost=115.0),
        make_lot("CCC", 60, unit_cost=112.0),
        make_lot("CCC", 30, unit_cost=90.0, acquired=days_ago(200)),
        make_lot("DDD", 20, unit_cost=100.0),
        make_lot("EEE", 110, unit_cost=60.0, acquired=None),
        make_lot("GGG", 40, unit_cost=100.0, fx_rate=0.9),
        make_lot("HHH", 70, unit_cost=130.0),
    )
    fields: dict[str, Any] = {
        "securities": rich_securities(),
        "lots": lots,
        "cash": 50.0,
        "fx_rates": {"USD": constant_rate(0.9)},
        "group_rules": (
            GroupRule("industry", "energy", target=0.30, cap=0.45),
            GroupRule("industry", "health", target=0.60),
        ),
        "trades": (Trade(days_ago(10), "FFF", Side.SELL, 5, 100.0),),
        "cash_flows": (CashFlow(days_ago(5), 1_000.0),),
    }
    return make_context(**{**fields, **overrides})


def _odd_contexts() -> Mapping[str, PlanningContext]:
    four = make_securities(4)
    quiet = price_paths(400, [100.0] * 4)
    jumped = quiet.copy()
    jumped[-3:, 0] *= 0.5
    unknown = quiet.copy()
    unknown[:, 1] = np.nan
    stale = quiet.copy()
    stale[-30:, 2] = np.nan
    return {
        "rich": rich_context(),
        "rich with cash": rich_context(cash=9_000.0),
        "plain": make_context(),
        "all cash": make_context(lots=()),
        "all cash and targets": make_context(
            securities=make_securities(4, target=0.25, quality=0.9), lots=()
        ),
        "no cash": make_context(cash=0.0),
        "negative cash": make_context(cash=-3_000.0),
        "everything should go": make_context(securities=make_securities(4, target=0.0)),
        "one security": make_context(n_securities=1),
        "one security, not held": make_context(n_securities=1, lots=()),
        "never touch": make_context(
            securities=make_securities(4, target=0.1, allow_buy=False, allow_sell=False)
        ),
        "dates unknown": make_context(lots=tuple(make_lot(s.id, acquired=None) for s in four)),
        "too little history": make_context(n_days=100),
        "two days": make_context(n_days=2),
        "one day": make_context(n_days=1),
        "no cost basis": make_context(lots=tuple(make_lot(s.id, unit_cost=0.0) for s in four)),
        "a halved price": make_context(prices=jumped),
        "no price, not held": make_context(prices=unknown, lots=(make_lot("AAA"), make_lot("CCC"))),
        "a stale price": make_context(prices=stale),
        "all orders pending": make_context(
            pending_orders=tuple(PendingOrder(s.id, Side.BUY, 1.0) for s in four)
        ),
        "tiny": make_context(
            lots=(make_lot("AAA", 0.001),),
            cash=1.0,
            securities=make_securities(4, fractional=True, target=0.2, quality=1.0),
        ),
        "huge": make_context(lots=(make_lot("AAA", 1e9),), cash=1e12),
        "foreign cash only": make_context(
            lots=(), cash=(CashBalance("USD", 5_000.0),), fx_rates={"USD": constant_rate(0.9)}
        ),
    }


ODD_STATES = tuple(_odd_contexts())


@cache
def odd_state(name: str) -> PlanningState:
    """Return one of the ODD_STATES, with every module enabled."""
    return make_state(_contexts()[name], everything_on())


@cache
def _contexts() -> Mapping[str, PlanningContext]:
    return _odd_contexts()


@cache
def everything_on() -> PlannerConfig:
    """Return the defaults with tax_loss_harvest enabled, and a reserve worth repairing."""
    return make_config(
        opportunity_calculators={"tax_loss_harvest": True},
        costs={"tax_rate": 0.2},
        constraints={"cash_reserve": 0.005},
    )


@cache
def odd_candidates(name: str) -> Candidates:
    """Return the candidates that all calculators give in an odd state."""
    state = odd_state(name)
    opportunities = [
        (module.key, result)
        for module in _calculators()
        for result in module.calculate(state, default_parameters(module))
        if hasattr(result, "notional")
    ]
    actions, _ = size_opportunities(opportunities, state)
    return make_candidates(state, actions)


def _calculators() -> tuple[Any, ...]:
    return BUILTIN_OPPORTUNITIES


def default_parameters(module: AnyModule) -> ModuleParameters:
    """Return the parameters of a module that is only switched on: `name = true`."""
    model: type[ModuleParameters] = module.parameters_model
    return model()


def fingerprint(state: PlanningState) -> bytes:
    """Return all numbers that a module can read but must not change, as bytes."""
    parts = [
        array.tobytes()
        for part in (state.portfolio, state.market, state.history, state.costs, state.objective)
        for array in _arrays(part)
    ]
    return b"".join(parts)


def _arrays(part: object) -> list[np.ndarray[Any, Any]]:
    names = getattr(part, "__dataclass_fields__", {})
    values = [getattr(part, name) for name in names]
    return [value for value in values if isinstance(value, np.ndarray)]


def with_market(state: PlanningState, **fields: Any) -> PlanningState:
    """Return the state with exact estimates, for tables computed by hand."""
    return replace(state, market=replace(state.market, **fields))


def with_portfolio(state: PlanningState, **fields: Any) -> PlanningState:
    """Return the state with an exact portfolio, for tables computed by hand."""
    return replace(state, portfolio=replace(state.portfolio, **fields))
