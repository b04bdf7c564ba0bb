"""Say what to buy and sell next, and why. It is advice; no order is sent.

--prove bounds every set of the trades that were considered: how much better a plan could be.
--explain tells what each step does, which limits bind, and what would change the answer.
--plot draws weights, risk and score before and after.
--profile shows where the time goes.

Exit code 0: a plan, or nothing to do. 1: no plan could be made (HELD), or something could not be
written. 2: the command line, the configuration or the portfolio is wrong.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

from host.cli.home_option import add_bucket_argument, open_bucket
from host.errors import EXIT_DONE, EXIT_FAILED, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from host.cli.output import Output
    from host.home.home import Home
    from host.home.plan_store import PlanFile
    from host.planning.breaker_store import BreakerStore
    from host.planning.plan_run import PlannedRun
    from host.presentation.plan_progress import Tell
    from host.telemetry.metrics.metrics import Metrics, MetricsStore
    from host.telemetry.metrics.profile import Profile
    from planner_core.events import Event

PROVE_S = 10.0
PROVE_S_MAX = 3600.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_bucket_argument(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--prove",
        metavar="SECONDS",
        type=parse_seconds,
        nargs="?",
        const=PROVE_S,
        help=f"prove how good the plan is, in {PROVE_S:.0f} s at most if nothing else is said",
    )
    parser.add_argument(
        "--explain",
        action="store_true",
        help="tell what each step does, what binds, and what would change the answer",
    )
    parser.add_argument(
        "--plot",
        metavar="FILE",
        type=parse_plot_path,
        help="draw the plan into a .png or .svg (needs matplotlib)",
    )
    parser.add_argument(
        "--profile", action="store_true", help="show where the time goes, stage by stage"
    )
    parser.add_argument(
        "--as-of",
        metavar="DATE",
        type=parse_date,
        help="plan for this day, with nothing younger (default: the portfolio's, else today)",
    )
    parser.add_argument(
        "--no-store", action="store_true", help="write nothing: neither the plan nor a version"
    )


def run(options: argparse.Namespace, output: Output) -> int:
    """Plan, keep the plan, show it."""
    home = open_bucket(options.home, options.bucket)
    if options.plot is not None:
        from host.presentation.plan_plot import check_plotting

        check_plotting(options.plot)  # before a minute of work, not after it
    from host.home.plan_store import PlanStore
    from planner_core.model.plan import Outcome

    watch = Watch.of(home, options)
    planned = _planned(home, options, output, watch)
    stored_at = None
    failures: list[str] = []
    if not options.no_store:
        try:
            file = PlanStore(home).save(planned.record, planned.created_at)
            stored_at = str(file.path.relative_to(home.root))
        except StorageError as error:
            failures.append(f"the plan was not kept: {error}")  # worth showing all the same
        else:
            failures.extend(_journal(home, watch.events, planned, file))
        watch.keep(output)
    if options.json:
        output.json(planned.record)
    else:
        _show(planned, home, stored_at, output)
        if options.profile:
            from host.presentation.profile_view import print_profile

            output.line()
            print_profile(output.console(), watch.profile, planned.elapsed_s)
    held = planned.plan.outcome is Outcome.HELD
    if options.plot is not None:
        failures.extend(_plot(planned, home, options.plot, output, quiet=options.json))
    if held and not output.is_seen:
        output.error(f"trader plan: no plan for {options.bucket}: {planned.plan.reason}")
    for failure in failures:
        output.error(f"trader plan: {failure}")
    return EXIT_FAILED if held or failures else EXIT_DONE


def parse_date(text: str) -> date:
    """Read a day from the command line."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        message = f"{text[:40]!r} is no date (write it like 2022-12-28)"
        raise argparse.ArgumentTypeError(message) from None


def parse_seconds(text: str) -> float:
    """Read how long a proof may take."""
    try:
        seconds = float(text)
    except ValueError:
        message = f"{text[:40]!r} is no number of seconds (BUCKET goes before --prove)"
        raise argparse.ArgumentTypeError(message) from None
    if not math.isfinite(seconds) or not 0 < seconds <= PROVE_S_MAX:
        message = f"{text[:40]} s: say more than 0 and at most {PROVE_S_MAX:.0f} s"
        raise argparse.ArgumentTypeError(message)
    return seconds


