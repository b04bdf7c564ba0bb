"""`portfolios/<bucket>.toml`: its keys with type, bounds and meaning, and reading the file.

The file is edited by hand over SSH. Reading reports all problems at once, each as `file:line:col`,
and nothing is planned until they are fixed: a guess about holdings would be worse than no plan.
"""

from __future__ import annotations

import datetime
import difflib
import zoneinfo
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeGuard, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema
from pydantic_core import PydanticCustomError

from host import limits
from host.clock import utc_now
from host.home.storage.model_problems import currency_advice, model_problems
from host.home.storage.problems import ConfigFileError, PortfolioFileError
from host.home.storage.toml_file import TomlDocument, locate_problems, read_toml
from planner_core.errors import ConfigProblem
from planner_core.model.records import PERCENT

if TYPE_CHECKING:
    from pathlib import Path

WEIGHT_SUM_TOLERANCE = 1e-9
MINOR_UNITS = {"GBX": ("GBP", 100.0), "ILA": ("ILS", 100.0), "ZAC": ("ZAR", 100.0)}
"""Price unit -> its currency, and how many units make one."""
PERCENT_OF_PAR = 100.0
"""Percent per 1 of nominal."""
BOND_KEYS = ("coupon", "coupon_frequency", "maturity", "day_count", "accrued")
MATURITY_YEARS_MAX = 150
"""A maturity further away is a typing error."""

Text = Annotated[str, Field(max_length=limits.TEXT_LENGTH_MAX)]
Weight = Annotated[float, Field(ge=0, le=1)]
Quantity = Annotated[float, Field(gt=0, le=limits.QUANTITY_MAX)]
Price = Annotated[float, Field(gt=0, le=limits.PRICE_MAX)]
Money = Annotated[float, Field(ge=-limits.MONEY_MAX, le=limits.MONEY_MAX)]
Currency = Annotated[str, Field(pattern=f"^{limits.CURRENCY.pattern}$")]


Kind = Literal["share", "fund", "bond", "commodity", "crypto", "cash"]


def _shares_of(group: object) -> object:
    """Return the shares of a classification; a single group is the whole of the security."""
    if isinstance(group, str):
        return {group: 1.0}
    if not isinstance(group, Mapping):
        message = 'is neither a group such as "us" nor parts such as { us = 0.62, eu = 0.18 }'
        raise PydanticCustomError("group_type", message)
    return group


GroupShares = Annotated[
    dict[str, Annotated[float, Field(gt=0, le=1)]],
    BeforeValidator(_shares_of),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string"},
                {
                    "type": "object",
                    "additionalProperties": {
                        "type": "number",
                        "exclusiveMinimum": 0,
                        "maximum": 1,
                    },
                },
            ]
        }
    ),
]
"""Group -> part of the security in it; the file may name one group instead."""


