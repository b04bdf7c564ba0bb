"""The sample states that tests of single modules use, and states with exact figures."""

# ruff: noqa: ANN401 - overrides are of any type

from __future__ import annotations

from dataclasses import replace
from typing import Any

from planner_core.market.state import PlanningState
from planner_core.testing.sample_contexts import rich_context, sample_contexts
from planner_core.testing.sample_states import everything_on, sample_inputs

__all__ = ["everything_on", "rich_context"]

ODD_STATES = tuple(sample_contexts())


def odd_state(name: str) -> PlanningState:
    """Return one of the ODD_STATES, with every module enabled."""
    return sample_inputs(name).state


def with_market(state: PlanningState, **fields: Any) -> PlanningState:
    """Return the state with exact estimates, for tables computed by hand."""
    return replace(state, market=replace(state.market, **fields))


def with_portfolio(state: PlanningState, **fields: Any) -> PlanningState:
    """Return the state with an exact portfolio, for tables computed by hand."""
    return replace(state, portfolio=replace(state.portfolio, **fields))
