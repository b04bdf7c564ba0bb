"""The steps of an accepted plan that continue in spite of cool-downs, straight from the rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner_core.model.context import PlanningContext
from planner_core.model.records import Side, Trade

if TYPE_CHECKING:
    from tests.planner_core.reference import Wish

DUST = 1e-9


def goes_on(context: PlanningContext, wish: Wish, trade: Trade) -> bool:
    """Tell whether the wish is no more than what is left of a step that the trade began."""
    accepted, side = context.incumbent, Side.BUY if wish.is_buy else Side.SELL
    if accepted is None or context.as_of > accepted.valid_until or trade.side is not side:
        return False
    return any(
        (step.security, step.side) == (trade.security, side)
        and abs(wish.quantity) <= step.quantity * (1 + DUST)
        for step in accepted.steps
    )
