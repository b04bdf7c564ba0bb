"""Many presses in sequence on one daemon: losses, and growth of memory."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from host.home.home import create_home
from host.simulation.appliance import Simulation
from tools.chaos.promises import edge_of, journal, presses_without_verdict
from tools.chaos.witness import Witness
from tools.measure import rss_mb

if TYPE_CHECKING:
    from firmware_bridge.events import EdgeId

LOOK_EVERY: Final = 100
WARM_UP: Final = 100
"""Presses before memory counts: caches and buffers are filled by then."""
PAUSE_S: Final = 0.35
"""Longer than the window of a double press."""
KB: Final = 1024


@dataclass(slots=True)
class Endured:
    """The result of many presses."""

    presses: int = 0
    plans: int = 0
    slowest_s: float = 0.0
    broken: list[str] = field(default_factory=list)
    daemon_mb: list[float] = field(default_factory=list)
    worker_mb: list[float] = field(default_factory=list)

    @staticmethod
    def growth_kb(memory_mb: Sequence[float]) -> float:
        """Return the growth of a process between samples: the median of slopes (Theil, Sen)."""
        places = range(len(memory_mb))
        slopes = [(memory_mb[b] - memory_mb[a]) / (b - a) for a in places for b in places if a < b]
        return statistics.median(slopes) * KB if slopes else 0.0


def press_often(
    folder: Path, presses: int, board: Sequence[str], look_every: int = LOOK_EVERY
) -> Endured:
    """Press this often on a demo home, wait for each plan on the matrix, then check the journal.

    Parameters
    ----------
    folder : Path
        Empty.
    presses : int
    board : sequence of str
        The board's command, as `Simulation` takes it.
    look_every : int
        Presses between samples of memory, after the first `WARM_UP`.

    Raises
    ------
    SimulationError
        When a press gets no plan.
    """
    root = create_home(folder / "home", demo=True).home.root
    endured = Endured()
    with Simulation(root, board=board) as appliance:
        witness = Witness(0)
        appliance.follow(witness.follow)
        warm_up = min(WARM_UP, presses // 2)
        for number in range(1, presses + 1):
            appliance.press()
            answer = appliance.wait_for_answer()
            endured.presses += 1
            endured.plans += answer.plan["outcome"] == "PLANNED"
            endured.slowest_s = max(endured.slowest_s, answer.press_to_frame_s)
            appliance.pump_for(PAUSE_S)
            if number >= warm_up and (number - warm_up) % look_every == 0:
                assert appliance.daemon is not None
                endured.daemon_mb.append(rss_mb(appliance.daemon.pid))
                worker = int(witness.events_of("WorkerReady")[-1]["data"]["pid"])
                endured.worker_mb.append(rss_mb(worker))
        workers = len(witness.events_of("WorkerReady"))
        if workers != 1:
            endured.broken.append(f"the planner's process was started {workers} times")
        code = appliance.stop_daemon()
        if code:
            endured.broken.append(f"the daemon ended with {code}")
        endured.broken += _losses(root, {event_id for _, event_id in witness.acked}, presses)
    return endured


def _losses(root: Path, acked: set[int], presses: int) -> list[str]:
    """Return the losses and duplicates.

    Not `broken_promises`: of a thousand plans only the last 200 still have a file.
    """
    records = journal(root)
    edges: list[EdgeId] = [edge_of(r) for r in records if r.event_type == "ButtonEdge"]
    stored = [r.trace_id for r in records if r.event_type == "PlanStored"]
    counts = {
        "edges acknowledged and not journaled": len(acked - {edge.event_id for edge in edges}),
        "edges journaled twice": len(edges) - len(set(edges)),
        "presses without a verdict": len(presses_without_verdict(records)),
        "presses that never came": abs(len(edges) - 2 * presses),
        "plans missing or doubled": abs(len(stored) - presses) + len(stored) - len(set(stored)),
    }
    return [f"{count} {what}" for what, count in counts.items() if count]