def parse_plot_path(text: str) -> Path:
    """Read where to draw to; only formats that can be drawn."""
    from pathlib import Path

    path = Path(text).expanduser()
    if path.suffix.lower() not in (".png", ".svg"):
        message = f"{text[-60:]!r}: a plot is a .png or an .svg file"
        raise argparse.ArgumentTypeError(message)
    return path


def _journal(home: Home, events: list[Event], planned: PlannedRun, file: PlanFile) -> list[str]:
    """Put the plan into the journal; return what went wrong."""
    from host.planning.plan_run import journal_plan

    try:
        journal_plan(home, events, planned, file)
    except StorageError as error:
        return [f"the plan's events were not kept: {error}"]
    return []


@dataclass(slots=True)
class Watch:
    """What is measured while a plan is made, and the breakers that it obeys."""

    breakers: BreakerStore
    store: MetricsStore
    metrics: Metrics
    profile: Profile
    events: list[Event]

    @classmethod
    def of(cls, home: Home, options: argparse.Namespace) -> Watch:
        """Begin to watch."""
        import time

        from host.planning.breaker_store import BreakerStore
        from host.telemetry.metrics.metrics import Metrics, MetricsStore
        from host.telemetry.metrics.profile import Profile

        breakers = BreakerStore(home, read_only=options.no_store)
        return cls(breakers, MetricsStore(home), Metrics(), Profile(time.monotonic), [])

    def hear(self, event: Event) -> None:
        """Take an event of the planner."""
        self.events.append(event)
        self.metrics.on_event(event)
        self.profile.on_event(event)

    def keep(self, output: Output) -> None:
        """Add what was measured to what is kept; it is not worth failing for."""
        from host.telemetry.metrics.metrics import memory_bytes

        for name, value in memory_bytes().items():
            self.metrics.gauge(f"planner_{name}", value)
        try:
            self.store.add(self.metrics)
        except StorageError as error:
            output.error(f"trader plan: metrics were not kept: {error}")


def _planned(home: Home, options: argparse.Namespace, output: Output, watch: Watch) -> PlannedRun:
    """Plan, and prove and explain what was asked for, with progress for whoever looks."""
    from host.cli.interrupts import first_interrupt_asks
    from host.home.config.load import load_uncommitted, try_commit_edit
    from host.planning.plan_run import (
        MODULE_BUDGET_S,
        RunOptions,
        add_explanation,
        explain_run,
        make_plan,
    )
    from host.presentation.plan_progress import shown_progress
    from planner_core.errors import PlanningCancelledError

    with shown_progress(output.stderr) as tell:
        progress = _progress_of(tell, options.prove)

        def hear(event: Event) -> None:
            watch.hear(event)
            progress(event)

        try:
            with first_interrupt_asks() as is_cancelled:
                run_options = RunOptions(
                    as_of=options.as_of,
                    module_budget_s=MODULE_BUDGET_S,
                    proof_s=options.prove,
                    breakers=watch.breakers,
                    emit=hear,
                    on_module_start=watch.profile.running,
                    is_cancelled=is_cancelled,
                    load_config=load_uncommitted if options.no_store else try_commit_edit,
                )
                planned = make_plan(home, options.bucket, run_options)
        except PlanningCancelledError:
            raise KeyboardInterrupt from None
        if options.profile:
            record = {**planned.record, "profile": watch.profile.to_json(planned.elapsed_s)}
            planned = replace(planned, record=record)
        if options.explain:
            tell("asking what would change the answer", None)
            planned = add_explanation(planned, explain_run(planned))
    return planned


def _progress_of(tell: Tell, prove_s: float | None) -> Callable[[Event], None]:
    """Return a subscriber that says when the proof begins: after the refinement."""

    def hear(event: Event) -> None:
        if prove_s is not None and getattr(event, "stage", None) == "refinement":
            tell("proving", prove_s)

    return hear


def _plot(planned: PlannedRun, home: Home, path: Path, output: Output, *, quiet: bool) -> list[str]:
    """Draw the plan; return what went wrong."""
    from host.planning.plan_run import explain_run
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
    from planner_core.market.costs import BASIS_POINT

    config = planned.config.config
    notes = ViewNotes(
        prices_until=planned.prices_until,
        is_demo=home.is_demo,
        stored_at=stored_at,
        explanation=planned.explanation,
        depth=config.max_plan_depth,
        min_gain=config.constraints.min_gain_bps * BASIS_POINT,
    )
    print_plan(output.console(), planned.plan, notes)
