"""Code that nothing uses: in the product without its tests and tools, and anywhere at all.

python tools/dead_code.py

Code that only a test calls is dead in the product: it goes to the tests, or away. vulture looks for
names that are defined and never used. `ALLOWED` lists uses that it cannot see, with the reason.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import vulture

ROOT: Final = Path(__file__).resolve().parent.parent
PRODUCT: Final = ("configs", "firmware_bridge", "host", "planner_core")
EVERYTHING: Final = (*PRODUCT, "tests", "tools")
EXCLUDED: Final = ("*/firmware/uno_q/*",)  # runs in App Lab's Python, not in ours
CONFIDENCE_MIN: Final = 60
"""Percent; vulture's figure for a name that it sees nowhere else."""

DECORATORS: Final = ("@router.get", "@router.post", "@router.put", "@router.delete",
                     "@model_validator", "@field_validator", "@pytest.fixture", "@rule",
                     "@initialize", "@invariant", "@precondition")  # fmt: skip
"""FastAPI, pydantic, pytest and hypothesis call what they decorate."""

FIELDS_READ_BY_NAME: Final = ("host/telemetry/events.py", "planner_core/events.py")
"""Fields of an event reach journal, log and subscribers by their names."""

CALLED_BY_NAME: Final = ("host/cli/arguments.py", "tools/generate.py")
"""Files that name functions in strings: `run="plan.run"`, `_firmware("protocol_header")`."""
FUNCTION_NAME: Final = re.compile(r"(?:[a-z_]+\.)?([a-z_]+)")

ALLOWED: Final[Mapping[str, str]] = {
    # in the product
    "COMMODITY": "a kind that portfolios may name",
    "PC": "a board that the protocol names; the firmware's PC build sends it",
    "WARN": "a level that device.toml may name",
    "capture_signals": "uvicorn calls it",
    "c_type": "tools/generators/protocol_c.py reads it",
    "dont_write_bytecode": "Python reads it: a dry run writes nothing",
    "dtr": "pyserial reads it",
    "model_config": "pydantic reads it",
    "msgpack_type": "tools/generators/protocol_doc.py reads it",
    "press_twice": "docs/simulation.md: for tests of one's own set-up",
    "render": "rich calls it",
    "restart_board": "docs/simulation.md: for tests of one's own set-up",
    "restart_daemon": "docs/simulation.md: for tests of one's own set-up",
    "should_exit": "uvicorn reads it",
    "shown_s": "docs/simulation.md: a figure of an answer",
    "ALWAYS": "an encryption that device.toml may name",
    "timeout_keep_alive_handler": "uvicorn calls it",
    "force_exit": "uvicorn reads it",
    "timezone": "a key of portfolio files, read before the others",
    "to_png": "tools/generators/display_doc.py draws the pictures of the documents",
    "writeable": "numpy reads it",
    # counters that `trader board info --json` and the metrics list by their names
    "bytes_dropped": "a field of LinkStatistics",
    "bytes_received": "a field of LinkStatistics",
    "bytes_sent": "a field of LinkStatistics",
    "crc_errors": "a field of LinkStatistics",
    "port_openings": "a field of LinkStatistics",
    "rtt_last_ms": "a field of LinkStatistics",
    # estimates and counters that only tests read so far
    "no_route": "a counter of the router's carrier",
    "refusals": "a counter of the router's carrier",
    "serial_reopened": "a counter of the router's carrier",
    "tail_episodes": "on how many episodes of the past the tail risk rests",
    # in the tests
    "pytestmark": "pytest reads it",
    "teardown": "hypothesis calls it",
}
"""name -> who uses it without naming it."""


def dead_code(
    root: Path, folders: tuple[str, ...], allowed: Mapping[str, str]
) -> tuple[list[str], set[str]]:
    """Return what nothing uses, as `path:line: what`, and the allowed names that were needed."""
    called = functions_called_by_name(root)
    scan = vulture.Vulture(ignore_decorators=list(DECORATORS))
    scan.scavenge([str(root / folder) for folder in folders], exclude=list(EXCLUDED))
    complaints, needed = [], set()
    for item in scan.get_unused_code(min_confidence=CONFIDENCE_MIN):
        path = Path(item.filename).resolve().relative_to(root.resolve()).as_posix()
        if item.name in allowed:
            needed.add(item.name)
        elif item.typ == "function" and item.name in called:
            continue
        elif not (item.typ == "variable" and path in FIELDS_READ_BY_NAME):
            complaints.append(f"{path}:{item.first_lineno}: unused {item.typ} `{item.name}`")
    return complaints, needed


def functions_called_by_name(root: Path) -> set[str]:
    """Return the functions that stand as strings in the files of `CALLED_BY_NAME`."""
    texts = [path.read_text("utf-8") for name in CALLED_BY_NAME if (path := root / name).is_file()]
    strings = {
        node.value
        for text in texts
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    matches = map(FUNCTION_NAME.fullmatch, strings)
    return {match[1] for match in matches if match}


def violations(root: Path, allowed: Mapping[str, str] = ALLOWED) -> Iterator[str]:
    """Yield dead code of the product, then of everything, then exceptions that nothing needs."""
    in_product, needed_there = dead_code(root, PRODUCT, allowed)
    anywhere, needed = dead_code(root, EVERYTHING, allowed)
    yield from dict.fromkeys([*in_product, *anywhere])
    for name in sorted(set(allowed) - needed - needed_there):
        yield f"tools/dead_code.py: `{name}` is used now: remove it from ALLOWED"


def main() -> int:
    """Print what is dead; fail if anything is."""
    lines = list(violations(ROOT))
    print("\n".join([*lines, f"dead code: {len(lines)} places"]))
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
