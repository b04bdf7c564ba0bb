"""The planner as a strategy, and portfolios exactly on their targets that it should leave alone."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from planner_core.config_api.config_loading import load_config
from planner_core.model.context import PlanningContext
from planner_core.model.records import CashBalance, CashFlow, Security, Side, TaxLot, Trade
from planner_core.modules.builtin import builtin_registries
from planner_core.planner import plan
from tools.benchmarks._panels import HISTORY_DAYS, LARGE_MOVE, SPARE_DAYS, TAX_RATE, Market
from tools.benchmarks._replay import RULES, Order, nearest_units, smallest_trade

if TYPE_CHECKING:
    from datetime import date

    from numpy.typing import NDArray

    from planner_core.model.config import PlannerConfig
    from planner_core.model.plan import Plan
    from tools.benchmarks._replay import Account

CURRENCY = "EUR"
OLD_DEFAULT: dict[str, object] = {
    "objective": {
        "opinion": 1.0,
        # With lambda as aversion the view and tracking variance add up to mu'w - lambda/2 w'Sw.
        "tracking_aversion": 4.0,
        # 0.3, not relative to the target: this times a target of 7 %.
        "drift_penalty": 0.02,
        "concentration_penalty": 0.15,
        "tail_risk_penalty": 0.25,
        "turnover_penalty": 0.001,
        "invested_return_assumed": 0.0,
    },
    "constraints": {
        "min_gain_bps": 5.0,
        "lot_age_min": 90,
        "buy_cooldown_days": 30,
        "sell_cooldown_days": 180,
        "rebuy_after_sell_days": 30,
    },
}
"""The nearest there is to the defaults of the first version, which had no neutral point.

They charged costs once, not per year, and had a share of cash that nothing held back.
"""
MONTHS_PER_YEAR = 12
NAMES = (2, 20)
NAVS = (10_000.0, 200_000.0)
INVESTED = (0.90, 0.99)
DEPOSITS = (0.01, 0.10)
DRAWS_MAX = 1000


def configured(document: dict[str, object], tax_rate: float) -> PlannerConfig:
    """Return a configuration with a tax rate; `{}` is the defaults."""
    return load_config({**document, "costs": {"tax_rate": tax_rate}}, builtin_registries())


@dataclass
class Planner:
    """One plan a month; all of its steps are carried out.

    `written`: the owner has written the monthly deposit into the portfolio's file.
    """

    config: PlannerConfig
    written: bool = False
    plan_s: list[float] = field(default_factory=list)
    held: int = 0

    def orders(self, account: Account, row: int) -> list[Order]:
        """Return the steps of the plan of this day."""
        context = context_of(account, row, written=self.written)
        begin = time.process_time()
        result = plan(context, self.config)
        self.plan_s.append(time.process_time() - begin)
        self.held += result.nav_after is None
        return orders_of(result, account.panel.market)


def orders_of(result: Plan, market: Market) -> list[Order]:
    """Return the steps of a plan as orders."""
    signs = {Side.BUY: 1.0, Side.SELL: -1.0}
    return [
        Order(market.names.index(step.security), signs[step.side] * step.quantity)
        for step in result.steps
    ]


def context_of(account: Account, row: int, *, written: bool = False) -> PlanningContext:
    """Return the snapshot of an account on a day, with the closes up to that day."""
    panel = account.panel
    return snapshot(
        panel.market,
        row,
        panel.targets,
        lots=tuple(lot for lots in account.lots for lot in lots),
        cash=account.cash,
        flows=tuple(account.flows),
        trades=tuple(account.trades),
        deposits_per_year=MONTHS_PER_YEAR * panel.deposit if written else 0.0,
    )


def snapshot(
    market: Market,
    row: int,
    targets: NDArray[np.float64],
    *,
    lots: tuple[TaxLot, ...],
    cash: float,
    flows: tuple[CashFlow, ...] = (),
    trades: tuple[Trade, ...] = (),
    deposits_per_year: float = 0.0,
) -> PlanningContext:
    """Return the planner's input on a day; `cash` and `deposits_per_year` in base currency."""
    window = slice(max(0, row + 1 - HISTORY_DAYS), row + 1)
    return PlanningContext(
        bucket_id="panel",
        as_of=market.day(row),
        base_currency=CURRENCY,
        securities=tuple(
            Security(id=name, name=name, currency=CURRENCY, target=float(target))
            for name, target in zip(market.names, targets, strict=True)
        ),
        dates=market.dates[window].copy(),
        prices=market.prices[window].copy(),
        cash=(CashBalance(CURRENCY, cash),),
        lots=lots,
        cash_flows=flows,
        trades=trades,
        deposits_per_year=deposits_per_year,
        accepted_prices=large_moves(market, window),
    )


