"""Code that nothing uses: in the product without its tests and tools, and anywhere at all.

python tools/dead_code.py

Code that only a test calls is dead in the product: it goes to the tests, or away. vulture looks for
names that are defined and never used. `ALLOWED` lists uses that it cannot see, with the reason.
"""

from __future__ import annotations

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

DECORATORS: Final = ("@model_validator", "@field_validator", "@pytest.fixture", "@rule",
                     "@initialize", "@invariant", "@precondition")  # fmt: skip
"""pydantic, pytest and hypothesis call what they decorate."""

FIELDS_READ_BY_NAME: Final = ("host/telemetry/events/", "planner_core/events.py")
"""Fields of an event reach journal, log and subscribers by their names."""

ALLOWED: Final[Mapping[str, str]] = {
    "model_config": "pydantic reads it",
    "pytest_configure": "pytest calls it",
    "pytest_plugins": "pytest reads it",
}
"""name -> who uses it without naming it."""


def dead_code(
    root: Path, folders: tuple[str, ...], allowed: Mapping[str, str]
) -> tuple[list[str], set[str]]:
    """Return what nothing uses, as `path:line: what`, and the allowed names that were needed."""
    scan = vulture.Vulture(ignore_decorators=list(DECORATORS))
    scan.scavenge([str(root / folder) for folder in folders], exclude=list(EXCLUDED))
    complaints, needed = [], set()
    for item in scan.get_unused_code(min_confidence=CONFIDENCE_MIN):
        path = Path(item.filename).resolve().relative_to(root.resolve()).as_posix()
        if item.name in allowed:
            needed.add(item.name)
        elif not (item.typ == "variable" and path.startswith(FIELDS_READ_BY_NAME)):
            complaints.append(f"{path}:{item.first_lineno}: unused {item.typ} `{item.name}`")
    return complaints, needed


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
