"""Say how the appliance is: what is wrong, since when, and what to do about it.

Works with a daemon or without one, and writes nothing. `--live`: does a daemon's loop turn?
`--ready`: would a press give a plan? Exit code: 0 healthy (or live, or ready), 1 not.
Every finding is explained in docs/health.md.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Final

from host.cli.home_option import add_bucket_argument, open_bucket, open_home
from host.errors import EXIT_DONE, EXIT_FAILED

if TYPE_CHECKING:
    from host.cli.output import Output
    from host.health.finding import HealthFinding
    from host.health.report import HealthReport

MARKS: Final = {"error": "FAILED", "warning": "WARNING", "info": "note"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_bucket_argument(parser, optional=True)
    question = parser.add_mutually_exclusive_group()
    question.add_argument("--live", action="store_true", help="only: does a daemon's loop turn?")
    question.add_argument("--ready", action="store_true", help="only: would a press give a plan?")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace, output: Output) -> int:
    """Look, and say what was found."""
    if options.live:
        return _say_live(options, output)
    from host.health.checkup import check_health

    home = open_home(options.home)
    if options.bucket is not None and home.root.is_dir():
        home = open_bucket(options.home, options.bucket)
    report = check_health(home, None if options.bucket is None else (options.bucket,))
    if options.ready:
        return _say_ready(options, output, report)
    if options.json:
        output.json(report.to_json())
    else:
        for line in _lines(report):
            output.line(line)
    return EXIT_DONE if report.status.value == "ok" else EXIT_FAILED


def _say_live(options: argparse.Namespace, output: Output) -> int:
    from host.health.probe import probe_daemon

    home = open_home(options.home)
    try:
        probe = probe_daemon(home)
    except OSError as error:
        output.error(f"{home.state_dir}: {error.strerror} (ask as the owner of the home)")
        return EXIT_FAILED
    age_s = None if probe.liveness is None else probe.liveness.age_s
    if options.json:
        output.json({"live": probe.is_live, "running": probe.is_locked, "beat_age_s": age_s})
    elif probe.is_live:
        output.line(f"live: the daemon's last sign is {age_s:.0f} s old")
    else:
        output.line(
            "not live: " + ("the daemon is silent" if probe.is_locked else "no daemon runs")
        )
    return EXIT_DONE if probe.is_live else EXIT_FAILED


def _say_ready(options: argparse.Namespace, output: Output, report: HealthReport) -> int:
    obstacles = report.not_ready(options.bucket)
    if options.json:
        output.json({"ready": not obstacles, "because": [found.to_json() for found in obstacles]})
    elif not obstacles:
        output.line("ready: a press gives a plan")
    for found in obstacles if not options.json else ():
        output.line(f"not ready: {found.id}: {found.what}")
    return EXIT_FAILED if obstacles else EXIT_DONE


def _lines(report: HealthReport) -> list[str]:
    """Return the report for people."""
    daemon = "a daemon serves it" if report.is_live else "no daemon serves it"
    lines = [f"{report.status.value.upper()}  {report.probe.home.root} ({daemon})"]
    for bucket_id in report.probe.bucket_ids:
        known = report.probe.bucket(bucket_id)
        obstacles = report.cannot_plan(bucket_id)
        can = "no plan can be made" if obstacles else "a plan can be made"
        last = "never" if known.last_success is None else f"{known.last_success:%Y-%m-%d %H:%M} UTC"
        version = "none" if known.config_version is None else known.config_version or "not kept yet"
        lines.append(f"  {bucket_id}: {can}; last plan {last}; configuration {version}")
    for found in report.findings:
        lines += ["", *_finding_lines(found)]
    return lines


def _finding_lines(found: HealthFinding) -> list[str]:
    from host.text import printable

    bucket = f" {found.bucket_id}" if found.bucket_id else ""
    since = "" if found.since is None else f" (since {found.since:%Y-%m-%d %H:%M} UTC)"
    return [
        f"{MARKS[found.severity.value]}{bucket} {found.id}{since}",
        f"  {printable(found.what)}",
        f"  -> {printable(found.action)}",
    ]
