"""Rules of thumb to compare with: bands with new money first, monthly, new money only, and none.

All of them count in money. The gap of a name is its target less what it is worth. Buys go to the
largest gap first, are as near to the gap as whole units come, and stop where cash is at its floor:
the reserve, or the target of cash if that is more. No trade is below the smallest legal one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from planner_core.market.costs import realised_gain
from tools.benchmarks._replay import COST_RATE, COSTS, RULES, Order, cost_of, smallest_trade

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tools.benchmarks._replay import Account

FIVE_OF_TWENTY_FIVE = 5 / 25
"""The absolute half-width of a band, in weight, over the relative one, in parts of the target."""


@dataclass(frozen=True, eq=False)
class Desk:
    """An account on a day in money: prices, gaps to the targets, what may be spent."""

    account: Account
    prices: NDArray[np.float64]
    gaps: NDArray[np.float64]
    nav: float
    spare: float

    @property
    def smallest(self) -> float:
        """The smallest legal trade."""
        return smallest_trade(self.nav)


def desk(account: Account, row: int) -> Desk:
    """Return the account in money."""
    nav, targets = account.nav(row), account.panel.targets
    floor = max(RULES.cash_reserve, 1 - float(targets.sum())) * nav
    return Desk(
        account=account,
        prices=account.panel.market.prices[row],
        gaps=targets * nav - account.values(row),
        nav=nav,
        spare=account.cash - floor,
    )


def lots_to_trade(view: Desk, gaps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the value of the whole units nearest to each gap."""
    value: NDArray[np.float64] = np.round(gaps / view.prices) * view.prices
    return value


def buys(view: Desk, money: float, first: frozenset[int] = frozenset()) -> list[Order]:
    """Spend money on the largest gaps, the names in `first` before all others."""
    orders = []
    for column in sorted(range(view.gaps.size), key=lambda i: (i not in first, -view.gaps[i])):
        price = float(view.prices[column])
        affordable = np.floor((money - COSTS.fixed_cost) / (price * (1 + COST_RATE)))
        units = min(float(np.round(view.gaps[column] / price)), float(affordable))
        value = units * price
        if units > 0 and value >= view.smallest:
            orders.append(Order(column, units))
            money -= value + cost_of(value)
    return orders


def sell(view: Desk, column: int) -> Order | None:
    """Return the sale of a name down to its target, if that is a legal trade."""
    units = float(np.round(-view.gaps[column] / view.prices[column]))
    legal = units > 0 and units * view.prices[column] >= view.smallest
    return Order(column, -units) if legal else None


def proceeds(view: Desk, order: Order) -> float:
    """Return what a sale brings after its costs and tax."""
    price, units = float(view.prices[order.column]), -order.units
    account = view.account
    gain = realised_gain(account.lots[order.column], units, price, COSTS.tax_lots)
    return units * price - cost_of(units * price) - account.panel.tax_rate * max(0.0, gain)


@dataclass(frozen=True)
class Bands:
    """New money to the largest gaps; a name that is still outside its band goes to its target.

    `relative` is the half-width of the band in parts of the target, 0.25 in the 5/25 rule. The
    absolute half-width is a fifth of it, and the narrower one counts. If spare cash and the sales
    do not pay for what is too low, names inside their bands are sold, the one furthest above first.
    """

    relative: float

    def orders(self, account: Account, row: int) -> list[Order]:
        """Return the month's orders."""
        view = desk(account, row)
        new_money = buys(view, view.spare)
        gaps = view.gaps.copy()
        for order in new_money:
            gaps[order.column] -= order.units * view.prices[order.column]
        width = np.minimum(
            self.relative * FIVE_OF_TWENTY_FIVE, self.relative * account.panel.targets
        )
        outside = np.abs(gaps) > width * view.nav
        # A name that no legal trade brings nearer stays as it is.
        outside &= np.abs(lots_to_trade(view, gaps)) >= view.smallest
        if not outside.any():
            return new_money
        too_low = frozenset(int(i) for i in np.flatnonzero(outside & (gaps > 0)))
        sales = self._sales(view, outside & (gaps < 0), too_low)
        money = view.spare + sum(proceeds(view, order) for order in sales)
        return [*sales, *buys(view, money, too_low)]

    @staticmethod
    def _sales(view: Desk, too_high: NDArray[np.bool_], too_low: frozenset[int]) -> list[Order]:
        sales = []
        needed = float(lots_to_trade(view, view.gaps)[list(too_low)].sum())
        money = view.spare
        # Outside the band first; then, while money is short, the furthest above.
        for column in sorted(range(view.gaps.size), key=lambda i: (not too_high[i], view.gaps[i])):
            if not too_high[column] and money >= needed:
                break
            order = sell(view, column)
            if order is not None:
                sales.append(order)
                money += proceeds(view, order)
        return sales


@dataclass(frozen=True)
class Monthly:
    """Every name back to its target, every month."""

    def orders(self, account: Account, row: int) -> list[Order]:
        """Return the month's orders."""
        view = desk(account, row)
        every = (sell(view, column) for column in range(view.gaps.size))
        sales = [order for order in every if order is not None]
        money = view.spare + sum(proceeds(view, order) for order in sales)
        return [*sales, *buys(view, money)]


@dataclass(frozen=True)
class NewMoneyOnly:
    """Deposits to the largest gaps; nothing is ever sold."""

    def orders(self, account: Account, row: int) -> list[Order]:
        """Return the month's orders."""
        view = desk(account, row)
        return buys(view, view.spare)


@dataclass(frozen=True)
class BuyAndHold:
    """Deposits in proportion to the targets, whatever prices did; nothing is ever sold.

    What a name has a right to, and was not spent on it yet, waits for the smallest legal trade.
    """

    def orders(self, account: Account, row: int) -> list[Order]:
        """Return the month's orders."""
        view = desk(account, row)
        paid_in = sum(flow.amount for flow in account.flows)
        spent = np.zeros(view.gaps.size)
        names = account.panel.market.names
        for trade in account.trades:
            spent[names.index(trade.security)] += trade.value + cost_of(trade.value)
        owed = paid_in * account.panel.targets - spent
        return buys(Desk(account, view.prices, owed, view.nav, view.spare), view.spare)
