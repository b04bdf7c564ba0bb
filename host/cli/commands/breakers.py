"""Which modules are left alone for now, since when, why, and when they may try again.

A module that fails in three plans in a row, or takes the planner's process down once, is left out
for 5 minutes; then one plan tries it, and each failed trial doubles the wait, up to an hour.
docs/breakers.md has the rules.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from host.cli.home_option import open_home
from host.errors import EXIT_DONE, EXIT_FAILED, StorageError, UsageError, did_you_mean

if TYPE_CHECKING:
    from host.cli.output import Output
    from host.planning.breaker_store import BreakerStore
    from planner_core.model.circuit_breaker import Breaker


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    actions = parser.add_subparsers(metavar="ACTION")
    reset = actions.add_parser("reset", help="let a module run again at once")
    reset.add_argument("key", metavar="KEY", help="a module, as the list shows it; or `all`")
    reset.set_defaults(run=reset_breaker)
    disable = actions.add_parser("disable", help="leave a module out until it is reset")
    disable.add_argument("key", metavar="KEY", help="a module, as `trader modules list` shows it")
    disable.set_defaults(run=disable_module)


def run(options: argparse.Namespace, output: Output) -> int:
    """Print every breaker that something happened to."""
    store = _open(options, output)
    known = store.breakers.tracked
    code = EXIT_DONE if store.problem is None else EXIT_FAILED
    if options.json:
        output.json({"schema_version": 1, "breakers": [_to_json(b, store) for b in known]})
        return code
    if not known and store.problem is None:
        output.line("All breakers are closed: no module is left out.")
    for breaker in known:
        for line in _lines(breaker, store):
            output.line(line)
    return code


def reset_breaker(options: argparse.Namespace, output: Output) -> int:
    """Close a breaker; the next plan calls its module."""
    from planner_core.model.circuit_breaker import Signal

    store = _open(options, output)
    known = [breaker.key for breaker in store.breakers.tracked]
    keys = known if options.key == "all" else [_key_of(options.key, known)]
    if not keys:
        output.line("nothing to reset: all breakers are closed")
    for key in keys:
        if key not in known:
            output.line(f"{key}: nothing to reset, its breaker is closed")
            continue
        store.signal(key, Signal.RESET)
        _require_kept(store)
        output.line(f"{key}: closed; the next plan calls it")
    return EXIT_DONE


def disable_module(options: argparse.Namespace, output: Output) -> int:
    """Leave a module out of every plan of every bucket until it is reset."""
    from planner_core.model.circuit_breaker import Signal

    store = _open(options, output)
    key = _key_of(options.key, [breaker.key for breaker in store.breakers.tracked])
    store.signal(key, Signal.DISABLE, "by hand")
    _require_kept(store)
    output.line(f"{key}: left out until `trader breakers reset {key}`")
    return EXIT_DONE


def _open(options: argparse.Namespace, output: Output) -> BreakerStore:
    from host.planning.breaker_store import BreakerStore

    home = open_home(options.home)
    home.require_home()
    store = BreakerStore(home)
    store.refresh()
    if store.problem is not None:
        output.error(f"trader breakers: {store.problem}")
    return store


def _require_kept(store: BreakerStore) -> None:
    """Refuse to say that something was done which is not on disk."""
    if store.problem is not None:
        raise StorageError(store.problem)


def _key_of(name: str, known: list[str]) -> str:
    """Return the key of a module or a breaker; a short name will do if only one has it."""
    from planner_core.modules.builtin import builtin_registries

    keys = {*known, *(module.key for module in builtin_registries().all_modules())}
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
    from host.text import printable

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
