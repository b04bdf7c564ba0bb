"""Dry run of a configuration on a snapshot: a whole plan in memory, and nothing stored.

So the counts are exact. If the search does not end before the runtime's deadline, a formula gives
the number of sequences, and a warning says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from planner_core.model.config import PlannerConfig
from planner_core.model.context import PlanningContext
from planner_core.model.plan import Plan, StoppedBy
from planner_core.model.records import Severity
from planner_core.modules.module import AnyModule, ModuleKind, ModuleParameters
from planner_core.modules.registry import Registries
from planner_core.modules.sequences.combinatorial import CombinatorialParameters, count_sets
from planner_core.planner import plan as make_plan
from planner_core.runtime import Runtime

LOADED = "loaded"
DISABLED = "disabled"
SECONDS_LONG = 30.0
"""A longer search gets a warning, because a press waits for it."""


@dataclass(frozen=True, slots=True)
class DryRun:
    """Result of a dry run.

    Parameters
    ----------
    modules_loaded : mapping
        `kind.name` -> `type`, `status` and `params` of every module, disabled ones too.
    outcome : str
        Of the plan; empty without data.
    n_candidates : int
    estimated_sequences : int
        Sets of candidates in the search.
    is_exact : bool
        True if all were counted; if not, the count is a lower bound.
    estimated_s : float
        Seconds of a plan on this machine.
    warnings, errors : tuple of str
    """

    modules_loaded: Mapping[str, Mapping[str, object]]
    outcome: str = ""
    n_candidates: int = 0
    estimated_sequences: int = 0
    is_exact: bool = False
    estimated_s: float = 0.0
    warnings: tuple[str, ...] = ()
    errors: tuple[str, ...] = field(default=())


def dry_run(context: PlanningContext, config: PlannerConfig, runtime: Runtime) -> DryRun:
    """Try a configuration on a snapshot.

    Parameters
    ----------
    context : PlanningContext
    config : PlannerConfig
    runtime : Runtime
        Its deadline limits the search.
    """
    started = runtime.monotonic()
    result = make_plan(context, config, runtime)
    elapsed_s = runtime.monotonic() - started
    is_exact = result.stopped_by is StoppedBy.COMPLETE
    sequences = result.n_sequences if is_exact else _at_least(result, config)
    share = sequences / result.n_sequences if result.n_sequences else 1.0
    estimated_s = elapsed_s * max(1.0, share)
    return DryRun(
        modules_loaded=describe_modules(config, runtime.registries, result),
        outcome=result.outcome.value,
        n_candidates=result.n_candidates,
        estimated_sequences=sequences,
        is_exact=is_exact,
        estimated_s=estimated_s,
        warnings=tuple(_warnings(result, estimated_s, is_exact=is_exact)),
        errors=tuple(f.message for f in result.findings if f.severity is Severity.ERROR),
    )


def describe_modules(
    config: PlannerConfig, registries: Registries, result: Plan | None = None
) -> dict[str, Mapping[str, object]]:
    """Return type, status and parameters of every module, for `modules_loaded`."""
    statuses = {attempt.key: attempt.status.value for attempt in result.modules} if result else {}
    described: dict[str, Mapping[str, object]] = {}
    for kind in ModuleKind:
        enabled = config.enabled(kind)
        for module in registries.of_kind(kind):
            parameters = enabled.get(module.metadata.name)
            otherwise = DISABLED if parameters is None else LOADED
            status = statuses.get(module.key, otherwise)
            described[module.key] = _described(module, status, parameters)
    return described


def _described(
    module: AnyModule, status: str, parameters: ModuleParameters | None
) -> dict[str, Any]:
    return {
        "type": type(module).__name__,
        "status": status,
        "params": parameters.model_dump(mode="json") if parameters is not None else {},
    }


def _at_least(result: Plan, config: PlannerConfig) -> int:
    """Return the number of sets that the exhaustive generator alone would yield."""
    parameters = config.enabled(ModuleKind.SEQUENCE).get("combinatorial")
    if not isinstance(parameters, CombinatorialParameters):
        return result.n_sequences
    counted = count_sets(result.n_candidates, config.max_plan_depth, parameters.sets_max)
    return max(result.n_sequences, counted)


def _warnings(result: Plan, estimated_s: float, *, is_exact: bool) -> list[str]:
    warnings = [result.reason] if result.reason else []
    warnings += [f.message for f in result.findings if f.severity is not Severity.ERROR]
    warnings += [f"{a.key}: {a.status.value}: {a.message}" for a in result.modules if a.message]
    if not is_exact:
        warnings.append("the count stopped at its deadline: it is a lower bound")
    if estimated_s > SECONDS_LONG:
        warnings.append(
            f"a plan takes about {estimated_s:.0f} s here: lower max_plan_depth or sets_max"
        )
    if not result.n_candidates:
        warnings.append("no candidate today: there is nothing to search")
    return warnings
