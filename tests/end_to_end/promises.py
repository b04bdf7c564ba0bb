"""A home to do things to, and the promises that must hold for it afterwards."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from host.simulation.appliance import Simulation
from host.telemetry.journal.record import JournalRecord
from tools.chaos.promises import broken_promises, journal

TAMPERED = str(Path(__file__).with_name("tampered_trader.py"))
PATIENCE_S = 30.0


def small_home(root: Path, device: str = "") -> Path:
    """Write a home that is enough for the quick worker: two buckets with nothing in them."""
    for bucket_id in ("core", "other"):
        file = root / "portfolios" / f"{bucket_id}.toml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("# empty\n", encoding="utf-8")
    (root / "device.toml").write_text(device or "# defaults\n", encoding="utf-8")
    return root


def trader(
    plan_s: float = 0.0, kill: dict[str, Any] | None = None, clock_s: float = 0.0
) -> tuple[str, ...]:
    """Return the command of a daemon with a quick worker, and perhaps a place to die at."""
    tamper = {"plan_s": plan_s, "kill": kill, "clock_s": clock_s}
    return (sys.executable, TAMPERED, json.dumps(tamper))


def quick(home: Path, plan_s: float = 0.0, kill: dict[str, Any] | None = None) -> Simulation:
    """Return an appliance whose plans take so long."""
    return Simulation(home, daemon=trader(plan_s, kill))


def of_type(home: Path, *types: str) -> list[JournalRecord]:
    return [record for record in journal(home) if record.event_type in types]


def wait_until(what: Callable[[], bool], appliance: Simulation | None = None) -> None:
    """Wait for something to become true, reading what the appliance says meanwhile."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < deadline_s, "it did not happen"
        if appliance is not None:
            appliance.pump_for(0.05)
        else:
            time.sleep(0.05)


def assert_promises(home: Path) -> None:
    """No press lost or doubled, each with one verdict; each request with one answer, one plan."""
    assert list(broken_promises(home)) == []


def acked_edges(appliance: Simulation) -> int:
    """Return how many edges were acknowledged to the board."""
    return sum((e.source, e.kind) == ("board", "edge_acked") for e in appliance.events)


def kill_worker(appliance: Simulation) -> None:
    """Kill the planner's process as the kernel would."""
    assert appliance.daemon is not None
    pid = appliance.daemon.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    for child in children.split():
        os.kill(int(child), signal.SIGKILL)


def kill_worker_twice(appliance: Simulation) -> None:
    """Kill it, and again when it makes the same plan once more: that costs the plan."""
    # The request reaches it after a look at the plugins; killed before, it has nothing to repeat.
    appliance.pump_for(1.0)
    kill_worker(appliance)
    appliance.wait_for("daemon", "PlanRepeated")
    appliance.wait_for("daemon", "WorkerReady")
    appliance.pump_for(0.2)  # it is asked at once
    kill_worker(appliance)
