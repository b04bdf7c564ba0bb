"""`trader breakers`: list, reset and disable circuit breakers of modules."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from host.cli.home_option import open_home
from host.errors import EXIT_DONE, EXIT_FAILED, StorageError, UsageError, did_you_mean
from host.planning.breaker_store import BreakerStore
from host.text import printable
from planner_core.model.circuit_breaker import Signal

if TYPE_CHECKING:
    from host.cli.output import Output
    from host.home.home import Home
    from planner_core.model.circuit_breaker import Breaker


def show_list(options: argparse.Namespace, output: Output) -> int:
    """Print every breaker that is tracked."""
    store = _open(options, output)
    tracked = store.breakers.tracked
    code = EXIT_DONE if store.problem is None else EXIT_FAILED
    if options.json:
        output.json({"breakers": [_to_json(b, store) for b in tracked]})
        return code
    if not tracked and store.problem is None:
        output.line("All breakers are closed: no module is left out.")
    for breaker in tracked:
        for line in _lines(breaker, store):
            output.line(line)
    return code


def reset(options: argparse.Namespace, output: Output) -> int:
    """Close a breaker; the next plan uses its module."""
    store = _open(options, output)
    tracked_keys = [breaker.key for breaker in store.breakers.tracked]
    keys = (
        tracked_keys
        if options.key == "all"
        else [_key_of(options.key, tracked_keys, open_home(options.home))]
    )
    if not keys:
        output.line("nothing to reset: all breakers are closed")
    for key in keys:
        if key not in tracked_keys:
            output.line(f"{key}: nothing to reset, its breaker is closed")
            continue
        store.signal(key, Signal.RESET)
        _require_stored(store)
        output.line(f"{key}: closed; the next plan uses it")
    return EXIT_DONE


def disable(options: argparse.Namespace, output: Output) -> int:
    """Leave a module out of every plan of every bucket until it is reset."""
    store = _open(options, output)
    tracked_keys = [breaker.key for breaker in store.breakers.tracked]
    key = _key_of(options.key, tracked_keys, open_home(options.home))
    store.signal(key, Signal.DISABLE, "by hand")
    _require_stored(store)
    output.line(f"{key}: left out until `trader breakers reset {key}`")
    return EXIT_DONE


def _open(options: argparse.Namespace, output: Output) -> BreakerStore:
    home = open_home(options.home)
    home.require_home()
    store = BreakerStore(home)
    store.refresh()
    if store.problem is not None:
        output.error(f"trader breakers: {store.problem}")
    return store


def _require_stored(store: BreakerStore) -> None:
    """Raise StorageError if a change is not on disk."""
    if store.problem is not None:
        raise StorageError(store.problem)


def _key_of(name: str, tracked_keys: list[str], home: Home) -> str:
    """Return the key of a module or a breaker; a unique short name is enough."""
    from host.home.config.plugin_catalogue import modules_of  # numpy: not for the list

    registries = modules_of(home)
    keys = {*tracked_keys, *(module.key for module in registries.all_modules())}
    if name in keys:
        return name
    alike = sorted(key for key in keys if key.rpartition(".")[2] == name)
    if len(alike) == 1:
        return alike[0]
    hint = did_you_mean(name, sorted(keys), otherwise="see `trader modules list`")
    if alike:
        hint = f"which one? {' or '.join(alike)}"
    raise UsageError(f"trader breakers: no module {name!r:.150} ({hint})")


def _to_json(breaker: Breaker, store: BreakerStore) -> dict[str, object]:
    retry_at = store.retry_at(breaker)
    return {
        "key": breaker.key,
        "state": breaker.state.value,
        "failures": breaker.failures,
        "since": breaker.since.isoformat(timespec="seconds") if breaker.since else None,
        "reason": breaker.reason or None,
        "retry_at": retry_at.isoformat(timespec="seconds") if retry_at else None,
        "retry_after_s": store.breakers.wait_s(breaker.key) if breaker.has_retry_time else None,
    }


def _lines(breaker: Breaker, store: BreakerStore) -> list[str]:
    words = [breaker.key, breaker.state.value.replace("_", " ")]
    if breaker.since is not None:
        words.append(f"since {breaker.since.astimezone():%Y-%m-%d %H:%M}")
    retry_at = store.retry_at(breaker)
    if retry_at is not None:
        words.append(f"next trial {retry_at.astimezone():%H:%M}")
    lines = ["  ".join(words)]
    if breaker.state.value == "disabled":
        lines.append(f"  by hand; `trader breakers reset {breaker.key}` lets it run again")
    elif breaker.reason:
        failures = f" ({breaker.failures} in a row)" if breaker.failures > 1 else ""
        lines.append(f"  last failure{failures}: {printable(breaker.reason)}")
    return lines
