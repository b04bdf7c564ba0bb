"""`trader dry-run`: try a configuration without writing anything.

Imports are inside functions, after `dont_write_bytecode`: not even bytecode is written.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from host.cli.home_option import open_bucket
from host.errors import EXIT_DONE, EXIT_FAILED, EXIT_USAGE
from host.operations.buckets import amount_in_base_currency

if TYPE_CHECKING:
    from host.cli.output import Output


def run(options: argparse.Namespace, output: Output) -> int:
    """Check, load, count."""
    sys.dont_write_bytecode = True
    from host.operations.dry_run import Trial, try_configuration

    home = open_bucket(options.home, options.bucket)
    invest = amount_in_base_currency(home, options.bucket, options.invest)
    file = Path(options.file) if options.file else None
    trial = Trial(file=file, invest=invest, buy_only=options.buy_only)
    record = try_configuration(home, options.bucket, trial)
    if options.json:
        output.json(record)
    else:
        _show(record, output)
    if not record["valid"]:
        return EXIT_USAGE
    return EXIT_FAILED if record["errors"] else EXIT_DONE


def _show(record: dict[str, object], output: Output) -> None:
    for name in ("errors", "warnings"):
        lines = record[name]
        assert isinstance(lines, list)
        output.errors(f"{name[:-1]}: {line}" for line in lines)
    if not record["valid"]:
        output.line(f"{record['bucket_id']}: not valid ({record['file']})")
        return
    modules = record["modules_loaded"]
    assert isinstance(modules, dict)
    n_on = sum(module["status"] != "disabled" for module in modules.values())
    output.line(f"{record['bucket_id']}: valid ({record['file']})")
    output.line(f"  modules     {n_on} on, {len(modules) - n_on} off")
    if record["estimated_s"] is not None:
        at_least = "" if record["is_exact"] else "at least "
        output.line(f"  candidates  {record['candidates']:,}")
        output.line(f"  sequences   {at_least}{record['estimated_sequences']:,}")
        output.line(f"  time        {record['estimated_s']} s on this machine")
        output.line(f"  memory      {record['peak_memory_mb']} MB at most")
        output.line(f"  outcome     {record['outcome']}, as of today's data")
