"""One plan, from the files of a home to a record: what `trader plan` and the daemon do.

    configuration -> snapshot -> planner -> record

A configuration that is wrong raises, because there is nothing to plan by. Data that is wrong gives
a HELD plan with the reason: that is an answer, which the board can show and the store can keep.

With circuit breakers, a module that fails costs only its own contribution. Its breaker is saved
before a trial call: if the trial ends the process, the module is not tried again at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Final

from host.clock import SYSTEM_CLOCK, Clock
from host.home.config.currency_defaults import in_base_currency
from host.home.config.load import LoadedConfig, try_commit_edit
from host.home.config.plugin_catalogue import (
    SWITCH_ON,
    PluginNotes,
    PluginsUnknownError,
    modules_of,
    plugin_notes,
    require_known_plugins,
)
from host.home.config.written_cap import find_written_cap
from host.home.portfolio.portfolio_file import read_portfolio
from host.home.portfolio.snapshot import take_snapshot
from host.home.storage.problems import LedgerError, MarketDataError
from host.planning.plan_json import (
    explanation_to_json,
    front_to_json,
    path_to_json,
    plan_to_json,
)
from host.telemetry.events import new_trace_id, stamped
from planner_core.errors import ContextError, PlanningCancelledError
from planner_core.events import BreakerChanged, Event, ModuleLoadFailed, PlanningCompleted
from planner_core.model.context import with_new_money
from planner_core.model.plan import ModuleStatus, NewMoney, Outcome, Plan
from planner_core.model.records import Finding, Severity
from planner_core.planner import plan as plan_context
from planner_core.runtime import Runtime, discard_event, ignore_module_start, never

if TYPE_CHECKING:
    from host.home.home import Home
    from host.home.plan_store import PlanFile, PlanRecord
    from host.planning.breaker_store import BreakerStore
    from planner_core.explain.explanation import Explanation
    from planner_core.explain.front import FrontPoint
    from planner_core.explain.path import PlanPath
    from planner_core.model.config import PlannerConfig
    from planner_core.model.context import PlanningContext
    from planner_core.modules.cache import CalculationCache
    from planner_core.modules.registry import Registries

Planner = Callable[["PlanningContext", "PlannerConfig", Runtime], Plan]
ConfigLoader = Callable[["Home", str, "Registries | None"], LoadedConfig]

MODULE_BUDGET_S: Final = 30.0
"""For one call of a module in `trader plan`: an owner does not wait longer for one of many."""
PROOF_S: Final = 0.3
"""For the proof that every plan tries: enough for most, and hardly noticed."""
PLUGINS_SHOWN: Final = 5
"""Files that a note names."""
JOURNAL_EVENTS_MAX: Final = 2_000
"""Of one plan. The last ones are kept, because they say how it ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """Options of one plan. The caller builds them once; nothing changes them.

    Parameters
    ----------
    as_of : date, optional
        The day to plan for; by default the portfolio's own, or today.
    trace_id : str, optional
        By default a new one.
    budget_s : float, optional
        Seconds for the planner. After that, the best set so far is the answer.
    module_budget_s : float, optional
        Seconds for each call of a module.
    proof_s : float, optional
        Seconds to prove how good the plan is, by default a short try; None: no proof. A run that
        is cancelled during the proof returns the plan and the bound so far.
    invest : float, base currency
        Money to plan with as if it had been paid in on the day of the plan; 0: none.
    buy_only : bool
        Plan without sells.
    path_s : float, optional
        Seconds for the outlook: how far this plan and those after it lead. None: no outlook.
    breakers : BreakerStore, optional
        Circuit breakers of the home; None: every module is called.
    excluded_modules : mapping of str to str
        Keys of modules to leave out whatever their breakers say, each with the reason.
    cache : CalculationCache, optional
        Results of modules for the same inputs.
    registries : Registries, optional
        By default the modules of the planner, and the plugins that this process has loaded.
    emit : callable taking an Event
        Must not raise.
    on_module_start : callable taking a key and an operation
        Called before a module runs.
    is_cancelled : callable returning bool
        A cancelled run raises PlanningCancelledError.
    clock : Clock
    load_config : callable
        By default it reads the file and keeps it as a version if it is a new one. See
        `host.home.config.load`.
    planner : callable
        Another one than `planner_core.planner.plan`, for tests.
    """

    as_of: date | None = None
    trace_id: str | None = None
    budget_s: float | None = None
    module_budget_s: float | None = None
    proof_s: float | None = PROOF_S
    invest: float = 0.0
    buy_only: bool = False
    path_s: float | None = None
    breakers: BreakerStore | None = None
    excluded_modules: Mapping[str, str] = field(default_factory=dict)
    cache: CalculationCache | None = None
    registries: Registries | None = None
    emit: Callable[[Event], None] = discard_event
    on_module_start: Callable[[str, str], None] = ignore_module_start
    is_cancelled: Callable[[], bool] = never
    clock: Clock = SYSTEM_CLOCK
    load_config: ConfigLoader = try_commit_edit
    planner: Planner = plan_context


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
    options : RunOptions
    explanation : Explanation, optional
        None before `add_explanation`.
    path : PlanPath, optional
        None without `path_s`, without steps and without targets.
    front : tuple of FrontPoint
        Empty before `add_front`.
    """

    plan: Plan
    config: LoadedConfig
    context: PlanningContext | None
    created_at: datetime
    elapsed_s: float
    record: PlanRecord
    options: RunOptions
    explanation: Explanation | None = None
    path: PlanPath | None = None
    front: tuple[FrontPoint, ...] = ()

    @property
    def prices_until(self) -> date | None:
        """The latest day with prices; None when there is none."""
        if self.context is None or not self.context.n_days:
            return None
        return date.fromisoformat(str(self.context.dates[-1]))


def make_plan(home: Home, bucket_id: str, options: RunOptions | None = None) -> PlannedRun:
    """Plan a bucket; the plan is not stored.

    Parameters
    ----------
    home : Home
    bucket_id : str
    options : RunOptions, optional

    Raises
    ------
    ConfigFileError
        When the bucket's configuration is wrong.
    HomeError, PortfolioFileError
        When there is no such bucket, or its portfolio is wrong.
    PlanningCancelledError
        When `is_cancelled` returned True before there was a plan.
    """
    options = options or RunOptions()
    options = replace(options, registries=options.registries or modules_of(home))
    clock = options.clock
    start_s = clock.monotonic()
    created_at = clock.now()
    home.require_bucket(bucket_id)
    config = options.load_config(home, bucket_id, options.registries)
    trace_id = options.trace_id or new_trace_id()
    notes = plugin_notes(home)
    _publish_load_failures(notes, bucket_id, trace_id, options)
    context: PlanningContext | None = None
    try:
        require_known_plugins(notes, config.config.absent_modules)
        context = take_snapshot(
            home,
            bucket_id,
            options.as_of,
            history_days=config.config.estimation.history_days,
            now=clock.now,
            written_cap=find_written_cap(config),
        )
        config = replace(config, config=in_base_currency(config.config, context.base_currency))
        context = as_requested(context, options.invest, buy_only=options.buy_only)
        plan = _run_planner(context, config.config, options, trace_id)
    except (MarketDataError, LedgerError, ContextError, PluginsUnknownError) as error:
        day = read_portfolio(home.portfolio_file(bucket_id), options.as_of, clock.now).as_of
        plan = _build_held_plan(error, bucket_id, day, trace_id, options)
        held_event = PlanningCompleted(
            timestamp=clock.now(),
            bucket_id=bucket_id,
            trace_id=trace_id,
            outcome=plan.outcome.value,
            gain=0.0,
            n_steps=0,
            elapsed_s=clock.monotonic() - start_s,
        )
        options.emit(held_event)
    finding_ids = {finding.id for finding in plan.findings}
    more = (finding for finding in _plugin_findings(notes) if finding.id not in finding_ids)
    plan = replace(plan, findings=(*plan.findings, *more))
    ids = tuple(security.id for security in context.securities) if context else ()
    record = plan_to_json(
        plan, config.version, config.sha256, created_at=created_at, security_ids=ids
    )
    elapsed_s = clock.monotonic() - start_s
    run = PlannedRun(plan, config, context, created_at, elapsed_s, record, options)
    return run if options.path_s is None else _with_path(run, options.path_s)


def _publish_load_failures(
    notes: PluginNotes, bucket_id: str, trace_id: str, options: RunOptions
) -> None:
    """Publish an event for each plugin that could not be loaded."""
    for label, why in notes.problems.items():
        event = ModuleLoadFailed(
            timestamp=options.clock.now(),
            bucket_id=bucket_id,
            trace_id=trace_id,
            key=label,
            error=why,
        )
        options.emit(event)


def _plugin_findings(notes: PluginNotes) -> Iterator[Finding]:
    """Yield what the owner should know about plugins beside the plan."""
    for label, why in notes.problems.items():
        action = "Fix it, or move the file away; `trader plugin list` tries it again."
        yield Finding("plugin_failed", Severity.WARNING, f"{label}: {why}", action)
    if notes.unknown:
        message = f"{notes.unknown}: the plan is made without plugins"
        action = "Fix device.toml; `trader plugin list` shows what is off meanwhile."
        yield Finding("device_file_refused", Severity.WARNING, message, action)
    if notes.off:
        files = ", ".join(notes.off[:PLUGINS_SHOWN])
        more = len(notes.off) - PLUGINS_SHOWN
        files += f" and {more} more" if more > 0 else ""
        message = f"plugins are off: {files} took no part"
        yield Finding("plugins_off", Severity.INFO, message, f"To load them, {SWITCH_ON}.")


def _with_path(run: PlannedRun, path_s: float) -> PlannedRun:
    """Return the run with the outlook of its plan, in its record too."""
    if run.context is None or not run.plan.steps:
        return run
    from planner_core.explain.path import find_path  # not in the planner's process

    options = RunOptions(
        budget_s=path_s,
        excluded_modules=_left_out(run.plan),
        is_cancelled=run.options.is_cancelled,
        clock=run.options.clock,
        registries=run.options.registries,
    )
    runtime = _build_runtime(run.context, options, run.plan.trace_id)
    try:
        path = find_path(run.context, run.config.config, run.plan, runtime)
    except PlanningCancelledError:
        return run  # the plan is ready, and whoever waits wants it now
    return replace(run, path=path, record={**run.record, "path": path_to_json(path)})


def _left_out(plan: Plan) -> dict[str, str]:
    """Return the modules that a plan left out: they might end the process, now too."""
    return {
        attempt.key: attempt.message
        for attempt in plan.modules
        if attempt.status is ModuleStatus.SKIPPED_OPEN
    }


def as_requested(context: PlanningContext, invest: float, *, buy_only: bool) -> PlanningContext:
    """Return the snapshot with what a request adds: new money, and no sells.

    The files of the owner stay as they are.
    """
    if buy_only:
        context = replace(context, buy_only=True)
    return with_new_money(context, invest) if invest > 0 else context


def _run_planner(
    context: PlanningContext, config: PlannerConfig, options: RunOptions, trace_id: str
) -> Plan:
    """Run the planner, by the breakers of the home if there are any, and save those."""
    store = options.breakers
    if store is None:
        return options.planner(context, config, _build_runtime(context, options, trace_id))
    store.refresh()
    try:
        plan = options.planner(context, config, _build_runtime(context, options, trace_id))
    finally:
        store.save()
    if store.problem is None:
        return plan
    finding = Finding(
        "breakers_not_kept",
        Severity.WARNING,
        f"a module that failed may be tried again after a restart: {store.problem}",
    )
    return replace(plan, findings=(*plan.findings, finding))


def _build_runtime(context: PlanningContext, options: RunOptions, trace_id: str) -> Runtime:
    """Return what one run of the planner takes from the host; its budget begins now."""
    store, budget_s, monotonic = options.breakers, options.budget_s, options.clock.monotonic
    registries = options.registries
    assert registries is not None, "make_plan has set them"
    return Runtime(
        registries=registries,
        monotonic=monotonic,
        now=options.clock.now,
        emit=options.emit if store is None else _save_before_trials(options.emit, store),
        is_cancelled=options.is_cancelled,
        deadline_s=None if budget_s is None else monotonic() + budget_s,
        module_budget_s=options.module_budget_s,
        breakers=None if store is None else store.breakers,
        cache=options.cache,
        excluded_modules=options.excluded_modules,
        on_module_start=options.on_module_start,
        proof_s=options.proof_s,
        trace_id=trace_id,
        bucket_id=context.bucket_id,
    )


def _save_before_trials(
    emit: Callable[[Event], None], store: BreakerStore
) -> Callable[[Event], None]:
    """Return `emit` preceded by a save of the breakers when a trial call begins."""

    def save_and_emit(event: Event) -> None:
        if isinstance(event, BreakerChanged) and event.after == "half_open":
            store.save()
        emit(event)

    return save_and_emit


def _build_held_plan(
    error: MarketDataError | LedgerError | ContextError | PluginsUnknownError,
    bucket_id: str,
    as_of: date,
    trace_id: str,
    options: RunOptions,
) -> Plan:
    """Return a HELD plan with a finding for each problem of the data."""
    lines = str(error).splitlines() or [error.code]
    return Plan(
        outcome=Outcome.HELD,
        bucket_id=bucket_id,
        as_of=as_of,
        currency="",
        trace_id=trace_id,
        reason=lines[0],
        findings=tuple(Finding(error.code, Severity.ERROR, line) for line in lines),
        new_money=NewMoney(options.invest, 0.0, lines[0]) if options.invest > 0 else None,
        buy_only=options.buy_only,
    )


def explain_run(run: PlannedRun, *, ask_what_if: bool = True) -> Explanation | None:
    """Return the explanation of a run's plan; None when no sets were scored.

    The questions of what would change the answer take up to ten times as long as the plan itself.
    """
    if run.context is None or run.plan.score is None:
        return None
    from planner_core.explain.explanation import explain  # not in the planner's process

    options = RunOptions(
        excluded_modules=_left_out(run.plan),
        clock=run.options.clock,
        registries=run.options.registries,
    )
    runtime = _build_runtime(run.context, options, run.plan.trace_id)
    return explain(run.context, run.config.config, run.plan, runtime, ask_what_if=ask_what_if)


def add_front(run: PlannedRun) -> PlannedRun:
    """Return the run with what 1 to 10 trades reach each, in its record too.

    A run that is cancelled meanwhile has the points so far.
    """
    if run.context is None or run.plan.score is None:
        return run
    from planner_core.explain.front import front  # not in the planner's process

    options = RunOptions(
        excluded_modules=_left_out(run.plan),
        is_cancelled=run.options.is_cancelled,
        clock=run.options.clock,
        registries=run.options.registries,
    )
    runtime = _build_runtime(run.context, options, run.plan.trace_id)
    points = front(run.context, run.config.config, runtime)
    return replace(run, front=points, record={**run.record, "front": front_to_json(points)})


def add_explanation(run: PlannedRun, explanation: Explanation | None) -> PlannedRun:
    """Return the run with the explanation of its plan, in its record too."""
    if run.context is None or explanation is None:
        return run
    ids = [security.id for security in run.context.securities]
    record = {**run.record, "explanation": explanation_to_json(explanation, ids)}
    return replace(run, explanation=explanation, record=record)


def journal_plan(home: Home, events: Iterable[Event], run: PlannedRun, file: PlanFile) -> None:
    """Record the events of a command's plan, and that the plan is on disk.

    Raises
    ------
    StorageError
        When the journal could not be written.
    """
    # The planner's process writes no journal; asyncio would come along.
    from host.telemetry.events import PlanStored, plan_summary
    from host.telemetry.journal.journal import Journal
    from host.telemetry.journal.reader import HEAD_NAME
    from host.telemetry.journal.record import clean_record

    stored = PlanStored(
        trace_id=run.plan.trace_id,
        bucket_id=run.plan.bucket_id,
        file=file.path.name,
        elapsed_s=round(run.elapsed_s, 4),
        via="command",
        **plan_summary(run.record),
    )
    latest = deque((event for event in events if event.is_journaled), JOURNAL_EVENTS_MAX)
    stored_event = stamped(stored, run.options.clock.now())
    journal = Journal(home.journal_dir, home.state_dir / HEAD_NAME)
    try:
        records = [clean_record(event) for event in [*latest, stored_event]]
        journal.append_now(*records, durable=True)
    finally:
        journal.close()
