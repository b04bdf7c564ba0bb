"""Say what to buy and sell next, and why. It is advice; no order is sent.

Exit code 0: a plan, or nothing to do. 1: no plan could be made (HELD), or it could not be kept.
2: the command line, the configuration or the portfolio is wrong.
"""

from __future__ import annotations

import argparse
from datetime import date
from typing import TYPE_CHECKING

from host.cli_errors import EXIT_DONE, EXIT_FAILED
from host.cli_home import add_bucket_argument, open_bucket
from host.errors import StorageError

if TYPE_CHECKING:
    from host.cli_output import Output
    from host.home import Home
    from host.planning import PlannedRun


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_bucket_argument(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
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
    from host.config_active import load_file, peek
    from host.planning import make_plan, store_plan
    from planner_core.plan import Outcome

    load = peek if options.no_store else load_file
    planned = make_plan(home, options.bucket, as_of=options.as_of, load=load)
    stored_at = None
    failure: StorageError | None = None
    if not options.no_store:
        try:
            stored_at = str(store_plan(home, planned).path.relative_to(home.root))
        except StorageError as error:
            failure = error  # the plan is worth showing all the same
    if options.json:
        output.json(planned.record)
    else:
        _show(planned, home, stored_at, output)
    held = planned.plan.outcome is Outcome.HELD
    if held and not output.is_seen:
        output.error(f"trader plan: no plan for {options.bucket}: {planned.plan.reason}")
    if failure is not None:
        output.error(f"trader plan: the plan was not kept: {failure}")
    return EXIT_FAILED if held or failure is not None else EXIT_DONE


def parse_date(text: str) -> date:
    """Read a day from the command line."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        message = f"{text[:40]!r} is no date (write it like 2022-12-28)"
        raise argparse.ArgumentTypeError(message) from None


def _show(planned: PlannedRun, home: Home, stored_at: str | None, output: Output) -> None:
    from host.plan_view import ViewNotes, print_plan

    notes = ViewNotes(
        prices_until=planned.prices_until,
        is_demo=home.is_demo,
        stored_at=stored_at,
    )
    print_plan(output.console(), planned.plan, notes)
