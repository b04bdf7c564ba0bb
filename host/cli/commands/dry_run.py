"""`trader dry-run`: try a configuration without writing anything.

Imports are inside functions, after `dont_write_bytecode`: not even bytecode is written.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from host.cli.home_option import amount_in_base_currency, open_bucket
from host.errors import EXIT_DONE, EXIT_FAILED, EXIT_USAGE

if TYPE_CHECKING:
    from host.cli.output import Output
    from host.home.config.load import LoadedConfig
    from host.home.home import Home

BUDGET_S = 20.0
KIB = 1024


def run(options: argparse.Namespace, output: Output) -> int:
    """Check, load, count."""
    sys.dont_write_bytecode = True
    from host.home.config.load import load_config_file
    from host.home.storage.toml_file import HOME_ADVICE, PATH_ADVICE, ConfigFileError

    home = open_bucket(options.home, options.bucket)
    path = Path(options.file) if options.file else home.bucket_file(options.bucket)
    try:
        loaded = load_config_file(path, advice=PATH_ADVICE if options.file else HOME_ADVICE)
    except ConfigFileError as error:
        lines = list(error.lines)
        record = report(options.bucket, path, errors=lines)
        code = EXIT_USAGE
    else:
        record = report(options.bucket, path, valid=True, **_try_plan(home, options, loaded))
        code = EXIT_FAILED if record["errors"] else EXIT_DONE
    if options.json:
        output.json(record)
    else:
        _show(record, output)
    return code


def report(bucket_id: str, path: Path, **fields: object) -> dict[str, object]:
    """Return the answer with all its keys."""
    empty: dict[str, object] = {
        "valid": False,
        "bucket_id": bucket_id,
        "file": str(path),
        "modules_loaded": {},
        "outcome": None,
        "candidates": 0,
        "estimated_sequences": 0,
        "is_exact": False,
        "estimated_s": None,
        "peak_memory_mb": None,
        "warnings": [],
        "errors": [],
    }
    return empty | fields


def _try_plan(home: Home, options: argparse.Namespace, loaded: LoadedConfig) -> dict[str, object]:
    """Plan in memory, without any output."""
    from host.home.config.currency_defaults import in_base_currency
    from host.home.config.written_cap import find_written_cap
    from host.home.portfolio.snapshot import take_snapshot
    from host.home.storage.problems import LedgerError, MarketDataError
    from host.planning.plan_run import as_requested
    from planner_core.errors import ContextError
    from planner_core.explain.dry_run import describe_modules, dry_run
    from planner_core.modules.builtin import builtin_registries
    from planner_core.runtime import Runtime

    invest = amount_in_base_currency(home, options.bucket, options.invest)
    runtime = Runtime(monotonic=time.monotonic, deadline_s=time.monotonic() + BUDGET_S)
    config = loaded.config
    try:
        context = take_snapshot(
            home,
            options.bucket,
            history_days=config.estimation.history_days,
            written_cap=find_written_cap(loaded),
        )
        context = as_requested(context, invest, buy_only=options.buy_only)
        trial = dry_run(context, in_base_currency(config, context.base_currency), runtime)
    except (MarketDataError, LedgerError, ContextError) as error:
        modules = describe_modules(config, builtin_registries())
        return {"modules_loaded": modules, "errors": str(error).splitlines()}
    return {
        "modules_loaded": trial.modules_loaded,
        "outcome": trial.outcome,
        "candidates": trial.n_candidates,
        "estimated_sequences": trial.estimated_sequences,
        "is_exact": trial.is_exact,
        "estimated_s": round(trial.estimated_s, 3),
        "peak_memory_mb": peak_memory_mb(),
        "warnings": list(trial.warnings),
        "errors": list(trial.errors),
    }


def peak_memory_mb() -> float:
    """Return the peak memory of this process, MiB."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB, 1)


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
