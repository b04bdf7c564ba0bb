"""Value the holdings, per security, in base currency.

A position is worth its quantity times the latest believed price, with accrued interest for a bond,
times the exchange rate. The NAV is the sum of all positions and of all cash, negative accounts
included. Weights are fractions of it.

Tax lots are kept apart: a sell may take only lots that are old enough and not promised to a pending
order, and each lot has its own cost, in base currency at the rate of the day it was bought.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from planner_core.errors import ContextError
from planner_core.market.bonds import accrued_per_unit
from planner_core.market.prices import PriceHistory
from planner_core.model.arrays import FloatArray
from planner_core.model.config import ConstraintsConfig
from planner_core.model.context import PlanningContext
from planner_core.model.records import Side, TaxLot

DAYS_PER_YEAR = 365.25


@dataclass(frozen=True, slots=True, eq=False)
class Portfolio:
    """Holdings valued at the latest believed prices.

    Parameters
    ----------
    quantity, sellable : ndarray of shape (n_securities,), units
        `sellable` counts lots that are old enough and not in a pending sell.
    price : ndarray of shape (n_securities,), trade currency; NaN without one (never held then)
    fx_rate : ndarray of shape (n_securities,)
    accrued : ndarray of shape (n_securities,), trade currency per unit
        Interest that a bond's quote leaves out; 0 for all others.
    unit_value, clean_unit_value : ndarray of shape (n_securities,), base currency per unit
        With accrued interest and without: lots' costs are without, so gains are as well.
    value, weight : ndarray of shape (n_securities,)
        Weights are fractions of `nav`.
    nav, cash, cash_settled : float, base currency
        `cash` counts every account, negative ones too.
    cash_pending : float, base currency
        Reserved by pending buys.
    pending_by_currency : mapping of str to float, base currency
        The same, by the currency it will be paid in.
    cost_basis : ndarray of shape (n_securities,), base currency
    gain : ndarray of shape (n_securities,)
        Unrealised gain as a fraction of the cost basis; NaN where nothing is held, or where the
        cost of a lot is doubtful.
    holding_years : ndarray of shape (n_securities,)
        Mean age of the units held; NaN where nothing is held or a lot's date is unknown.
    sellable_lots : tuple of tuple of TaxLot
        Per security, the lots a sell may take.
    """

    quantity: FloatArray
    sellable: FloatArray
    price: FloatArray
    fx_rate: FloatArray
    accrued: FloatArray
    unit_value: FloatArray
    clean_unit_value: FloatArray
    value: FloatArray
    weight: FloatArray
    nav: float
    cash: float
    cash_settled: float
    cash_pending: float
    pending_by_currency: Mapping[str, float]
    cost_basis: FloatArray
    gain: FloatArray
    holding_years: FloatArray
    sellable_lots: tuple[tuple[TaxLot, ...], ...]


def value_portfolio(
    context: PlanningContext, history: PriceHistory, constraints: ConstraintsConfig
) -> Portfolio:
    """Value everything that is held.

    Raises
    ------
    ContextError
        When a security that is held has no price at all: it is never left out silently.
    """
    lots = _lots_by_security(context)
    quantity = np.array(
        [sum(lot.quantity for lot in own_lots) for own_lots in lots], dtype=np.float64
    )
    _check_held_have_prices(context, history, quantity)
    # Base currency per unit = price in trade currency * base units per unit of that currency.
    accrued = accrued_per_unit(context)
    unit_value = (history.price + accrued) * history.fx_rate
    clean_unit_value = history.price * history.fx_rate
    # NaN only where nothing is held: checked above.
    value = np.where(quantity > 0, quantity * np.nan_to_num(unit_value), 0.0)
    cash, settled = _cash_in_base(context, history)
    clean_value = np.where(quantity > 0, quantity * np.nan_to_num(clean_unit_value), 0.0)
    pending = _pending_buys(context, unit_value, accrued, history.fx_rate)
    # NAV = sum of positions + cash; cash of pending buys is still in it.
    nav = float(value.sum()) + cash
    # Each lot at the exchange rate of its own day: gains of the currency are gains too.
    cost_basis = np.array(
        [sum(lot.quantity * lot.unit_cost * lot.fx_rate for lot in own_lots) for own_lots in lots]
    ).reshape(quantity.shape)
    is_certain = np.array(
        [not any(lot.is_doubtful for lot in own_lots) for own_lots in lots], dtype=np.bool_
    )
    old_enough = tuple(
        tuple(lot for lot in own_lots if may_sell(lot, context.as_of, constraints.lot_age_min))
        for own_lots in lots
    )
    return Portfolio(
        quantity=quantity,
        sellable=_sellable(context, old_enough),
        price=history.price,
        fx_rate=history.fx_rate,
        accrued=accrued,
        unit_value=unit_value,
        clean_unit_value=clean_unit_value,
        value=value,
        # Without a positive NAV there are no weights; the plan is then HELD before they are used.
        weight=value / nav if nav > 0 else np.zeros_like(value),
        nav=nav,
        cash=cash,
        cash_settled=settled,
        cash_pending=sum(pending.values()),
        pending_by_currency=pending,
        cost_basis=cost_basis,
        # value / cost - 1; without a cost there is no relative gain.
        gain=np.divide(
            clean_value - cost_basis,
            cost_basis,
            out=np.full_like(clean_value, np.nan),
            where=(cost_basis > 0) & is_certain,
        ),
        holding_years=np.array([_mean_age(own_lots, context.as_of) for own_lots in lots]).reshape(
            quantity.shape
        ),
        sellable_lots=old_enough,
    )


def _lots_by_security(context: PlanningContext) -> list[list[TaxLot]]:
    """Return the tax lots of each security, in the order of the columns."""
    columns = context.security_index()
    lots: list[list[TaxLot]] = [[] for _ in context.securities]
    for lot in context.lots:
        lots[columns[lot.security]].append(lot)
    return lots


def _check_held_have_prices(
    context: PlanningContext, history: PriceHistory, quantity: FloatArray
) -> None:
    """Raise when a security that is held has no price."""
    unpriced = [
        security.id
        for security, held, price in zip(context.securities, quantity, history.price, strict=True)
        if held > 0 and np.isnan(price)
    ]
    if unpriced:
        raise ContextError(
            f"no price for {', '.join(unpriced)}, which you hold; add closes to market/prices.csv"
        )


def may_sell(lot: TaxLot, as_of: date, lot_age_min: int) -> bool:
    """Return whether a lot is old enough; one of unknown date is not, it may be young."""
    if lot_age_min == 0:
        return True
    # On the day it reaches the minimum age a lot may be sold.
    return lot.acquired is not None and as_of - lot.acquired >= timedelta(days=lot_age_min)


def _sellable(context: PlanningContext, lots: tuple[tuple[TaxLot, ...], ...]) -> FloatArray:
    """Return the units in these lots less those in pending sells, per security."""
    sellable = np.array(
        [sum(lot.quantity for lot in own_lots) for own_lots in lots], dtype=np.float64
    )
    columns = context.security_index()
    # A pending sell has promised its units: they cannot be sold a second time.
    for order in context.pending_orders:
        if order.side is Side.SELL:
            sellable[columns[order.security]] -= order.quantity
    # A pending sell may also promise lots that are too young: never less than 0.
    return np.maximum(sellable, 0.0)


def _cash_in_base(context: PlanningContext, history: PriceHistory) -> tuple[float, float]:
    """Return total and settled cash; every account counts, above or below zero."""
    total = settled = 0.0
    for balance in context.cash:
        rate = latest_rate(history, balance.currency)
        # Unsettled proceeds belong to the owner, but buys in settled-cash mode may not use them.
        settled += balance.settled * rate
        total += (balance.settled + balance.unsettled) * rate
    return total, settled


def latest_rate(history: PriceHistory, currency: str) -> float:
    """Return the latest believed base units per unit of a currency, at most 5 market days old.

    Raises
    ------
    ContextError
        When there is none; a missing rate is never 1.
    """
    if currency == history.base_currency:
        return 1.0
    rates = history.rates.get(currency, np.empty(0))
    if not rates.size or np.isnan(rates[-1]):
        raise ContextError(f"no recent {currency} rate; add it to market/fx.csv")
    return float(rates[-1])


def cash_yield(context: PlanningContext, history: PriceHistory) -> float:
    """Return the interest that the bucket's cash earns, per year, weighted by balance.

    Without money in any account it is that of the account in base currency; 0 without one.
    """
    worth = np.array(
        [
            max(balance.settled + balance.unsettled, 0.0) * latest_rate(history, balance.currency)
            for balance in context.cash
        ]
    )
    yields = np.array([balance.annual_yield for balance in context.cash])
    if worth.sum() > 0:
        return float(worth @ yields / worth.sum())
    own = [b.annual_yield for b in context.cash if b.currency == context.base_currency]
    return own[0] if own else 0.0


def _pending_buys(
    context: PlanningContext, unit_value: FloatArray, accrued: FloatArray, fx_rate: FloatArray
) -> dict[str, float]:
    """Return the cash that pending buys will take, base currency by the currency they settle in."""
    columns = context.security_index()
    reserved: dict[str, float] = {}
    for order in context.pending_orders:
        if order.side is Side.BUY:
            column = columns[order.security]
            # At its limit at worst; a market order at the latest price.
            price = float(
                unit_value[column]
                if order.limit_price is None
                else (order.limit_price + accrued[column]) * fx_rate[column]
            )
            # An amount that is not known must not count as 0: cash would be spent twice.
            if np.isnan(price):
                raise ContextError(
                    f"a buy of {order.security} is pending without a limit price, and"
                    f" {order.security} has no price; add closes to market/prices.csv"
                )
            currency = context.securities[column].currency
            reserved[currency] = reserved.get(currency, 0.0) + order.quantity * price
    return reserved


def _mean_age(lots: list[TaxLot], as_of: date) -> float:
    """Return the mean age of the units in years; NaN without lots or with an unknown date."""
    if not lots or any(lot.acquired is None for lot in lots):
        return float("nan")
    # mean age = sum(units * days) / sum(units)
    units = sum(lot.quantity for lot in lots)
    days = sum(lot.quantity * (as_of - lot.acquired).days for lot in lots if lot.acquired)
    return days / units / DAYS_PER_YEAR
