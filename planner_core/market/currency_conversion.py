"""Offer conversions between cash rows, in the sizes that other trades could need.

Only where cash is kept per currency (`multi_currency`): there a foreign trade is paid in its own
currency, and money moves between currencies by explicit steps. The amounts offered are those that a
trade explains: the cash that a buy needs, the proceeds of a sell, what a row lacks, and what a row
has to spare. To receive x after a fee f, x / (1 - f) has to be converted.
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
"""A conversion below this part of the smallest trade is not offered."""
SOURCE = "cash.conversion"


def conversions(actions: list[Action], state: PlanningState) -> list[Action]:
    """Return the conversions to offer beside these trades; none with a single cash row.

    Parameters
    ----------
    actions : list of Action
        Legal trades.
    state : PlanningState
    """
    rows = state.limits.cash_rows
    offered: list[Action] = []
    for source in rows.currencies:
        for target in rows.currencies:
            if source != target:
                offered.extend(_between(source, target, actions, state))
    return offered


def _between(
    source: str, target: str, actions: list[Action], state: PlanningState
) -> Iterable[Action]:
    """Yield the conversions from one currency to another, the largest first."""
    rows, nav = state.limits.cash_rows, state.nav
    source_row, target_row = rows.row(source), rows.row(target)
    spare = float(rows.free[source_row] - rows.required[source_row])
    # Negative where the target row has more than it needs: a buy then lacks that much less.
    lacking = float(rows.required[target_row] - rows.free[target_row])
    needs = [
        -a.cash_delta for a in actions if a.quantity > 0 and rows.row(a.currency) == target_row
    ]
    proceeds = [
        a.cash_delta for a in actions if a.quantity < 0 and rows.row(a.currency) == source_row
    ]
    values = {need + lacking for need in needs} | {lacking, spare}
    values |= {sale + spare for sale in proceeds}
    # The most that a plan could ever bring into the source row.
    available = spare + sum(sorted(proceeds, reverse=True)[: state.config.max_plan_depth])
    rate = latest_rate(state.context, source)
    fee = state.config.costs.fx_bps * BASIS_POINT
    smallest = SMALLEST_OF_MIN_TRADE * state.limits.min_trade_value
    # Whole units of the source currency, rounded up: a cent short would leave a row below.
    amounts = {
        math.ceil(amount / (1 - fee) / rate)
        for amount in values
        if amount == lacking > 0 or smallest < amount / (1 - fee) <= available
    }
    for amount in sorted(amounts, reverse=True)[:AMOUNTS_MAX]:
        if 0 < amount * rate <= nav:
            yield _conversion(source, target, float(amount), rate, fee, mandatory=lacking > 0)


def _conversion(
    source: str, target: str, amount: float, rate: float, fee: float, *, mandatory: bool
) -> Action:
    """Return a conversion: no weight changes, and the fee is its only effect on total cash."""
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
