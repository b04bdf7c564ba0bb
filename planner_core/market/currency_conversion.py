"""Conversions between cash rows, sized to what the trades at hand could need.

Only where cash is kept per currency (`multi_currency`): there a foreign trade is paid in its own
currency, and money crosses by explicit steps. What crosses is what a buy lacks, what a sell brought
in, or what a row below its requirement needs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from planner_core.market.costs import BASIS_POINT
from planner_core.market.state import PlanningState
from planner_core.market.valuation import latest_rate
from planner_core.model.plan import NO_SECURITY, Action

AMOUNTS_MAX = 24
"""Sizes offered per direction, the largest first."""
SMALLEST_OF_MIN_TRADE = 0.1
"""A smaller part of the smallest trade is not worth crossing for."""
SOURCE = "cash.conversion"


def conversions(actions: list[Action], state: PlanningState) -> list[Action]:
    """Return the conversions worth offering beside these trades; none with a single cash row.

    Parameters
    ----------
    actions : list of Action
        Legal trades.
    state : PlanningState
    """
    rows = state.limits.cash_rows
    found: list[Action] = []
    for source in rows.currencies:
        for target in rows.currencies:
            if source != target:
                found.extend(_between(source, target, actions, state))
    return found


def _between(
    source: str, target: str, actions: list[Action], state: PlanningState
) -> Iterable[Action]:
    rows, nav = state.limits.cash_rows, state.nav
    give, take = rows.row(source), rows.row(target)
    spare = float(rows.free[give] - rows.required[give])
    lacking = float(rows.required[take] - rows.free[take])
    bought = [-a.cash_delta for a in actions if a.quantity > 0 and rows.row(a.currency) == take]
    sold = [a.cash_delta for a in actions if a.quantity < 0 and rows.row(a.currency) == give]
    wanted = {need + lacking for need in bought} | {lacking, spare}
    wanted |= {proceeds + spare for proceeds in sold}
    available = spare + sum(sorted(sold, reverse=True)[: state.config.max_plan_depth])
    rate = latest_rate(state.context, source)
    fee = state.config.costs.fx_bps * BASIS_POINT
    smallest = SMALLEST_OF_MIN_TRADE * state.limits.min_trade_value
    amounts = {
        math.ceil(amount / (1 - fee) / rate)
        for amount in wanted
        if amount == lacking > 0 or smallest < amount / (1 - fee) <= available
    }
    for amount in sorted(amounts, reverse=True)[:AMOUNTS_MAX]:
        if 0 < amount * rate <= nav:
            yield _conversion(source, target, float(amount), rate, fee, mandatory=lacking > 0)


def _conversion(
    source: str, target: str, amount: float, rate: float, fee: float, *, mandatory: bool
) -> Action:
    cost = amount * rate * fee
    return Action(
        security=NO_SECURITY,
        quantity=amount,
        price=1.0,
        currency=source,
        fx_rate=rate,
        value=0.0,
        cost=cost,
        tax=0.0,
        cash_delta=-cost,
        sources=(SOURCE,),
        reason=f"{target} is needed for what follows: convert {amount:,.0f} {source}",
        mandatory=mandatory,
        convert_to=target,
    )
