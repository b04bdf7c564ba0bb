"""A request gets its answer, and nothing of it stays in memory."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from host.appliance.plan_service import PlanService
from host.appliance.presses.press_handler import PressFields
from host.appliance.presses.press_log import PressLog
from host.appliance.presses.recorder import Recorder
from host.appliance.screen import Screen
from host.home.plan_store import PlanStore
from host.telemetry.event_bus import EventBus
from host.telemetry.events import CancelRequested, PlanRequested
from host.telemetry.journal.journal import Journal
from tests.host.small_home import small_home

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class NoWorker:
    """A planner that must not be asked for anything but a cancellation."""

    def cancel(self, trace_id: str) -> None:
        """Nothing is under way."""


def test_a_request_that_is_cancelled_before_it_began_leaves_no_entry(tmp_path: Path) -> None:
    home = small_home(tmp_path)

    async def work() -> None:
        press_log = PressLog()
        journal = Journal(home.journal_dir, state=press_log.state)
        journal.open(press_log.note)
        bus = EventBus(lambda: NOON)
        recorder = Recorder(journal, press_log, bus, lambda: NOON, lambda _failing: None)
        screen = Screen(lambda _frame, _brightness: 0)
        worker = NoWorker()
        plans = PlanService(recorder, screen, worker, PlanStore(home), 30.0)  # type: ignore[arg-type] # stands in
        press: PressFields = {"gesture": "short", "edges": (), "age_s": 0.0}
        await recorder.record(PlanRequested(trace_id="t1", bucket_id="core", **press))
        plans.request("t1", 0.0)
        await recorder.record(
            CancelRequested(trace_id="t2", bucket_id="core", cancels="t1", **press)
        )
        plans.cancel("t1")
        serving = asyncio.create_task(plans.serve())
        async with asyncio.timeout(20):
            while press_log.open_requests:  # noqa: ASYNC110 - seen from outside
                await asyncio.sleep(0.005)
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        assert plans._pressed_s == {}
        screen.close()
        await recorder.close()
        await bus.close()
        journal.close()

    asyncio.run(work())
