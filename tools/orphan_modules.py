"""Product modules that no product module imports: dead, or made for tests or tools alone.

An entry point is started by name, so nothing imports it; `ENTRY_POINTS` says who starts it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

PRODUCT: Final = ("configs", "firmware_bridge", "host", "planner_core")

ENTRY_POINTS: Final[Mapping[str, str]] = {
    "host/cli/__main__.py": "python -m host.cli",
    "host/operations/isolated.py": "the HTTP API, in a process per request",
    "host/operations/plugin_check_main.py": "host/operations/plugin_check.py, in a process",
    "host/plugins/inspection_main.py": "host/plugins/inspection.py, in a process",
    "host/planning/worker/main.py": "the daemon, in a process of its own",
    "host/cli/plugin_process_main.py": "host/cli/plugin_process.py, for a command that plans",
    "planner_core/api.py": "the files of plugins import it",
    "host/simulation/avr_board.py": "host/simulation/appliance.py, for `trader demo --board avr`",
    "firmware_bridge/firmware/uno_q/python/main.py": "App Lab, on the board",
}
FILES_TO_COPY: Final = ("configs/plugin_templates/", "configs/plugins/")
"""`trader plugin new` copies them into a home."""
COMMANDS: Final = "host/cli/commands/"
"""Imported by the name in `host.cli.main.COMMANDS`, or by another command."""


def orphans(files: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield the product modules that are neither imported by the product nor an entry point.

    Parameters
    ----------
    files : iterable of (path below the root, text)
    """
    sources = {name: text for name, text in files if name.startswith(PRODUCT)}
    imported = {module for text in sources.values() for module in _imports(text)}
    for name in sorted(sources):
        is_started = name in ENTRY_POINTS or name.startswith((COMMANDS, *FILES_TO_COPY))
        if name.endswith("/__init__.py") or is_started:
            continue
        if name.removesuffix(".py").replace("/", ".") not in imported:
            yield name


def _imports(text: str) -> Iterator[str]:
    """Yield every dotted name that may be a module: `from a import b` may mean `a` or `a.b`."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
