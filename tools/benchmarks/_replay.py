"""Replay three years of one saver: plan once a month, trade at the next close, pay for it.

Every strategy has the same occasions, deposits, prices, costs, tax and smallest trade. It sees
closes up to the day of its plan; what it orders is traded at the close after that one.

Tracking error is the annualised standard deviation of the daily difference between two returns:
the portfolio's, and that of a portfolio that is set back to its targets every day and pays nothing.
Deposits, costs and tax are flows: they change the value, not the return. Costs and tax are counted
on their own, so that no part of them counts twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from planner_core.market.costs import BASIS_POINT, in_selling_order, realised_gain
from planner_core.market.limits import MIN_TRADE_NAV_FRACTION
from planner_core.model.config import ConstraintsConfig, CostsConfig
from planner_core.model.records import CashFlow, Side, TaxLot, Trade
from tools.benchmarks._panels import MONTH_DAYS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from tools.benchmarks._panels import Panel

DAYS_PER_YEAR = 252
LOT_ROWS = (504, 252, 126)
"""Market days before the start at which what is held then was bought, a third each."""
COSTS = CostsConfig()
RULES = ConstraintsConfig()
COST_RATE = (COSTS.cost_bps + COSTS.half_spread_bps) * BASIS_POINT


@dataclass(frozen=True)
class Order:
    """Units of a panel's name to buy, or to sell where negative."""

    column: int
    units: float


class Strategy(Protocol):
    """Anything that turns the account on a day into orders for the next close."""

    def orders(self, account: Account, row: int) -> list[Order]:
        """Return the orders; sells are carried out first, then buys in this order."""
        ...


def cost_of(value: float) -> float:
    """Return the cost of trading a value: 2 and 0.25 %, the planner's defaults."""
    return COSTS.fixed_cost + COST_RATE * value


def smallest_trade(nav: float) -> float:
    """Return the smallest legal trade, base currency; the planner's own two limits."""
    # fixed + rate v <= ratio v
    affordable = COSTS.fixed_cost / (RULES.cost_ratio_max - COST_RATE)
    return max(min(RULES.min_trade_value, MIN_TRADE_NAV_FRACTION * nav), affordable)


@dataclass
class Account:
    """Holdings of a saver, and the cost of trading so far; one lot is one unit."""

    panel: Panel
    lots: list[list[TaxLot]]
    cash: float
    trades: list[Trade] = field(default_factory=list)
    flows: list[CashFlow] = field(default_factory=list)
    cost: float = 0.0
    tax: float = 0.0
    traded: float = 0.0

    @property
    def units(self) -> NDArray[np.float64]:
        """Units of each name."""
        return np.array([sum(lot.quantity for lot in lots) for lots in self.lots], dtype=np.float64)

    def values(self, row: int) -> NDArray[np.float64]:
        """Return the value of each name at a close."""
        values: NDArray[np.float64] = self.units * self.panel.market.prices[row]
        return values

    def nav(self, row: int) -> float:
        """Return the value of everything at a close."""
        return float(self.values(row).sum()) + self.cash

    def distance(self, row: int) -> float:
        """Return half the sum of |w - w*| over the names and cash."""
        nav, targets = self.nav(row), self.panel.targets
        names = np.abs(self.values(row) / nav - targets).sum()
        return 0.5 * float(names + abs(self.cash / nav - (1 - targets.sum())))

    def deposit(self, amount: float, row: int) -> None:
        """Pay money in."""
        self.cash += amount
        self.flows.append(CashFlow(self.panel.market.day(row), amount))

    def execute(self, orders: Iterable[Order], row: int) -> None:
        """Trade at a close: sells first; a buy is cut to the whole units that cash pays for."""
        for order in sorted(orders, key=lambda order: order.units > 0):
            price = float(self.panel.market.prices[row, order.column])
            units = order.units
            if units > 0:
                affordable = (self.cash - COSTS.fixed_cost) / (price * (1 + COST_RATE))
                units = min(units, float(np.floor(affordable)))
                self._buy(order.column, units, price, row)
            elif units < 0:
                self._sell(order.column, -units, price, row)

    def _buy(self, column: int, units: float, price: float, row: int) -> None:
        if units <= 0:
            return
        day = self.panel.market.day(row)
        self.lots[column].append(TaxLot(self._id(column), units, price, 1.0, day))
        self._settle(Side.BUY, column, units, price, row)
        self.cash -= units * price

    def _sell(self, column: int, units: float, price: float, row: int) -> None:
        lots = self.lots[column]
        gain = realised_gain(lots, units, price, COSTS.tax_lots)
        # As in the planner: each sell is taxed alone, and a loss brings nothing back.
        tax = self.panel.tax_rate * max(0.0, gain)
        self.lots[column] = after_sale(lots, units)
        self._settle(Side.SELL, column, units, price, row)
        self.tax += tax
        self.cash += units * price - tax

    def _settle(self, side: Side, column: int, units: float, price: float, row: int) -> None:
        cost = cost_of(units * price)
        self.cash -= cost
        self.cost += cost
        self.traded += units * price
        day = self.panel.market.day(row)
        self.trades.append(Trade(day, self._id(column), side, units, price))

    def _id(self, column: int) -> str:
        return self.panel.market.names[column]


