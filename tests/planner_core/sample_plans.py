"""Plans for tests: of a drifted portfolio, and of exactly the trades that a test names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from unittest.mock import patch

from planner_core.market.state import PlanningState
from planner_core.model.context import PlanningContext
from planner_core.model.plan import ModuleStatus, Opportunity, Plan
from planner_core.model.records import Side
from planner_core.modules.module import AnyModule
from planner_core.planner import plan
from tests.builders import (
    Recorder,
    make_config,
    make_context,
    make_lot,
    make_runtime,
    make_security,
    only,
    stub_calculator,
)

BUY, SELL = Side.BUY, Side.SELL

COSTLESS = {"fixed_cost": 0.0, "cost_bps": 0.0, "half_spread_bps": 0.0, "fx_bps": 0.0}
EAGER: dict[str, Any] = {
    "constraints": {"turnover_max": 10.0, "min_gain_bps": 0.0, "position_weight_max": 1.0},
    "costs": COSTLESS,
    "objective": {
        "tracking_aversion": 0.0,
        "drift_penalty": 0.06,
        "invested_return_assumed": 0.0,
        "risk_aversion": 0.0,
        "concentration_penalty": 0.0,
        "tail_risk_penalty": 0.0,
        "turnover_penalty": 0.0,
    },
    "estimation": {"mean_min": 0.0, "mean_max": 0.0},
}
"""Nothing scores but the distance to targets, `0.06 (w - w*)**2 / w*`: the nearest size is best."""

OpportunityRow = tuple[str, Side, float]
"""Security, side, notional in base currency."""


def plan_of_opportunities(
    context: PlanningContext,
    opportunities: Sequence[OpportunityRow],
    *,
    mandatory: bool = False,
    filters: dict[str, Any] | None = None,
    **overrides: Any,  # noqa: ANN401 - the keys of a TOML document
) -> Plan:
    """Plan with a calculator that returns these opportunities; sections are merged over EAGER.

    Steps toward the targets, which every bucket with targets gets beside, are left out.
    """

    def calculate(state: PlanningState) -> list[Opportunity]:
        columns = state.context.security_index()
        return [
            Opportunity(columns[name], side, notional, "the test wants it", mandatory)
            for name, side, notional in opportunities
        ]

    runtime = make_runtime(stub_calculator(calculate, "opportunities"))
    document: dict[str, Any] = only(
        runtime.registries,
        opportunity_calculators={"opportunities": True},
        pattern_generators={"single_best": True},
        sequence_generators={"combinatorial": True},
        filters=filters or {},
    )
    for section, keys in EAGER.items():
        document[section] = {**keys, **overrides.pop(section, {})}
    config = make_config(runtime.registries, **{**document, **overrides})
    with patch("planner_core.pipeline.candidate_stage.target_steps", return_value=[]):
        return plan(context, config, runtime)


def drifted_context(**overrides: Any) -> PlanningContext:  # noqa: ANN401 - the context's fields
    """Two holdings far from their targets: there is something to do on both sides."""
    securities = (make_security("AAA", target=0.05), make_security("BBB", target=0.25))
    lots = (make_lot("AAA", 100.0), make_lot("BBB", 20.0))
    fields: dict[str, Any] = {"securities": securities, "lots": lots, "cash": 30_000.0, "seed": 4}
    return make_context(**{**fields, **overrides})


def run_with(
    *modules: AnyModule,
    context: PlanningContext | None = None,
    recorder: Recorder | None = None,
    runtime: dict[str, Any] | None = None,
    **overrides: Any,  # noqa: ANN401 - the keys of a TOML document
) -> Plan:
    """Plan with the shipped modules and the given ones."""
    built = make_runtime(*modules, recorder=recorder, **(runtime or {}))
    return plan(context or drifted_context(), make_config(built.registries, **overrides), built)


def status_of(result: Plan, key: str) -> ModuleStatus:
    return next(attempt.status for attempt in result.modules if attempt.key == key)
