"""What may stand in `portfolios/<bucket>.toml`: every key with its type, bounds and meaning."""

from __future__ import annotations

import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from host import limits

MINOR_UNITS = {"GBX": ("GBP", 100.0), "ILA": ("ILS", 100.0), "ZAC": ("ZAR", 100.0)}
"""Price unit -> the currency it is a part of, and how many make one."""

Text = Annotated[str, Field(max_length=limits.TEXT_LENGTH_MAX)]
Weight = Annotated[float, Field(ge=0, le=1)]
Quantity = Annotated[float, Field(gt=0, le=limits.QUANTITY_MAX)]
Price = Annotated[float, Field(gt=0, le=limits.PRICE_MAX)]
Money = Annotated[float, Field(ge=-limits.MONEY_MAX, le=limits.MONEY_MAX)]
Currency = Annotated[str, Field(pattern=f"^{limits.CURRENCY.pattern}$")]


class PortfolioTable(BaseModel):
    """What all tables share: nothing unknown, no NaN, a number is no text."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)


class LotTable(PortfolioTable):
    """Units bought together."""

    date: datetime.date | None = Field(None, description="day of the purchase; none: unknown")
    quantity: Quantity = Field(description="units owned today, splits included")
    unit_cost: Annotated[float, Field(ge=0, le=limits.PRICE_MAX)] = Field(
        description="per unit, in the unit that prices are quoted in"
    )
    fx_rate: Price | None = Field(
        None, description="base units per 1 unit of the currency then; none: from fx.csv"
    )


class SecurityTable(PortfolioTable):
    """A security, what is wanted of it and what is held."""

    name: Text = Field("", description="for people")
    currency: Currency = Field(description="trade currency, ISO 4217")
    price_unit: Literal["GBX", "ILA", "ZAC"] | None = Field(
        None, description="if prices and costs are quoted in a hundredth of the currency"
    )
    lot_size: Quantity = Field(1.0, description="units; quantities are whole multiples of it")
    min_trade_value: Annotated[float, Field(ge=0, le=limits.MONEY_MAX)] = Field(
        0.0, description="the broker's own minimum, base currency"
    )
    fractional: bool = Field(False, description="parts of a unit can be traded")
    groups: dict[str, str] = Field(
        default_factory=dict, description='classification = "group", such as industry = "energy"'
    )
    target: Weight | None = Field(None, description="wanted weight; none: no opinion; 0: should go")
    cap: Annotated[float, Field(gt=0, le=1)] | None = Field(
        None, description="upper bound of the weight, below the bucket's own"
    )
    allow_buy: bool = Field(True, description="may be bought")
    allow_sell: bool = Field(True, description="may be sold")
    quality: Weight | None = Field(None, description="your judgement of the business, 0 to 1")
    half_spread_bps: Annotated[float, Field(ge=0, le=1000)] | None = Field(
        None, description="half the quoted spread, basis points; none: the bucket's default"
    )
    adv_value: Annotated[float, Field(gt=0, le=limits.MONEY_MAX)] | None = Field(
        None, description="average daily traded value, base currency; none: no market impact"
    )
    lots: list[LotTable] = Field(
        default_factory=list,
        max_length=limits.LOTS_PER_SECURITY_MAX,
        description="what is held, per purchase",
    )

    @property
    def price_divisor(self) -> float:
        """How many price units make one unit of the currency."""
        return MINOR_UNITS[self.price_unit][1] if self.price_unit else 1.0


class CashTable(PortfolioTable):
    """An account; either part may be negative."""

    settled: Money = Field(0.0, description="there now")
    unsettled: Money = Field(0.0, description="of trades that are not settled yet")


class CashFlowTable(PortfolioTable):
    """Money paid in, or to be paid out."""

    date: datetime.date = Field(description="the day")
    amount: Money = Field(description="base currency; negative: a withdrawal")
    note: Text = Field("", description="for people")


class PendingOrderTable(PortfolioTable):
    """An order that is with the broker already."""

    security: Text = Field(description="its id")
    side: Literal["buy", "sell"] = Field(description="buy or sell")
    quantity: Quantity = Field(description="units")
    limit_price: Price | None = Field(None, description="per unit, as prices are quoted")
    note: Text = Field("", description="for people")


class GroupTable(PortfolioTable):
    """What is wanted of a group, and its hard limit."""

    target: Weight | None = Field(None, description="wanted weight")
    cap: Annotated[float, Field(gt=0, le=1)] | None = Field(None, description="upper bound")


class AcceptedPriceTable(PortfolioTable):
    """A price move that the owner looked at and believes."""

    security: Text = Field(description="its id")
    date: datetime.date = Field(description="the day of the close")
    note: Text = Field("", description="for people")


class PortfolioTables(PortfolioTable):
    """The whole document."""

    base_currency: Currency = Field(description="what everything is added up in")
    as_of: datetime.date | None = Field(None, description="plan as of this day; none: today")
    timezone: Text = Field("UTC", description="where `today` is told, such as Europe/Berlin")
    tax_entity: Annotated[str, Field(pattern=f"^{limits.GROUP_NAME.pattern}$")] | None = Field(
        None, description='whose taxes, such as "me": buckets of one share wash-sale windows'
    )
    securities: dict[str, SecurityTable] = Field(
        default_factory=dict, max_length=limits.SECURITIES_MAX, description="by id"
    )
    cash: dict[str, CashTable] = Field(
        default_factory=dict, max_length=limits.CASH_ACCOUNTS_MAX, description="by currency"
    )
    cash_flows: list[CashFlowTable] = Field(
        default_factory=list, max_length=limits.CASH_FLOWS_MAX, description="deposits, withdrawals"
    )
    pending_orders: list[PendingOrderTable] = Field(
        default_factory=list, max_length=limits.PENDING_ORDERS_MAX, description="open orders"
    )
    groups: dict[str, dict[str, GroupTable]] = Field(
        default_factory=dict, max_length=limits.GROUPS_MAX, description="classification, group"
    )
    accepted_prices: list[AcceptedPriceTable] = Field(
        default_factory=list, max_length=limits.ACCEPTED_PRICES_MAX, description="believed moves"
    )
