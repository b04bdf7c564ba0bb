"""How far a plan uses each limit: a limit that binds keeps it from doing more."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner_core.explain.rescoring import Rescoring
from planner_core.model.records import Side

BINDING = 0.98
"""Used part from which a limit binds: whole lots rarely meet it exactly."""


@dataclass(frozen=True, slots=True)
class LimitUse:
    """Use of one limit: `used` and `limit` are in `unit`."""

    name: str
    used: float
    limit: float
    unit: str

    @property
    def share(self) -> float:
        """The used part; 1 for a limit of 0."""
        return self.used / self.limit if self.limit > 0 else 1.0

    @property
    def binds(self) -> bool:
        """True if the plan is at the limit."""
        return self.share >= BINDING


def limits_used(rescoring: Rescoring) -> tuple[LimitUse, ...]:
    """Return the use of each limit that could stop the plan from doing more."""
    state, actions = rescoring.state, rescoring.actions
    limits, nav = state.limits, state.nav
    after = rescoring.weights_after(range(len(actions)))
    traded = sum(abs(action.value) for action in actions)
    repair = sum(abs(action.value) for action in actions if action.mandatory)
    bought = sum(action.value for action in actions if action.side is Side.BUY)
    credit = min(repair, limits.repair_credit * nav) + min(bought, limits.deposit_credit * nav)
    uses = [
        LimitUse("steps", len(actions), state.config.max_plan_depth, "steps"),
        LimitUse("turnover", max(0.0, (traded - credit) / nav), limits.turnover_left, "of NAV"),
        *_cash_uses(rescoring),
    ]
    if np.isfinite(limits.settled_budget):
        budget = max(0.0, limits.settled_budget)
        paid = -sum(action.cash_delta for action in actions if action.side is Side.BUY)
        uses.append(LimitUse("settled cash", paid, budget, state.context.base_currency))
    if after.size:
        fullest = int(np.argmax(after / limits.position_cap))
        name = f"position {state.context.securities[fullest].id}"
        cap = float(limits.position_cap[fullest])
        uses.append(LimitUse(name, float(after[fullest]), cap, "of NAV"))
    groups = limits.groups
    uses.extend(
        LimitUse(name, float(groups.membership[row] @ after), float(groups.cap[row]), "of NAV")
        for row, name in enumerate(groups.names)
    )
    return tuple(uses)


def _cash_uses(rescoring: Rescoring) -> list[LimitUse]:
    """Return the use of each cash row: spending of buys and conversions, sells included."""
    rows = rescoring.state.limits.cash_rows
    spent = np.zeros(len(rows.currencies))
    spendable = rows.free - rows.required
    for action in rescoring.actions:
        row = rows.row(action.currency)
        if action.convert_to:
            worth = action.quantity * action.fx_rate
            spent[row] += worth
            spendable[rows.row(action.convert_to)] += worth - action.cost
        elif action.side is Side.BUY:
            spent[row] -= action.cash_delta
        else:
            spendable[row] += action.cash_delta
    single = len(rows.currencies) == 1
    return [
        LimitUse(
            "cash" if single else f"cash {currency}",
            float(spent[row]),
            max(0.0, float(spendable[row])),
            rescoring.state.context.base_currency,
        )
        for row, currency in enumerate(rows.currencies)
    ]
