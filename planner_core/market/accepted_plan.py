"""The plan that the owner began to carry out, as candidates and as the one to beat.

A plan is accepted by carrying out its first step. Until it expires, what is left of it competes
with every other set, and the minimum gain applies only to a change of plan.
"""

from __future__ import annotations

import numpy as np

from planner_core.market.state import PlanningState
from planner_core.market.trade_sizing import size
from planner_core.model.candidates import Candidates
from planner_core.model.plan import Action, Opportunity
from planner_core.model.records import Incumbent

SOURCE = "plan.incumbent"


def incumbent_actions(state: PlanningState) -> list[Action]:
    """Return the remaining steps as far as they are still legal, at today's prices."""
    incumbent = _in_force(state)
    if incumbent is None:
        return []
    columns = state.context.security_index()
    found = []
    for step in incumbent.steps:
        column = columns.get(step.security)
        if column is None:
            continue
        # Sized like any wish: units may be gone meanwhile, and a cap may have come near.
        reason = f"what is left of the plan you accepted ({incumbent.trace_id[:8]})"
        unit_value = float(np.nan_to_num(state.portfolio.unit_value[column]))
        wish = Opportunity(column, step.side, step.quantity * unit_value, reason)
        action = size(wish, SOURCE, state)
        if isinstance(action, Action):
            found.append(action)
    return found


def incumbent_ids(state: PlanningState, candidates: Candidates) -> tuple[int, ...] | None:
    """Return the ids of the remaining steps; None unless all of them are candidates."""
    incumbent = _in_force(state)
    if incumbent is None or not incumbent.steps:
        return None
    ids = tuple(i for i, action in enumerate(candidates.actions) if SOURCE in action.sources)
    return ids if len(ids) == len(incumbent.steps) else None


def _in_force(state: PlanningState) -> Incumbent | None:
    incumbent = state.context.incumbent
    if incumbent is None or state.context.as_of > incumbent.valid_until:
        return None
    return incumbent
