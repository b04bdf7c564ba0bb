"""Run benchmarks, one file each in tools/benchmarks.

python tools/bench.py NAME [--json]    a table, or one JSON object
python tools/bench.py --all [--json]   every benchmark, one after the other
python tools/bench.py NAME --save      and keep the results for docs/benchmarks.md
python tools/bench.py --list           what there is
python tools/bench.py NAME --seed N    other draws; NAME --quick: a trial run that measures nothing

Timings say little without the machine they were taken on: it is printed with them. For comparing
machines use the ratios.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # as a script, this file sees only its own folder
for library in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    # As `trader` runs: numpy reads it when it is imported, here and in child processes.
    os.environ.setdefault(library, "1")

from tools.measure import BenchmarkError, machine  # noqa: E402  # needs the path above

FOLDER = ROOT / "tools" / "benchmarks"
SAVED = ROOT / "docs" / "benchmarks.json"


def names() -> list[str]:
    """Every benchmark there is, by file name."""
    return sorted(path.stem for path in FOLDER.glob("[!_]*.py"))


def load(name: str) -> ModuleType:
    """Import one benchmark; the others need not even be importable."""
    return importlib.import_module(f"tools.benchmarks.{name}")


def measure(name: str, **options: object) -> dict[str, object]:
    """Run one benchmark with its options: its results, then the machine."""
    results = load(name).run(**options)
    return {"benchmark": name, **results, "machine": machine()}


def summary(name: str) -> str:
    """Return the first line of a benchmark's docstring."""
    return (inspect.getdoc(load(name)) or "").partition("\n")[0]


def save(result: Mapping[str, object], file: Path) -> None:
    """Put a result into the file of all results, in the place of the last one of its name."""
    results = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    results[str(result["benchmark"])] = rounded(result)
    text = json.dumps(dict(sorted(results.items())), indent=1)
    file.write_text(text + "\n", encoding="utf-8")


def rounded(value: object) -> object:
    """Return the value with floats of six digits: more digits are noise in a diff."""
    if isinstance(value, Mapping):
        return {key: rounded(inner) for key, inner in value.items()}
    return float(f"{value:.6g}") if isinstance(value, float) else value


def table(result: Mapping[str, object]) -> str:
    """Aligned `key value` lines; nested results are indented under their key."""
    return "\n".join(rows(result, ""))


def rows(result: Mapping[str, object], indent: str) -> list[str]:
    """The lines of one level."""
    width = max((len(key) for key in result), default=0)
    lines = []
    for key, value in result.items():
        if isinstance(value, Mapping):
            lines += [f"{indent}{key}", *rows(value, indent + "  ")]
        else:
            lines.append(f"{indent}{key:<{width}}  {shown(value)}")
    return lines


def shown(value: object) -> str:
    """Four digits are as many as a timing deserves."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help=f"one of: {', '.join(names())}")
    parser.add_argument("--all", action="store_true", help="every benchmark")
    parser.add_argument("--list", action="store_true", help="say what there is")
    parser.add_argument("--json", action="store_true", help="one JSON object per benchmark")
    parser.add_argument("--save", action="store_true", help=f"keep it in {SAVED.name} of docs")
    parser.add_argument("--seed", type=int, help="draw other inputs, where a benchmark draws any")
    parser.add_argument("--quick", action="store_true", help="a trial run, where there is one")
    options = parser.parse_args(arguments)
    if options.name is not None and options.name not in names():
        parser.error(f"no benchmark {options.name}; there are: {', '.join(names())}")
    if sum((options.name is not None, options.all, options.list)) != 1:
        parser.error("say which: a NAME, --all, or --list")
    options.of_run = options_of_run(options, parser)
    return options


def options_of_run(
    options: argparse.Namespace, parser: argparse.ArgumentParser
) -> dict[str, object]:
    """Return the options for the benchmark itself; one that it does not have ends the program."""
    of_run: dict[str, object] = {}
    if options.seed is not None:
        of_run["seed"] = options.seed
    if options.quick:
        of_run["quick"] = True
    if of_run and options.name is None:
        parser.error("--seed and --quick need the NAME of a benchmark")
    if options.save and options.quick:
        parser.error("--save is for a whole run, not for --quick")
    for option in of_run:
        if option not in inspect.signature(load(options.name).run).parameters:
            parser.error(f"the benchmark {options.name} has no --{option}")
    return of_run


def main(arguments: list[str] | None = None) -> int:
    """Run what was asked for."""
    options = parse(arguments)
    if options.list:
        for name in names():
            print(f"{name:<12} {summary(name)}")
        return 0
    for name in names() if options.all else [options.name]:
        try:
            result = measure(name, **options.of_run)
        except BenchmarkError as error:
            print(f"error: {name}: {error}", file=sys.stderr)
            return 1
        if options.save:
            save(result, SAVED)
        print(json.dumps(result) if options.json else table(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
