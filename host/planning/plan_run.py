"""One plan, from the files of a home to a stored file: what `trader plan` and the daemon do.

    configuration -> snapshot -> planner -> record -> plan store

A configuration that is wrong raises: there is nothing to plan by. Data that is wrong gives a HELD
plan with the reason, because that is an answer, which the board can show and the store can keep.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import TYPE_CHECKING

from host.clock import SYSTEM_CLOCK, Clock
from host.home.config.active import load_file
from host.home.config.store import LoadedConfig
from host.home.plan_store import PlanFile, PlanRecord, PlanStore
from host.home.portfolio.portfolio_files import read_portfolio
from host.home.portfolio.snapshot import take_snapshot
from host.home.storage.problems import LedgerError, MarketDataError
from host.planning.plan_json import plan_to_json
from host.telemetry.events.host_event import new_trace_id
from planner_core.errors import ContextError
from planner_core.events import PlanningCompleted
from planner_core.model.plan import ModuleStatus, Outcome, Plan
from planner_core.model.records import Finding, Severity
from planner_core.planner import plan as plan_context
from planner_core.runtime import Runtime

if TYPE_CHECKING:
    from host.home.home import Home
    from planner_core.events import Event
    from planner_core.explain.explanation import Explanation
    from planner_core.model.config import PlannerConfig
    from planner_core.model.context import PlanningContext
    from planner_core.modules.registry import Registries

Planner = Callable[["PlanningContext", "PlannerConfig", Runtime], Plan]
ConfigLoader = Callable[["Home", str, "Registries | None"], LoadedConfig]


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A plan with what it was made from.

    Parameters
    ----------
    plan : Plan
    config : LoadedConfig
    context : PlanningContext, optional
        None when the data could not be read; the plan is HELD then.
    created_at : datetime, UTC
    elapsed_s : float
        From reading the configuration to the plan.
    record : dict
        The plan as in `docs/plan-json.md`.
    explanation : Explanation, optional
        None when it was not asked for, or when nothing was weighed.
    """

    plan: Plan
    config: LoadedConfig
    context: PlanningContext | None
    created_at: datetime
    elapsed_s: float
    record: PlanRecord
    explanation: Explanation | None = None

    @property
    def prices_until(self) -> date | None:
        """The youngest day with prices; None when none could be read."""
        if self.context is None or not self.context.n_days:
            return None
        return date.fromisoformat(str(self.context.dates[-1]))


def make_plan(  # noqa: PLR0913 - each is a seam that the worker or a test takes
    home: Home,
    bucket_id: str,
    *,
    as_of: date | None = None,
    clock: Clock = SYSTEM_CLOCK,
    emit: Callable[[Event], None] | None = None,
    trace_id: str | None = None,
    registries: Registries | None = None,
    planner: Planner = plan_context,
    load: ConfigLoader = load_file,
) -> PlannedRun:
    """Plan a bucket; the plan is not stored.

    Parameters
    ----------
    home : Home
    bucket_id : str
    as_of : date, optional
        The day to plan for; by default the portfolio's own, or today.
    clock : Clock
    emit : callable taking an Event, optional
    trace_id : str, optional
        By default a new one.
    registries : Registries, optional
        By default the modules shipped with the planner.
    planner : callable
        Another one than `planner_core.planner.plan`, for tests.
    load : callable
        Which configuration: by default the file, kept as a version if it is a new one. See
        `host.home.config.active`.

    Raises
    ------
    ConfigFileError
        When the bucket's configuration is wrong.
    HomeError, PortfolioFileError
        When there is no such bucket, or its portfolio is wrong.
    """
    started = clock.monotonic()
    created_at = clock.now()
    home.require_bucket(bucket_id)
    config = load(home, bucket_id, registries)
    runtime = Runtime(
        monotonic=clock.monotonic,
        now=clock.now,
        trace_id=trace_id or new_trace_id(),
        bucket_id=bucket_id,
    )
    if registries is not None:
        runtime.registries = registries
    if emit is not None:
        runtime.emit = emit
    context: PlanningContext | None = None
    try:
        context = take_snapshot(
            home,
            bucket_id,
            as_of,
            history_days=config.config.estimation.history_days,
            now=clock.now,
        )
        plan = planner(context, config.config, runtime)
    except (MarketDataError, LedgerError, ContextError) as error:
        day = read_portfolio(home.portfolio_file(bucket_id), as_of, clock.now).as_of
        plan = held_by_data(error, bucket_id, day, runtime.trace_id)
        runtime.tell(
            PlanningCompleted,
            outcome=plan.outcome.value,
            gain=0.0,
            n_steps=0,
            elapsed_s=clock.monotonic() - started,
        )
    ids = tuple(security.id for security in context.securities) if context else ()
    record = plan_to_json(
        plan, config.version, config.sha256, created_at=created_at, security_ids=ids
    )
    elapsed_s = clock.monotonic() - started
    return PlannedRun(plan, config, context, created_at, elapsed_s, record)


def proving(seconds: float | None, is_cancelled: Callable[[], bool] | None = None) -> Planner:
    """Return the planner, given so many seconds to prove how good its plan is; None: no proof.

    Cancelled while it proves, it returns the plan and the bound so far; before that, it raises
    PlanningCancelledError.
    """

    def prove(context: PlanningContext, config: PlannerConfig, runtime: Runtime) -> Plan:
        runtime.prove_s = seconds
        if is_cancelled is not None:
            runtime.is_cancelled = is_cancelled
        return plan_context(context, config, runtime)

    return prove


def reasons_of(
    run: PlannedRun,
    *,
    ask_what_if: bool = True,
    clock: Clock = SYSTEM_CLOCK,
    registries: Registries | None = None,
) -> Explanation | None:
    """Return the reasons of a run's plan; None when nothing was weighed.

    Asking what would change the answer takes up to ten times as long as the plan itself.
    """
    if run.context is None or run.plan.score is None:
        return None
    from planner_core.explain.explanation import explain

    # A module that the plan did without is not tried here either: it may take the process along.
    without = {
        attempt.key: attempt.message
        for attempt in run.plan.modules
        if attempt.status is ModuleStatus.SKIPPED_OPEN
    }
    runtime = Runtime(monotonic=clock.monotonic, without=without)
    if registries is not None:
        runtime.registries = registries
    config = run.config.config
    return explain(run.context, config, run.plan, runtime, ask_what_if=ask_what_if)


def with_reasons(run: PlannedRun, found: Explanation | None) -> PlannedRun:
    """Return the run with the reasons of its plan, in its record too."""
    if run.context is None or found is None:
        return run
    from host.planning.explanation_json import explanation_to_json

    ids = [security.id for security in run.context.securities]
    record = {**run.record, "explanation": explanation_to_json(found, ids)}
    return replace(run, explanation=found, record=record)


def store_plan(home: Home, run: PlannedRun) -> PlanFile:
    """Keep a plan in the home; StorageError when that fails."""
    return PlanStore(home).save(run.record, run.created_at)


def held_by_data(
    error: MarketDataError | LedgerError | ContextError,
    bucket_id: str,
    as_of: date,
    trace_id: str,
) -> Plan:
    """Return the plan that says why the data cannot carry one; a finding per problem."""
    lines = str(error).splitlines() or [error.code]
    return Plan(
        outcome=Outcome.HELD,
        bucket_id=bucket_id,
        as_of=as_of,
        currency="",
        trace_id=trace_id,
        reason=lines[0],
        findings=tuple(Finding(error.code, Severity.ERROR, line) for line in lines),
    )
