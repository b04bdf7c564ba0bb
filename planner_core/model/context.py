"""The frozen snapshot that a plan is made from: holdings, prices, cash, trades and targets.

The context is checked once, on construction. Later steps can rely on it: every price is positive,
and no lot lies in the future.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date

import numpy as np

from planner_core.errors import ContextError
from planner_core.model.arrays import DateArray, FloatArray
from planner_core.model.records import (
    CashBalance,
    CashFlow,
    Finding,
    GroupRule,
    Incumbent,
    LedgerStatus,
    PendingOrder,
    RefusedStep,
    Security,
    TaxLot,
    Trade,
)

WEIGHT_SUM_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class PlanningContext:
    """Everything that a plan depends on, besides the configuration.

    Parameters
    ----------
    bucket_id : str
    as_of : date
        The day of the plan; nothing in the context is later.
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
        With any other than VALID the plan is HELD, because cool-downs cannot be checked.
    related_trades : tuple of Trade
        Fills in other buckets of the same taxpayer: they start wash-sale windows here too.
    refused : tuple of RefusedStep
    incumbent : Incumbent, optional
    accepted_prices : frozenset of (security id or currency, date)
        Moves of prices and rates that the owner accepted.
    held_back : mapping of str to str
        Security id -> reason: its files contradict each other, so it is neither bought nor sold.
    value_factors : mapping of str to (float, float)
        Of those: the least and the most that the holding may be worth, over its value. Without an
        entry nothing is known; (1, 1): the value is right whoever is.
    hold_reason : str
        Contradiction on which nothing can be planned; empty: none.
    findings : tuple of Finding
        Findings of the files' readers, for the plan.
    invest : float, base currency
        New money, part of `cash` already, that the owner wants to be spent now; 0 for none.
    buy_only : bool
        Nothing is sold, whatever it would gain; limits are not repaired by sells either.
    deposits_per_year : float, base currency
        Deposits less withdrawals that the owner expects in a year; 0 where none are written down.
    next_deposit : CashFlow, optional
        The next deposit that the owner expects, after `as_of`.

    Raises
    ------
    ContextError
        With the first contradiction.
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
    related_trades: tuple[Trade, ...] = ()
    refused: tuple[RefusedStep, ...] = ()
    incumbent: Incumbent | None = None
    accepted_prices: frozenset[tuple[str, date]] = frozenset()
    held_back: Mapping[str, str] = field(default_factory=dict)
    value_factors: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    hold_reason: str = ""
    findings: tuple[Finding, ...] = ()
    invest: float = 0.0
    buy_only: bool = False
    deposits_per_year: float = 0.0
    next_deposit: CashFlow | None = None

    def __post_init__(self) -> None:
        check_context(self)
        for array in (self.dates, self.prices, *self.fx_rates.values()):
            array.flags.writeable = False

    @property
    def n_securities(self) -> int:
        """Number of securities."""
        return len(self.securities)

    @property
    def n_days(self) -> int:
        """Number of days with prices."""
        return len(self.dates)

    def security_index(self) -> dict[str, int]:
        """Return the column of each security id."""
        return {security.id: column for column, security in enumerate(self.securities)}


def with_new_money(context: PlanningContext, amount: float) -> PlanningContext:
    """Return the context as if money had been paid in on its day, settled and to be invested now.

    Parameters
    ----------
    context : PlanningContext
    amount : float, base currency
        Positive.
    """
    base = context.base_currency
    balances = list(context.cash)
    place = next((i for i, balance in enumerate(balances) if balance.currency == base), None)
    if place is None:
        balances.append(CashBalance(base, amount))
    else:
        balances[place] = replace(balances[place], settled=balances[place].settled + amount)
    return replace(
        context,
        cash=tuple(balances),
        cash_flows=(*context.cash_flows, CashFlow(context.as_of, amount)),
        invest=context.invest + amount,
    )


def context_digest(context: PlanningContext) -> str:
    """Return the SHA-256 of all fields of the context, as hexadecimal digits."""
    digest = hashlib.sha256()
    for entry in fields(context):
        content = getattr(context, entry.name)
        digest.update(entry.name.encode())
        if isinstance(content, np.ndarray):
            digest.update(np.ascontiguousarray(content).tobytes())
        elif entry.name == "fx_rates":
            for currency in sorted(content):
                digest.update(currency.encode())
                digest.update(np.ascontiguousarray(content[currency]).tobytes())
        elif entry.name == "accepted_prices":
            digest.update(repr(sorted(content)).encode())
        else:
            digest.update(repr(content).encode())
    return digest.hexdigest()


def check_context(context: PlanningContext) -> None:
    """Raise ContextError unless every part is complete, within bounds and not in the future."""
    _check_history(context)
    _check_securities(context)
    _check_holdings(context)
    _check_money(context)
    _check_orders(context)
    _check_targets(context)


def _refuse_unless(condition: object, message: str) -> None:
    if not condition:
        raise ContextError(message)


def _positive(number: float) -> bool:
    return bool(np.isfinite(number)) and number > 0


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
        closes = context.prices[:, column][~np.isnan(context.prices[:, column])]
        _refuse_unless(
            np.all(np.isfinite(closes)) and np.all(closes > 0),
            f"prices: {security.id} has a price that is not positive and finite",
        )
    for currency, rates in context.fx_rates.items():
        quotes = rates[~np.isnan(rates)]
        _refuse_unless(
            rates.shape == (n_days,) and np.all(np.isfinite(quotes)) and np.all(quotes > 0),
            f"fx_rates: {currency} needs {n_days} rates that are positive and finite",
        )


