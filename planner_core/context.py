"""The frozen snapshot a plan is made from: what is held, what it is worth, what is known.

Everything outside the planner ends here. The context is checked once, when it is made, so that no
later step has to ask whether a price is positive or a lot lies in the future.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from planner_core.errors import ContextError

FloatArray = NDArray[np.float64]
DateArray = NDArray[np.datetime64]

WEIGHT_SUM_TOLERANCE = 1e-9


class Side(StrEnum):
    """The direction of a trade."""

    BUY = "buy"
    SELL = "sell"


class LedgerStatus(StrEnum):
    """Whether the record of past trades can be relied on."""

    VALID = "valid"
    MISSING = "missing"
    INVALID = "invalid"


class Severity(StrEnum):
    """How much a finding matters."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something worth telling about the data or the plan, with what to do about it."""

    id: str
    severity: Severity
    message: str
    action: str = ""
    security: str | None = None


@dataclass(frozen=True, slots=True)
class Security:
    """Something that can be held.

    Parameters
    ----------
    id : str
        Unique in the portfolio.
    name : str
        For people.
    currency : str
        Trade currency, ISO 4217. Minor units (GBX, ILA) are converted before they come here.
    lot_size : float, units
        Quantities are whole multiples of it, unless `fractional`.
    min_trade_value : float, base currency
        The broker's own minimum for this security, on top of the configured one.
    fractional : bool
        Quantities may be any multiple of 1e-6 units.
    groups : mapping of str to str
        Classification -> group, such as `{"industry": "energy"}`.
    allow_buy, allow_sell : bool
        Neither: never touch.
    quality : float in [0, 1], optional
        The owner's judgement of the business; None where there is none.
    half_spread_bps : float, basis points, optional
        Half the quoted spread; None takes the configured default.
    adv_value : float, base currency, optional
        Average daily traded value; None leaves market impact out.
    target : float, weight, optional
        None: no opinion. 0: should go.
    cap : float, weight, optional
        Upper bound of its own, below the configured one.
    """

    id: str
    name: str
    currency: str
    lot_size: float = 1.0
    min_trade_value: float = 0.0
    fractional: bool = False
    groups: Mapping[str, str] = field(default_factory=dict)
    allow_buy: bool = True
    allow_sell: bool = True
    quality: float | None = None
    half_spread_bps: float | None = None
    adv_value: float | None = None
    target: float | None = None
    cap: float | None = None


@dataclass(frozen=True, slots=True)
class GroupRule:
    """A target weight and/or a cap for one group of a classification."""

    classification: str
    group: str
    target: float | None = None
    cap: float | None = None


@dataclass(frozen=True, slots=True)
class TaxLot:
    """Units bought together.

    `unit_cost` is in trade currency, `fx_rate` in base units per unit of it at the purchase.
    `acquired` None means that nobody knows: such a lot is not sold by rules that need its age.
    """

    security: str
    quantity: float
    unit_cost: float
    fx_rate: float = 1.0
    acquired: date | None = None


@dataclass(frozen=True, slots=True)
class CashBalance:
    """An account in one currency; either part may be negative."""

    currency: str
    settled: float
    unsettled: float = 0.0


@dataclass(frozen=True, slots=True)
class CashFlow:
    """Money that came in (positive, past) or has to go out (negative, due), base currency."""

    on: date
    amount: float


@dataclass(frozen=True, slots=True)
class Trade:
    """A fill from the ledger; `price` in trade currency, `fx_rate` base units per unit of it."""

    on: date
    security: str
    side: Side
    quantity: float
    price: float
    fx_rate: float = 1.0

    @property
    def value(self) -> float:
        """Notional in base currency."""
        return self.quantity * self.price * self.fx_rate


@dataclass(frozen=True, slots=True)
class PendingOrder:
    """An order that is with the broker already; it reserves cash or units."""

    security: str
    side: Side
    quantity: float
    limit_price: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class PlanningContext:
    """All that a plan depends on besides the configuration.

    Parameters
    ----------
    bucket_id : str
    as_of : date
        The plan's day; nothing in the context is younger.
    base_currency : str
        ISO 4217; `fx_rates` and every `value` are in it.
    securities : tuple of Security
        Their order is the column order of `prices`.
    dates : ndarray of shape (n_days,), datetime64[D]
        Strictly increasing: oldest first.
    prices : ndarray of shape (n_days, n_securities), trade currency per unit
        Closes; NaN where there was none. Never zero, negative or infinite.
    fx_rates : mapping of str to ndarray of shape (n_days,)
        Base units per 1 unit of the currency; NaN where there was none. The base currency needs
        no entry; any other currency in use without one is an error, never 1.
    lots, cash, cash_flows, trades, pending_orders, group_rules : tuples
    ledger_status : LedgerStatus
        Anything but VALID makes the planner hold: cool-downs could not be honoured.
    accepted_prices : frozenset of (security id, date)
        Price moves the owner has looked at and accepted.
    findings : tuple of Finding
        What the reader of the files noticed; carried into the plan.

    Raises
    ------
    ContextError
        Naming the first contradiction found.
    """

    bucket_id: str
    as_of: date
    base_currency: str
    securities: tuple[Security, ...]
    dates: DateArray
    prices: FloatArray
    fx_rates: Mapping[str, FloatArray] = field(default_factory=dict)
    lots: tuple[TaxLot, ...] = ()
    cash: tuple[CashBalance, ...] = ()
    cash_flows: tuple[CashFlow, ...] = ()
    trades: tuple[Trade, ...] = ()
    ledger_status: LedgerStatus = LedgerStatus.VALID
    pending_orders: tuple[PendingOrder, ...] = ()
    group_rules: tuple[GroupRule, ...] = ()
    accepted_prices: frozenset[tuple[str, date]] = frozenset()
    findings: tuple[Finding, ...] = ()

    def __post_init__(self) -> None:
        _check_history(self)
        _check_securities(self)
        _check_holdings(self)
        _check_targets(self)
        for array in (self.dates, self.prices, *self.fx_rates.values()):
            array.flags.writeable = False

    @property
    def n_securities(self) -> int:
        """How many securities there are."""
        return len(self.securities)

    @property
    def n_days(self) -> int:
        """How many days of prices there are."""
        return len(self.dates)

    def security_index(self) -> dict[str, int]:
        """Return the column of each security id."""
        return {security.id: column for column, security in enumerate(self.securities)}


