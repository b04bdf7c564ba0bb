"""Files that the code writes itself, so that they cannot lie.

python tools/generate.py            write them
python tools/generate.py --check    fail, with the head of a diff, if one is stale
"""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DIFF_LINES_SHOWN = 20

# A pure function of the code: the same code gives the same text, on every machine.
Generator = Callable[[], str]

# Path below the root -> what writes it. Let each function import what it needs when it is called:
# one module that does not import must not stop the other files.
GENERATED: dict[str, Generator] = {}


def diff_head(path: str, found: str, wanted: str) -> str:
    """The first lines of the difference."""
    lines = list(
        difflib.unified_diff(
            found.splitlines(), wanted.splitlines(), f"{path} (found)", "(wanted)", lineterm=""
        )
    )
    more = len(lines) - DIFF_LINES_SHOWN
    tail = [f"... {more} more lines"] if more > 0 else []
    return "\n".join([*lines[:DIFF_LINES_SHOWN], *tail])


def stale(root: Path, generated: Mapping[str, Generator]) -> dict[str, str]:
    """The files that differ from what the code says, each with the head of its diff."""
    found: dict[str, str] = {}
    for name, generate in generated.items():
        path, wanted = root / name, generate()
        if not path.is_file():
            found[name] = f"{name} is missing"
        elif path.read_bytes() != wanted.encode():
            text = path.read_text(encoding="utf-8", errors="replace")
            found[name] = diff_head(name, text, wanted)
    return found


def write(root: Path, generated: Mapping[str, Generator]) -> list[str]:
    """Write what is stale, and nothing else: an untouched file keeps its time."""
    names = list(stale(root, generated))
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(generated[name]().encode())
    return names


def main(
    arguments: list[str] | None = None,
    root: Path = ROOT,
    generated: Mapping[str, Generator] = GENERATED,
) -> int:
    """Write or check."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="change nothing, fail if one is stale")
    options = parser.parse_args(arguments)
    if not options.check:
        for name in write(root, generated):
            print(f"wrote {name}")
        return 0
    differences = stale(root, generated)
    for difference in differences.values():
        print(difference)
    if differences:
        print(f"stale: {', '.join(differences)}; run: python tools/generate.py")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
