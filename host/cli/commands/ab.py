"""`trader ab`: two configurations on today's state, and which plan is better.

Imports are inside functions, after `dont_write_bytecode`: not even bytecode is written.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Final

from host.cli.home_option import open_bucket
from host.cli.progress import show_progress
from host.errors import EXIT_DONE, EXIT_FAILED, EXIT_USAGE
from host.operations.buckets import amount_in_base_currency

if TYPE_CHECKING:
    from host.cli.output import Output


SWITCH: Final = {None: None, "on": True, "off": False}


def run(options: argparse.Namespace, output: Output) -> int:
    """Plan with both, compare, show."""
    sys.dont_write_bytecode = True
    from host.operations.ab_test import AbRequest, compare_configurations

    home = open_bucket(options.home, options.bucket)
    request = AbRequest(
        a=options.a,
        b=options.b,
        invest=amount_in_base_currency(home, options.bucket, options.invest),
        buy_only=options.buy_only,
        plugins_a=SWITCH[options.plugins_a],
        plugins_b=SWITCH[options.plugins_b],
    )
    with show_progress(output.stderr) as progress:
        result = compare_configurations(
            home, options.bucket, request, lambda name: progress(f"planning with {name}", None)
        )
    for side in result.sides:
        output.errors(side.lines)
    if options.json:
        output.json(result.to_json())
    else:
        from host.presentation.comparison_view import print_comparison

        print_comparison(output.console(), result.comparison, *result.views())
    if not result.is_valid:
        return EXIT_USAGE
    return EXIT_DONE if result.has_plans else EXIT_FAILED
