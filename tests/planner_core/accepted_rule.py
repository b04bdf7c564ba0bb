"""The rule on which steps of an accepted plan may continue in spite of cool-downs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner_core.model.context import PlanningContext
from planner_core.model.records import Side, Trade

if TYPE_CHECKING:
    from tests.planner_core.reference import Proposal

DUST = 1e-9


def continues_accepted_step(context: PlanningContext, proposal: Proposal, trade: Trade) -> bool:
    """Return whether the proposal is at most the rest of the accepted step that the trade began."""
    accepted, side = context.incumbent, Side.BUY if proposal.is_buy else Side.SELL
    if accepted is None or context.as_of > accepted.valid_until or trade.side is not side:
        return False
    return any(
        (step.security, step.side) == (trade.security, side)
        and abs(proposal.quantity) <= step.quantity * (1 + DUST)
        for step in accepted.steps
    )
