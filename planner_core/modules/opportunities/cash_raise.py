"""Offer sells that repair a violated limit: missing cash, a due withdrawal, an exceeded cap.

Only the net proceeds of a sell raise cash, and they depend on its size: tax on the lots that it
takes, market impact, a ticket fee. So the size that leaves a wanted net amount is found by
bisection over whole lots. A sell so small that its costs exceed the allowed part of its value would
be rejected; it is enlarged to the smallest legal one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from planner_core.market.groups import group_levers
from planner_core.market.limits import VIOLATION_TOLERANCE, withdrawals_due
from planner_core.market.state import PlanningState
from planner_core.market.trade_sizing import (
    lot_step,
    price_trade,
    round_down,
    round_up,
    smallest_trade,
)
from planner_core.model.plan import Opportunity
from planner_core.model.records import Side
from planner_core.modules.cacheable import CALCULATOR_TTL_S, cacheable
from planner_core.modules.module import (
    ModuleMetadata,
    ModuleParameters,
    OpportunityCalculator,
    parameter,
)


class CashRaiseParameters(ModuleParameters):
    """The parts that a deficit may be split into."""

    parts_max: int = parameter(
        3, unit="sells", ge=1, le=5, description="a cash deficit may be raised in this many parts"
    )


class CashRaise(OpportunityCalculator[CashRaiseParameters]):
    """Mandatory sells that repair: each covers the cash deficit, a part of it, or a cap's excess.

    The notional covers costs and tax as well, so that the *net* proceeds close the gap, and is
    never below the smallest legal trade: a small gap takes a sell that is worth its costs.

    Source: our own rule.
    """

    metadata = ModuleMetadata(
        name="cash_raise",
        version="1.0.0",
        description="Sell to raise missing cash, pay a due withdrawal or reduce an exceeded cap",
        tags=("sell", "mandatory"),
    )
    parameters_model = CashRaiseParameters

    @cacheable(ttl=CALCULATOR_TTL_S)
    def calculate(
        self, state: PlanningState, parameters: CashRaiseParameters
    ) -> Sequence[Opportunity]:
        """Return nothing unless a limit is violated."""
        return [
            *_for_cash(state, parameters.parts_max),
            *_for_positions(state),
            *_for_groups(state),
        ]


def _for_cash(state: PlanningState, parts_max: int) -> Iterator[Opportunity]:
    """Yield sells that raise the missing cash, whole or in equal parts."""
    deficit = state.limits.cash_deficit
    # Below the tolerance two violations count as equal: there is nothing to repair.
    if deficit <= VIOLATION_TOLERANCE * state.nav:
        return
    shortfall = _shortfall(state, deficit)
    for column in np.flatnonzero(state.portfolio.sellable > 0):
        # Smaller parts too: no single position may be large enough, or several may cost less tax.
        for parts in range(1, parts_max + 1):
            yield Opportunity(
                security=int(column),
                side=Side.SELL,
                notional=notional_for(state, int(column), deficit / parts),
                reason=shortfall,
                mandatory=True,
            )


def _shortfall(state: PlanningState, deficit: float) -> str:
    """Return how much cash is missing, and for what."""
    currency = state.context.base_currency
    withdrawals = withdrawals_due(state.context, state.config.constraints)
    if not withdrawals:
        return f"cash is {deficit:,.0f} {currency} below the reserve"
    amount = -sum(flow.amount for flow in withdrawals)
    last = max(flow.on for flow in withdrawals)
    when = f"due {'on' if len(withdrawals) == 1 else 'by'} {last}"
    # The reserve must remain, so more can be missing than is withdrawn.
    if deficit > amount:
        return f"{deficit:,.0f} {currency} are missing, {amount:,.0f} {currency} are {when}"
    return f"{deficit:,.0f} of the {amount:,.0f} {currency} {when} are missing"


def notional_for(state: PlanningState, column: int, net: float) -> float:
    """Return the smallest legal notional that leaves `net` after costs and tax.

    All that may be sold, when even that leaves less.
    """
    step = lot_step(state.context.securities[column])
    unit_value = float(state.portfolio.unit_value[column])

    def leaves(lots: int) -> float:
        return price_trade(state, column, Side.SELL, lots * step).cash_delta

    # Bisection: `lots_low` leaves too little, `lots_high` enough (or is all there is).
    lots_high = round(round_down(float(state.portfolio.sellable[column]), step) / step)
    lots_low = 0
    while lots_high - lots_low > 1:
        middle = (lots_low + lots_high) // 2
        if leaves(middle) >= net:
            lots_high = middle
        else:
            lots_low = middle
    # One lot at least: a position below a lot is then rejected with that reason, not left out.
    smallest = max(round_up(smallest_trade(state, column) / unit_value, step), step) * unit_value
    return max(lots_high * step * unit_value, smallest)


def _for_positions(state: PlanningState) -> Iterator[Opportunity]:
    """Yield a sell of the excess for each position above its cap."""
    # Excess (w_i - cap_i) * NAV. Costs and tax do not matter here: weights are of the NAV before.
    excess = state.portfolio.weight - state.limits.position_cap
    for column in map(int, np.flatnonzero(excess > VIOLATION_TOLERANCE)):
        yield Opportunity(
            security=column,
            side=Side.SELL,
            notional=max(float(excess[column]) * state.nav, smallest_trade(state, column)),
            reason=f"{state.context.securities[column].id} is {state.portfolio.weight[column]:.1%},"
            f" its limit is {state.limits.position_cap[column]:.0%}"
            f"{_setting_of_cap(state, column)}",
            mandatory=True,
        )


def _setting_of_cap(state: PlanningState, column: int) -> str:
    """Return which setting limits a position, in parentheses; empty for a cap of its own."""
    constraints = state.config.constraints
    cap = state.context.securities[column].cap
    if cap is not None and cap < constraints.position_weight_max:
        return ""
    is_default = "position_weight_max" not in constraints.model_fields_set
    return f" (position_weight_max{', default' if is_default else ''})"


def _for_groups(state: PlanningState) -> Iterator[Opportunity]:
    """Yield a sell of the whole excess for each sellable lever of a group above its cap."""
    groups = state.limits.groups
    sellable = state.portfolio.sellable > 0
    # Each member alone may bring its group back; the search decides which, and combines them.
    for row in np.flatnonzero(groups.excess > VIOLATION_TOLERANCE):
        share = groups.membership[row]
        for column in group_levers(share, float(groups.cap[row]), sellable):
            # Selling x of a fund takes share * x from the group.
            notional = float(groups.excess[row] / share[column]) * state.nav
            yield Opportunity(
                security=int(column),
                side=Side.SELL,
                notional=max(notional, smallest_trade(state, int(column))),
                reason=f"{groups.names[row]} is {groups.weight[row]:.1%}, its cap is"
                f" {groups.cap[row]:.0%}",
                mandatory=True,
            )
