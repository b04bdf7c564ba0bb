"""`trader plans`: the stored plans of a bucket."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from host.cli.home_option import open_bucket
from host.errors import EXIT_DONE
from host.operations.plans import newest_plans, plan_of_trace

if TYPE_CHECKING:
    from host.cli.output import Output


def run(options: argparse.Namespace, output: Output) -> int:
    """List the newest plans, or print one."""
    home = open_bucket(options.home, options.bucket)
    if options.trace is not None:
        output.json(plan_of_trace(home, options.bucket, options.trace))
        return EXIT_DONE
    record = newest_plans(home, options.bucket, options.count)
    if options.json:
        output.json(record)
        return EXIT_DONE
    for plan in record["plans"]:
        when = plan["created_at"][:19].replace("T", " ")
        steps = "1 step" if plan["n_steps"] == 1 else f"{plan['n_steps']} steps"
        what = "damaged" if plan["outcome"] is None else f"{plan['outcome']:<13}  {steps:>8}"
        output.line(f"{when}  {plan['trace_id']}  {what}")
    if not record["plans"]:
        output.line(f"{options.bucket}: no plan is stored yet (trader plan {options.bucket})")
    return EXIT_DONE