def after_sale(lots: Sequence[TaxLot], units: float) -> list[TaxLot]:
    """Return what remains of the lots; those of the highest cost are sold first."""
    unsold: list[TaxLot] = []
    for lot in in_selling_order(lots, COSTS.tax_lots):
        sold = min(units, lot.quantity)
        units -= sold
        if lot.quantity > sold:
            unsold.append(replace(lot, quantity=lot.quantity - sold))
    return unsold


def nearest_units(
    targets: NDArray[np.float64], prices: NDArray[np.float64], nav: float
) -> NDArray[np.float64]:
    """Return the whole units nearest to each target."""
    units: NDArray[np.float64] = np.round(targets * nav / prices)
    return units


def open_account(panel: Panel, row: int) -> Account:
    """Return the account on its targets, as near as whole units and the reserve allow."""
    prices = panel.market.prices[row]
    units = nearest_units(panel.targets, prices, panel.nav)
    reserve = RULES.cash_reserve * panel.nav
    while panel.nav - float(units @ prices) < reserve:
        # The one that is furthest above its target gives a unit.
        above = np.where(units > 0, units * prices - panel.targets * panel.nav, -np.inf)
        units[int(above.argmax())] -= 1
    lots = [first_lots(panel, row, column, int(held)) for column, held in enumerate(units)]
    return Account(panel, lots, panel.nav - float(units @ prices))


def first_lots(panel: Panel, row: int, column: int, units: int) -> list[TaxLot]:
    """Return the lots of the start: bought in three parts in the years before."""
    name, market = panel.market.names[column], panel.market
    lots = []
    for part, rows in enumerate(LOT_ROWS):
        # Thirds that add up: the part's share of what is still to come.
        share = units // (len(LOT_ROWS) - part)
        units -= share
        bought = max(0, row - rows)
        if share:
            price = float(market.prices[bought, column])
            lots.append(TaxLot(name, float(share), price, 1.0, market.day(bought)))
    return lots


@dataclass(frozen=True)
class Path:
    """A replay in figures, all a year but `distance`, the mean.

    `te` is a standard deviation; `cost`, `tax` and `turnover` are parts of the mean value.
    """

    te: float
    cost: float
    tax: float
    turnover: float
    trades: float
    distance: float

    @property
    def spent(self) -> float:
        """Costs and tax."""
        return self.cost + self.tax


def replay(panel: Panel, strategy: Strategy, offset: int, months: int) -> Path:
    """Replay a strategy from `offset` days after the panel's start, a plan every month."""
    begin = panel.start + offset
    end = begin + months * MONTH_DAYS
    account = open_account(panel, begin)
    prices, targets = panel.market.prices, panel.targets
    navs, differences, distances = [], [], []
    pending: list[Order] = []
    invested = account.nav(begin)
    for row in range(begin, end + 1):
        if row > begin:
            # Before anything is paid in or traded today: what yesterday's holdings became.
            own = account.nav(row) / invested - 1
            # Set back to the targets every day: sum of w*_i r_i; cash earns nothing.
            differences.append(own - float(targets @ (prices[row] / prices[row - 1] - 1)))
        account.execute(pending, row)
        pending = []
        if (row - begin) % MONTH_DAYS == 0 and row < end:
            account.deposit(panel.deposit, row)
            pending = strategy.orders(account, row)
        invested = account.nav(row)
        navs.append(invested)
        distances.append(account.distance(row))
    years = months * MONTH_DAYS / DAYS_PER_YEAR
    mean_nav = float(np.mean(navs))
    return Path(
        te=float(np.std(differences, ddof=1) * np.sqrt(DAYS_PER_YEAR)),
        cost=account.cost / mean_nav / years,
        tax=account.tax / mean_nav / years,
        turnover=account.traded / mean_nav / years,
        trades=len(account.trades) / years,
        distance=float(np.mean(distances)),
    )
