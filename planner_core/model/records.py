"""Parts of a snapshot: one frozen record per fact in the owner's files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum


class Side(StrEnum):
    """The direction of a trade."""

    BUY = "buy"
    SELL = "sell"
    CONVERT = "convert"
    """One currency into another; only with `multi_currency`."""


class LedgerStatus(StrEnum):
    """State of the record of past trades."""

    VALID = "valid"
    MISSING = "missing"
    INVALID = "invalid"


class Severity(StrEnum):
    """Importance of a finding."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """An observation about the data or the plan, with what the owner can do about it."""

    id: str
    severity: Severity
    message: str
    action: str = ""
    security: str | None = None


class SecurityKind(StrEnum):
    """The kind of thing that a security is."""

    SHARE = "share"
    FUND = "fund"
    BOND = "bond"
    COMMODITY = "commodity"
    CRYPTO = "crypto"
    """Has closes on all seven days of the week."""
    CASH = "cash"
    """Cash-like, such as a money market fund: invested money with the risk of its own closes."""


PERCENT = "percent"
"""Quote unit of a bond: percent of par, so that a unit held is 1 of nominal."""


class DayCount(StrEnum):
    """How the days of a coupon period become a fraction of a year."""

    ACT_ACT = "act/act"
    THIRTY_360 = "30/360"
    ACT_365 = "act/365"
    ACT_360 = "act/360"


@dataclass(frozen=True, slots=True)
class BondTerms:
    """The coupons of a bond: `coupon` per year and per 1 of nominal, paid `frequency` times."""

    coupon: float
    frequency: int
    maturity: date
    day_count: DayCount = DayCount.ACT_ACT


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
        Trade currency, ISO 4217. Minor units (GBX, ILA) are converted when the files are read.
    lot_size : float, units
        Quantities are whole multiples of it, unless `fractional`.
    min_trade_value : float, base currency
        The broker's own minimum for this security, on top of the configured one.
    fractional : bool
        Quantities may be any multiple of 1e-6 units.
    groups : mapping of str to str, or to a mapping of str to float
        Classification -> group, such as `{"industry": "energy"}`. What a fund holds may lie in
        several: `{"region": {"us": 0.62, "eu": 0.18}}`. The shares sum to at most 1, and the rest
        belongs to no group.
    allow_buy, allow_sell : bool
        Neither: never touch.
    quality : float in [0, 1], optional
        The owner's opinion of the business; None without one.
    half_spread_bps : float, basis points, optional
        Half the quoted spread; None: the configured default.
    adv_value : float, base currency, optional
        Average daily traded value; None: no market impact.
    target : float, weight, optional
        None: no opinion. 0: should be sold.
    cap : float, weight, optional
        Upper bound for this security, below the configured one.
    kind : SecurityKind
    diversified : bool
        It holds many others itself, so it is no concentration of risk.
    quote_unit : str
        Unit of the quotes where it is not the trade currency, such as "percent" or "GBX".
    quote_factor : float, trade currency per unit
        Worth of a unit at a quote of 1: 0.01 for a bond in percent, whose unit is 1 of nominal.
    bond : BondTerms, optional
        None: no bond, or one whose coupons are not known.
    accrued : float, trade currency per unit, optional
        Interest accrued on the day of the plan, as the owner typed it; None: by `bond`.
    """

    id: str
    name: str
    currency: str
    lot_size: float = 1.0
    min_trade_value: float = 0.0
    fractional: bool = False
    groups: Mapping[str, str | Mapping[str, float]] = field(default_factory=dict)
    allow_buy: bool = True
    allow_sell: bool = True
    quality: float | None = None
    half_spread_bps: float | None = None
    adv_value: float | None = None
    target: float | None = None
    cap: float | None = None
    kind: SecurityKind = SecurityKind.SHARE
    diversified: bool = False
    quote_unit: str = ""
    quote_factor: float = 1.0
    bond: BondTerms | None = None
    accrued: float | None = None

    def group_shares(self, classification: str) -> Mapping[str, float]:
        """Return the fraction of the security in each group of a classification."""
        groups = self.groups.get(classification, {})
        return {groups: 1.0} if isinstance(groups, str) else groups


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
    `acquired` is None if unknown: rules that need the lot's age then forbid selling it.
    `is_doubtful`: cost or rate contradict the prices of that day. They are then the lower of both
    readings, so that tax is the higher one, and no profit or loss is a reason to trade.
    """

    security: str
    quantity: float
    unit_cost: float
    fx_rate: float = 1.0
    acquired: date | None = None
    is_doubtful: bool = False


@dataclass(frozen=True, slots=True)
class CashBalance:
    """An account in one currency; either part may be negative.

    `annual_yield` is the interest that the account pays, per year: 0.02 is 2 %.
    """

    currency: str
    settled: float
    unsettled: float = 0.0
    annual_yield: float = 0.0


@dataclass(frozen=True, slots=True)
class CashFlow:
    """A past deposit (positive) or a withdrawal that is due (negative), base currency."""

    on: date
    amount: float


@dataclass(frozen=True, slots=True)
class Trade:
    """A fill from the ledger; `price` in trade currency, `fx_rate` base units per unit of it.

    `accrued` is the interest that was paid beside the price of a bond, per unit as well.
    """

    on: date
    security: str
    side: Side
    quantity: float
    price: float
    fx_rate: float = 1.0
    accrued: float = 0.0

    @property
    def value(self) -> float:
        """Notional in base currency."""
        return self.quantity * (self.price + self.accrued) * self.fx_rate


@dataclass(frozen=True, slots=True)
class PendingOrder:
    """An order that the broker has already; it reserves cash or units."""

    security: str
    side: Side
    quantity: float
    limit_price: float | None = None


@dataclass(frozen=True, slots=True)
class RefusedStep:
    """A trade that the owner rejected: not proposed again before `until`."""

    security: str
    side: Side
    until: date
    reason: str = ""


@dataclass(frozen=True, slots=True)
class IncumbentStep:
    """A remaining step of the accepted plan; `quantity` in units, positive."""

    security: str
    side: Side
    quantity: float


@dataclass(frozen=True, slots=True)
class Incumbent:
    """The remaining steps of the plan that the owner has begun to carry out.

    Until it expires, another plan must beat it by the minimum gain. Without this rule, a last small
    buy that gains less than the minimum would never be advised.

    `repaired` is the value, in base currency, of its mandatory steps that were carried out. The
    turnover cap does not count them, neither before nor after they are done.
    """

    trace_id: str
    valid_until: date
    steps: tuple[IncumbentStep, ...]
    repaired: float = 0.0
