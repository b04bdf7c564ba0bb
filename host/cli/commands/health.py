"""`trader health`: check the appliance."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Final

from host.cli.home_option import open_home
from host.errors import EXIT_DONE, EXIT_FAILED
from host.operations.health import (
    check_buckets,
    liveness_to_json,
    read_liveness,
    readiness_to_json,
)
from host.text import printable

if TYPE_CHECKING:
    from host.cli.output import Output
    from host.health.finding import HealthFinding
    from host.health.report import HealthReport

MARKS: Final = {"error": "FAILED", "warning": "WARNING", "info": "note"}


def run(options: argparse.Namespace, output: Output) -> int:
    """Check the appliance and print the findings."""
    if options.live:
        return _print_live(options, output)
    report = check_buckets(open_home(options.home), options.bucket)
    if options.ready:
        return _print_ready(options, output, report)
    if options.json:
        output.json(report.to_json())
    else:
        for line in _lines(report):
            output.line(line)
    return EXIT_DONE if report.status.value == "ok" else EXIT_FAILED


def _print_live(options: argparse.Namespace, output: Output) -> int:
    home = open_home(options.home)
    try:
        probe = read_liveness(home)
    except OSError as error:
        output.error(f"{home.state_dir}: {error.strerror} (run it as the owner of the home)")
        return EXIT_FAILED
    record = liveness_to_json(probe)
    if options.json:
        output.json(record)
    elif probe.is_live:
        output.line(f"live: the daemon was alive {record['beat_age_s']:.0f} s ago")
    else:
        output.line(
            "not live: "
            + ("the daemon does not respond" if probe.is_locked else "no daemon is running")
        )
    return EXIT_DONE if probe.is_live else EXIT_FAILED


def _print_ready(options: argparse.Namespace, output: Output, report: HealthReport) -> int:
    obstacles = report.not_ready(options.bucket)
    if options.json:
        output.json(readiness_to_json(report, options.bucket))
    elif not obstacles:
        output.line("ready: a press gives a plan")
    for finding in obstacles if not options.json else ():
        output.line(f"not ready: {finding.id}: {finding.what}")
    return EXIT_FAILED if obstacles else EXIT_DONE


def _lines(report: HealthReport) -> list[str]:
    """Return the report as lines of text."""
    daemon = "a daemon serves it" if report.is_live else "no daemon serves it"
    lines = [f"{report.status.value.upper()}  {report.probe.home.root} ({daemon})"]
    for bucket_id in report.probe.bucket_ids:
        probe = report.probe.bucket(bucket_id)
        obstacles = report.cannot_plan(bucket_id)
        can = "no plan can be made" if obstacles else "a plan can be made"
        last = "never" if probe.last_success is None else f"{probe.last_success:%Y-%m-%d %H:%M} UTC"
        version = (
            "none" if probe.config_version is None else probe.config_version or "not stored yet"
        )
        lines.append(f"  {bucket_id}: {can}; last plan {last}; configuration {version}")
    for finding in report.findings:
        lines += ["", *_finding_lines(finding)]
    return lines


def _finding_lines(finding: HealthFinding) -> list[str]:
    bucket = f" {finding.bucket_id}" if finding.bucket_id else ""
    since = "" if finding.since is None else f" (since {finding.since:%Y-%m-%d %H:%M} UTC)"
    return [
        f"{MARKS[finding.severity.value]}{bucket} {finding.id}{since}",
        f"  {printable(finding.what)}",
        f"  -> {printable(finding.action)}",
    ]
