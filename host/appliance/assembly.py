"""The daemon's planner: a process under supervision, with its breakers and metrics on disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

from host.planning.breaker_store import BreakerStore
from host.planning.worker.client import WorkerCallbacks
from host.planning.worker.supervisor import PlanSupervisor
from host.telemetry import events as told
from host.telemetry.metrics.process_memory import peak_memory_bytes
from host.telemetry.metrics.store import MetricsStore

if TYPE_CHECKING:
    from firmware_bridge.link import Link
    from host.appliance.presses.press_log import OpenRequest
    from host.home.home import Home
    from host.planning.worker.client import WorkerClient
    from host.telemetry.events import HostEvent

Tell = Callable[["HostEvent"], None]


def supervised(
    worker: WorkerClient,
    home: Home,
    link: Link,
    tell: Tell,
    now: Callable[[], datetime],
) -> PlanSupervisor:
    """Return the supervisor of a planner's process; `close` it before the process ends."""

    def gauges() -> dict[str, float]:
        counted = {f"link_{name}": value for name, value in asdict(link.statistics).items()}
        return {**counted, "daemon_rss_peak_bytes": peak_memory_bytes()}

    def on_problem(problem: str) -> None:
        tell(told.StateNotKept(problem=problem))

    breakers, metrics = BreakerStore(home), MetricsStore(home)
    return PlanSupervisor(worker, breakers, metrics, gauges=gauges, on_problem=on_problem, now=now)


def worker_callbacks(
    tell: Tell, restarts: Callable[[], int], running: Callable[[], OpenRequest | None]
) -> WorkerCallbacks:
    """Return callbacks that publish what happens to a worker.

    Parameters
    ----------
    tell : callable taking a HostEvent
    restarts : callable returning how often it was restarted
    running : callable returning the request that it works on
    """

    def on_ready(pid: int) -> None:
        tell(told.WorkerReady(pid=pid))

    def on_warm(elapsed_s: float) -> None:
        tell(told.WorkerWarm(elapsed_s=elapsed_s))

    def on_end(why: str) -> None:
        tell(told.WorkerEnded(why=why, restarts=restarts()))

    def on_stderr_line(line: str) -> None:
        request = running()  # whose doing it may be
        names = (request.trace_id, request.bucket_id) if request else ("", "")
        tell(told.WorkerSaid(trace_id=names[0], bucket_id=names[1], line=line))

    return WorkerCallbacks(
        on_ready=on_ready, on_warm=on_warm, on_end=on_end, on_stderr_line=on_stderr_line
    )
