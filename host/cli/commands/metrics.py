"""What plans cost: time per module and stage, sequences, memory, link; counted over all plans.

Counted by the daemon and by `trader plan`, and kept in state/metrics.json. docs/metrics.md says
what each figure means. `trader plan BUCKET --profile` shows where the time of one plan goes.
"""

from __future__ import annotations

import argparse
import shutil
from typing import TYPE_CHECKING

from host.cli.home_option import add_bucket_argument, open_bucket, open_home
from host.errors import EXIT_DONE

if TYPE_CHECKING:
    from host.cli.output import Output


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_bucket_argument(parser, optional=True)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON object")
    form.add_argument(
        "--prometheus", action="store_true", help="print Prometheus' text format 0.0.4"
    )


def run(options: argparse.Namespace, output: Output) -> int:
    """Print what was measured."""
    if options.bucket is None:
        home = open_home(options.home)
        bucket_ids = home.require_bucket_ids()
    else:
        home = open_bucket(options.home, options.bucket)
        bucket_ids = (options.bucket,)
    from host.telemetry.metrics.metrics import MetricsStore

    store = MetricsStore(home)
    kept = store.read()
    if store.problem is not None:
        output.error(f"trader metrics: {store.problem}")
    if options.prometheus:
        from host.telemetry.metrics.prometheus import prometheus_text

        output.stdout.write(prometheus_text(kept, bucket_ids))
        return EXIT_DONE
    from host.telemetry.metrics.performance_report import metrics_to_json, report_lines

    if options.json:
        output.json(metrics_to_json(kept, bucket_ids))
        return EXIT_DONE
    width = shutil.get_terminal_size().columns if output.is_seen else None
    for line in report_lines(kept, bucket_ids, width=width):
        output.line(line)
    return EXIT_DONE
