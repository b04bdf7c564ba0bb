"""The cost of a press in the processes of planner and daemon, with and without events and logs.

Everything is what the daemon itself is made of: the planner's process and the pipe to it, event
bus, log, journal with its chain of hashes, breakers and metrics on disk. Only board and screen are
not there: they show, they do not watch.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from host.appliance.plan_service import scope_of, stored_event
from host.appliance.presses.press_log import OpenRequest, PressLog
from host.appliance.presses.recorder import Recorder
from host.home.plan_store import PlanStore
from host.planning.breaker_store import BreakerStore
from host.planning.worker.client import WorkerClient
from host.planning.worker.supervisor import PlanSupervisor
from host.telemetry.event_bus import EventBus
from host.telemetry.events import ButtonEdge, FrameShown, PlanRequested
from host.telemetry.journal.journal import Journal
from host.telemetry.journal.reader import HEAD_NAME
from host.telemetry.logs import LogFile, LogLevels, is_logged, is_logged_type, log_event, logging_to
from host.telemetry.metrics.metrics import MetricsStore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from host.home.home import Home
    from host.planning.worker.client import PlanReply

WORKER = str(Path(__file__).with_name("_twofold_worker.py"))
BUCKET = "core"
DEADLINE_S = 60.0
SETTLE_S = 0.6
"""Until journal, log and metrics of a press are written: each waits less than that."""
LOG_BYTES = 20_000_000


def utc_now() -> datetime:
    """Return the time of day."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Cost:
    """Processor seconds of the planner's process and of the daemon's, all threads."""

    planner_s: float
    daemon_s: float

    @property
    def both_s(self) -> float:
        """Processor time of the whole appliance."""
        return self.planner_s + self.daemon_s


class Appliance:
    """A daemon without a board."""

    def __init__(self, home: Home, stack: AsyncExitStack) -> None:
        press_log, bus = PressLog(), EventBus(utc_now)
        bus.subscribe("log", log_event, wants=is_logged, wants_type=is_logged_type)
        head = home.state_dir / HEAD_NAME
        journal = Journal(home.journal_dir, head, now=utc_now, state=press_log.state)
        journal.open(press_log.note)
        stack.callback(journal.close)
        self.recorder = Recorder(journal, press_log, bus, utc_now, lambda _is_failing: None)
        stack.push_async_callback(self.recorder.close)
        # Nobody hears it: what a press needs to be executed once, and not a line more.
        self.promises = Recorder(journal, press_log, EventBus(utc_now), utc_now, lambda _is: None)
        stack.push_async_callback(self.promises.close)
        self.worker = WorkerClient(home, command=(sys.executable, WORKER, "--home", str(home.root)))
        breakers, metrics = BreakerStore(home), MetricsStore(home)
        self.planner = PlanSupervisor(self.worker, breakers, metrics)
        self.store = PlanStore(home)
        self.presses = 0

    async def watched(self) -> None:
        """Press: everything that the daemon says, writes and counts about it."""
        request = await self._pressed(self.recorder)
        reply = await self.planner.plan(request.trace_id, BUCKET, DEADLINE_S, self._publish)
        await self._store_plan(self.recorder, request, reply)
        shown = FrameShown(version=self.presses, press_to_frame_s=0.1, **scope_of(request))
        self.recorder.publish(shown)

    async def silent(self) -> None:
        """Press: only what keeps it from being lost or doubled."""
        request = await self._pressed(self.promises)
        reply = await self.worker.plan(request.trace_id, BUCKET, DEADLINE_S, lambda _event: None)
        await self._store_plan(self.promises, request, reply)

    async def _pressed(self, recorder: Recorder) -> OpenRequest:
        """Record a press and that it asks for a plan."""
        self.presses += 1
        silent = "silent" if recorder is self.promises else ""
        request = OpenRequest(f"{silent}{self.presses:026x}", BUCKET, utc_now())
        edges = ((1, 2 * self.presses), (1, 2 * self.presses + 1))
        for (boot_id, event_id), edge in zip(edges, ("down", "up"), strict=True):
            moved = ButtonEdge(
                boot_id=boot_id, event_id=event_id, button=0, edge=edge, t_ms=1, age_ms=0
            )
            await recorder.record(replace(moved, trace_id=request.trace_id))
        await recorder.record(
            PlanRequested(**scope_of(request), edges=edges, gesture="short", age_s=0.1)
        )
        return request

    async def _store_plan(self, recorder: Recorder, request: OpenRequest, reply: PlanReply) -> None:
        """Keep the plan and record that it is kept."""
        file = await asyncio.to_thread(self.store.save, reply.record, reply.created_at)
        await recorder.record(stored_event(request, reply, file))

    def _publish(self, event: dict[str, Any]) -> None:
        self.recorder.publish_record(event)

    async def cost_s(self, press: Callable[[], Awaitable[None]]) -> Cost:
        """Return the processor seconds of a press and all that follows, in both processes."""
        began = self._cpu_s()
        await press()
        await asyncio.sleep(SETTLE_S)
        ended = self._cpu_s()
        return Cost(ended.planner_s - began.planner_s, ended.daemon_s - began.daemon_s)

    def _cpu_s(self) -> Cost:
        assert self.worker.pid is not None
        clock = (~self.worker.pid << 3) | 2  # Linux's clock of all threads of another process
        return Cost(time.clock_gettime(clock), time.process_time())


def overhead(home: Home, pairs: int, level: str = "INFO") -> dict[str, float]:
    """Return what watching a press costs, with a log of this level."""
    with Path("/dev/null").open("w", encoding="utf-8") as journald:
        file = LogFile(home.log_dir, LOG_BYTES)
        with logging_to(journald, as_json=False, file=file, levels=LogLevels(level)):
            return asyncio.run(_overhead(home, pairs))


async def _overhead(home: Home, pairs: int) -> dict[str, float]:
    async with AsyncExitStack() as stack:
        appliance = Appliance(home, stack)
        await stack.enter_async_context(appliance.worker)
        kinds = {"on": appliance.watched, "off": appliance.silent}
        costs: dict[str, list[Cost]] = {"on": [], "off": []}
        for _ in range(2):
            for press in kinds.values():
                await press()
        for turn in range(pairs):
            for name in sorted(kinds, reverse=bool(turn % 2)):
                costs[name].append(await appliance.cost_s(kinds[name]))
        await appliance.planner.close()
    pairs_of = list(zip(costs["on"], costs["off"], strict=True))
    ratios = sorted(on.planner_s / off.planner_s for on, off in pairs_of)
    return {
        "overhead_ratio": statistics.median(ratios),
        "overhead_ratio_p90": ratios[int(0.9 * (len(ratios) - 1))],
        "overhead_ratio_press": statistics.median(on.both_s / off.both_s for on, off in pairs_of),
        "plan_cpu_ms": statistics.median(off.planner_s for _, off in pairs_of) * 1e3,
        "press_cpu_ms": statistics.median(off.both_s for _, off in pairs_of) * 1e3,
        "overhead_cpu_ms": statistics.median(on.both_s - off.both_s for on, off in pairs_of) * 1e3,
        "pairs": pairs,
    }
