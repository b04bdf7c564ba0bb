"""How long a plan takes and how much memory it needs: the demo's, and larger ones."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import math
import pickle
import sys
import tempfile
from pathlib import Path

from tools.benchmarks._portfolios import demo_context, simulated_context
from tools.measure import BIN, BenchmarkError, child, median_call_s, median_child

REPEATS_WARM = 7
REPEATS_COLD = 5
TRADER = str(BIN / "trader")
SIZES = (20, 88, 500)
DEPTHS = (5, 10)
REPEATS_SIZED = 3
DEMO_SIZE = 20


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
    sizes
        By securities x depth: `wall_s`, median seconds of the planner alone (no files, modules
        imported, planned once before); `cpu_s`, those of the processor, which a busy machine
        does not lengthen; `peak_mb`, peak memory of that process, MiB; what came
        out. 20 securities are the demo's; the larger portfolios are SYNTHETIC, simulated from
        the demo's real returns with noise of their own.
    cpu_exponent_dD, peak_exponent_dD
        Growth from 20 to 500 securities at depth D: 1 is linear in their number.
    repeats_warm, repeats_cold, repeats_sized
        Runs that the medians are taken over.
    """
    with tempfile.TemporaryDirectory() as folder:
        home = str(Path(folder) / "home")
        child([TRADER, "init", "--demo", "--home", home])
        arguments = ["plan", "core", "--json", "--home", home]
        plan = json.loads(planned(arguments))
        warm_wall_s = median_call_s(lambda: planned(arguments), REPEATS_WARM)
        cold = median_child([TRADER, *arguments], REPEATS_COLD)
        sizes = {
            (n, depth): planned_apart(Path(folder), n, depth) for n in SIZES for depth in DEPTHS
        }
    return {
        "outcome": plan["outcome"],
        "steps": len(plan["steps"]),
        "gain": plan["score"]["gain"],
        "warm_wall_s": warm_wall_s,
        "cold_wall_s": cold.wall_s,
        "peak_mb": cold.peak_mb,
        "repeats_warm": REPEATS_WARM,
        "repeats_cold": REPEATS_COLD,
        "sizes": {f"{n}x{depth}": measured for (n, depth), measured in sizes.items()},
        **exponents(sizes),
        "repeats_sized": REPEATS_SIZED,
    }


def planned_apart(folder: Path, n_securities: int, depth: int) -> dict[str, float]:
    """Plan in a process of its own, which gets the context ready-made."""
    demo = n_securities == DEMO_SIZE
    context_file, result_file = folder / "context.pickle", folder / "result.json"
    context = demo_context() if demo else simulated_context(n_securities)
    context_file.write_bytes(pickle.dumps(context))
    measured = child(
        [
            *(sys.executable, "-m", "tools.benchmarks._plan_once"),
            *(str(context_file), str(depth), str(REPEATS_SIZED), str(result_file)),
        ]
    )
    result: dict[str, float] = json.loads(result_file.read_text(encoding="utf-8"))
    return {**result, "peak_mb": measured.peak_mb}


def exponents(sizes: dict[tuple[int, int], dict[str, float]]) -> dict[str, float]:
    """Exponents of the growth from the smallest to the largest portfolio."""
    least, most = SIZES[0], SIZES[-1]
    return {
        f"{name}_exponent_d{depth}": math.log(sizes[most, depth][key] / sizes[least, depth][key])
        / math.log(most / least)
        for depth in DEPTHS
        for name, key in (("cpu", "cpu_s"), ("peak", "peak_mb"))
    }


def planned(arguments: list[str]) -> str:
    """Run the command in this process and return what it printed."""
    cli = importlib.import_module("host.cli.main")
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exit_code = cli.main(arguments)
    if exit_code:
        raise BenchmarkError(f"trader {' '.join(arguments)} ended with {exit_code}")
    return output.getvalue()
