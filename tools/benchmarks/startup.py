"""How long commands take from a cold process, and how much memory they need."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tools.measure import BIN, child, median_child

REPEATS = 11
TRADER = str(BIN / "trader")


def run() -> dict[str, object]:
    """Medians of fresh processes, files already cached by the system.

    For each of `python_bare` (an empty program), `python_numpy` (only imports numpy),
    `trader_help` and `trader_plan` (the demo's bucket `core`):

    NAME_wall_s
        Seconds from start to exit.
    NAME_peak_mb
        Peak resident memory of the process, MiB.

    And, to compare machines, since a board is slower at everything alike:

    trader_help_wall_ratio, trader_plan_wall_ratio
        How many times the wall time of an empty Python program.
    repeats
        Runs that each median is taken over.
    """
    with tempfile.TemporaryDirectory() as folder:
        home = str(Path(folder) / "home")
        child([TRADER, "init", "--demo", "--home", home])
        commands = {
            "python_bare": [sys.executable, "-c", "pass"],
            "python_numpy": [sys.executable, "-c", "import numpy"],
            "trader_help": [TRADER, "--help"],
            "trader_plan": [TRADER, "plan", "core", "--home", home],
        }
        runs = {name: median_child(command, REPEATS) for name, command in commands.items()}
    result: dict[str, object] = {}
    for name, measured in runs.items():
        result[f"{name}_wall_s"] = measured.wall_s
        result[f"{name}_peak_mb"] = measured.peak_mb
    for name in ("trader_help", "trader_plan"):
        result[f"{name}_wall_ratio"] = runs[name].wall_s / runs["python_bare"].wall_s
    return {**result, "repeats": REPEATS}
