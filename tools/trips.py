"""Count through how many of our files a press, a config edit and a plan run.

python tools/house.py trips [--root DIR] [--json]

A file counts when one of its functions is entered, or goes on after a wait: a method, a lambda or
a comprehension, too. What runs only when a file is imported, the code of a module or class body,
does not count. Our files are those below configs/, firmware_bridge/, host/ and planner_core/. All
trips use the demo home. Board and daemon are processes of their own, joined by a pseudo terminal.

press
    The daemon's process, from a press on the virtual board until the daemon is at rest: it has
    written no line for 3 s, and its health, every 2 s, has looked at the new plan. The process of
    the planner is not counted, and neither is the first press after a start. "Until the plan is on
    the board" is the part of it that a user waits for.

    Before its files moved, the tree had 65 files by this measure, and 56 until the plan is on the
    board. An earlier count, taken in a way that is not recorded, found 64.
config edit
    The daemon's process, from a bucket's file that is saved until the daemon is at rest, with the
    new version in the journal. The process `trader config commit`, which checks the file for the
    daemon, is counted on its own.
plan
    The process of `trader plan core`, from the call of `main` to its end.

Of three presses and of two edits the one with the fewest files counts. Work that a clock starts,
such as a heartbeat, falls into the others by chance.

In the list, "idle too" marks a file that the daemon enters without a press or an edit: for the
board's heartbeats, for the film on the matrix and for the health. "Afterwards" marks a file that is
entered only after the plan is on the board. "Only for" names the one file that imports it.
"""

from __future__ import annotations

import argparse
import ast
import json
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path, PurePosixPath

from tools.trips_appliance import Checkout, TripError
from tools.trips_measurement import Trip, measure
from tools.trips_tracer import FOLDERS

ROOT = Path(__file__).resolve().parent.parent
PLANNER = "planner_core/"

Importers = Mapping[str, frozenset[str]]
"""The files that import a file, by file; for types, too."""


def importers_below(root: Path) -> Importers:
    """Return who imports each file below a root."""
    files = {
        path.relative_to(root).as_posix(): path
        for folder in FOLDERS
        for path in sorted((root / folder).rglob("*.py"))
    }
    importers: defaultdict[str, set[str]] = defaultdict(set)
    for file, path in files.items():
        for module in imported_modules(ast.parse(path.read_bytes(), file), file):
            name = module.replace(".", "/")
            for candidate in (f"{name}.py", f"{name}/__init__.py"):
                if candidate in files and candidate != file:
                    importers[candidate].add(file)
    return {file: frozenset(importers[file]) for file in files}


def imported_modules(tree: ast.Module, file: str) -> Iterator[str]:
    """Names of all modules that a file may import; some are functions and classes in fact."""
    package = PurePosixPath(file).parent.parts
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*above, *([node.module] if node.module else [])))
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def figures(trip: Trip) -> dict[str, int]:
    """Return the counts of a trip."""
    files = trip.functions.keys()
    return {
        "files": len(files),
        "until_goal": len(trip.goal_files),
        "idle_too": len(files & trip.idle_files),
        "planner": sum(file.startswith(PLANNER) for file in files),
    }


def headline(trip: Trip) -> str:
    """Return the counts of a trip in a line."""
    counts = figures(trip)
    details = [f"{counts['planner']} of the planner"]
    if trip.goal:
        details.insert(0, f"{counts['until_goal']} until {trip.goal}")
        details.append(f"{counts['idle_too']} idle too")
    return f"{trip.name}: {counts['files']} files ({', '.join(details)})"


def lines_of(trip: Trip, importers: Importers) -> Iterator[str]:
    """Yield the files of a trip, by folder, with what is worth knowing of each."""
    yield headline(trip)
    by_folder = groupby(map(PurePosixPath, sorted(trip.functions, key=folder_and_name)), parent)
    for folder, paths in by_folder:
        names = [(path.name, str(path)) for path in paths]
        yield f"  {folder}/ ({len(names)})"
        for name, file in names:
            marks = [] if file in trip.goal_files else ["afterwards"]
            marks += ["idle too"] if file in trip.idle_files else []
            if len(importers.get(file, ())) == 1:
                marks += [f"only for {next(iter(importers[file]))}"]
            yield f"    {name:<26} {'; '.join(marks)}".rstrip()


def folder_and_name(file: str) -> tuple[str, str]:
    """Return what files are sorted by: those of one folder stand together."""
    folder, _, name = file.rpartition("/")
    return folder, name


def parent(path: PurePosixPath) -> PurePosixPath:
    """Return the folder of a file."""
    return path.parent


def as_json(trip: Trip, importers: Importers) -> dict[str, object]:
    """Return a trip with all that was measured."""
    return {
        "trip": trip.name,
        "goal": trip.goal,
        "figures": figures(trip),
        "files": [
            {
                "file": file,
                "until_goal": file in trip.goal_files,
                "idle_too": file in trip.idle_files,
                "importers": sorted(importers.get(file, ())),
                "functions": functions,
            }
            for file, functions in trip.functions.items()
        ],
    }


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python tools/house.py trips",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--root", metavar="DIR", type=Path, default=ROOT, help="another checkout to measure"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    """Take the trips and print them."""
    options = parse(arguments)
    root = options.root.resolve()
    try:
        with tempfile.TemporaryDirectory(prefix="arduino-trader-trips-") as folder:
            trips = measure(Checkout(root, Path(folder)))
    except (TripError, OSError) as error:
        print(f"trips: {error}", file=sys.stderr)
        return 1
    importers = importers_below(root)
    if options.json:
        result = {"root": str(root), "trips": [as_json(trip, importers) for trip in trips]}
        print(json.dumps(result, indent=2))
        return 0
    for trip in trips:
        print("\n".join(lines_of(trip, importers)), end="\n\n")
    print("\n".join(map(headline, trips)))
    return 0
