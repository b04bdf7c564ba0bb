"""What watching costs, and whether the daemon stays awake while its planner does not."""

from __future__ import annotations

import io
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from host.configuration.active import peek
from host.files.home import Home, create_home
from host.metrics.store import MetricsStore
from host.portfolio.snapshot import take_snapshot
from host.simulation.appliance import Simulation
from host.worker.breaker_store import BreakerStore
from host.worker.guarded import guarded
from planner_core.metrics import Metrics
from planner_core.planner import plan
from planner_core.runtime import Runtime
from tools.measure import BenchmarkError

if TYPE_CHECKING:
    from planner_core.config import PlannerConfig
    from planner_core.context import PlanningContext
    from planner_core.events import Event

PAIRS = 30
WATCHED = str(Path(__file__).with_name("_watched_trader.py"))
PRESSES = {"plan": 5, "hang": 2, "die": 2}
DEADLINE_S = 3


def run() -> dict[str, object]:
    """Measure plans of the demo's bucket `core` at depth 5.

    overhead_ratio
        CPU time of a plan with everything on (typed events made into JSON, written and read again,
        records of progress, breakers on disk, metrics folded and added to those on disk), over
        that of a silent plan: median of the ratios of 30 pairs, taken in turns.
    overhead_ratio_p90
        The same, of the 90 % best pairs the worst: how far single pairs scatter.
    plan_cpu_ms, overhead_cpu_ms
        Medians: a silent plan, and what is added to it.
    max_loop_stall_ms
        How late the daemon's loop was at most, while its planner planned, hung and died.
    max_loop_stall_unqueued_ms
        The same without the time in which the machine had no processor for it.
    max_loop_call_cpu_ms
        Processor time of the longest callback of the loop, on however busy a machine.
    stall_ms
        The first by what the planner did.
    """
    with tempfile.TemporaryDirectory() as folder:
        figures = overhead(create_home(Path(folder) / "home", demo=True).home)
    stalls = {misdeed: stall(misdeed) for misdeed in PRESSES}
    return {
        **figures,
        "max_loop_stall_ms": max(found["late_ms"] for found in stalls.values()),
        "max_loop_stall_unqueued_ms": max(found["late_unqueued_ms"] for found in stalls.values()),
        "max_loop_call_cpu_ms": max(found["call_cpu_ms"] for found in stalls.values()),
        "stall_ms": {misdeed: found["late_ms"] for misdeed, found in stalls.items()},
        "load": os.getloadavg()[0],
    }


def overhead(home: Home) -> dict[str, float]:
    """Return what watching a plan costs."""
    config = peek(home, "core", None).config
    context = take_snapshot(home, "core", None, history_days=config.estimation.history_days)
    breakers, store = BreakerStore(home), MetricsStore(home)
    with Path(os.devnull).open("wb", buffering=0) as pipe:

        def watched() -> None:
            observed_plan(context, config, breakers, store, pipe)

        def silent() -> None:
            plan(context, config, Runtime(monotonic=time.monotonic))

        watched()
        silent()
        pairs = [pair(silent, watched, swap=bool(turn % 2)) for turn in range(PAIRS)]
    ratios = sorted(on / off for off, on in pairs)
    return {
        "overhead_ratio": statistics.median(ratios),
        "overhead_ratio_p90": ratios[int(0.9 * (len(ratios) - 1))],
        "plan_cpu_ms": statistics.median(off for off, _ in pairs) * 1e3,
        "overhead_cpu_ms": statistics.median(on - off for off, on in pairs) * 1e3,
        "pairs": PAIRS,
    }


def pair(
    first: Callable[[], None], second: Callable[[], None], *, swap: bool
) -> tuple[float, float]:
    """Return the CPU seconds of two calls, made in either order."""
    calls = (second, first) if swap else (first, second)
    spent = []
    for call in calls:
        began_s = time.process_time()
        call()
        spent.append(time.process_time() - began_s)
    return (spent[1], spent[0]) if swap else (spent[0], spent[1])


def observed_plan(
    context: PlanningContext,
    config: PlannerConfig,
    breakers: BreakerStore,
    store: MetricsStore,
    pipe: io.RawIOBase,
) -> None:
    """Plan with everything on; both sides of the pipe are here, the pipe itself is not."""
    metrics = Metrics()

    def send(kind: str, content: dict[str, object]) -> dict[str, object]:
        line = json.dumps({kind: content}, ensure_ascii=False, allow_nan=False, default=str)
        pipe.write(line.encode())
        received: dict[str, object] = json.loads(line)[kind]
        return received

    def emit(event: Event) -> None:
        record = send("event", event.to_record())
        data = record["data"]
        assert isinstance(data, dict)
        metrics.note(str(record["event_type"]), "core", data)

    def running(key: str, operation: str) -> None:
        send("running", {"trace_id": "t", "key": key, "operation": operation})

    runtime = Runtime(monotonic=time.monotonic, emit=emit)
    guarded(plan, breakers, running=running)(context, config, runtime)
    store.add(metrics)


def stall(misdeed: str) -> dict[str, float]:
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
        figures: dict[str, float] = json.loads(report.read_text(encoding="utf-8"))
        return figures


def forget_breakers(home: Home) -> None:
    """Let the next press meet the same module again."""
    (home.state_dir / "breakers.json").unlink(missing_ok=True)
