"""A health desk whose clocks stand still until they are moved, and what it looks at."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import fields
from datetime import UTC, datetime, timedelta

import pytest

from firmware_bridge.link import LinkStatistics
from host.appliance import health_monitor
from host.appliance.health_monitor import HealthDesk
from host.appliance.link_monitor import LinkWatch
from host.appliance.screen import Screen
from host.appliance.sd_notify import SILENT
from host.display.faults import Fault
from host.health.monitor_state import MonitorState, read_monitor_state
from host.home.config.device_settings import LimitsTable
from host.home.home import Home
from host.home.plan_store import PlanStore

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY_S = 86_400.0


class Worker:
    """A worker that runs, or does not."""

    pid: int | None = 5
    restarts = 0


class Bench:
    """A health desk whose clocks stand still until they are moved."""

    def __init__(
        self,
        home: Home,
        monkeypatch: pytest.MonkeyPatch,
        silence_h: float = 24.0,
        *,
        has_recalled: bool = True,
    ) -> None:
        self.home, self.passed_s, self.set_by_s = home, 0.0, 0.0
        self.screen = Screen(lambda _frame, _brightness: 0)
        self.screen.update(self.screen.state.with_bucket("core", 0.0))
        monkeypatch.setattr(health_monitor, "boot_time_s", lambda: self.passed_s)
        monkeypatch.setattr(self.screen, "now_s", lambda: self.passed_s)
        self.told: list[str] = []
        self.worker = Worker()
        self.damaged = self.received = 0
        self.desk = HealthDesk(
            home,
            self.screen,
            self.worker,  # type: ignore[arg-type] # all that the desk asks of one
            lambda event: self.told.append(event.event_type),
            SILENT,
            self.now,
            LinkWatch("/dev/board", self.statistics),
            LimitsTable(plan_silence_h=silence_h),
        )
        if has_recalled:
            self.desk._recall(self.desk._left_behind())

    def statistics(self) -> LinkStatistics:
        names = (found.name for found in fields(LinkStatistics))
        counted = {"bad_packets": self.damaged, "packets_received": self.received}
        return LinkStatistics(**{name: counted.get(name, 0) for name in names})

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.passed_s + self.set_by_s)

    async def after(self, seconds: float) -> tuple[Fault, ...]:
        """Let time pass; return what the matrix shows then."""
        self.passed_s += seconds
        await self.desk.tick()
        return self.screen.state.faults

    def store(self, outcome: str, bucket_id: str = "core") -> None:
        """Keep a plan of now."""
        trace_id = f"{int(self.passed_s):032d}"
        record = {"bucket_id": bucket_id, "trace_id": trace_id, "outcome": outcome}
        PlanStore(self.home).save(record, self.now())

    @property
    def memory(self) -> MonitorState:
        found = read_monitor_state(self.home.state_dir)
        assert found is not None
        return found


Scene = Callable[[Bench], Coroutine[object, object, None]]
Act = Callable[..., None]
"""Runs a scene with a desk, within a loop."""
