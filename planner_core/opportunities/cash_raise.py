"""Sell what a violated limit demands: missing cash, a due withdrawal, a cap that is exceeded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from planner_core.context import Side
from planner_core.module import (
    ModuleMetadata,
    ModuleParameters,
    OpportunityCalculator,
    parameter,
)
from planner_core.plan import Opportunity
from planner_core.state import PlanningState


class CashRaiseParameters(ModuleParameters):
    """How a deficit may be split."""

    parts_max: int = parameter(
        3, unit="sells", ge=1, le=5, description="a cash deficit may be raised in this many parts"
    )


class CashRaise(OpportunityCalculator[CashRaiseParameters]):
    """Mandatory sells that repair: each covers the cash deficit, a part of it, or a cap's excess.

    The notional covers costs and tax as well, so that the *net* proceeds close the gap.
    """

    metadata = ModuleMetadata(
        name="cash_raise",
        version="1.0.0",
        description="Sell what missing cash, a due withdrawal or an exceeded cap demands",
        tags=("sell", "mandatory"),
    )
    parameters_model = CashRaiseParameters

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
    deficit = state.limits.cash_deficit
    if deficit <= 0:
        return
    for column in np.flatnonzero(state.portfolio.sellable > 0):
        for parts in range(1, parts_max + 1):
            yield Opportunity(
                security=int(column),
                side=Side.SELL,
                notional=_gross(state, int(column), deficit / parts),
                reason=f"cash is {deficit:,.0f} {state.context.base_currency} short of what is"
                f" required: raise {'it' if parts == 1 else f'a part (1/{parts})'} here",
                mandatory=True,
            )


def _gross(state: PlanningState, column: int, net: float) -> float:
    """Return the notional whose proceeds after costs and tax are at least `net`."""
    tax = state.config.costs.tax_rate
    rate = float(state.costs.rate[column])
    gross = (net + state.costs.fixed) / max(1 - rate - tax, 0.05)
    impact = state.costs.cost(column, gross) - state.costs.fixed - rate * gross
    gross += impact / max(1 - rate - tax, 0.05)
    return max(gross, state.limits.min_trade_value)


def _for_positions(state: PlanningState) -> Iterator[Opportunity]:
    excess = state.portfolio.weight - state.limits.position_cap
    for column in np.flatnonzero(excess > 0):
        yield Opportunity(
            security=int(column),
            side=Side.SELL,
            notional=max(float(excess[column]) * state.nav, state.limits.min_trade_value),
            reason=f"it is {state.portfolio.weight[column]:.1%} of NAV, above the cap of"
            f" {state.limits.position_cap[column]:.0%}",
            mandatory=True,
        )


def _for_groups(state: PlanningState) -> Iterator[Opportunity]:
    groups = state.limits.groups
    for row in np.flatnonzero(groups.excess > 0):
        for column in np.flatnonzero(groups.membership[row] * state.portfolio.sellable):
            notional = float(groups.excess[row]) * state.nav
            yield Opportunity(
                security=int(column),
                side=Side.SELL,
                notional=max(notional, state.limits.min_trade_value),
                reason=f"{groups.names[row]} is {groups.weight[row]:.1%} of NAV, above the cap of"
                f" {groups.cap[row]:.0%}",
                mandatory=True,
            )
