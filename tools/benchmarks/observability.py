"""The cost of events and logs, and the delays of the daemon while its planner hangs or dies."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from host.home.home import create_home
from host.simulation.appliance import Simulation
from tools.benchmarks._watched_press import overhead
from tools.measure import BenchmarkError

if TYPE_CHECKING:
    from host.home.home import Home

PAIRS = 30
WATCHED = str(Path(__file__).with_name("_watched_trader.py"))
PRESSES = {"plan": 5, "hang": 2, "die": 2}
DEADLINE_S = 3


def run() -> dict[str, object]:
    """Measure plans of the demo's bucket `core` at depth 5.

    overhead_ratio
        CPU time of a plan with everything on, over that of one with everything off, in the
        planner's process with all its threads. On: typed events through the pipe, names of modules
        that run, budgets, breakers. Median of the ratios of 30 pairs, taken in turns.
    overhead_ratio_p90
        The same, of the 90 % best pairs the worst: how far single pairs scatter.
    overhead_ratio_press
        The same of a whole press, planner and daemon together, until everything is written. On,
        too: the bus, the log (terminal and file), the journal with its chain of hashes, metrics.
        Off: the plan, its file, and the four records without which a press could be lost or
        doubled.
    plan_cpu_ms, press_cpu_ms, overhead_cpu_ms
        Medians: a plan and a press with everything off, and what watching adds to the press.
    max_loop_stall_ms
        How late the daemon's loop was at most, while its planner planned, hung and died.
    max_loop_stall_unqueued_ms
        The same without the time in which the machine had no processor for it.
    max_loop_call_cpu_ms
        Processor time of the longest callback of the loop, on however busy a machine.
    stall_ms, longest_call
        The first by what the planner did, and which callback took the most processor time then.
    """
    with tempfile.TemporaryDirectory() as folder:
        figures = overhead(create_home(Path(folder) / "home", demo=True).home, PAIRS)
    stalls = {misdeed: stall(misdeed) for misdeed in PRESSES}
    return {
        **figures,
        "max_loop_stall_ms": max(each["late_ms"] for each in stalls.values()),
        "max_loop_stall_unqueued_ms": max(each["late_unqueued_ms"] for each in stalls.values()),
        "max_loop_call_cpu_ms": max(each["call_cpu_ms"] for each in stalls.values()),
        "stall_ms": {misdeed: each["late_ms"] for misdeed, each in stalls.items()},
        "longest_call": {misdeed: each["call"] for misdeed, each in stalls.items()},
        "load": os.getloadavg()[0],
    }


def stall(misdeed: str) -> dict[str, Any]:
    """Press while the planner misbehaves; return how late the loop was."""
    with tempfile.TemporaryDirectory() as folder:
        home = create_home(Path(folder) / "home", demo=True).home
        home.device_file.write_text(f"[limits]\nplan_deadline_s = {DEADLINE_S}\n", "utf-8")
        report = Path(folder) / "report.json"
        command = (sys.executable, WATCHED, str(report), misdeed)
        with Simulation(home.root, daemon=command) as appliance:
            for _ in range(PRESSES[misdeed]):
                appliance.press()
                answer = appliance.wait_for_answer()
                if answer.plan["outcome"] != "PLANNED":
                    raise BenchmarkError(f"no plan: {answer.plan['reason']}")
                forget_breakers(home)
                appliance.pump_for(0.5)
            appliance.stop_daemon()
        figures: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
        return figures


def forget_breakers(home: Home) -> None:
    """Let the next press meet the same module again."""
    (home.state_dir / "breakers.json").unlink(missing_ok=True)
