"""Portfolios to measure on: the demo at other dates, and larger ones simulated from its market."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from host.home.home import Home
from host.home.portfolio.snapshot import take_snapshot
from planner_core.config_api.config_loading import load_config
from planner_core.market.state import PlanningState, assess, value
from planner_core.model.context import PlanningContext
from planner_core.model.records import CashBalance, CashFlow, Security, TaxLot, Trade
from planner_core.modules.builtin import builtin_registries
from tools.measure import BIN, child

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from planner_core.model.config import PlannerConfig

ALL_HISTORY_DAYS = 2440
"""With what the reader adds to it, all the demo has."""
WINDOW_DAYS = 756 + 320
"""Days of prices a plan sees, as the host reads them."""
NAV = 150_000.0
HELD_SPREAD = 0.35
"""Standard deviation of the log of how far a holding strays from its target."""
SIMULATED_LAST_PRICES = (15.0, 400.0)
IDIOSYNCRATIC_SHARE = 0.6
"""Part of a simulated security's variance that is its own, beside the real factors."""


def config_with(depth: int, *, turnover_capped: bool = True) -> PlannerConfig:
    """The defaults at a depth; the turnover cap on as it ships, or out of the way."""
    document: dict[str, object] = {"max_plan_depth": depth}
    if not turnover_capped:
        document["constraints"] = {"turnover_max": 10.0}
    return load_config(document, builtin_registries())


def state_of(context: PlanningContext, config: PlannerConfig) -> PlanningState:
    """Return the planner's state before it calculates opportunities."""
    history, portfolio = value(context, config)
    return assess(context, config, history, portfolio)


@cache
def demo_context() -> PlanningContext:
    """The demo's bucket `core` with all the history that ships."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        child([str(BIN / "trader"), "init", "--demo", "--home", str(home)])
        return take_snapshot(Home(home), "core", history_days=ALL_HISTORY_DAYS)


def contexts_at_other_dates(count: int) -> list[PlanningContext]:
    """The demo's portfolio at evenly spread dates of its history, holdings varied by the date.

    The holdings' values stray from the targets by a seeded log-normal factor; lots keep their age
    and cost what the security did on their day; recent trades and deposits keep their distance.
    Every third one must also raise the demo's withdrawal.
    """
    days = len(demo_context().dates)
    rows = np.linspace(WINDOW_DAYS, days, count).astype(int)
    return [_at(int(row), turn) for turn, row in enumerate(rows)]


def _at(end: int, turn: int) -> PlanningContext:
    demo = demo_context()
    window = slice(end - WINDOW_DAYS, end)
    as_of = demo.dates[end - 1].astype(object)
    shift = demo.as_of - as_of
    generator = np.random.default_rng(turn)
    rates = {name: series[window].copy() for name, series in demo.fx_rates.items()}
    lots: list[TaxLot] = []
    for column, security in enumerate(demo.securities):
        held = [lot for lot in demo.lots if lot.security == security.id]
        stray = float(np.exp(HELD_SPREAD * generator.standard_normal()))
        if not held:
            continue
        rate = float(rates[security.currency][-1]) if security.currency in rates else 1.0
        worth = (security.target or 0.02) * stray * NAV
        units = worth / (float(demo.prices[end - 1, column]) * rate)
        whole = sum(lot.quantity for lot in held)
        for lot in held:
            quantity = float(np.floor(units * lot.quantity / whole))
            if quantity >= 1 and lot.acquired is not None:
                lots.append(_moved(demo, lot, column, lot.acquired - shift, quantity))
    withdrawal_too = turn % 3 == 0
    return replace(
        demo,
        as_of=as_of,
        dates=demo.dates[window].copy(),
        prices=demo.prices[window].copy(),
        fx_rates=rates,
        lots=tuple(lots),
        cash=(CashBalance(demo.base_currency, NAV * (0.01 + 0.03 * float(generator.random()))),),
        cash_flows=tuple(
            CashFlow(flow.on - shift, flow.amount)
            for flow in demo.cash_flows
            if flow.amount > 0 or withdrawal_too
        ),
        trades=tuple(replace(trade, on=trade.on - shift) for trade in demo.trades),
        accepted_prices=frozenset(),
        findings=(),
    )


def _moved(
    demo: PlanningContext, lot: TaxLot, column: int, acquired: date, quantity: float
) -> TaxLot:
    """The lot bought on another day at that day's price; on the first day if it is older."""
    row = max(0, int(np.searchsorted(demo.dates, np.datetime64(acquired, "D"), "right")) - 1)
    currency = demo.securities[column].currency
    rate = float(demo.fx_rates[currency][row]) if currency in demo.fx_rates else 1.0
    return TaxLot(lot.security, quantity, float(demo.prices[row, column]), rate, acquired)


