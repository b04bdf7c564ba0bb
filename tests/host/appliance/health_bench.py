"""A health monitor whose clocks stand still until they are moved, and the parts it checks."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import fields
from datetime import UTC, datetime, timedelta

import pytest

from firmware_bridge.link import LinkStatistics
from host.appliance.health_monitor import DaemonProcesses, HealthMonitor, LinkMonitor
from host.appliance.screen import Screen
from host.appliance.sd_notify import SILENT
from host.appliance.web_server import WebServer
from host.clock import Clock
from host.display.faults import Fault
from host.health.monitor_state import MonitorState, read_monitor_state
from host.home.config.device_settings import WebTable
from host.home.home import Home
from host.home.plan_store import PlanStore
from tests.firmware_bridge.memory_port import MemoryPort

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY_S = 86_400.0


class Worker:
    """A worker that runs, or does not."""

    pid: int | None = 5
    restarts = 0


class Bench:
    """A health monitor whose clocks stand still until they are moved."""

    def __init__(
        self,
        home: Home,
        monkeypatch: pytest.MonkeyPatch,
        silence_h: float = 24.0,
        *,
        has_restored: bool = True,
    ) -> None:
        self.home, self.passed_s, self.set_by_s = home, 0.0, 0.0
        self.screen = Screen(lambda _frame, _brightness: 0)
        self.screen.update(self.screen.state.with_bucket("core", 0.0))
        monkeypatch.setattr(self.screen, "now_s", lambda: self.passed_s)
        self.event_types: list[str] = []
        self.worker = Worker()
        self.web = WebServer(home, WebTable(), lambda _event: None)
        self.damaged = self.received = 0
        self.port = MemoryPort("/dev/board")
        self.monitor = HealthMonitor(
            home=home,
            screen=self.screen,
            processes=DaemonProcesses(self.worker, self.web),  # type: ignore[arg-type] # it has all that the monitor reads
            publish=lambda event: self.event_types.append(event.event_type),
            notifier=SILENT,
            clock=Clock(now=self.now, boot_time_s=lambda: self.passed_s),
            link=LinkMonitor(self),  # type: ignore[arg-type] # it has all that the monitor reads
            plan_silence_h=silence_h,
        )
        if has_restored:
            self.monitor._restore(self.monitor._read_previous())

    @property
    def statistics(self) -> LinkStatistics:
        names = (field.name for field in fields(LinkStatistics))
        counters = {"bad_packets": self.damaged, "packets_received": self.received}
        return LinkStatistics(**{name: counters.get(name, 0) for name in names})

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.passed_s + self.set_by_s)

    async def after(self, seconds: float) -> tuple[Fault, ...]:
        """Let time pass; return what the matrix shows then."""
        self.passed_s += seconds
        await self.monitor.tick()
        return self.screen.state.faults

    def store(self, outcome: str, bucket_id: str = "core") -> None:
        """Keep a plan of now."""
        trace_id = f"{int(self.passed_s):032d}"
        record = {"bucket_id": bucket_id, "trace_id": trace_id, "outcome": outcome}
        PlanStore(self.home).save(record, self.now())

    @property
    def saved_state(self) -> MonitorState:
        state = read_monitor_state(self.home.state_dir)
        assert state is not None
        return state


Scene = Callable[[Bench], Coroutine[object, object, None]]
Act = Callable[..., None]
"""Runs a scene with a monitor, within a loop."""
