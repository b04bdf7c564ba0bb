"""Finding opportunities: every enabled calculator asked, or remembered, and its answer checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from planner_core.events import CacheConsulted
from planner_core.market.state import PlanningState
from planner_core.model.plan import Opportunity, Skip
from planner_core.modules.cache import RunMemory
from planner_core.modules.contracts import checked_opportunities
from planner_core.modules.module import ModuleKind, ModuleParameters, OpportunityCalculator
from planner_core.pipeline.isolation import ModuleRunner
from planner_core.runtime import Runtime


def find_opportunities(
    state: PlanningState, runtime: Runtime, runner: ModuleRunner
) -> tuple[list[tuple[str, Opportunity]], list[tuple[str, Skip]]]:
    """Ask every enabled calculator; return what they found and what they could not judge."""
    memory = RunMemory(runtime.cache, state.context, state.config)
    found: list[tuple[str, Opportunity]] = []
    skipped: list[tuple[str, Skip]] = []
    for name, parameters in state.config.enabled(ModuleKind.OPPORTUNITY).items():
        runtime.check_cancelled()
        module = runtime.registries.opportunity_calculators[name]
        results = runner.run(module, "calculate", _calculate, module, state, parameters, memory)
        if runner.failed([module.key]):
            memory.forget(module)
        for result in results:
            if isinstance(result, Skip):
                skipped.append((module.key, result))
            else:
                found.append((module.key, result))
    if runtime.cache is not None:
        runtime.publish(CacheConsulted, hits=memory.hits, misses=memory.misses)
    return found, skipped


def _calculate(
    module: OpportunityCalculator[Any],
    state: PlanningState,
    parameters: ModuleParameters,
    memory: RunMemory,
) -> Sequence[Opportunity | Skip]:
    known = memory.recall(module, parameters)
    if known is not None:
        return known
    results = module.calculate(state, parameters)
    checked = checked_opportunities(module.key, results, state)
    memory.keep(module, parameters, checked)
    return checked
