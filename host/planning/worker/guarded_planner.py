"""A planner that lives with modules it cannot trust: breakers, a budget, and no second chances."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from planner_core.events import BreakerChanged
from planner_core.model.records import Finding, Severity

if TYPE_CHECKING:
    from host.planning.plan_run import Planner
    from host.planning.worker.breaker_store import BreakerStore
    from planner_core.events import Event
    from planner_core.model.config import PlannerConfig
    from planner_core.model.context import PlanningContext
    from planner_core.model.plan import Plan
    from planner_core.runtime import Runtime

MODULE_BUDGET_S: Final = 30.0
"""Of a module when nothing else is said: nobody waits so long for one of many."""


def guarded(
    planner: Planner,
    store: BreakerStore,
    *,
    without: Mapping[str, str] | None = None,
    running: Callable[[str, str], None] | None = None,
    budget_s: float = MODULE_BUDGET_S,
) -> Planner:
    """Return a planner that asks the breakers of a home, and tells them how it went.

    Parameters
    ----------
    planner : callable
    store : BreakerStore
    without : mapping of str to str, optional
        Modules that are left out whatever their breakers say, and why.
    running : callable taking a key and an operation, optional
        See `Runtime`.
    budget_s : float
        Of each call of a module.
    """

    def plan(context: PlanningContext, config: PlannerConfig, runtime: Runtime) -> Plan:
        store.refresh()
        runtime.breakers = store.breakers
        runtime.module_budget_s = budget_s
        runtime.without = without or {}
        if running is not None:
            runtime.running = running
        runtime.emit = _keeping_trials(runtime.emit, store)
        try:
            made = planner(context, config, runtime)
        finally:
            store.save()
        if store.problem is None:
            return made
        finding = Finding(
            "breakers_not_kept",
            Severity.WARNING,
            f"what failed may be tried again after a restart: {store.problem}",
        )
        return replace(made, findings=(*made.findings, finding))

    return plan


def _keeping_trials(emit: Callable[[Event], None], store: BreakerStore) -> Callable[[Event], None]:
    """Write that a trial begins before it begins: if it kills us, it is not tried again at once."""

    def hear(event: Event) -> None:
        if isinstance(event, BreakerChanged) and event.after == "half_open":
            store.save()
        emit(event)

    return hear