def _check_securities(context: PlanningContext) -> None:
    ids = [security.id for security in context.securities]
    _refuse_unless(len(set(ids)) == len(ids), "securities: two have the same id")
    for security in context.securities:
        _refuse_unless(
            _positive(security.lot_size), f"{security.id}: lot_size must be positive and finite"
        )
        _refuse_unless(
            np.isfinite(security.min_trade_value) and security.min_trade_value >= 0,
            f"{security.id}: min_trade_value must not be negative",
        )
        _refuse_unless(
            security.half_spread_bps is None or 0 <= security.half_spread_bps < np.inf,
            f"{security.id}: half_spread_bps must not be negative",
        )
        _refuse_unless(
            security.adv_value is None or _positive(security.adv_value),
            f"{security.id}: adv_value must be positive; leave it out if it is unknown",
        )
        _refuse_unless(
            security.cap is None or 0 <= security.cap <= 1, f"{security.id}: cap must lie in [0, 1]"
        )
        _refuse_unless(
            security.quality is None or 0 <= security.quality <= 1,
            f"{security.id}: quality must lie in [0, 1]",
        )
        _refuse_unless(
            _positive(security.quote_factor)
            and (security.accrued is None or 0 <= security.accrued < np.inf),
            f"{security.id}: the quote factor must be positive, accrued interest not negative",
        )
        _refuse_unless(
            security.bond is None
            or (0 <= security.bond.coupon < np.inf and security.bond.frequency in (1, 2, 4, 12)),
            f"{security.id}: a coupon is not negative and is paid 1, 2, 4 or 12 times a year",
        )
        for classification in security.groups:
            shares = security.group_shares(classification).values()
            _refuse_unless(
                all(0 <= share <= 1 for share in shares)
                and sum(shares) <= 1 + WEIGHT_SUM_TOLERANCE,
                f"{security.id}: the shares of {classification} must lie in [0, 1] and sum to at"
                " most 1",
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
            _positive(lot.quantity),
            f"lots: {lot.security} has quantity {lot.quantity}; a lot needs a quantity > 0",
        )
        _refuse_unless(
            np.isfinite(lot.unit_cost) and lot.unit_cost >= 0 and _positive(lot.fx_rate),
            f"lots: {lot.security} needs a unit cost >= 0 and an fx rate > 0",
        )
        _refuse_unless(
            lot.acquired is None or lot.acquired <= context.as_of,
            f"lots: {lot.security} acquired {lot.acquired}, after as_of {context.as_of}",
        )


def _check_money(context: PlanningContext) -> None:
    for balance in context.cash:
        _refuse_unless(
            balance.currency == context.base_currency or balance.currency in context.fx_rates,
            f"cash: no fx rate for {balance.currency}; add the currency to fx.csv",
        )
        _refuse_unless(
            np.isfinite(balance.settled) and np.isfinite(balance.unsettled),
            f"cash: {balance.currency} is not a finite number",
        )
        _refuse_unless(
            -1 < balance.annual_yield < 1,
            f"cash: the yield of {balance.currency} must lie between -1 and 1, per year",
        )
    for amount in (context.invest, context.deposits_per_year):
        _refuse_unless(
            np.isfinite(amount) and amount >= 0, f"new money: {amount} must not be negative"
        )
    expected = () if context.next_deposit is None else (context.next_deposit,)
    for flow in (*context.cash_flows, *expected):
        _refuse_unless(
            np.isfinite(flow.amount), f"cash flows: {flow.on} has the amount {flow.amount}"
        )


def _check_orders(context: PlanningContext) -> None:
    ids = set(context.security_index())
    for trade in context.trades:
        _refuse_unless(
            trade.on <= context.as_of, f"trades: {trade.security} on {trade.on}, after as_of"
        )
        _refuse_unless(
            _positive(trade.quantity) and _positive(trade.price) and _positive(trade.fx_rate),
            f"trades: {trade.security} on {trade.on} needs a quantity, price and fx rate > 0",
        )
    for order in context.pending_orders:
        _refuse_unless(order.security in ids, f"pending order: unknown security {order.security}")
        _refuse_unless(
            _positive(order.quantity), f"pending order: {order.security} needs a quantity > 0"
        )
        _refuse_unless(
            order.limit_price is None or _positive(order.limit_price),
            f"pending order: {order.security} needs a limit price > 0, or none",
        )


def _check_targets(context: PlanningContext) -> None:
    targets = [s.target for s in context.securities if s.target is not None]
    _refuse_unless(all(0 <= target <= 1 for target in targets), "targets: each lies in [0, 1]")
    _refuse_unless(
        sum(targets) <= 1 + WEIGHT_SUM_TOLERANCE, f"targets: sum to {sum(targets):.4f}, above 1"
    )
    named = [(rule.classification, rule.group) for rule in context.group_rules]
    _refuse_unless(len(set(named)) == len(named), "groups: two rules for the same group")
    for rule in context.group_rules:
        for number in (rule.target, rule.cap):
            _refuse_unless(
                number is None or 0 <= number <= 1,
                f"groups: target and cap of {rule.classification} {rule.group} lie in [0, 1]",
            )
    totals: dict[str, float] = {}
    for rule in context.group_rules:
        totals[rule.classification] = totals.get(rule.classification, 0.0) + (rule.target or 0.0)
    for classification, total in totals.items():
        _refuse_unless(
            total <= 1 + WEIGHT_SUM_TOLERANCE,
            f"group targets of {classification}: sum to {total:.4f}, above 1",
        )
