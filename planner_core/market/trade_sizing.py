"""From wishes to legal trades: whole lots, priced, taxed, within every single-trade limit."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

from planner_core.market.costs import realised_gain
from planner_core.market.state import PlanningState
from planner_core.model.plan import Action, Opportunity, Rejection
from planner_core.model.records import Security, Side

FRACTION_STEP = 1e-6
"""Units a fractional quantity is a multiple of."""
LOT_TOLERANCE = 1e-9


Identity = tuple[int, float, str, str]
"""What makes two actions the same trade."""


def identity_of(action: Action) -> Identity:
    """Return what makes an action the trade that it is."""
    return action.security, action.quantity, action.currency, action.convert_to


def size_opportunities(
    found: Iterable[tuple[str, Opportunity]], state: PlanningState
) -> tuple[list[Action], list[Rejection]]:
    """Size every opportunity and merge those that come to the same trade.

    Parameters
    ----------
    found : iterable of (module key, Opportunity)
    state : PlanningState

    Returns
    -------
    actions : list of Action
        In order of first appearance; a merged one names all its sources and reasons.
    rejections : list of Rejection
    """
    actions: dict[Identity, Action] = {}
    rejections: list[Rejection] = []
    for key, opportunity in found:
        sized = size(opportunity, key, state)
        if isinstance(sized, Rejection):
            rejections.append(sized)
            continue
        identity = identity_of(sized)
        known = actions.get(identity)
        actions[identity] = sized if known is None else _merge(known, sized)
    return list(actions.values()), rejections


def merged(actions: Iterable[Action]) -> list[Action]:
    """Return the actions with those that are the same trade made one."""
    known: dict[Identity, Action] = {}
    for action in actions:
        identity = identity_of(action)
        known[identity] = _merge(known[identity], action) if identity in known else action
    return list(known.values())


def size(opportunity: Opportunity, key: str, state: PlanningState) -> Action | Rejection:
    """Make one legal trade of an opportunity, or say why there is none."""
    column = opportunity.security
    blocks = state.limits.buy_block if opportunity.side is Side.BUY else state.limits.sell_block
    if column in blocks:
        return _reject(opportunity, key, state, blocks[column])
    if opportunity.side is Side.BUY and not state.market.has_history[column]:
        return _reject(opportunity, key, state, "its price history is too short to judge it")
    quantity = _quantity(opportunity, state)
    if quantity <= 0:
        return _reject(opportunity, key, state, _why_nothing(opportunity, state))
    action = price_trade(state, column, opportunity.side, quantity)
    complaint = single_trade_complaint(action, state)
    if complaint:
        return _reject(opportunity, key, state, complaint)
    return replace(
        action, sources=(key,), reason=opportunity.reason, mandatory=opportunity.mandatory
    )


def price_trade(state: PlanningState, column: int, side: Side, quantity: float) -> Action:
    """Price a trade of `quantity` units (positive): value, cost, tax and its effect on cash."""
    portfolio = state.portfolio
    unit_value = float(portfolio.unit_value[column])
    gross = quantity * unit_value
    cost = state.costs.cost(column, gross)
    rules = state.config.costs
    tax = relief = 0.0
    if side is Side.SELL:
        gain = realised_gain(portfolio.sellable_lots[column], quantity, unit_value, rules.tax_lots)
        tax = rules.tax_rate * max(0.0, gain)
        relief = rules.tax_rate * max(0.0, -gain) if rules.loss_offset else 0.0
    sign = 1.0 if side is Side.BUY else -1.0
    return Action(
        security=column,
        quantity=sign * quantity,
        price=float(portfolio.price[column]),
        currency=state.context.securities[column].currency,
        fx_rate=float(portfolio.fx_rate[column]),
        value=sign * gross,
        cost=cost,
        tax=tax,
        cash_delta=-sign * gross - cost - tax,
        tax_relief=relief,
        sources=(),
        reason="",
    )


def lot_step(security: Security) -> float:
    """Return the smallest unit a quantity of the security is a multiple of."""
    return FRACTION_STEP if security.fractional else security.lot_size


def largest_quantity(state: PlanningState, column: int, side: Side) -> float:
    """Return the most whole lots that the cap lets be bought, or that may be sold; 0 or more.

    A trade that only goes on with an accepted step is no larger than what is left of that.
    """
    portfolio = state.portfolio
    most = float(portfolio.sellable[column])
    if side is Side.BUY:
        room = state.limits.position_cap[column] * state.nav - portfolio.value[column]
        most = float(room / portfolio.unit_value[column])
    most = min(most, state.limits.continued.get((column, side), math.inf))
    return max(0.0, round_down(most, lot_step(state.context.securities[column])))


def round_down(quantity: float, step: float) -> float:
    """Round to whole steps, forgiving binary dust just below one."""
    return math.floor(quantity / step + LOT_TOLERANCE) * step


def round_up(quantity: float, step: float) -> float:
    """Round up to whole steps, forgiving binary dust just above one."""
    return math.ceil(quantity / step - LOT_TOLERANCE) * step


def _quantity(opportunity: Opportunity, state: PlanningState) -> float:
    column = opportunity.security
    step = lot_step(state.context.securities[column])
    unit_value = float(state.portfolio.unit_value[column])
    wanted = min(opportunity.notional, turnover_room(opportunity, state)) / unit_value
    # A repair that falls short by a lot has repaired nothing: round it up.
    rounded = round_up(wanted, step) if opportunity.mandatory else round_down(wanted, step)
    return min(rounded, largest_quantity(state, column, opportunity.side))


def turnover_room(opportunity: Opportunity, state: PlanningState) -> float:
    """Return the most that the turnover cap lets a single trade move, base currency.

    A wish beyond it is cut to it: a large overweight is then sold in part rather than not at all.
    """
    limits = state.limits
    room = limits.turnover_left
    if opportunity.side is Side.BUY:
        room += limits.deposit_credit
    if opportunity.mandatory:
        room += limits.repair_credit
    return room * state.nav


def _why_nothing(opportunity: Opportunity, state: PlanningState) -> str:
    column = opportunity.security
    portfolio = state.portfolio
    if opportunity.side is Side.SELL and portfolio.quantity[column] <= 0:
        return "it is not held"
    if opportunity.side is Side.SELL and portfolio.sellable[column] <= 0:
        return (
            "every lot is younger than"
            f" {state.config.constraints.lot_age_min} days or of unknown date"
        )
    if opportunity.side is Side.BUY and (
        portfolio.weight[column] >= state.limits.position_cap[column]
    ):
        return f"it is at its cap of {state.limits.position_cap[column]:.0%}"
    if turnover_room(opportunity, state) < opportunity.notional:
        return "the turnover of this window is used up"
    return "it is less than one lot"


def single_trade_complaint(action: Action, state: PlanningState) -> str | None:
    """Return which limit on a single trade the action breaks, if any."""
    limits = state.limits
    gross = abs(action.value)
    security = state.context.securities[action.security]
    smallest = max(limits.min_trade_value, security.min_trade_value)
    if gross < smallest:
        return f"a trade of {gross:,.0f} is below the smallest of {smallest:,.0f}"
    if action.cost > state.config.constraints.cost_ratio_max * gross:
        return (
            f"it costs {action.cost / gross:.2%} of its value"
            f" (at most {state.config.constraints.cost_ratio_max:.2%})"
        )
    if action.side is Side.SELL:
        return None if action.cash_delta > 0 else "costs and tax eat its proceeds"
    groups = limits.groups
    for row in range(len(groups.names)):
        if groups.membership[row, action.security] and groups.excess[row] > 0:
            return f"{groups.names[row]} is above its cap of {groups.cap[row]:.0%}"
    return None


def _reject(opportunity: Opportunity, key: str, state: PlanningState, reason: str) -> Rejection:
    return Rejection(
        security=state.context.securities[opportunity.security].id,
        side=opportunity.side,
        value=opportunity.notional,
        sources=(key,),
        reason=reason,
    )


def _merge(known: Action, other: Action) -> Action:
    sources = known.sources + tuple(s for s in other.sources if s not in known.sources)
    # Two sizes of one source that round to the same trade give one reason: the first.
    said = set(other.sources) <= set(known.sources)
    reason = known.reason if said else f"{known.reason}; {other.reason}"
    return replace(
        known, sources=sources, reason=reason, mandatory=known.mandatory or other.mandatory
    )
