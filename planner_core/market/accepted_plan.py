"""The accepted plan: its remaining steps as candidates, and as the set to beat.

A plan is accepted by carrying out its first step. Until it expires, its remaining steps compete
with every other set, and the minimum gain applies only to a change of plan. Otherwise a last small
buy, below the minimum gain by itself, would never be advised.
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
    actions = []
    for step in incumbent.steps:
        column = columns.get(step.security)
        if column is None:
            continue
        # Sized like any opportunity: units may have been sold since, and a cap may be nearer.
        reason = f"what is left of the plan you accepted ({incumbent.trace_id[:8]})"
        unit_value = float(np.nan_to_num(state.portfolio.unit_value[column]))
        opportunity = Opportunity(column, step.side, step.quantity * unit_value, reason)
        action = size(opportunity, SOURCE, state)
        if isinstance(action, Action):
            actions.append(action)
    return actions


def incumbent_ids(state: PlanningState, candidates: Candidates) -> tuple[int, ...] | None:
    """Return the ids of the remaining steps; None unless all of them are candidates."""
    incumbent = _in_force(state)
    if incumbent is None or not incumbent.steps:
        return None
    ids = tuple(i for i, action in enumerate(candidates.actions) if SOURCE in action.sources)
    return ids if len(ids) == len(incumbent.steps) else None


def _in_force(state: PlanningState) -> Incumbent | None:
    """Return the accepted plan while it is valid."""
    incumbent = state.context.incumbent
    if incumbent is None or state.context.as_of > incumbent.valid_until:
        return None
    return incumbent
