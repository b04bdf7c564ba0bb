"""The sentence of each trade of a plan, with the size that is traded.

    Buy 7 STK for 1,634 USD: 58.3% becomes 59.9%, the target is 60.0%.

Calculators say why, before any size is certain. The sentence is written last, when refinement has
chosen the sizes: what a repair repairs, then amount, weights and target, then the reasons for which
the calculators proposed the trade. A sell of which a limit needs little names the limit behind.
It has at most `WORDS_MAX` words; reasons beyond that are left out, and the names of their
calculators stay among the step's sources.
"""

from __future__ import annotations

import math
from dataclasses import replace

from planner_core.market.state import PlanningState
from planner_core.market.trade_sizing import (
    INCUMBENT_REASON,
    target_reason,
    weight_and_target,
)
from planner_core.model.currencies import minor_digits
from planner_core.model.plan import Action, ActionSequence
from planner_core.pipeline.repairs import repair_values

WORDS_MAX = 25
"""A longer sentence is not read."""
CENTS_BELOW = 100.0
"""Smaller amounts have cents."""
WEIGHT_DECIMALS = (1, 2, 3, 4)
"""A small trade in a large portfolio needs more digits to show a change."""
MOSTLY = 0.5
"""A trade of which a limit needs less than this part is no repair: the limit is named behind it."""
SCALED = 5e-4
"""A target that differs by less from the one in the file is the same to one decimal."""


def explained(actions: ActionSequence, state: PlanningState) -> ActionSequence:
    """Return the trades, each with the sentence for the owner."""
    return tuple(
        replace(action, reason=sentence(action, state, repair_value))
        for action, repair_value in zip(actions, repair_values(actions, state), strict=True)
    )


def target_weight(action: Action, state: PlanningState) -> float | None:
    """Return the weight that the targets ask for today; None without a target."""
    targets = state.objective.targets
    if targets is None or action.convert_to or not targets.has_pull[action.security]:
        return None
    return float(targets.weight[action.security])


def sentence(action: Action, state: PlanningState, repair_value: float = math.inf) -> str:
    """Return why a trade is in the plan, and what it does.

    `repair_value` is the part of its value that a limit needs (`repairs.py`). A conversion is
    needed as a whole.
    """
    clauses = list(action.clauses)
    is_repair = action.mandatory and (
        bool(action.convert_to) or repair_value >= MOSTLY * abs(action.value)
    )
    if action.mandatory and not is_repair and repair_value == 0:
        # The trades before it repair the limit.
        clauses = clauses[1:]
    repair = f"{clauses.pop(0)}: " if is_repair and clauses else ""
    trade = _conversion(action, state) if action.convert_to else _trade(action, state, repair)
    text = f"{repair}{trade[:1].lower()}{trade[1:]}" if repair else trade
    repeated = () if action.convert_to else _stated_by_sentence(action, state)
    # That the owner has begun with it says more than any module's reason.
    for clause in sorted(clauses, key=lambda text: not text.startswith(INCUMBENT_REASON)):
        if clause in repeated:
            continue
        longer = f"{text}; {clause}"
        if len(longer.split()) <= WORDS_MAX:
            text = longer
    return f"{text[:1].upper()}{text[1:]}."


def _stated_by_sentence(action: Action, state: PlanningState) -> tuple[str, ...]:
    """Return the clauses that repeat weight and target, in force and as in the file."""
    security = state.context.securities[action.security]
    in_force = target_reason(state, action.security)
    if security.target is None:
        return (in_force,)
    weight = float(state.portfolio.weight[action.security])
    return (in_force, weight_and_target(security.id, weight, security.target))


def _conversion(action: Action, state: PlanningState) -> str:
    base = state.context.base_currency
    return (
        f"Convert {_quantity(action.quantity)} {action.currency} into {action.convert_to},"
        f" for {_money(action.cost, base)} {base}"
    )


def _trade(action: Action, state: PlanningState, repair: str) -> str:
    """Return amount, weights and target: `Buy 7 STK for 1,634 USD: 58.3% becomes ...`."""
    security = state.context.securities[action.security]
    before = float(state.portfolio.weight[action.security])
    base = state.context.base_currency
    was, becomes = _weights(before, before + action.value / state.nav)
    return (
        f"{action.side.value.capitalize()} {_quantity(action.quantity)} {security.id}"
        f" for {_money(abs(action.value), base)} {base}"
        # One colon is enough for a sentence.
        f"{',' if repair else ':'} {was} becomes {becomes}{_target(action, state)}"
    )


def _target(action: Action, state: PlanningState) -> str:
    """Return the target as the end of a sentence; empty in a bucket without any."""
    if state.objective.targets is None:
        return ""
    weight = target_weight(action, state)
    if weight is None:
        return ", it has no target"
    target = state.context.securities[action.security].target
    if target is None:
        return f", its group asks for {weight:.1%}"
    # Withdrawals that are due and holdings without a target scale what the file says.
    today = "today's" if abs(weight - target) > SCALED else "the"
    return f", {today} target is {weight:.1%}"


def _weights(before: float, after: float) -> tuple[str, str]:
    """Format two weights with as many decimals as they need to differ."""
    texts = ("", "")
    for decimals in WEIGHT_DECIMALS:
        texts = f"{before:.{decimals}%}", f"{max(after, 0.0):.{decimals}%}"
        if texts[0] != texts[1]:
            break
    return texts


def _money(value: float, currency: str) -> str:
    digits = 0 if value >= CENTS_BELOW else minor_digits(currency)
    return f"{value:,.{digits}f}"


def _quantity(quantity: float) -> str:
    """Format a quantity: whole units as such, fractions with the digits they need."""
    text = f"{abs(quantity):,.6f}"
    return text.rstrip("0").rstrip(".")
