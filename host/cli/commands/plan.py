"""`trader plan`: plan, store the plan, show it.

Imports inside functions are of what many runs do not need: rich, plots, the profile.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from host.cli.home_option import open_bucket
from host.cli.progress import first_interrupt_requests, show_progress
from host.errors import EXIT_DONE, EXIT_FAILED, StorageError
from host.home.config.load import load_uncommitted, try_commit_edit
from host.home.plan_store import PlanStore
from host.operations.buckets import amount_in_base_currency
from host.planning.breaker_store import BreakerStore
from host.planning.plan_run import (
    MODULE_BUDGET_S,
    PROOF_S,
    RunOptions,
    add_explanation,
    add_front,
    explain_run,
    journal_plan,
    make_plan,
)
from host.telemetry.metrics.metrics import Metrics, MetricsStore, memory_bytes
from host.telemetry.metrics.profile import Profile
from planner_core.errors import PlanningCancelledError
from planner_core.market.costs import BASIS_POINT
from planner_core.model.plan import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from host.cli.output import Output
    from host.cli.progress import ShowProgress
    from host.home.home import Home
    from host.home.plan_store import PlanFile
    from host.planning.plan_run import PlannedRun
    from planner_core.events import Event


PATH_S = 2.0
"""For the outlook, in plain plans: four or five more plans on a PC, one on a board."""
PATH_EXPLAINED_S = 20.0


def run(options: argparse.Namespace, output: Output) -> int:
    """Plan, store the plan, show it."""
    home = open_bucket(options.home, options.bucket)
    if options.plot is not None:
        from host.presentation.plan_plot import check_plotting

        check_plotting(options.plot)  # before a minute of work, not after it
    measurements = Measurements.of(home, options)
    planned = _plan(home, options, output, measurements)
    stored_at = None
    failures: list[str] = []
    if not options.no_store:
        try:
            file = PlanStore(home).save(planned.record, planned.created_at)
            stored_at = str(file.path.relative_to(home.root))
        except StorageError as error:
            failures.append(f"the plan was not stored: {error}")  # it is shown all the same
        else:
            failures.extend(_journal(home, measurements.events, planned, file))
        measurements.store_metrics(output)
    if options.json:
        output.json(planned.record)
    else:
        _show(planned, home, stored_at, output)
        if options.profile:
            from host.presentation.profile_view import print_profile

            output.line()
            print_profile(output.console(), measurements.profile, planned.elapsed_s)
    is_held = planned.plan.outcome is Outcome.HELD
    if options.plot is not None:
        failures.extend(_plot(planned, home, options.plot, output, quiet=options.json))
    if is_held and not output.is_terminal:
        output.error(f"trader plan: no plan for {options.bucket}: {planned.plan.reason}")
    for failure in failures:
        output.error(f"trader plan: {failure}")
    return EXIT_FAILED if is_held or failures else EXIT_DONE


def _journal(home: Home, events: list[Event], planned: PlannedRun, file: PlanFile) -> list[str]:
    """Write the plan's events to the journal; return the failures."""
    try:
        journal_plan(home, events, planned, file)
    except StorageError as error:
        return [f"the plan's events were not stored: {error}"]
    return []


@dataclass(slots=True)
class Measurements:
    """The events, metrics and profile of a plan, and the breakers that it uses."""

    breakers: BreakerStore
    metrics_store: MetricsStore
    metrics: Metrics
    profile: Profile
    events: list[Event]

    @classmethod
    def of(cls, home: Home, options: argparse.Namespace) -> Measurements:
        """Return empty measurements of a home."""
        breakers = BreakerStore(home, read_only=options.no_store)
        return cls(breakers, MetricsStore(home), Metrics(), Profile(time.monotonic), [])

    def on_event(self, event: Event) -> None:
        """Record an event of the planner."""
        self.events.append(event)
        self.metrics.on_event(event)
        self.profile.on_event(event)

    def store_metrics(self, output: Output) -> None:
        """Add the metrics to the stored ones; an error is printed, but the plan is good."""
        for name, value in memory_bytes().items():
            self.metrics.gauge(f"planner_{name}", value)
        try:
            self.metrics_store.add(self.metrics)
        except StorageError as error:
            output.error(f"trader plan: metrics were not stored: {error}")


def _plan(
    home: Home, options: argparse.Namespace, output: Output, measurements: Measurements
) -> PlannedRun:
    """Plan, with proof and explanation if requested, and show the progress."""
    invest = amount_in_base_currency(home, options.bucket, options.invest)
    with show_progress(output.stderr) as progress:
        show_proof = _proof_progress(progress, options.prove)

        def on_event(event: Event) -> None:
            measurements.on_event(event)
            show_proof(event)

        try:
            with first_interrupt_requests() as is_cancelled:
                run_options = RunOptions(
                    as_of=options.as_of,
                    module_budget_s=MODULE_BUDGET_S,
                    proof_s=PROOF_S if options.prove is None else options.prove,
                    invest=invest,
                    buy_only=options.buy_only,
                    path_s=PATH_EXPLAINED_S if options.explain else PATH_S,
                    breakers=measurements.breakers,
                    emit=on_event,
                    on_module_start=measurements.profile.running,
                    is_cancelled=is_cancelled,
                    load_config=load_uncommitted if options.no_store else try_commit_edit,
                )
                planned = make_plan(home, options.bucket, run_options)
        except PlanningCancelledError:
            raise KeyboardInterrupt from None
        if options.profile:
            profile = measurements.profile.to_json(planned.elapsed_s)
            record = {**planned.record, "profile": profile}
            planned = replace(planned, record=record)
        if options.front:
            progress("trying 1 to 10 trades", None)
            planned = add_front(planned)
        if options.explain:
            progress("looking for what would change the answer", None)
            planned = add_explanation(planned, explain_run(planned))
    return planned


def _proof_progress(progress: ShowProgress, proof_s: float | None) -> Callable[[Event], None]:
    """Return a subscriber that shows when the proof begins: after the refinement."""

    def on_event(event: Event) -> None:
        if proof_s is not None and getattr(event, "stage", None) == "refinement":
            progress("proving", proof_s)

    return on_event


def _plot(planned: PlannedRun, home: Home, path: Path, output: Output, *, quiet: bool) -> list[str]:
    """Draw the plan; return the failures."""
    from host.presentation.plan_plot import draw_plan

    explanation = planned.explanation or explain_run(planned, ask_what_if=False)
    if explanation is None:
        return [f"nothing was drawn: {planned.plan.reason}"]
    try:
        draw_plan(planned.plan, explanation, path, is_demo=home.is_demo)
    except StorageError as error:
        return [f"the plot was not written: {error}"]
    if not quiet:
        output.line(f"Drawn to {path}")
    return []


def _show(planned: PlannedRun, home: Home, stored_at: str | None, output: Output) -> None:
    from host.presentation.plan_view import ViewNotes, print_plan

    config = planned.config.config
    notes = ViewNotes(
        prices_until=planned.prices_until,
        is_demo=home.is_demo,
        stored_at=stored_at,
        explanation=planned.explanation,
        path=planned.path,
        front=planned.front,
        depth=config.max_plan_depth,
        min_gain=config.constraints.min_gain_bps * BASIS_POINT,
    )
    print_plan(output.console(), planned.plan, notes)
