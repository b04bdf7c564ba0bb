"""Stage 1: the opportunity calculators say what might be worth trading, and why.

Each enabled calculator is called, or its results for the same inputs come from the cache. What it
returns is checked before anybody uses it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from planner_core.market.state import PlanningState
from planner_core.model.config import PlannerConfig
from planner_core.model.plan import ModuleStatus, Opportunity, Skip
from planner_core.modules.cache import RunCache
from planner_core.modules.contracts import checked_opportunities
from planner_core.modules.module import ModuleKind, ModuleParameters, OpportunityCalculator
from planner_core.pipeline.isolation import ModuleRunner, minutes_left
from planner_core.runtime import Runtime


def find_opportunities(
    state: PlanningState, runner: ModuleRunner
) -> tuple[list[tuple[str, Opportunity]], list[tuple[str, Skip]]]:
    """Run every enabled calculator.

    Returns
    -------
    opportunities : list of (module key, Opportunity)
    skips : list of (module key, Skip)
        Securities that a calculator could not judge.
    """
    runtime = runner.runtime
    cache = runner.cache_of(state)
    opportunities: list[tuple[str, Opportunity]] = []
    skips: list[tuple[str, Skip]] = []
    for name, parameters in state.config.enabled(ModuleKind.OPPORTUNITY).items():
        runtime.check_cancelled()
        module = runtime.registries.opportunity_calculators[name]
        results = runner.run(module, "calculate", _calculate, module, state, parameters, cache)
        for result in results:
            if isinstance(result, Skip):
                skips.append((module.key, result))
            else:
                opportunities.append((module.key, result))
    return opportunities, skips


def _calculate(
    module: OpportunityCalculator[Any],
    state: PlanningState,
    parameters: ModuleParameters,
    cache: RunCache,
) -> Sequence[Opportunity | Skip]:
    def calculate() -> tuple[Opportunity | Skip, ...]:
        return checked_opportunities(module.key, module.calculate(state, parameters), state)

    return cache.results(module, "calculate", parameters, calculate)


def find_calculator_problem(config: PlannerConfig, runner: ModuleRunner) -> str | None:
    """Return why not one enabled calculator gave a result; None if one did, or none is enabled.

    Calculators appear by their short names, because they are all of one kind. Those that wait for
    the same time are listed together.
    """
    keys = [f"{ModuleKind.OPPORTUNITY}.{name}" for name in config.enabled(ModuleKind.OPPORTUNITY)]
    if not keys or len(runner.failed(keys)) < len(keys):
        return None
    statuses = {attempt.key: attempt.status for attempt in runner.attempts}
    names_by_wait: dict[str, list[str]] = {}
    failed = []
    for key in keys:
        name = key.rpartition(".")[2]
        if statuses.get(key) is ModuleStatus.SKIPPED_OPEN:
            names_by_wait.setdefault(_wait_text(key, runner.runtime), []).append(name)
        else:
            failed.append(name)
    if not names_by_wait:
        return "every opportunity calculator failed; the events say how"
    waiting = "; ".join(f"{', '.join(names)} {wait}" for wait, names in names_by_wait.items())
    also = f" or failed just now ({', '.join(failed)})" if failed else ""
    return (
        f"all opportunity calculators are switched off{also}: {waiting};"
        " `trader breakers reset all` switches them on"
    )


def _wait_text(key: str, runtime: Runtime) -> str:
    """Return how long a module is skipped, in words."""
    if key in runtime.excluded_modules or runtime.breakers is None:
        return "for this plan"
    wait_s = runtime.breakers.wait_s(key)
    return "until they are reset" if wait_s is None else f"for {minutes_left(wait_s)}"
