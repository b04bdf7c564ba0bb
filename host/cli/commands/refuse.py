"""`trader refuse`: refuse trades, or take a refusal back."""

from __future__ import annotations

import argparse
from datetime import date, timedelta
from typing import TYPE_CHECKING

from host.cli.home_option import home_option, open_bucket
from host.errors import EXIT_DONE, UsageError, did_you_mean
from host.home.plan_store import PlanStore
from host.home.portfolio.advice import allow, read_decisions, refusal_to_json, refuse
from host.home.portfolio.portfolio_file import read_portfolio
from planner_core.model.records import RefusedStep, Side

if TYPE_CHECKING:
    from host.cli.output import Output
    from host.home.home import Home


def run(options: argparse.Namespace, output: Output) -> int:
    """Refuse, take back or list; print the refusals in force."""
    if options.security is None and not options.list:
        raise UsageError("trader refuse: which SECURITY? (or --list shows what is refused)")
    home = open_bucket(options.home, options.bucket)
    portfolio = read_portfolio(home.portfolio_file(options.bucket))
    today, securities = portfolio.as_of, portfolio.tables.securities
    advice, findings = read_decisions(home, options.bucket)
    output.errors(f"{finding.message} ({finding.action})" for finding in findings)
    changed: tuple[RefusedStep, ...] = ()
    if options.undo:
        sides = _sides(options.side)
        _check_security(options, [*securities, *(step.security for step in advice.refused)])
        changed = allow(home, options.bucket, options.security, sides, today)
    elif not options.list:
        _check_security(options, list(securities))
        until = today + min(timedelta(days=options.days), date.max - today)
        sides = _sides(options.side) if options.side else _planned_sides(home, options)
        changed = tuple(
            RefusedStep(options.security, side, until, options.reason) for side in sides
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


def _check_security(options: argparse.Namespace, securities: list[str]) -> None:
    if options.security in securities:
        return
    hint = did_you_mean(options.security, securities, otherwise="see its portfolio")
    raise UsageError(f"no security {options.security!r:.80} in {options.bucket} ({hint})")


def _sides(side: str | None) -> tuple[Side, ...]:
    return (Side.BUY, Side.SELL) if side is None else (Side(side),)


def _planned_sides(home: Home, options: argparse.Namespace) -> tuple[Side, ...]:
    """Return the sides of the security in the newest plan; both if it does not trade it."""
    newest = PlanStore(home).latest(options.bucket)
    steps = newest.record.get("steps") if newest else None
    planned = {
        step.get("side")
        for step in (steps if isinstance(steps, list) else ())
        if isinstance(step, dict) and step.get("security") == options.security
    }
    return tuple(side for side in _sides(None) if side.value in planned) or _sides(None)


def _print(
    options: argparse.Namespace,
    changed: tuple[RefusedStep, ...],
    in_force: tuple[RefusedStep, ...],
    output: Output,
) -> None:
    bucket = options.bucket
    if options.list:
        for step in in_force:
            output.line(f"{bucket}: {_refusal_text(step)}")
        if not in_force:
            output.line(f"{bucket}: nothing is refused")
        return
    for step in changed:
        taken_back = "taken back: " if options.undo else ""
        output.line(f"{bucket}: {taken_back}{_refusal_text(step)}")
    if not changed:
        output.line(f"{bucket}: {options.security} was not refused")
    else:
        output.line(f"Next: trader plan {bucket}{home_option(options.home)}")


def _refusal_text(step: RefusedStep) -> str:
    why = f": {step.reason}" if step.reason else ""
    return f"no {step.side.value} of {step.security} before {step.until}{why}"
