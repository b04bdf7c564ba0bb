"""The daemon's planner: a supervised process, its breakers and its metrics, put together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

from host.metrics.memory import peak_memory_bytes
from host.metrics.store import MetricsStore
from host.worker.breaker_store import BreakerStore
from host.worker.client import WorkerClient, WorkerNews
from host.worker.supervisor import PlanSupervisor

if TYPE_CHECKING:
    from firmware_bridge.link import Link
    from host.daemon.log import DaemonLog
    from host.files.home import Home


async def open_planner(
    stack: AsyncExitStack,
    home: Home,
    log: DaemonLog,
    link: Link,
    *,
    memory_mb: int,
    now: Callable[[], datetime],
    command: Sequence[str] | None = None,
) -> PlanSupervisor:
    """Start the planner's process, without waiting for it; the stack ends it."""
    worker: WorkerClient

    def ended(why: str) -> None:
        log.tell("WorkerEnded", severity="WARN", why=why, restarts=worker.restarts)

    def complain(problem: str) -> None:
        log.tell("StateNotKept", severity="WARN", problem=problem)

    def gauges() -> dict[str, float]:
        counted = {f"link_{name}": value for name, value in asdict(link.statistics).items()}
        return {**counted, "daemon_rss_peak_bytes": peak_memory_bytes()}

    news = WorkerNews(
        started=lambda pid: log.tell("WorkerReady", pid=pid),
        warmed=lambda elapsed_s: log.tell("WorkerWarm", elapsed_s=elapsed_s),
        ended=ended,
        said=lambda line: log.tell("WorkerSaid", severity="WARN", line=line),
    )
    worker = WorkerClient(home, news, command, memory_mb)
    await stack.enter_async_context(worker)
    supervisor = PlanSupervisor(
        worker,
        BreakerStore(home),
        MetricsStore(home),
        gauges=gauges,
        complain=complain,
        now=now,
    )
    stack.push_async_callback(supervisor.close)
    return supervisor
