"""How long one plan of the demo portfolio takes, and how much memory planning needs."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import tempfile
from pathlib import Path

from tools.measure import BIN, BenchmarkError, child, median_call_s, median_child

REPEATS_WARM = 7
REPEATS_COLD = 5
TRADER = str(BIN / "trader")


def run() -> dict[str, object]:
    """Plan the demo's bucket `core` as it ships, from its files to the printed JSON.

    outcome, steps, gain
        What came out, so that a faster plan that is a worse one shows.
    warm_wall_s
        Median seconds of a plan in a process that has planned once before: files are read and
        checked again, modules are already imported.
    cold_wall_s
        Median seconds of `trader plan core --json` from start to exit.
    peak_mb
        Median peak resident memory of that process, MiB.
    repeats_warm, repeats_cold
        Runs that the medians are taken over.
    """
    with tempfile.TemporaryDirectory() as folder:
        home = str(Path(folder) / "home")
        child([TRADER, "init", "--demo", "--home", home])
        arguments = ["plan", "core", "--json", "--home", home]
        plan = json.loads(planned(arguments))
        warm_wall_s = median_call_s(lambda: planned(arguments), REPEATS_WARM)
        cold = median_child([TRADER, *arguments], REPEATS_COLD)
    return {
        "outcome": plan["outcome"],
        "steps": len(plan["steps"]),
        "gain": plan["score"]["gain"],
        "warm_wall_s": warm_wall_s,
        "cold_wall_s": cold.wall_s,
        "peak_mb": cold.peak_mb,
        "repeats_warm": REPEATS_WARM,
        "repeats_cold": REPEATS_COLD,
    }


def planned(arguments: list[str]) -> str:
    """Run the command in this process and return what it printed."""
    cli = importlib.import_module("host.cli")
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exit_code = cli.main(arguments)
    if exit_code:
        raise BenchmarkError(f"trader {' '.join(arguments)} ended with {exit_code}")
    return output.getvalue()
