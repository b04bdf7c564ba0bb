"""Measure child processes and calls, and describe the machine."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
SPAWN = str(ROOT / "tools" / "spawn.py")

# Where Python may not keep its bytecode, every start would compile our code again: users' do not.
NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"
KIB_PER_MIB = 1024


class BenchmarkError(Exception):
    """A measured program failed."""


@dataclass(frozen=True)
class ChildRun:
    """One process, from its start to its end."""

    wall_s: float
    peak_mb: float


def child(command: Sequence[str]) -> ChildRun:
    """Run a command that must succeed; peak memory is its own, not that of its children."""
    process = subprocess.run(
        [sys.executable, "-S", SPAWN, *command],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        errors="replace",
        env={name: value for name, value in os.environ.items() if name != NO_BYTECODE},
    )
    exit_code, wall_s, peak_kib = process.stdout.split()
    if int(exit_code) != 0:
        raise BenchmarkError(
            f"{' '.join(command)} ended with {exit_code}:\n{process.stderr.rstrip()}"
        )
    return ChildRun(float(wall_s), int(peak_kib) / 1024)


def median_child(command: Sequence[str], repeats: int) -> ChildRun:
    """Medians over several runs, after one that only fills the caches."""
    child(command)
    runs = [child(command) for _ in range(repeats)]
    return ChildRun(
        statistics.median(run.wall_s for run in runs),
        statistics.median(run.peak_mb for run in runs),
    )


def median_call_s(call: Callable[[], object], repeats: int) -> float:
    """Median seconds of a call in this process, after one that only warms up."""
    call()
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def machine() -> dict[str, object]:
    """Where and when: a number without this is worth little."""
    return {
        "machine": platform.machine(),
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "system": platform.platform(),
        "python": platform.python_version(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
    }


def processor() -> str:
    """The processor's name, or "unknown": boards spell it differently or not at all."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "unknown"
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() in {"model name", "Model"}:
            return value.strip()
    return "unknown"


def commit() -> str:
    """The commit that was measured; `+` says that files differed from it."""
    command = ("git", "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*")
    try:
        process = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return process.stdout.strip()


def rss_mb(pid: int) -> float:
    """Resident memory of a process, MiB."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / KIB_PER_MIB
    raise BenchmarkError(f"process {pid} has ended")
