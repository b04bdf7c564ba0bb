"""What must hold for every home, whatever was done to its daemon; and a home to do it to."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from firmware_bridge.edges import EdgeId
from host.daemon.presses import ANSWERS, VERDICTS, edge_ids
from host.journal.reading import read_journal
from host.observability.journal_record import JournalRecord
from host.simulation.appliance import Simulation

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


def journal(home: Path) -> list[JournalRecord]:
    """Return what stands in the journal."""
    records: list[JournalRecord] = []
    read_journal(home / "journal", records.append)
    return records


def of_type(home: Path, *types: str) -> list[JournalRecord]:
    return [record for record in journal(home) if record.event_type in types]


def plan_files(home: Path) -> list[Path]:
    return sorted((home / "plans").glob("*/*.json"))


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
    records: list[JournalRecord] = []
    reading = read_journal(home / "journal", records.append)
    assert (reading.bytes_cut, reading.lines_damaged, reading.links_broken) == (0, 0, 0)

    edges = [edge_of(record) for record in records if record.event_type == "ButtonEdge"]
    assert len(edges) == len(set(edges)), "an edge was journaled twice"
    judged = Counter(edge for r in records if r.event_type in VERDICTS for edge in edge_ids(r.data))
    assert all(count == 1 for count in judged.values()), "an edge was judged twice"
    missing = presses_without_verdict(records)
    assert not missing, f"presses without a verdict: {missing}"

    asked = Counter(r.trace_id for r in records if r.event_type == "PlanRequested")
    answered = Counter(r.trace_id for r in records if r.event_type in ANSWERS)
    assert all(count == 1 for count in asked.values()), "a press was executed twice"
    assert asked == answered, "each request has one answer"
    stored = [r.data["file"] for r in records if r.event_type == "PlanStored"]
    assert sorted(map(str, stored)) == sorted(path.name for path in plan_files(home))


def presses_without_verdict(records: list[JournalRecord]) -> set[EdgeId]:
    """Return the presses that were acknowledged and that nothing was made of."""
    downs = {
        edge_of(record)
        for record in records
        if record.event_type == "ButtonEdge" and record.data["edge"] == "down"
    }
    return downs - {edge for r in records if r.event_type in VERDICTS for edge in edge_ids(r.data)}


def edge_of(record: JournalRecord) -> EdgeId:
    return EdgeId(int(str(record.data["boot_id"])), int(str(record.data["event_id"])))


def acked_edges(appliance: Simulation) -> int:
    """Return how many edges the board was told are safe."""
    return sum((e.source, e.kind) == ("board", "edge_acked") for e in appliance.events)
