"""`trader metrics`: print what plans cost."""

from __future__ import annotations

import argparse
import shutil
from typing import TYPE_CHECKING

from host.cli.home_option import open_home
from host.errors import EXIT_DONE
from host.operations.buckets import select_buckets
from host.telemetry.metrics.metrics import MetricsStore
from host.telemetry.metrics.performance_report import metrics_to_json, report_lines
from host.telemetry.metrics.prometheus import prometheus_text

if TYPE_CHECKING:
    from host.cli.output import Output


def run(options: argparse.Namespace, output: Output) -> int:
    """Print the metrics."""
    home = open_home(options.home)
    bucket_ids = select_buckets(home, options.bucket)
    store = MetricsStore(home)
    metrics = store.read()
    if store.problem is not None:
        output.error(f"trader metrics: {store.problem}")
    if options.prometheus:
        output.stdout.write(prometheus_text(metrics, bucket_ids))
        return EXIT_DONE

    if options.json:
        output.json(metrics_to_json(metrics, bucket_ids))
        return EXIT_DONE
    width = shutil.get_terminal_size().columns if output.is_terminal else None
    for line in report_lines(metrics, bucket_ids, width=width):
        output.line(line)
    return EXIT_DONE