def simulated_context(n_securities: int, seed: int = 7) -> PlanningContext:
    """A SYNTHETIC portfolio of any size whose returns follow the demo's real days.

    Every simulated security is a random positive mix of the 20 real daily returns (so the common
    factors, crises and their dates are real) plus noise of its own: IDIOSYNCRATIC_SHARE of its
    variance. Targets are unequal; four in five are held, astray from them.
    """
    demo, generator = demo_context(), np.random.default_rng(seed)
    prices = demo.prices[-WINDOW_DAYS:]
    real = np.diff(np.log(np.where(np.isnan(prices), prices[0], prices)), axis=0)
    mix = generator.dirichlet(np.full(real.shape[1], 0.4), n_securities)
    common = real @ mix.T
    own = generator.standard_normal(common.shape) * common.std(axis=0)
    share = IDIOSYNCRATIC_SHARE
    returns = np.sqrt(1 - share) * common + np.sqrt(share) * own
    logs = np.vstack([np.zeros(n_securities), np.cumsum(returns, axis=0)])
    last = generator.uniform(*SIMULATED_LAST_PRICES, n_securities)
    paths = last * np.exp(logs - logs[-1])
    targets = 0.97 * generator.dirichlet(np.full(n_securities, 3.0))
    nav = max(NAV, 4_000.0 * n_securities)
    held = _simulated_lots(demo, paths, targets, nav, generator)
    return PlanningContext(
        bucket_id="synthetic",
        as_of=demo.as_of,
        base_currency=demo.base_currency,
        securities=tuple(
            Security(
                id=f"SYN{i:03d}",
                name=f"Synthetic {i}",
                currency=demo.base_currency,
                groups={"industry": f"group {i % 7}"},
                target=float(targets[i]),
                quality=float(np.round(generator.uniform(0.4, 0.95), 2)),
            )
            for i in range(n_securities)
        ),
        dates=demo.dates[-WINDOW_DAYS:].copy(),
        prices=paths,
        lots=held,
        cash=(CashBalance(demo.base_currency, 0.03 * nav),),
        trades=(),
    )


def _simulated_lots(
    demo: PlanningContext,
    paths: NDArray[np.float64],
    targets: NDArray[np.float64],
    nav: float,
    generator: np.random.Generator,
) -> tuple[TaxLot, ...]:
    lots = []
    for i, target in enumerate(targets):
        stray = float(np.exp(HELD_SPREAD * generator.standard_normal()))
        row = int(generator.integers(100, len(paths) - 120))
        quantity = float(np.floor(target * stray * nav / paths[-1, i]))
        if i % 5 and quantity >= 1:
            acquired = demo.dates[-WINDOW_DAYS + row].astype(object)
            lots.append(TaxLot(f"SYN{i:03d}", quantity, float(paths[row, i]), 1.0, acquired))
    return tuple(lots)


__all__ = [
    "Trade",
    "config_with",
    "contexts_at_other_dates",
    "demo_context",
    "simulated_context",
    "state_of",
]
