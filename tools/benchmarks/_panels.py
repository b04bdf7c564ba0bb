"""Panels to replay advice on: some of the demo's stocks, a start, targets, money and a tax rate.

The prices are the demo's real closes in its base currency. What is drawn are the names, the start,
the targets, the sums of money: another seed gives other panels of the same kinds.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from tools.benchmarks._portfolios import demo_context

if TYPE_CHECKING:
    from datetime import date

    from numpy.typing import NDArray

MONTH_DAYS = 21
"""Market days from one plan to the next."""
HISTORY_DAYS = 756 + 320
"""Days of prices that a plan sees, as the host reads them."""
LEAD_DAYS = 800
"""Days before the first start: three years of returns and a little more."""
SPARE_DAYS = 22
"""Days after the last month: later starts, and the close after the last plan."""
LARGE_MOVE = 0.08
"""Log returns from here on count as accepted by the owner: all of these closes are real."""
TAX_RATE = 0.26
SMALL_NAV = 12_000.0
"""Up to here fixed costs weigh so much that a panel's costs are judged apart."""


@dataclass(frozen=True, eq=False)
class Market:
    """Closes in base currency.

    Parameters
    ----------
    names : tuple of str
    dates : ndarray of shape (n_days,), datetime64[D]
    prices : ndarray of shape (n_days, n_names)
    """

    names: tuple[str, ...]
    dates: NDArray[np.datetime64]
    prices: NDArray[np.float64]

    def day(self, row: int) -> date:
        """Return the day of a row."""
        day: date = self.dates[row].astype(object)
        return day

    def of(self, columns: tuple[int, ...]) -> Market:
        """Return the market of some of the names, in this order."""
        names = tuple(self.names[column] for column in columns)
        return Market(names, self.dates, self.prices[:, list(columns)])


@dataclass(frozen=True, eq=False)
class Panel:
    """One saver: what the portfolio is to hold, and the money in it.

    Parameters
    ----------
    name : str
    market : Market
        The panel's own names only.
    targets : ndarray of shape (n_names,)
        Weights; what they lack to 1 is the target of cash.
    nav, deposit : float, base currency
        At the start; paid in on the day of every plan.
    tax_rate : float, fraction of a realised gain
    start : int
        Row of the first plan.
    """

    name: str
    market: Market
    targets: NDArray[np.float64]
    nav: float
    deposit: float
    tax_rate: float
    start: int

    @property
    def small(self) -> bool:
        """True for a panel whose costs are judged apart."""
        return self.nav <= SMALL_NAV


@dataclass(frozen=True)
class Kind:
    """Number of names, money and tax of a panel, before anything is drawn.

    `spread` is the standard deviation of the log of a target before they are scaled to `invested`;
    0 gives equal targets.
    """

    n_names: int
    nav: float
    deposit: float
    taxed: bool = False
    spread: float = 0.5
    invested: float = 0.99


KINDS = (
    Kind(20, 50_000, 500),
    Kind(20, 100_000, 1_000, invested=0.97),
    Kind(15, 50_000, 500, spread=0.0),
    Kind(12, 10_000, 200),
    Kind(10, 10_000, 300, spread=0.3),
    Kind(8, 25_000, 400, invested=0.95),
    Kind(5, 200_000, 1_500),
    Kind(2, 20_000, 250, spread=0.2),
    Kind(20, 100_000, 1_000, taxed=True),
    Kind(12, 50_000, 500, taxed=True, invested=0.97),
    Kind(6, 150_000, 1_200, taxed=True),
    Kind(3, 30_000, 300, taxed=True, spread=0.3),
)
JITTER = 0.2
"""Sums of money differ from the kind's by up to this part, upwards."""


@cache
def demo_market() -> Market:
    """Return the demo's closes in its base currency, all names, all days."""
    demo = demo_context()
    prices = demo.prices.copy()
    for column, security in enumerate(demo.securities):
        if security.currency != demo.base_currency:
            # Trade currency x base units per unit of it.
            prices[:, column] *= demo.fx_rates[security.currency]
    complete = ~np.isnan(prices).any(axis=1)
    names = tuple(security.id for security in demo.securities)
    return Market(names, demo.dates[complete], prices[complete])


def draw_panels(seed: int, months: int, market: Market | None = None) -> list[Panel]:
    """Draw a panel of each kind; the same seed gives the same panels."""
    market = market or demo_market()
    generator = np.random.default_rng([13, seed])
    return [draw_panel(kind, generator, months, market) for kind in KINDS]


def draw_panel(kind: Kind, generator: np.random.Generator, months: int, market: Market) -> Panel:
    """Draw names, start, targets and sums of one panel."""
    chosen = generator.choice(len(market.names), kind.n_names, replace=False)
    last = len(market.dates) - months * MONTH_DAYS - SPARE_DAYS
    start = int(generator.integers(min(LEAD_DAYS, last), last + 1))
    weights = np.exp(kind.spread * generator.standard_normal(kind.n_names))
    nav = kind.nav * (1 + JITTER * generator.random())
    deposit = kind.deposit * (1 + JITTER * generator.random())
    tax = " taxed" if kind.taxed else ""
    return Panel(
        name=f"{kind.n_names} names, {kind.nav / 1000:g}k + {kind.deposit:g}{tax}",
        market=market.of(tuple(int(column) for column in sorted(chosen))),
        targets=np.round(kind.invested * weights / weights.sum(), 4),
        nav=round(nav, 2),
        deposit=round(deposit, 2),
        tax_rate=TAX_RATE if kind.taxed else 0.0,
        start=start,
    )
