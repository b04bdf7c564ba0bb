"""Everything a change must pass, in one command.

python tools/check.py [--fix] [--skip STAGE] [STAGE ...]

Every stage runs, whatever the others say. One stage alone is the tool itself: its own output,
live, and its own exit code.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Stage:
    """A tool that must agree, and how it repairs what it can."""

    name: str
    command: tuple[str, ...]
    fix: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """The result of a stage."""

    stage: Stage
    exit_code: int
    elapsed_s: float
    output: str


def tool(name: str, *arguments: str) -> tuple[str, ...]:
    """The command of a tool from the environment that this Python belongs to."""
    return (str(BIN / name), *arguments)


def script(name: str, *arguments: str) -> tuple[str, ...]:
    """The command of one of our own tools."""
    return (sys.executable, f"tools/{name}", *arguments)


# Repairs run in this order: lint before format, because its repairs are not formatted yet.
STAGES = (
    Stage("lint", tool("ruff", "check", "."), fix=tool("ruff", "check", "--fix", ".")),
    Stage("format", tool("ruff", "format", "--check", "."), fix=tool("ruff", "format", ".")),
    Stage("types", tool("mypy")),
    Stage("contracts", tool("lint-imports", "--no-logo")),
    Stage("house", script("house.py")),
    # Twice: what only tests and tools use is dead in the product.
    Stage("dead code", script("dead_code.py")),
    Stage("generated", script("generate.py", "--check"), fix=script("generate.py")),
    # A file stays on one worker, so that what its tests share is set up once.
    Stage("tests", tool("pytest", "-n", "2", "--dist", "loadfile")),
)
NAMES = tuple(stage.name for stage in STAGES)


def run(stage: Stage, command: tuple[str, ...]) -> Outcome:
    """Run one command of a stage and keep what it says."""
    begin = time.perf_counter()
    process = subprocess.run(
        command,
        cwd=ROOT,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    return Outcome(stage, process.returncode, time.perf_counter() - begin, process.stdout)


def report(outcome: Outcome) -> bool:
    """Print a line, and why if there is a why; return whether the stage passed."""
    passed = outcome.exit_code == 0
    if not passed:
        print(f"--- {outcome.stage.name}\n{outcome.output.rstrip()}\n---")
    print(
        f"{outcome.stage.name:<10} {'ok' if passed else 'FAILED':<7} {outcome.elapsed_s:6.1f} s",
        flush=True,
    )
    return passed


def check(stages: list[Stage]) -> bool:
    """Run the stages, the static ones two at a time; the tests have the machine to themselves."""
    static = [stage for stage in stages if stage.name != "tests"]
    last = [stage for stage in stages if stage.name == "tests"]
    with ThreadPoolExecutor(max_workers=2) as pool:
        results = [report(outcome) for outcome in pool.map(lambda s: run(s, s.command), static)]
    results += [report(run(stage, stage.command)) for stage in last]
    return all(results)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("stages", nargs="*", metavar="STAGE", help=f"some of: {', '.join(NAMES)}")
    parser.add_argument("--fix", action="store_true", help="first repair what can be repaired")
    parser.add_argument(
        "--skip", action="append", default=[], choices=NAMES, help="all but this one"
    )
    options = parser.parse_args(arguments)
    unknown = [name for name in options.stages if name not in NAMES]
    if unknown:
        parser.error(f"unknown stage {', '.join(unknown)}; there are: {', '.join(NAMES)}")
    return options


def main(arguments: list[str] | None = None) -> int:
    """Check, and say with the exit code whether all is well."""
    options = parse(arguments)
    stages = [
        stage
        for stage in STAGES
        if stage.name in (options.stages or NAMES) and stage.name not in options.skip
    ]
    if options.fix:
        for stage in stages:
            if stage.fix:
                run(stage, stage.fix)  # what it could not repair, the check will say
    if len(stages) == 1:
        os.chdir(ROOT)
        os.execv(stages[0].command[0], stages[0].command)  # noqa: S606  # our own command, no shell
    return 0 if check(stages) else 1


if __name__ == "__main__":
    sys.exit(main())
