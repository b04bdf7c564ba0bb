"""How much of each trade of a plan repairs a limit; the rest of it does something else.

A sell that a limit forces is often larger than the limit needs, because selling more leads closer
to the targets. In the order of execution each one is charged with what is still missing after those
before it: net cash, the weight above the security's cap, the weight above a group's cap. No repair
is smaller than the smallest legal trade.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from planner_core.market.limits import VIOLATION_TOLERANCE
from planner_core.market.state import PlanningState
from planner_core.market.trade_sizing import smallest_quantity
from planner_core.model.plan import Action
from planner_core.model.records import Side


def repair_values(actions: Sequence[Action], state: PlanningState) -> tuple[float, ...]:
    """Return the part of each trade's value that repairs a limit, base currency.

    Parameters
    ----------
    actions : sequence of Action
        In the order of execution.
    state : PlanningState
    """
    limits, nav = state.limits, state.nav
    negligible = VIOLATION_TOLERANCE * nav
    missing = max(limits.cash_deficit, float(limits.cash_rows.missing.sum()))
    group_excess = limits.groups.excess * nav
    values = []
    for action in actions:
        if not action.mandatory or action.side is not Side.SELL:
            values.append(0.0)
            continue
        column, value = action.security, abs(action.value)
        share = limits.groups.membership[:, column]
        above_cap = float(state.portfolio.weight[column] - limits.position_cap[column]) * nav
        # Selling x brings the net part of x in cash, and takes share * x from a group.
        for_cash = missing * value / action.cash_delta
        for_groups = np.divide(group_excess, share, out=np.zeros_like(share), where=share > 0)
        needed = max(for_cash, above_cap, *map(float, for_groups))
        missing = max(0.0, missing - action.cash_delta)
        group_excess = np.maximum(group_excess - share * value, 0.0)
        smallest = smallest_quantity(state, column) * float(state.portfolio.unit_value[column])
        values.append(min(value, max(needed, smallest)) if needed > negligible else 0.0)
    return tuple(values)
