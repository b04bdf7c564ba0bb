"""New money and money that waits: why it is not spent, and what the wait is worth.

The first buy is what counts: as soon as one is affordable, `choose_set` answers a request to invest
with a buy. So a request without one has a cause that can be named: nothing lies below its target,
what does is blocked, or the money is less than the smallest legal trade with its costs. Where only
a part is spent, the rest has one of these causes too, or no further buy is worth its costs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from planner_core.market.materiality import MATERIAL_VIOLATION
from planner_core.market.state import PlanningState
from planner_core.market.trade_sizing import largest_quantity, smallest_quantity
from planner_core.model.arrays import FloatArray
from planner_core.model.currencies import exact_amount, minor_digits
from planner_core.model.plan import Action, NewMoney
from planner_core.model.records import Finding, Severity, Side

UNLISTED_IDLE_MIN = 0.30
"""Idle cash above this part of NAV is more than a portfolio gathers by itself."""
PROCEEDS_PART = 0.5
"""Sells of the last days explain cash that is up to twice as much: the rest is ordinary."""
LISTED_DAYS = 30
"""A deposit listed within these days explains cash, and so does a sell."""
DAYS_PER_YEAR = 365.25
PASSED_OVER_MAX = 2
"""Securities named as further below their targets: more would hide the answer."""


@dataclass(frozen=True, slots=True)
class FirstBuy:
    """The cheapest legal buy: its security, and what it takes from cash, base currency."""

    security: str
    cash: float


def new_money_of(state: PlanningState, actions: Iterable[Action]) -> NewMoney | None:
    """Return what a plan does with the money to be invested; None when there is none.

    Parameters
    ----------
    state : PlanningState
    actions : iterable of Action
        The trades of the plan.
    """
    amount = state.context.invest
    if amount <= 0:
        return None
    trades = list(actions)
    buys = [action for action in trades if action.side is Side.BUY]
    # Less than nothing leaves cash with a buy.
    spent = -sum(action.cash_delta for action in buys)
    if not buys:
        return NewMoney(amount, 0.0, reason_without_buy(state))
    clauses = [*_reason_for_rest(state, trades, spent), *_passed_over(state, buys)]
    return NewMoney(amount, spent, "; ".join(clauses))


def _reason_for_rest(state: PlanningState, trades: Sequence[Action], spent: float) -> Iterator[str]:
    """Yield why the part of the new money that no buy takes is left, in clauses."""
    currency, amount = state.context.base_currency, state.context.invest
    rest = amount - spent
    if round(rest, minor_digits(currency)) <= 0:
        return
    spendable = spendable_cash(state)
    refill = min(rest, amount - spendable)
    if round(refill, minor_digits(currency)) > 0:
        yield f"{exact_amount(refill, currency)} refill the cash that must stay"
        rest -= refill
    if round(rest, minor_digits(currency)) > 0:
        yield f"{exact_amount(rest, currency)} are left: {_obstacle_to_more(state, trades, rest)}"


def _obstacle_to_more(state: PlanningState, trades: Sequence[Action], rest: float) -> str:
    """Return why no further buy takes what is left."""
    bought = {action.security for action in trades}
    others = [c for c in _purchasable(state) if c not in bought and state.can_buy(c)]
    first = first_buy(state, others)
    if first is None:
        return "nothing else that may be bought lies below its target"
    if first.cash > rest:
        needed = exact_amount(first.cash, state.context.base_currency)
        return f"the smallest trade takes {needed} ({first.security}, with costs)"
    if len(trades) >= state.config.max_plan_depth:
        return f"a plan has at most {state.config.max_plan_depth} trades (max_plan_depth)"
    return "more would cost more than it brings the portfolio closer to its targets"


def _passed_over(state: PlanningState, buys: Sequence[Action]) -> Iterator[str]:
    """Yield which securities are further below their targets than all that is bought, and why."""
    gap = _gaps(state)
    bought = max(float(gap[action.security]) for action in buys)
    blocked = [
        int(column)
        for column in np.argsort(-gap, kind="stable")
        if gap[column] > max(bought, MATERIAL_VIOLATION) and not state.can_buy(int(column))
    ]
    for column in blocked[:PASSED_OVER_MAX]:
        name = state.context.securities[column].id
        yield f"{name} is further below its target, but may not be bought: {_block(state, column)}"


def _block(state: PlanningState, column: int) -> str:
    return state.limits.buy_block.get(column, "its price history is too short to judge it")


def reason_without_buy(state: PlanningState) -> str:
    """Return why nothing can be bought with the money to be invested, in a sentence."""
    currency, amount = state.context.base_currency, state.context.invest
    spendable = spendable_cash(state)
    if spendable <= 0:
        return (
            f"{exact_amount(amount, currency)} only refill the cash that must stay;"
            f" {exact_amount(-spendable, currency)} of it are still missing"
        )
    below = _purchasable(state) or _blocked_below_target(state)
    if not below:
        return "every security is at or above its target, or at its cap"
    buyable = [column for column in below if state.can_buy(column)]
    if not buyable:
        name = state.context.securities[below[0]].id
        reason = _block(state, below[0])
        others = f", and {len(below) - 1} more are blocked" if len(below) > 1 else ""
        return f"{name} may not be bought: {reason}{others}"
    first = first_buy(state, buyable)
    if first is None or first.cash <= spendable:
        return "no buy is legal today; see 'Ruled out' for the reasons"
    needed = exact_amount(first.cash, currency)
    short = f"the smallest trade takes {needed} ({first.security}, with costs)"
    # Of money that comes in, a part is reserve.
    missing = (first.cash - spendable) / (1 - min(state.config.constraints.cash_reserve, 0.9))
    more = f"wait for about {exact_amount(missing, currency)} more"
    if spendable < amount * (1 - MATERIAL_VIOLATION):
        return (
            f"{exact_amount(spendable, currency)} of the {exact_amount(amount, currency)} are left"
            f" above the cash that must stay, and {short}: {more}"
        )
    return f"{exact_amount(amount, currency)} are below the smallest trade; {short}: {more}"


def _blocked_below_target(state: PlanningState) -> list[int]:
    """Return the blocked columns below their targets, lowest first: a doubt takes their room."""
    targets = state.objective.targets
    if targets is None:
        return []
    gap = np.where(targets.has_pull, targets.weight - state.portfolio.weight, 0.0)
    order = map(int, np.argsort(-gap, kind="stable"))
    return [i for i in order if gap[i] > MATERIAL_VIOLATION and i in state.limits.buy_block]


def first_buy(state: PlanningState, columns: Iterable[int]) -> FirstBuy | None:
    """Return the buy that takes the least cash; None when none of these has a legal size."""
    buys = []
    for column in columns:
        quantity = smallest_quantity(state, column)
        if quantity <= largest_quantity(state, column, Side.BUY):
            value = quantity * float(state.portfolio.unit_value[column])
            cash = value + state.costs.cost(column, value)
            buys.append(FirstBuy(state.context.securities[column].id, cash))
    return min(buys, key=lambda buy: buy.cash, default=None)


def spendable_cash(state: PlanningState) -> float:
    """Return the cash that buys and their costs may take, base currency; negative for none."""
    limits = state.limits
    # Above the reserve and withdrawals, above the neutral share of cash, and settled if need be.
    free = min(limits.cash_free - limits.cash_required, limits.settled_budget)
    return min(free, (limits.idle_before - limits.idle_min) * state.nav) if _pulled(state) else free


def unlisted_money_finding(state: PlanningState) -> tuple[Finding, ...]:
    """Return a question about cash that no deposit explains; empty when there is none."""
    context, idle = state.context, state.limits.idle_before
    if not _pulled(state) or idle <= UNLISTED_IDLE_MIN or context.invest > 0:
        return ()
    since = context.as_of - timedelta(days=LISTED_DAYS)
    if any(since < flow.on <= context.as_of for flow in context.cash_flows):
        return ()
    sold = sum(t.value for t in context.trades if t.side is Side.SELL and since < t.on)
    if sold >= PROCEEDS_PART * idle * state.nav:
        return ()
    amount = exact_amount(idle * state.nav, context.base_currency)
    return (
        Finding(
            "cash_not_listed",
            Severity.INFO,
            f"{amount} of cash, {idle:.0%} of the portfolio, are beyond your targets, and no"
            f" deposit of the last {LISTED_DAYS} days is listed: the plan treats them as new money",
            f"list the deposit under [[cash_flows]] in portfolios/{context.bucket_id}.toml, or"
            " lower the targets if this cash is to stay",
        ),
    )


def waiting_finding(state: PlanningState, actions: Iterable[Action]) -> tuple[Finding, ...]:
    """Return what it saves and costs to let idle cash wait for the next deposit.

    Empty when something is bought, without a deposit that the owner has written down, and where a
    buy now would be cheaper: then another limit is the cause.
    """
    context, deposit = state.context, state.context.next_deposit
    idle = spendable_cash(state)
    if deposit is None or context.invest > 0 or any(a.side is Side.BUY for a in actions):
        return ()
    buyable = [column for column in _purchasable(state) if state.can_buy(column)]
    first = first_buy(state, buyable)
    if first is None or first.cash > idle:
        return ()
    # One ticket fee now is saved, because the money goes with the deposit's own buy.
    saved = state.costs.fixed
    cost = state.objective.drag * idle * years_between(context.as_of, deposit.on)
    if saved <= cost:
        return ()
    currency = context.base_currency
    return (
        Finding(
            "money_waits",
            Severity.INFO,
            f"{exact_amount(idle, currency)} wait for the next deposit on {deposit.on}: that saves"
            f" {exact_amount(saved, currency)} and costs about {exact_amount(cost, currency)}",
        ),
    )


def years_between(start: date, end: date) -> float:
    """Return the time between two days, years; 0 for an end in the past."""
    return max(0, (end - start).days) / DAYS_PER_YEAR


def _pulled(state: PlanningState) -> bool:
    """Return whether the bucket has a neutral share of cash: it has targets."""
    return state.objective.targets is not None


def _purchasable(state: PlanningState) -> list[int]:
    """Return the columns that new money could go to, the largest gap to the target first."""
    gap, priced = _gaps(state), ~np.isnan(state.portfolio.unit_value)
    return [int(column) for column in np.argsort(-gap) if gap[column] > 0 and priced[column]]


def _gaps(state: PlanningState) -> FloatArray:
    """Return how far each security is below its target, or its cap if that is nearer; weights."""
    targets, portfolio = state.objective.targets, state.portfolio
    room: FloatArray = state.limits.position_cap - portfolio.weight
    if targets is None:
        return room
    return np.minimum(np.where(targets.has_pull, targets.weight - portfolio.weight, 0.0), room)
