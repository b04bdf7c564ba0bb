"""What a snapshot consists of: one frozen record per fact, as the owner's files tell it."""

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
    """One currency into another; only where cash is kept per currency."""


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


@dataclass(frozen=True, slots=True)
class RefusedStep:
    """A trade the owner does not want: not proposed again before `until`."""

    security: str
    side: Side
    until: date
    reason: str = ""


@dataclass(frozen=True, slots=True)
class IncumbentStep:
    """A step of the accepted plan that is still to be done; `quantity` in units, positive."""

    security: str
    side: Side
    quantity: float


@dataclass(frozen=True, slots=True)
class Incumbent:
    """What is left of the plan that the owner began to carry out.

    Until it expires, another plan must beat it by the minimum gain; without that rule a lone
    remaining buy, worth less than the minimum gain, would be stranded.

    `repaired` is the value, in base currency, of what was carried out of its mandatory steps: the
    turnover cap did not count it then and does not count it now.
    """

    trace_id: str
    valid_until: date
    steps: tuple[IncumbentStep, ...]
    repaired: float = 0.0
