"""A thousand presses on the Yun's firmware and one daemon: losses, and growth of memory."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from host.simulation.appliance import AVR_COMMAND
from tools.endurance import Endured, press_often

PRESSES = 1_000


def run() -> dict[str, object]:
    """Press a thousand times, in the demo's bucket `core`; about a quarter of an hour.

    presses, plans
        Presses, and plans that succeeded, each shown by the LED drivers.
    broken
        What was lost or doubled.
    daemon_growth_kb_per_100, worker_growth_kb_per_100
        By how much the resident memory of a process grew in 100 presses after the first 100, as a
        rule: the median of the slopes between all pairs of looks.
    daemon_mb, worker_mb
        That memory at each look, MiB.
    slowest_s
        The longest time from a press to its plan on the matrix.
    elapsed_s
        Of all.
    """
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        result = press_often(Path(folder), PRESSES, AVR_COMMAND)
    return {
        "presses": result.presses,
        "plans": result.plans,
        "broken": result.broken,
        "daemon_growth_kb_per_100": Endured.growth_kb(result.daemon_mb),
        "worker_growth_kb_per_100": Endured.growth_kb(result.worker_mb),
        "daemon_mb": result.daemon_mb,
        "worker_mb": result.worker_mb,
        "slowest_s": result.slowest_s,
        "elapsed_s": time.monotonic() - began_s,
    }
