"""From a request in the journal to its answer there: worker -> plan store -> journal -> screen.

The queue is the ledger: a request is open until it has an answer, in memory as on disk, so what a
start finds and what a press asks for are one thing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from host.appliance.presses.press_log import Leftover, OpenRequest, judge_leftover
from host.appliance.presses.speculative_plan import HeadStart
from host.display.compositor import Fault
from host.errors import StorageError
from host.health.catalogue import fault_of_failure
from host.planning.worker import errors as worker_failure
from host.planning.worker.errors import PlanFailedError
from host.telemetry.events import (
    FrameShown,
    PlanCancelled,
    PlanExpired,
    PlanFailed,
    PlanStored,
    plan_summary,
)

if TYPE_CHECKING:
    from host.appliance.presses.recorder import Recorder
    from host.appliance.screen import Screen
    from host.home.plan_store import PlanFile, PlanRecord, PlanStore
    from host.planning.worker.client import PlanReply
    from host.planning.worker.supervisor import PlanSupervisor
    from host.telemetry.events import EventScope

PROGRESS: Final[Mapping[str, float]] = {
    "value": 0.05,
    "assess": 0.1,
    "opportunities": 0.2,
    "candidates": 0.3,
    "search": 0.8,
    "refinement": 0.95,
    "report": 1.0,
}
"""How far a plan is when a stage of the planner ends, by where its time usually goes."""

INTERNAL: Final = "internal"
MENDED_BY_A_PLAN: Final = frozenset(
    {
        Fault.WORKER_DIED,
        Fault.PLAN_OVERRAN,
        Fault.CANNOT_WRITE,
        Fault.CONFIG_MISSING,
        Fault.DATA_UNUSABLE,
        Fault.INTERNAL_ERROR,
    }
)
"""A plan that is on disk, with its record, proves all of these wrong."""
WITHOUT: Final = frozenset({"failed", "timed_out", "skipped_open"})
"""A module in one of these states was not part of the plan."""
LINES_KEPT: Final = 20


class PlanDesk:
    """Answers requests, the oldest first, one at a time."""

    def __init__(
        self,
        recorder: Recorder,
        screen: Screen,
        worker: PlanSupervisor,
        store: PlanStore,
        deadline_s: float,
    ) -> None:
        self._recorder = recorder
        self._ledger = recorder.ledger
        self._screen = screen
        self._worker = worker
        self._store = store
        self.head_start = HeadStart(worker, deadline_s)
        self._wake = asyncio.Event()
        self._pressed_s: dict[str, float] = {}
        self.running: OpenRequest | None = None

    async def recover(self, age_max_s: float) -> None:
        """Settle what a crash left open; what is still fresh stays open, to be planned."""
        for request in self._ledger.open_requests:
            files = await asyncio.to_thread(self._store.list, request.bucket_id)
            by_trace = {file.trace_id: file for file in files}
            has_plan = request.trace_id in by_trace
            now = self._recorder.now()
            verdict = judge_leftover(request, now, age_max_s, has_plan=has_plan)
            names = names_of(request)
            if verdict is Leftover.STORED:
                file = by_trace[request.trace_id].path.name
                await self._recorder.record(PlanStored(**names, file=file, recovered=True))
            elif verdict is Leftover.CANCEL:
                await self._recorder.record(PlanCancelled(**names, recovered=True))
            elif verdict is Leftover.EXPIRE:
                pressed_at = request.pressed_at.isoformat()
                await self._recorder.record(PlanExpired(**names, pressed_at=pressed_at))

    def requested(self, trace_id: str, pressed_s: float) -> None:
        """Begin with a request that stands in the journal."""
        self.head_start.mean(trace_id)
        self._pressed_s[trace_id] = pressed_s
        self._wake.set()

    def cancel(self, trace_id: str) -> None:
        """Stop a plan: the cancel stands in the journal."""
        self._worker.cancel(trace_id)
        self._wake.set()

    def show_planning(self) -> None:
        """Show the progress of the plan under way if it is that of the selected bucket."""
        state = self._screen.state
        if self.running is not None and self.running.bucket_id == self._ledger.selected_bucket:
            self._screen.update(state.with_planning(self._screen.now_s()))
        else:
            self._screen.update(state.without_planning())

    async def serve(self) -> None:
        """Answer requests for ever."""
        while True:
            waiting = self._ledger.open_requests
            if not waiting:
                self._wake.clear()
                await self._wake.wait()
                continue
            await self._answer(waiting[0])

    async def give_up(self, error: Exception) -> None:
        """Answer the request that an unforeseen error ended: it would end the next try too."""
        waiting = self._ledger.open_requests
        if waiting:
            await self._failed(waiting[0], INTERNAL, (f"internal error: {error!r}",))

    async def frame_shown(self, version: int) -> None:
        """Record that the board shows a plan."""
        trace_id = self._screen.shown(version)
        if trace_id is None:
            return
        pressed_s = self._pressed_s.pop(trace_id, None)
        took_s = None if pressed_s is None else round(self._screen.now_s() - pressed_s, 4)
        bucket_id = self._screen.state.bucket
        self._recorder.tell(
            FrameShown(
                trace_id=trace_id, bucket_id=bucket_id, version=version, press_to_frame_s=took_s
            )
        )

    # --- inside ----------------------------------------------------------------------------

    async def _answer(self, request: OpenRequest) -> None:
        """Plan, keep the plan, say so; whatever happens, the request gets its answer."""
        trace_id, bucket_id = request.trace_id, request.bucket_id
        self.running = request
        try:
            if request.is_cancelled:
                self._pressed_s.pop(trace_id, None)
                await self._recorder.record(PlanCancelled(trace_id=trace_id, bucket_id=bucket_id))
                return
            self.show_planning()
            reply = await self.head_start.plan(request, self._on_event)
            file = await asyncio.to_thread(self._store.save, reply.record, reply.created_at)
        except PlanFailedError as error:
            await self._failed(request, error.failure, error.lines)
        except StorageError as error:
            await self._failed(request, error.code, (str(error),))
        else:
            await self._recorder.record(stored_event(request, reply, file))
            self._show(request, reply.record)
        finally:
            self.running = None
            self.show_planning()

    async def _failed(self, request: OpenRequest, failure: str, lines: tuple[str, ...]) -> None:
        names = names_of(request)
        self._pressed_s.pop(request.trace_id, None)
        if failure == worker_failure.CANCELLED:
            await self._recorder.record(PlanCancelled(**names))
            return
        shown = tuple(line[:500] for line in lines[:LINES_KEPT])
        await self._recorder.record(PlanFailed(**names, code=failure, lines=shown))
        self._screen.add_fault(fault_of_failure(failure))

    def _show(self, request: OpenRequest, record: PlanRecord) -> None:
        screen = self._screen
        screen.clear_faults(*MENDED_BY_A_PLAN)
        if request.bucket_id != self._ledger.selected_bucket:
            self._pressed_s.pop(request.trace_id, None)
            return  # it shows when its bucket is selected again
        screen.expect_answer(request.trace_id)
        state = screen.state.with_degraded(is_degraded=is_degraded(record))
        screen.update(state.with_result(record, screen.now_s()))

    def _on_event(self, event: dict[str, Any]) -> None:
        """Tell what the planner tells, and show how far it is."""
        running = self.running
        self._recorder.tell_of(event)
        if running is None or running.bucket_id != self._ledger.selected_bucket:
            return
        if event["event_type"] == "StageCompleted":
            fraction = PROGRESS.get(str(event["data"]["stage"]))
            self._screen.update(self._screen.state.with_planning(self._screen.now_s(), fraction))


def names_of(request: OpenRequest) -> EventScope:
    """Return what events about a request are about."""
    return {"trace_id": request.trace_id, "bucket_id": request.bucket_id}


def stored_event(request: OpenRequest, reply: PlanReply, file: PlanFile) -> PlanStored:
    """Return the answer to a request whose plan is on disk."""
    found = plan_summary(reply.record)
    return PlanStored(
        **names_of(request),
        file=file.path.name,
        elapsed_s=round(reply.elapsed_s, 4),
        **found,
    )


def is_degraded(record: Mapping[str, object]) -> bool:
    """Tell whether a plan was made without some of its modules."""
    modules = record.get("modules")
    attempts = modules if isinstance(modules, list) else []
    return any(isinstance(found, dict) and found.get("status") in WITHOUT for found in attempts)