def large_moves(market: Market, window: slice) -> frozenset[tuple[str, date]]:
    """Return the moves that the owner accepted: every large one, because all closes are real."""
    prices = market.prices[window]
    rows, columns = np.nonzero(np.abs(np.diff(np.log(prices), axis=0)) > LARGE_MOVE)
    first = window.start + 1
    return frozenset(
        (market.names[column], market.day(first + row))
        for row, column in zip(rows, columns, strict=True)
    )


@dataclass(frozen=True)
class OnTarget:
    """How the planner answers portfolios on their targets: counts of `cases`.

    `trades`: plans that trade; `deposit_sells`: plans that sell after a deposit;
    `deposit_waits`: plans that leave a deposit alone although it covers the smallest legal trade.
    """

    cases: int
    trades: int
    deposit_sells: int
    deposit_waits: int


def leave_alone(seed: tuple[int, ...], cases: int, market: Market) -> OnTarget:
    """Plan for random portfolios on their targets, then with a deposit of 1 to 10 %."""
    generator = np.random.default_rng([14, *seed])
    trades = sells = waits = 0
    for _ in range(cases):
        on_target = draw_on_target(generator, market)
        trades += bool(plan(on_target.context(), on_target.config).steps)
        deposit = on_target.nav * float(generator.uniform(*DEPOSITS))
        steps = plan(on_target.context(deposit), on_target.config).steps
        sells += any(step.side is Side.SELL for step in steps)
        waits += not steps and deposit >= smallest_trade(on_target.nav + deposit)
    return OnTarget(cases, trades, sells, waits)


@dataclass(frozen=True, eq=False)
class Holdings:
    """Names at their nearest whole units, and a day."""

    market: Market
    row: int
    targets: NDArray[np.float64]
    units: NDArray[np.float64]
    cash: float
    config: PlannerConfig
    deposits_per_year: float = 0.0

    @property
    def nav(self) -> float:
        """The value of everything."""
        return float(self.units @ self.market.prices[self.row]) + self.cash

    def context(self, deposit: float = 0.0) -> PlanningContext:
        """Return the snapshot, a deposit of today included."""
        bought = self.row - LOT_AGE_ROWS
        day = self.market.day(self.row)
        return snapshot(
            self.market,
            self.row,
            self.targets,
            lots=tuple(
                TaxLot(
                    name,
                    float(self.units[i]),
                    float(self.market.prices[bought, i]),
                    1.0,
                    self.market.day(bought),
                )
                for i, name in enumerate(self.market.names)
                if self.units[i] > 0
            ),
            cash=self.cash + deposit,
            flows=(CashFlow(day, deposit),) if deposit else (),
            deposits_per_year=self.deposits_per_year,
        )


LOT_AGE_ROWS = 252


def draw_on_target(generator: np.random.Generator, market: Market) -> Holdings:
    """Draw a portfolio: each name at its nearest unit, spare cash below the smallest trade."""
    for _ in range(DRAWS_MAX):
        n_names = int(generator.integers(NAMES[0], NAMES[1] + 1))
        chosen = sorted(generator.choice(len(market.names), n_names, replace=False))
        own = market.of(tuple(int(column) for column in chosen))
        row = int(generator.integers(HISTORY_DAYS, len(market.dates) - SPARE_DAYS))
        weights = np.exp(0.5 * generator.standard_normal(n_names))
        targets = np.round(generator.uniform(*INVESTED) * weights / weights.sum(), 4)
        nav = float(np.exp(generator.uniform(*np.log(NAVS))))
        tax_rate = TAX_RATE * float(generator.integers(0, 2))
        units = nearest_units(targets, own.prices[row], nav)
        # Cash at its floor, the names at their lots; then the weights are of a slightly other NAV.
        cash = nav * (1 - float(targets.sum())) + smallest_trade(nav) * float(generator.random())
        # Half of the owners have written what they pay in.
        written = nav * float(generator.uniform(*DEPOSITS)) * float(generator.integers(0, 2))
        drawn = Holdings(own, row, targets, units, cash, configured({}, tax_rate), written)
        if is_on_target(drawn):
            return drawn
    raise RuntimeError("no portfolio on its targets was drawn")


def is_on_target(holdings: Holdings) -> bool:
    """Return whether each name is at its nearest unit and spare cash below the smallest trade."""
    nav = holdings.nav
    nearest = nearest_units(holdings.targets, holdings.market.prices[holdings.row], nav)
    floor = max(RULES.cash_reserve, 1 - float(holdings.targets.sum())) * nav
    return bool((nearest == holdings.units).all()) and 0 <= holdings.cash - floor < smallest_trade(
        nav
    )
