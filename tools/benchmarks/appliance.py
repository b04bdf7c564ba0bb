"""From a press of the button to the plan on the matrix, and what waiting for the next one costs."""

from __future__ import annotations

import os
import statistics
import tempfile
from pathlib import Path

from host.home.home import create_home
from host.simulation.appliance import Simulation
from tools.measure import NO_BYTECODE, BenchmarkError, rss_mb

PRESSES = 9
IDLE_S = 10.0
SETTLE_S = 3.0


def run() -> dict[str, object]:
    """Press the button of the simulated appliance, in the demo's bucket `core` at depth 5.

    press_to_frame_ms
        Median milliseconds from the press until the board shows the plan, with a warm worker. The
        press itself (100 ms) and the wait for a second one (300 ms) are part of it.
    release_to_frame_ms
        The same from the decision that it was a short press: what the host is answerable for.
    idle_cpu_fraction
        CPU time of the daemon per second, while the matrix shows the heartbeat of an idle bucket.
    idle_cpu_fraction_result, idle_cpu_fraction_worker
        The same while it shows a plan, and of the worker.
    stop_s
        From SIGTERM to the end of the daemon, with a plan in flight.
    daemon_rss_mb, worker_rss_mb
        Resident memory after these plans, MiB.
    """
    os.environ.pop(NO_BYTECODE, None)
    with tempfile.TemporaryDirectory() as folder:
        home = create_home(Path(folder) / "home", demo=True).home.root
        with Simulation(home) as appliance:
            appliance.pump_for(SETTLE_S)  # what checks the configurations at the start ends
            daemon, worker = processes(appliance)
            idle = idle_cpu_fraction(appliance, daemon)
            answers, decided_ms = press_often(appliance)
            appliance.pump_for(SETTLE_S)
            return {
                "press_to_frame_ms": statistics.median(answers),
                "press_to_frame_ms_max": max(answers),
                "release_to_frame_ms": statistics.median(decided_ms),
                "presses": PRESSES,
                "idle_cpu_fraction": idle,
                "idle_cpu_fraction_result": idle_cpu_fraction(appliance, daemon),
                "idle_cpu_fraction_worker": idle_cpu_fraction(appliance, worker),
                "idle_s": IDLE_S,
                "daemon_rss_mb": rss_mb(daemon),
                "worker_rss_mb": rss_mb(worker),
                "stop_s": stop_s(appliance),
            }


def processes(appliance: Simulation) -> tuple[int, int]:
    """Return the daemon's and its worker's process."""
    assert appliance.daemon is not None
    daemon = appliance.daemon.pid
    children = Path(f"/proc/{daemon}/task/{daemon}/children").read_text(encoding="ascii").split()
    if len(children) != 1:
        raise BenchmarkError(f"the daemon has {len(children)} child processes, one was expected")
    return daemon, int(children[0])


def press_often(appliance: Simulation) -> tuple[list[float], list[float]]:
    """Press again and again; milliseconds from the press, and from the decision, to the frame."""
    whole, decided = [], []
    for _ in range(PRESSES):
        appliance.press()
        requested = appliance.wait_for("daemon", "PlanRequested")
        answer = appliance.wait_for_answer()
        if answer.plan["outcome"] != "PLANNED":
            raise BenchmarkError(f"no plan: {answer.plan['reason']}")
        whole.append(answer.press_to_frame_s * 1e3)
        decided.append((answer.shown_s - requested.at_s) * 1e3)
        appliance.pump_for(0.5)
    return whole, decided


def idle_cpu_fraction(appliance: Simulation, pid: int) -> float:
    """Return the CPU seconds per second of an idle process."""
    before_s = cpu_s(pid)
    appliance.pump_for(IDLE_S)
    return (cpu_s(pid) - before_s) / IDLE_S


def cpu_s(pid: int) -> float:
    """CPU time of a process with all its threads; the scheduler's count is exact, ticks are not."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text("ascii").split()[0]) for task in tasks) / 1e9


def stop_s(appliance: Simulation) -> float:
    """Seconds from SIGTERM to the end, with a plan in flight."""
    appliance.press()
    appliance.wait_for("daemon", "PlanRequested")
    began = appliance.now_s()
    if appliance.stop_daemon():
        raise BenchmarkError("the daemon did not end well")
    return appliance.now_s() - began
