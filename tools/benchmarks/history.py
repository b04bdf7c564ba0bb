"""Versions of configurations under injected faults: what is lost or torn; and the speed."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

from host.home.config.history import ConfigHistory
from tools.crash.injected import sweep
from tools.crash.writers import STORAGE

COMMITS = 100
STRIDE = 1
TEXT = b"# as large as the shipped file\n" * 400


def run() -> dict[str, object]:
    """Kill or fail a committing process at every system call that touches its home.

    points
        Faults injected (SIGKILL, EIO, ENOSPC, EINTR), a fresh process each.
    lost_acknowledged
        Of them, how many lost a version that had been acknowledged.
    torn
        How many left a damaged version.
    unrecovered
        After how many the next commit did not work.
    commit_ms
        Median milliseconds of a commit of 12 KB, both fsyncs of version and HEAD included.
    """
    with tempfile.TemporaryDirectory() as folder:
        result = sweep(Path(folder) / "sweep", STORAGE, stride=STRIDE)
        return {
            "points": result.points,
            "lost_acknowledged": result.lost_acknowledged,
            "torn": result.torn,
            "unrecovered": result.unrecovered,
            "commit_ms": commit_ms(Path(folder) / "speed"),
            "commits": COMMITS,
        }


def commit_ms(folder: Path) -> float:
    """Return the median time of a commit."""
    history = ConfigHistory(folder)
    durations_ms = []
    for number in range(COMMITS):
        begin = time.perf_counter()
        history.commit(TEXT + b"%d" % number, reason="speed")
        durations_ms.append((time.perf_counter() - begin) * 1e3)
    return statistics.median(durations_ms)
