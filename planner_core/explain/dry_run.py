"""What a configuration would do with a snapshot: counted by planning, and nothing kept.

The counts are exact because they are counted: a whole plan is made in memory. A search that does
not end within the runtime's deadline is extrapolated where a formula gives the number, and says so.
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
from planner_core.planner import plan
from planner_core.runtime import Runtime

LOADED = "loaded"
DISABLED = "disabled"
SECONDS_LONG = 30.0
"""A search that takes longer is worth a warning: a press waits for it."""


@dataclass(frozen=True, slots=True)
class DryRun:
    """What was found out.

    Parameters
    ----------
    modules_loaded : mapping
        `kind.name` -> `type`, `status` and `params` of every module, those that are off too.
    outcome : str
        Of the plan that was made, or empty without data.
    n_candidates : int
    estimated_sequences : int
        Sets of candidates that the search looks at.
    is_exact : bool
        They were counted to the end; else it is at least so many.
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
        Its deadline bounds how long is counted.
    """
    started = runtime.monotonic()
    made = plan(context, config, runtime)
    elapsed_s = runtime.monotonic() - started
    is_exact = made.stopped_by is StoppedBy.COMPLETE
    sequences = made.n_sequences if is_exact else _at_least(made, config)
    share = sequences / made.n_sequences if made.n_sequences else 1.0
    estimated_s = elapsed_s * max(1.0, share)
    return DryRun(
        modules_loaded=describe_modules(config, runtime.registries, made),
        outcome=made.outcome.value,
        n_candidates=made.n_candidates,
        estimated_sequences=sequences,
        is_exact=is_exact,
        estimated_s=estimated_s,
        warnings=tuple(_warnings(made, estimated_s, is_exact=is_exact)),
        errors=tuple(f.message for f in made.findings if f.severity is Severity.ERROR),
    )


def describe_modules(
    config: PlannerConfig, registries: Registries, made: Plan | None = None
) -> dict[str, Mapping[str, object]]:
    """Return type, status and parameters of every module, as `modules_loaded` has them."""
    statuses = {attempt.key: attempt.status.value for attempt in made.modules} if made else {}
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


def _at_least(made: Plan, config: PlannerConfig) -> int:
    """Return what the exhaustive generator alone would look at, by its own rule."""
    parameters = config.enabled(ModuleKind.SEQUENCE).get("combinatorial")
    if not isinstance(parameters, CombinatorialParameters):
        return made.n_sequences
    counted = count_sets(made.n_candidates, config.max_plan_depth, parameters.sets_max)
    return max(made.n_sequences, counted)


def _warnings(made: Plan, estimated_s: float, *, is_exact: bool) -> list[str]:
    found = [made.reason] if made.reason else []
    found += [f.message for f in made.findings if f.severity is not Severity.ERROR]
    found += [f"{a.key}: {a.status.value}: {a.message}" for a in made.modules if a.message]
    if not is_exact:
        found.append("the count was stopped at its deadline: at least so many sequences")
    if estimated_s > SECONDS_LONG:
        found.append(
            f"a plan takes about {estimated_s:.0f} s here: lower max_plan_depth or sets_max"
        )
    if not made.n_candidates:
        found.append("no candidate today: there is nothing to search")
    return found
