"""Refuse a trade: the next plans do without it, until it expires or is taken back.

Without --side: the side the newest plan wants, or both if it does not trade the security. A refusal
binds repairs too: cash that is missing is not raised by a sell you refused.
"""

from __future__ import annotations

import argparse
from datetime import date, timedelta
from typing import TYPE_CHECKING

from host import limits
from host.cli.home_option import add_bucket_argument, home_option, open_bucket
from host.errors import EXIT_DONE, UsageError, did_you_mean
from host.text import printable

if TYPE_CHECKING:
    from host.cli.output import Output
    from host.home.home import Home
    from planner_core.model.records import RefusedStep, Side

DAYS = 30


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_bucket_argument(parser)
    parser.add_argument("security", metavar="SECURITY", nargs="?", help="its id in the portfolio")
    parser.add_argument("--side", choices=("buy", "sell"), help="only this side")
    parser.add_argument(
        "--days",
        metavar="N",
        type=parse_days,
        default=DAYS,
        help=f"for how long, from the portfolio's day on (default: {DAYS})",
    )
    parser.add_argument(
        "--reason", metavar="TEXT", type=parse_reason, default="", help="why, to be told later"
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--undo", action="store_true", help="take a refusal back")
    what.add_argument("--list", action="store_true", help="show what is refused")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace, output: Output) -> int:
    """Refuse, take back or list; print what is refused then."""
    if options.security is None and not options.list:
        raise UsageError("trader refuse: which SECURITY? (or --list shows what is refused)")
    home = open_bucket(options.home, options.bucket)
    from host.home.portfolio.advice import allow, read_decisions, refusal_to_json, refuse
    from host.home.portfolio.portfolio_file import read_portfolio
    from planner_core.model.records import RefusedStep

    portfolio = read_portfolio(home.portfolio_file(options.bucket))
    today, known = portfolio.as_of, portfolio.tables.securities
    advice, findings = read_decisions(home, options.bucket)
    output.errors(f"{finding.message} ({finding.action})" for finding in findings)
    changed: tuple[RefusedStep, ...] = ()
    if options.undo:
        sides = _sides(options.side)
        _check_known(options, [*known, *(step.security for step in advice.refused)])
        changed = allow(home, options.bucket, options.security, sides, today)
    elif not options.list:
        _check_known(options, list(known))
        until = today + min(timedelta(days=options.days), date.max - today)
        wanted = _sides(options.side) if options.side else _wanted_sides(home, options)
        changed = tuple(
            RefusedStep(options.security, side, until, options.reason) for side in wanted
        )
        refuse(home, options.bucket, changed, today)
    in_force = read_decisions(home, options.bucket)[0].refused_on(today)
    if options.json:
        output.json(
            {
                "bucket_id": options.bucket,
                "as_of": today.isoformat(),
                "changed": [refusal_to_json(step) for step in changed],
                "refused": [refusal_to_json(step) for step in in_force],
            }
        )
        return EXIT_DONE
    _print(options, changed, in_force, output)
    return EXIT_DONE


def parse_days(text: str) -> int:
    """Read a number of days from the command line."""
    if (
        not text.isascii()
        or not text.isdigit()
        or not 1 <= int(text[:9]) <= limits.REFUSED_DAYS_MAX
    ):
        message = f"{text[:40]!r} is no number of days (1 to {limits.REFUSED_DAYS_MAX})"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def parse_reason(text: str) -> str:
    """Read a reason from the command line."""
    if len(text) > limits.TEXT_LENGTH_MAX:
        message = f"longer than {limits.TEXT_LENGTH_MAX} characters (say it shorter)"
        raise argparse.ArgumentTypeError(message)
    return printable(text)[: limits.TEXT_LENGTH_MAX]


def _check_known(options: argparse.Namespace, known: list[str]) -> None:
    if options.security in known:
        return
    hint = did_you_mean(options.security, known, otherwise="its portfolio names them")
    raise UsageError(f"no security {options.security!r:.80} in {options.bucket} ({hint})")


def _sides(side: str | None) -> tuple[Side, ...]:
    from planner_core.model.records import Side

    return (Side.BUY, Side.SELL) if side is None else (Side(side),)


def _wanted_sides(home: Home, options: argparse.Namespace) -> tuple[Side, ...]:
    """Return the sides on which the newest plan trades the security; both if it does not."""
    from host.home.plan_store import PlanStore

    newest = PlanStore(home).latest(options.bucket)
    steps = newest.record.get("steps") if newest else None
    wanted = {
        step.get("side")
        for step in (steps if isinstance(steps, list) else ())
        if isinstance(step, dict) and step.get("security") == options.security
    }
    return tuple(side for side in _sides(None) if side.value in wanted) or _sides(None)


def _print(
    options: argparse.Namespace,
    changed: tuple[RefusedStep, ...],
    in_force: tuple[RefusedStep, ...],
    output: Output,
) -> None:
    bucket = options.bucket
    if options.list:
        for step in in_force:
            output.line(f"{bucket}: {_said(step)}")
        if not in_force:
            output.line(f"{bucket}: nothing is refused")
        return
    for step in changed:
        taken_back = "taken back: " if options.undo else ""
        output.line(f"{bucket}: {taken_back}{_said(step)}")
    if not changed:
        output.line(f"{bucket}: {options.security} was not refused")
    else:
        output.line(f"Next: trader plan {bucket}{home_option(options.home)}")


def _said(step: RefusedStep) -> str:
    why = f": {step.reason}" if step.reason else ""
    return f"no {step.side.value} of {step.security} before {step.until}{why}"
