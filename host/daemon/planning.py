"""The daemon's planner: a process under supervision, with its breakers and metrics on disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

from host.metrics.memory import peak_memory_bytes
from host.metrics.store import MetricsStore
from host.worker.breaker_store import BreakerStore
from host.worker.supervisor import PlanSupervisor

if TYPE_CHECKING:
    from firmware_bridge.link import Link
    from host.daemon.log import DaemonLog
    from host.files.home import Home
    from host.worker.client import WorkerClient


def supervised(
    worker: WorkerClient,
    home: Home,
    link: Link,
    log: DaemonLog,
    now: Callable[[], datetime],
) -> PlanSupervisor:
    """Return the supervisor of a planner's process; `close` it before the process ends."""

    def gauges() -> dict[str, float]:
        counted = {f"link_{name}": value for name, value in asdict(link.statistics).items()}
        return {**counted, "daemon_rss_peak_bytes": peak_memory_bytes()}

    def complain(problem: str) -> None:
        log.tell("StateNotKept", severity="WARN", problem=problem)

    breakers, metrics = BreakerStore(home), MetricsStore(home)
    return PlanSupervisor(worker, breakers, metrics, gauges=gauges, complain=complain, now=now)