def _refuse_unless(condition: object, message: str) -> None:
    if not condition:
        raise ContextError(message)


def _check_history(context: PlanningContext) -> None:
    n_days, n_securities = context.n_days, context.n_securities
    _refuse_unless(
        context.dates.ndim == 1 and context.dates.dtype == np.dtype("datetime64[D]"),
        "dates: a one-dimensional array of days is needed",
    )
    _refuse_unless(
        context.prices.shape == (n_days, n_securities),
        f"prices: shape {context.prices.shape}, needed ({n_days}, {n_securities})",
    )
    if n_days:
        steps = np.diff(context.dates.astype(np.int64))
        _refuse_unless(
            np.all(steps > 0), "dates: must be strictly increasing, oldest first, no day twice"
        )
        _refuse_unless(
            context.dates[-1] <= np.datetime64(context.as_of),
            f"dates: {context.dates[-1]} lies after as_of {context.as_of}",
        )
    for column, security in enumerate(context.securities):
        known = context.prices[:, column][~np.isnan(context.prices[:, column])]
        _refuse_unless(
            np.all(np.isfinite(known)) and np.all(known > 0),
            f"prices: {security.id} has a price that is not positive and finite",
        )
    for currency, rates in context.fx_rates.items():
        known = rates[~np.isnan(rates)]
        _refuse_unless(
            rates.shape == (n_days,) and np.all(np.isfinite(known)) and np.all(known > 0),
            f"fx_rates: {currency} needs {n_days} rates that are positive and finite",
        )


def _check_securities(context: PlanningContext) -> None:
    ids = [security.id for security in context.securities]
    _refuse_unless(len(set(ids)) == len(ids), "securities: an id stands twice")
    for security in context.securities:
        _refuse_unless(security.lot_size > 0, f"{security.id}: lot_size must be positive")
        _refuse_unless(
            security.quality is None or 0 <= security.quality <= 1,
            f"{security.id}: quality must lie in [0, 1]",
        )
        _refuse_unless(
            security.currency == context.base_currency or security.currency in context.fx_rates,
            f"{security.id}: no fx rate for {security.currency} (base {context.base_currency});"
            " add the currency to fx.csv",
        )


def _check_holdings(context: PlanningContext) -> None:
    ids = set(context.security_index())
    for lot in context.lots:
        _refuse_unless(lot.security in ids, f"lots: unknown security {lot.security}")
        _refuse_unless(
            np.isfinite(lot.quantity) and lot.quantity > 0,
            f"lots: {lot.security} has quantity {lot.quantity}; only what is owned can be a lot",
        )
        _refuse_unless(
            np.isfinite(lot.unit_cost) and lot.unit_cost >= 0 and lot.fx_rate > 0,
            f"lots: {lot.security} needs a unit cost >= 0 and an fx rate > 0",
        )
        _refuse_unless(
            lot.acquired is None or lot.acquired <= context.as_of,
            f"lots: {lot.security} acquired {lot.acquired}, after as_of {context.as_of}",
        )
    for balance in context.cash:
        _refuse_unless(
            balance.currency == context.base_currency or balance.currency in context.fx_rates,
            f"cash: no fx rate for {balance.currency}; add the currency to fx.csv",
        )
        _refuse_unless(
            np.isfinite(balance.settled) and np.isfinite(balance.unsettled),
            f"cash: {balance.currency} is not a finite number",
        )
    for trade in context.trades:
        _refuse_unless(
            trade.on <= context.as_of, f"trades: {trade.security} on {trade.on}, after as_of"
        )
    for order in context.pending_orders:
        _refuse_unless(order.security in ids, f"pending order: unknown security {order.security}")
        _refuse_unless(order.quantity > 0, f"pending order: {order.security} needs a quantity > 0")


def _check_targets(context: PlanningContext) -> None:
    targets = [s.target for s in context.securities if s.target is not None]
    _refuse_unless(all(0 <= target <= 1 for target in targets), "targets: each lies in [0, 1]")
    _refuse_unless(
        sum(targets) <= 1 + WEIGHT_SUM_TOLERANCE, f"targets: sum to {sum(targets):.4f}, above 1"
    )
    totals: dict[str, float] = {}
    for rule in context.group_rules:
        totals[rule.classification] = totals.get(rule.classification, 0.0) + (rule.target or 0.0)
    for classification, total in totals.items():
        _refuse_unless(
            total <= 1 + WEIGHT_SUM_TOLERANCE,
            f"group targets of {classification}: sum to {total:.4f}, above 1",
        )
