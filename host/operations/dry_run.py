"""Try a configuration without writing anything: valid, modules, counts, time, memory.

Imports are inside functions: not even bytecode is written, and the caller says so to Python first.
"""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

    from host.home.config.load import LoadedConfig
    from host.home.home import Home

BUDGET_S: Final = 20.0
"""A search that takes longer is counted by a formula; the whole of it would take too long."""
KIB: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A configuration to try.

    Parameters
    ----------
    file : Path, optional
        By default the bucket's own.
    text : str, optional
        TOML that is tried instead of a file.
    invest : float, base currency
    buy_only : bool
    """

    file: Path | None = None
    text: str | None = None
    invest: float = 0.0
    buy_only: bool = False


REQUEST_SOURCE: Final = "request"
"""The name of a text that was sent, in the places of its problems."""


def try_configuration(home: Home, bucket_id: str, trial: Trial) -> dict[str, object]:
    """Check, load and count; a configuration that is not valid is an answer too.

    Returns
    -------
    dict
        As in docs/json.md; `problems` has the places of what is wrong in the configuration.
    """
    from host.home.storage.toml_file import ConfigFileError

    name = REQUEST_SOURCE if trial.text is not None else str(_file_of(home, bucket_id, trial))
    try:
        loaded = _load(home, bucket_id, trial)
    except ConfigFileError as error:
        from host.operations.problems import problem_to_json

        problems = [problem_to_json(problem) for problem in error.problems]
        return _record(bucket_id, name, errors=list(error.lines), problems=problems)
    return _record(bucket_id, name, valid=True, **_try_plan(home, bucket_id, trial, loaded))


def _file_of(home: Home, bucket_id: str, trial: Trial) -> Path:
    return trial.file or home.bucket_file(bucket_id)


def _load(home: Home, bucket_id: str, trial: Trial) -> LoadedConfig:
    from host.home.config.load import (
        UNCOMMITTED,
        LoadedConfig,
        check_document,
        load_config_file,
        load_uncommitted,
    )
    from host.home.config.plugin_catalogue import modules_of
    from host.home.storage.toml_file import PATH_ADVICE, parse_toml

    path, modules = _file_of(home, bucket_id, trial), modules_of(home)
    if trial.text is None:
        if trial.file is None:
            return load_uncommitted(home, bucket_id, modules)
        return load_config_file(path, modules, advice=PATH_ADVICE)
    document = parse_toml(trial.text, REQUEST_SOURCE)
    return LoadedConfig(check_document(document, modules), document.sha256, UNCOMMITTED, path)


def _record(bucket_id: str, name: str, **fields: object) -> dict[str, object]:
    """Return the answer with all its keys."""
    empty: dict[str, object] = {
        "valid": False,
        "bucket_id": bucket_id,
        "file": name,
        "modules_loaded": {},
        "outcome": None,
        "candidates": 0,
        "estimated_sequences": 0,
        "is_exact": False,
        "estimated_s": None,
        "peak_memory_mb": None,
        "warnings": [],
        "errors": [],
        "problems": [],
    }
    return empty | fields


def _try_plan(home: Home, bucket_id: str, trial: Trial, loaded: LoadedConfig) -> dict[str, object]:
    """Plan in memory, without any output."""
    from host.home.config.currency_defaults import in_base_currency
    from host.home.config.plugin_catalogue import (
        PluginsUnknownError,
        modules_of,
        plugin_notes,
        require_known_plugins,
    )
    from host.home.config.written_cap import find_written_cap
    from host.home.portfolio.snapshot import take_snapshot
    from host.home.storage.problems import LedgerError, MarketDataError
    from host.planning.plan_run import as_requested
    from planner_core.errors import ContextError
    from planner_core.explain.dry_run import describe_modules, dry_run
    from planner_core.runtime import Runtime

    registries = modules_of(home)
    runtime = Runtime(
        registries=registries, monotonic=time.monotonic, deadline_s=time.monotonic() + BUDGET_S
    )
    config = loaded.config
    notes = plugin_notes(home)
    try:
        require_known_plugins(notes, config.absent_modules)
        context = take_snapshot(
            home,
            bucket_id,
            history_days=config.estimation.history_days,
            written_cap=find_written_cap(loaded),
        )
        context = as_requested(context, trial.invest, buy_only=trial.buy_only)
        result = dry_run(context, in_base_currency(config, context.base_currency), runtime)
    except (MarketDataError, LedgerError, ContextError, PluginsUnknownError) as error:
        modules = describe_modules(config, registries)
        return {"modules_loaded": modules, "errors": str(error).splitlines()}
    return {
        "modules_loaded": result.modules_loaded,
        "outcome": result.outcome,
        "candidates": result.n_candidates,
        "estimated_sequences": result.estimated_sequences,
        "is_exact": result.is_exact,
        "estimated_s": round(result.estimated_s, 3),
        "peak_memory_mb": _peak_memory_mb(),
        "warnings": [*result.warnings, *([notes.unknown] if notes.unknown else ())],
        "errors": list(result.errors),
    }


def _peak_memory_mb() -> float:
    """Return the peak memory of this process, MiB."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB, 1)