class PortfolioTable(BaseModel):
    """Base of all tables: unknown keys, NaN and numbers in quotes are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)


class LotTable(PortfolioTable):
    """Units bought in one purchase."""

    date: datetime.date | None = Field(None, description="day of the purchase; none: unknown")
    quantity: Quantity = Field(description="units owned today, splits included")
    unit_cost: Annotated[float, Field(ge=0, le=limits.PRICE_MAX)] = Field(
        description="per unit, in the unit that prices are quoted in"
    )
    fx_rate: Price | None = Field(
        None, description="base units per 1 unit of the currency then; none: from fx.csv"
    )


class SecurityTable(PortfolioTable):
    """A security with its target and its lots."""

    name: Text = Field("", description="for people")
    currency: Currency = Field(description="trade currency, ISO 4217")
    price_unit: Literal["GBX", "ILA", "ZAC", "percent", "unit"] | None = Field(
        None,
        description="unit of prices and costs: a hundredth of the currency, percent of par, or the"
        " currency (none, unit)",
    )
    price_multiplier: Annotated[float, Field(gt=0, le=1e6)] | None = Field(
        None, description="units that a price is for, such as 100 for a contract; none: 1"
    )
    lot_size: Quantity | None = Field(
        None,
        description="units; quantities are whole multiples of it; none: 1, in percent 1000",
    )
    min_trade_value: Annotated[float, Field(ge=0, le=limits.MONEY_MAX)] = Field(
        0.0, description="the broker's own minimum, base currency"
    )
    fractional: bool | None = Field(
        None, description="parts of a unit can be traded; none: true for crypto"
    )
    kind: Kind | None = Field(None, description="none: bond if in percent, else share")
    diversified: bool | None = Field(
        None, description="holds many others, so it is no concentration; none: true for a fund"
    )
    groups: dict[str, GroupShares] = Field(
        default_factory=dict,
        description='classification = "group", or parts of a fund: { us = 0.62, eu = 0.18 }',
    )
    target: Weight | None = Field(None, description="target weight; none: no opinion; 0: sell")
    cap: Annotated[float, Field(gt=0, le=1)] | None = Field(
        None, description="upper bound of the weight, below the bucket's own"
    )
    coupon: Annotated[float, Field(ge=0, le=50)] | None = Field(
        None, description="bond: percent of nominal per year; 5.0 is 5 %"
    )
    coupon_frequency: Literal[1, 2, 4, 12] | None = Field(
        None, description="bond: coupons per year"
    )
    maturity: datetime.date | None = Field(None, description="bond: the day it is paid back")
    day_count: Literal["act/act", "30/360", "act/365", "act/360"] = Field(
        "act/act", description="bond: how interest accrues"
    )
    accrued: Annotated[float, Field(ge=0, le=100)] | None = Field(
        None, description="bond: accrued interest today, percent of nominal; none: by the coupon"
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
        """Quotes per unit of the currency and unit held: 100 for pence and for percent."""
        unit = self.price_unit or ""
        divisor = PERCENT_OF_PAR if unit == PERCENT else MINOR_UNITS.get(unit, ("", 1.0))[1]
        return divisor / (self.price_multiplier or 1.0)

    @property
    def quote_currency(self) -> str:
        """Currency or minor unit that a sign beside a close may stand for."""
        return self.price_unit if self.price_unit in MINOR_UNITS else self.currency


class CashTable(PortfolioTable):
    """An account; either part may be negative."""

    settled: Money = Field(0.0, description="available now")
    unsettled: Money = Field(0.0, description="from trades that are not settled yet")
    cash_yield: Annotated[float, Field(ge=-0.1, le=0.5)] = Field(
        0.0, description="interest that the account pays, per year; 0.02 is 2 %"
    )


class CashFlowTable(PortfolioTable):
    """A deposit, or a planned withdrawal."""

    date: datetime.date = Field(description="the day")
    amount: Money = Field(description="base currency; negative: a withdrawal")
    note: Text = Field("", description="for people")


class RecurringFlowTable(PortfolioTable):
    """A deposit, or a withdrawal, that comes back."""

    amount: Money = Field(description="base currency; negative: a withdrawal")
    every: Literal["month", "quarter", "year"] = Field(description="how often")
    first: datetime.date | None = Field(
        None, description="the first day; none: the first day of each month, quarter or year"
    )
    until: datetime.date | None = Field(None, description="none after this day")
    note: Text = Field("", description="for people")


class PendingOrderTable(PortfolioTable):
    """An order that the broker already has."""

    security: Text = Field(description="its id")
    side: Literal["buy", "sell"] = Field(description="buy or sell")
    quantity: Quantity = Field(description="units")
    limit_price: Price | None = Field(None, description="per unit, as prices are quoted")
    note: Text = Field("", description="for people")


class GroupTable(PortfolioTable):
    """The target of a group, and its hard limit."""

    target: Weight | None = Field(None, description="target weight")
    cap: Annotated[float, Field(gt=0, le=1)] | None = Field(None, description="upper bound")


class AcceptedPriceTable(PortfolioTable):
    """A price move that the owner confirmed, for this bucket; `trader data accept`: for all."""

    security: Text = Field(description="its id")
    date: datetime.date = Field(description="the day of the close")
    note: Text = Field("", description="for people")


Direction = Literal["direct", "inverse"]


def _directions_by_currency(value: object) -> object:
    """Leave a word or a table of words alone, and refuse everything else in one sentence."""
    words = value.values() if isinstance(value, Mapping) else [value]
    if value is None or all(word in get_args(Direction) for word in words):
        return value
    message = 'is neither "direct" nor "inverse", nor a table such as { USD = "inverse" }'
    raise PydanticCustomError("rates_direction", message)


RatesDirection = Annotated[
    Direction | dict[Currency, Direction], BeforeValidator(_directions_by_currency)
]
"""Of the whole file, or currency -> direction of its column."""


class MarketTable(PortfolioTable):
    """Facts about the files in `market/`."""

    closes: Literal["price", "total_return"] | None = Field(
        None, description="closes are prices, or count dividends back; none: not said"
    )
    rates_direction: RatesDirection | None = Field(
        None,
        description="direct: base units per 1 unit, and no doubt about it; inverse: units per 1"
        ' base unit, as central banks publish them; for one column: { USD = "inverse" }; none:'
        " direct, and checked",
    )

    def direction_of(self, currency: str) -> Direction | None:
        """Return the direction of the rates of a currency; None: not said."""
        if isinstance(self.rates_direction, str) or self.rates_direction is None:
            return self.rates_direction
        return self.rates_direction.get(currency)


class PortfolioTables(PortfolioTable):
    """The whole document."""

    base_currency: Currency = Field(description="currency of all totals")
    as_of: datetime.date | None = Field(None, description="plan as of this day; none: today")
    holdings_as_of: datetime.date | None = Field(
        None, description="last day whose fills are in lots and cash; none: not said"
    )
    timezone: Text = Field("UTC", description="time zone of `today`, such as Europe/Berlin")
    tax_entity: Annotated[str, Field(pattern=f"^{limits.GROUP_NAME.pattern}$")] | None = Field(
        None,
        description="name of the tax payer; buckets with the same name share wash-sale windows",
    )
    market: MarketTable = Field(
        default_factory=MarketTable, description="facts about the files in market/"
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
    recurring_flows: list[RecurringFlowTable] = Field(
        default_factory=list,
        max_length=limits.RECURRING_FLOWS_MAX,
        description="deposits and withdrawals that come back",
    )
    pending_orders: list[PendingOrderTable] = Field(
        default_factory=list, max_length=limits.PENDING_ORDERS_MAX, description="open orders"
    )
    groups: dict[str, dict[str, GroupTable]] = Field(
        default_factory=dict, max_length=limits.GROUPS_MAX, description="classification, group"
    )
    accepted_prices: list[AcceptedPriceTable] = Field(
        default_factory=list,
        max_length=limits.ACCEPTED_PRICES_MAX,
        description="price moves that you have checked",
    )


# --- reading -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PortfolioFile:
    """A valid portfolio.

    `tables` is its content, `document` has the position of every entry, and `as_of` is the day of
    the plan.
    """

    document: TomlDocument
    tables: PortfolioTables
    as_of: datetime.date

    def place(self, *path: str | int) -> str:
        """Return `file:line:col` of an entry, for messages."""
        line, column = self.document.position(path)
        return f"{self.document.source}:{line}:{column}"


def read_portfolio(
    path: Path, as_of: datetime.date | None = None, now: Callable[[], datetime.datetime] = utc_now
) -> PortfolioFile:
    """Read a portfolio.

    Parameters
    ----------
    path : Path
    as_of : date, optional
        None: the file's own `as_of`, else today in its time zone.
    now : callable returning an aware datetime

    Raises
    ------
    PortfolioFileError
        With all problems, by position.
    """
    try:
        document = read_toml(path, limits.PORTFOLIO_BYTES_MAX)
    except ConfigFileError as error:
        raise PortfolioFileError(error.problems) from None
    return check_portfolio(document, as_of, now)


def check_portfolio(
    document: TomlDocument, as_of: datetime.date | None, now: Callable[[], datetime.datetime]
) -> PortfolioFile:
    """Validate a parsed portfolio; see `read_portfolio`."""
    mapping = document.mapping
    problems: list[ConfigProblem] = []
    tables: PortfolioTables | None = None
    try:
        tables = PortfolioTables.model_validate(mapping)
    except ValidationError as error:
        problems.extend(model_problems(error, PortfolioTables))
    day = _as_of(mapping, as_of, now, problems)
    problems.extend(_name_problems(mapping))
    problems.extend(_currency_problems(mapping))
    problems.extend(_kind_problems(mapping))
    problems.extend(_target_problems(mapping))
    problems.extend(_reference_problems(mapping))
    problems.extend(_recurring_flow_problems(mapping))
    if day is not None:
        problems.extend(_lot_date_problems(mapping, day))
    if problems or tables is None or day is None:
        shown = locate_problems(document, problems)
        raise PortfolioFileError(shown[: limits.PROBLEMS_SHOWN_MAX])
    return PortfolioFile(document, tables, day)


def _as_of(
    mapping: Mapping[str, Any],
    as_of: datetime.date | None,
    now: Callable[[], datetime.datetime],
    problems: list[ConfigProblem],
) -> datetime.date | None:
    if as_of is not None:
        return as_of
    own = mapping.get("as_of")
    if _is_day(own):
        return own
    name = mapping.get("timezone", "UTC")
    if not isinstance(name, str) or own is not None:
        return None
    try:
        zone: datetime.tzinfo = datetime.UTC if name == "UTC" else zoneinfo.ZoneInfo(name)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        message = f"no time zone {name!r} here (write one such as Europe/Berlin, or UTC)"
        problems.append(ConfigProblem(("timezone",), message, name))
        return None
    return now().astimezone(zone).date()


def _is_day(value: object) -> TypeGuard[datetime.date]:
    return isinstance(value, datetime.date) and not isinstance(value, datetime.datetime)


def _tables_at(mapping: Mapping[str, Any], key: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    section = mapping.get(key)
    if isinstance(section, Mapping):
        for name, table in section.items():
            if isinstance(table, Mapping):
                yield name, table


def _entries_at(mapping: Mapping[str, Any], key: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    entries = mapping.get(key)
    if isinstance(entries, list):
        for index, entry in enumerate(entries):
            if isinstance(entry, Mapping):
                yield index, entry


def _name_problems(mapping: Mapping[str, Any]) -> Iterator[ConfigProblem]:
    for security, table in _tables_at(mapping, "securities"):
        if not limits.SECURITY_ID.fullmatch(security):
            message = "is not a security id (letters, digits and . _ -, at most 64)"
            yield ConfigProblem(("securities", security), message, security)
        for key, value in table.items():
            if isinstance(value, Mapping) and key not in SecurityTable.model_fields:
                message = f'an id with a dot needs quotes: [securities."{security}.{key}"]'
                yield ConfigProblem(("securities", security, key), message, key)
        yield from _group_problems(security, table.get("groups"))
    for account, _table in _tables_at(mapping, "cash"):
        if not limits.CURRENCY.fullmatch(account):
            advice = currency_advice(account) or "three capitals such as USD"
            message = f"is not a currency ({advice})"
            yield ConfigProblem(("cash", account), message, account)


def _group_problems(security: str, groups: object) -> Iterator[ConfigProblem]:
    """Yield group names that are none, and parts of a fund that are more than the whole."""
    if isinstance(groups, Mapping):
        for classification, group in groups.items():
            path = ("securities", security, "groups", classification)
            for name in (classification, *_group_names(group)):
                if not limits.GROUP_NAME.fullmatch(name):
                    yield ConfigProblem(path, f"{name!r:.80} is not a group name", name)
            parts = group.values() if isinstance(group, Mapping) else ()
            total = sum(part for part in parts if _is_number(part))
            if total > 1 + WEIGHT_SUM_TOLERANCE:
                message = f"the parts sum to {total:.4g}, above 1 (0.62 is 62 %)"
                yield ConfigProblem(path, message, total)


def _currency_problems(mapping: Mapping[str, Any]) -> Iterator[ConfigProblem]:
    places: list[tuple[tuple[str, ...], object]] = [
        (("base_currency",), mapping.get("base_currency"))
    ]
    places += [(("cash", account), account) for account, _ in _tables_at(mapping, "cash")]
    for security, table in _tables_at(mapping, "securities"):
        path = ("securities", security, "currency")
        currency, unit = table.get("currency"), table.get("price_unit")
        major = MINOR_UNITS[unit][0] if isinstance(unit, str) and unit in MINOR_UNITS else None
        if major and isinstance(currency, str) and currency not in (major, *MINOR_UNITS):
            message = f"{unit} is a part of {major}, found {currency!r} (write {major})"
            yield ConfigProblem(path, message, currency)
        places.append((path, currency))
    for place, unit in places:
        if isinstance(unit, str) and unit in MINOR_UNITS:
            major = MINOR_UNITS[unit][0]
            message = f'{unit} is a part of {major} (write "{major}"; for prices in {unit} set'
            yield ConfigProblem(place, f'{message} price_unit = "{unit}" of the security)', unit)


def _kind_problems(mapping: Mapping[str, Any]) -> Iterator[ConfigProblem]:
    """Yield keys that the kind of their security does not have, and bonds with half their terms."""
    for security, table in _tables_at(mapping, "securities"):
        path = ("securities", security)
        unit, kind = table.get("price_unit"), table.get("kind")
        if unit == PERCENT and kind not in (None, "bond"):
            message = (
                'only a bond is quoted in percent of par (write kind = "bond", or no price_unit)'
            )
            yield ConfigProblem((*path, "price_unit"), message, unit)
        if unit == PERCENT and table.get("price_multiplier") is not None:
            message = "a quote in percent is for 1 of nominal (delete one of the two)"
            yield ConfigProblem((*path, "price_multiplier"), message, unit)
        used = [key for key in BOND_KEYS if key in table]
        if used and unit != PERCENT:
            message = 'is of a bond in percent of par (write price_unit = "percent", or delete it)'
            yield ConfigProblem((*path, used[0]), message, table[used[0]])
        elif used:
            yield from _term_problems(path, table)


def _term_problems(path: tuple[str, str], table: Mapping[str, Any]) -> Iterator[ConfigProblem]:
    """Yield what is missing to compute the interest of a bond, or cannot be."""
    coupon, maturity = table.get("coupon"), table.get("maturity")
    if coupon is None and maturity is not None:
        message = "coupon is missing (percent of nominal per year; 0 for a bond without coupons)"
        yield ConfigProblem((*path, "maturity"), message, maturity)
    if coupon is not None and maturity is None:
        message = "maturity is missing (the coupon dates are counted back from it)"
        yield ConfigProblem((*path, "coupon"), message, coupon)
    if _is_number(coupon) and coupon > 0 and table.get("coupon_frequency") is None:
        message = "coupon_frequency is missing (coupons per year: 1, 2, 4 or 12)"
        yield ConfigProblem((*path, "coupon"), message, coupon)
    if _is_day(maturity) and maturity.year > utc_now().year + MATURITY_YEARS_MAX:
        message = f"is more than {MATURITY_YEARS_MAX} years away"
        yield ConfigProblem((*path, "maturity"), message, maturity)


def _target_problems(mapping: Mapping[str, Any]) -> Iterator[ConfigProblem]:
    total, is_reported = 0.0, False
    for security, table in _tables_at(mapping, "securities"):
        path = ("securities", security)
        target, cap = table.get("target"), table.get("cap")
        # A target that is out of bounds is reported; a sum with it says nothing more.
        is_reported = is_reported or (_is_number(target) and target > 1)
        if _is_number(target) and _is_number(cap) and target > cap:
            yield ConfigProblem((*path, "target"), f"{target} is above the cap of {cap}", target)
        # A target above 1 has its own message, and the sum would only repeat it.
        total += target if _is_number(target) and target <= 1 else 0.0
        if total > 1 + WEIGHT_SUM_TOLERANCE and not is_reported:
            is_reported = True
            yield ConfigProblem((*path, "target"), _sum_message(mapping), target)
    for classification, groups in _tables_at(mapping, "groups"):
        targets = [
            (group, table["target"])
            for group, table in groups.items()
            if isinstance(table, Mapping) and _is_number(table.get("target"))
        ]
        total = sum(target for _, target in targets)
        if total > 1 + WEIGHT_SUM_TOLERANCE:
            message = f"the targets of {classification} sum to {total:.4f}, above 1 (lower some)"
            yield ConfigProblem(("groups", classification, targets[-1][0]), message, total)


def _sum_message(mapping: Mapping[str, Any]) -> str:
    targets = [table.get("target") for _, table in _tables_at(mapping, "securities")]
    total = sum(target for target in targets if _is_number(target))
    return f"the targets sum to {total:.4f}, above 1 (lower some; the rest stays in cash)"


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _reference_problems(mapping: Mapping[str, Any]) -> Iterator[ConfigProblem]:
    """Yield every entry that names a security or a group that does not exist."""
    securities = dict(_tables_at(mapping, "securities"))
    for key in ("pending_orders", "accepted_prices"):
        for index, entry in _entries_at(mapping, key):
            name = entry.get("security")
            if isinstance(name, str) and name not in securities:
                message = f"there is no [securities.{name}]"
                yield ConfigProblem(
                    (key, index, "security"), message, name, None, _closest(name, securities)
                )
    used: dict[str, set[str]] = {}
    for table in securities.values():
        groups = table.get("groups")
        for classification, group in groups.items() if isinstance(groups, Mapping) else ():
            used.setdefault(classification, set()).update(_group_names(group))
    for classification, groups in _tables_at(mapping, "groups"):
        names = used.get(classification, set())
        for group in groups:
            close = _closest(group, names)
            if group not in names and close:
                message = f"no security has {classification} = {group!r}"
                path = ("groups", classification, group)
                yield ConfigProblem(path, message, group, None, close)


def _recurring_flow_problems(mapping: Mapping[str, Any]) -> Iterator[ConfigProblem]:
    """Yield recurring flows that can never come."""
    for index, flow in _entries_at(mapping, "recurring_flows"):
        path = ("recurring_flows", index)
        first, until = flow.get("first"), flow.get("until")
        if flow.get("amount") == 0:
            message = "0 is neither a deposit nor a withdrawal (write an amount, or delete it)"
            yield ConfigProblem((*path, "amount"), message, 0)
        if _is_day(first) and _is_day(until) and until < first:
            message = f"{until} lies before the first day, {first} (fix one of them)"
            yield ConfigProblem((*path, "until"), message, until)


def _group_names(group: object) -> tuple[str, ...]:
    """Return the groups that a security names in one classification."""
    if isinstance(group, str):
        return (group,)
    return tuple(group) if isinstance(group, Mapping) else ()


def _closest(name: str, names: Mapping[str, Any] | set[str]) -> str | None:
    folded = {other.casefold(): other for other in sorted(names)}
    close = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.6)
    return folded[close[0]] if close else None


def _lot_date_problems(mapping: Mapping[str, Any], as_of: datetime.date) -> Iterator[ConfigProblem]:
    for security, table in _tables_at(mapping, "securities"):
        for index, lot in _entries_at(table, "lots"):
            day = lot.get("date")
            if _is_day(day) and day > as_of:
                message = f"the lot is dated {day}, after as_of {as_of} (fix one of them)"
                yield ConfigProblem(("securities", security, "lots", index, "date"), message, day)
