"""Answer requests for plans: from a request in the journal to its answer there, and the screen.

    journal -> worker -> plan store -> journal -> screen

The queue is the press log: a request is open until it has an answer, in memory as on disk. So a
request that a start reads from the journal and one of a press are handled alike.

A plan may begin before its request: at the release of a press, while a second press may still
follow for 0.3 s. Such a plan is speculative. It is not journaled, stored or shown, and has no
answer. When the verdict on the press is in the journal as `PlanRequested`, the speculative plan is
confirmed by its trace id and becomes the plan of that press. Any other verdict discards it. A crash
in between leaves the same as without it: a press without a verdict.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from host.appliance.presses.press_log import OpenRequest, RecoveryAction, decide_recovery
from host.display.compositor import Fault
from host.errors import StorageError
from host.health.catalogue import fault_of_failure
from host.planning.progress import PROGRESS
from host.planning.worker import errors as worker_errors
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

INTERNAL: Final = "internal"
CLEARED_BY_A_PLAN: Final = frozenset(
    {
        Fault.WORKER_DIED,
        Fault.PLAN_OVERRAN,
        Fault.CANNOT_WRITE,
        Fault.CONFIG_MISSING,
        Fault.DATA_UNUSABLE,
        Fault.INTERNAL_ERROR,
    }
)
"""Faults that end with a plan on disk and its record in the journal."""
LEFT_OUT_STATUSES: Final = frozenset({"failed", "timed_out", "skipped_open"})
"""A module with one of these was not part of the plan."""
LINES_MAX: Final = 20
LINE_CHARACTERS_MAX: Final = 500
"""A failed plan is one record of the journal: 20 lines of 500 characters say what is wrong."""
SPECULATION_AGE_MAX_S: Final = 3.0
"""An older speculative plan is not taken: its data may have changed since."""

OnEvent = Callable[[dict[str, Any]], None]


@dataclass(slots=True)
class _Speculation:
    """A plan that was not requested yet."""

    trace_id: str
    bucket_id: str
    began_s: float
    outcome: asyncio.Task[PlanReply | PlanFailedError] | None = None
    is_confirmed: bool = False
    is_discarded: bool = False
    forward_event: OnEvent | None = None
    events: list[dict[str, Any]] = field(default_factory=list)

    def on_event(self, event: dict[str, Any]) -> None:
        """Pass on an event of the planner, or keep it until the plan is requested."""
        if self.forward_event is None:
            self.events.append(event)
        else:
            self.forward_event(event)

    @property
    def is_running(self) -> bool:
        """True while the planner works on it."""
        return self.outcome is not None and not self.outcome.done()

    @property
    def has_failed(self) -> bool:
        """True if it failed before it was requested; then it is tried again."""
        task = self.outcome
        return task is not None and task.done() and isinstance(task.result(), PlanFailedError)


class SpeculativePlanner:
    """Planner of at most one speculative plan, for the request that it was begun for.

    Parameters
    ----------
    supervisor : PlanSupervisor
        It makes one plan at a time. All requests must go through `plan`.
    deadline_s : float
        For each plan.
    """

    def __init__(self, supervisor: PlanSupervisor, deadline_s: float) -> None:
        self._supervisor = supervisor
        self._deadline_s = deadline_s
        self._speculation: _Speculation | None = None
        self._is_planning = False

    def begin(self, trace_id: str, bucket_id: str) -> None:
        """Begin a plan for this press, unless the planner is at work."""
        if self._is_planning or (self._speculation is not None and self._speculation.is_running):
            return
        speculation = _Speculation(trace_id, bucket_id, asyncio.get_running_loop().time())
        speculation.outcome = asyncio.create_task(self._run(speculation), name="speculative plan")
        self._speculation = speculation

    def confirm(self, trace_id: str) -> None:
        """Keep the plan: its press is a request, and that is in the journal."""
        if self._speculation is not None and self._speculation.trace_id == trace_id:
            self._speculation.is_confirmed = True

    def discard(self) -> None:
        """Stop the plan, unless it is confirmed: the press was something else."""
        speculation = self._speculation
        if speculation is not None and not speculation.is_confirmed:
            speculation.is_discarded = True  # for good, even if its press is a request after all
            self._supervisor.cancel(speculation.trace_id)

    async def plan(self, request: OpenRequest, on_event: OnEvent) -> PlanReply:
        """Return the plan of a request: the speculative one if it was begun for it, else a new one.

        Raises
        ------
        PlanFailedError
            As `PlanSupervisor.plan` does.
        """
        self._is_planning = True
        try:
            speculation, self._speculation = self._speculation, None
            if speculation is not None and self._fits(speculation, request):
                return await self._adopt(speculation, on_event)
            if speculation is not None:
                await self._stop(speculation)
            return await self._supervisor.plan(
                request.trace_id, request.bucket_id, self._deadline_s, on_event
            )
        finally:
            self._is_planning = False

    async def _run(self, speculation: _Speculation) -> PlanReply | PlanFailedError:
        try:
            return await self._supervisor.plan(
                speculation.trace_id, speculation.bucket_id, self._deadline_s, speculation.on_event
            )
        except PlanFailedError as error:
            return error  # raising it would be an error without a reader if no request follows

    def _fits(self, speculation: _Speculation, request: OpenRequest) -> bool:
        age_s = asyncio.get_running_loop().time() - speculation.began_s
        return (
            (speculation.trace_id, speculation.bucket_id) == (request.trace_id, request.bucket_id)
            and speculation.is_confirmed
            and not speculation.is_discarded
            and age_s <= SPECULATION_AGE_MAX_S
            and not speculation.has_failed
        )

    async def _adopt(self, speculation: _Speculation, on_event: OnEvent) -> PlanReply:
        for event in speculation.events:
            on_event(event)
        speculation.forward_event = on_event
        assert speculation.outcome is not None
        outcome = await speculation.outcome
        if isinstance(outcome, PlanFailedError):
            raise outcome
        return outcome

    async def _stop(self, speculation: _Speculation) -> None:
        """End a plan, so that the planner is free."""
        assert speculation.outcome is not None
        self._supervisor.cancel(speculation.trace_id)
        await speculation.outcome


class PlanService:
    """Answers requests, the oldest first, one at a time.

    Parameters
    ----------
    recorder : Recorder
    screen : Screen
    supervisor : PlanSupervisor
    store : PlanStore
    deadline_s : float
        For each plan.
    """

    def __init__(
        self,
        recorder: Recorder,
        screen: Screen,
        supervisor: PlanSupervisor,
        store: PlanStore,
        deadline_s: float,
    ) -> None:
        self._recorder = recorder
        self._press_log = recorder.press_log
        self._screen = screen
        self._supervisor = supervisor
        self._store = store
        self.speculative = SpeculativePlanner(supervisor, deadline_s)
        self._wake = asyncio.Event()
        self._pressed_s: dict[str, float] = {}
        self.running: OpenRequest | None = None

    async def recover(self, age_max_s: float) -> None:
        """Settle the requests that a crash left open; fresh ones stay open and are planned."""
        for request in self._press_log.open_requests:
            files = await asyncio.to_thread(self._store.list, request.bucket_id)
            by_trace = {file.trace_id: file for file in files}
            has_plan = request.trace_id in by_trace
            now = self._recorder.now()
            action = decide_recovery(request, now, age_max_s, has_plan=has_plan)
            scope = scope_of(request)
            if action is RecoveryAction.STORED:
                file = by_trace[request.trace_id].path.name
                await self._recorder.record(
                    PlanStored(**scope, file=file, recovered=True, via=request.via)
                )
            elif action is RecoveryAction.CANCEL:
                await self._recorder.record(PlanCancelled(**scope, recovered=True))
            elif action is RecoveryAction.EXPIRE:
                pressed_at = request.pressed_at.isoformat()
                await self._recorder.record(PlanExpired(**scope, pressed_at=pressed_at))

    def request(self, trace_id: str, pressed_s: float | None = None) -> None:
        """Begin a plan; its request must be in the journal. None: no press asked for it."""
        self.speculative.confirm(trace_id)
        if pressed_s is not None:
            self._pressed_s[trace_id] = pressed_s
        self._wake.set()

    def cancel(self, trace_id: str) -> None:
        """Stop a plan; the cancellation must be in the journal."""
        self._supervisor.cancel(trace_id)
        self._wake.set()

    def show_progress(self) -> None:
        """Show the progress of the plan under way if it is that of the selected bucket."""
        state = self._screen.state
        if self.running is not None and self.running.bucket_id == self._press_log.selected_bucket:
            self._screen.update(state.with_planning(self._screen.now_s()))
        else:
            self._screen.update(state.without_planning())

    async def serve(self) -> None:
        """Answer requests forever."""
        while True:
            requests = self._press_log.open_requests
            if not requests:
                self._wake.clear()
                await self._wake.wait()
                continue
            await self._answer(requests[0])

    async def give_up(self, error: Exception) -> None:
        """Answer the request that an unexpected error ended: it would end the next try too."""
        requests = self._press_log.open_requests
        if requests:
            await self._record_failure(requests[0], INTERNAL, (f"internal error: {error!r}",))

    def on_shown(self, trace_id: str, version: int) -> None:
        """Publish that the board shows a plan, since this version of the display."""
        pressed_s = self._pressed_s.pop(trace_id, None)
        elapsed_s = None if pressed_s is None else round(self._screen.now_s() - pressed_s, 4)
        self._recorder.publish(
            FrameShown(
                trace_id=trace_id,
                bucket_id=self._screen.state.bucket,
                version=version,
                press_to_frame_s=elapsed_s,
            )
        )

    # --- inside ----------------------------------------------------------------------------

    async def _answer(self, request: OpenRequest) -> None:
        """Make and store a plan, and record the answer; every request gets one."""
        trace_id, bucket_id = request.trace_id, request.bucket_id
        self.running = request
        try:
            if request.is_cancelled:
                self._pressed_s.pop(trace_id, None)
                await self._recorder.record(PlanCancelled(trace_id=trace_id, bucket_id=bucket_id))
                return
            self.show_progress()
            reply = await self.speculative.plan(request, self._on_event)
            file = await asyncio.to_thread(self._store.save, reply.record, reply.created_at)
        except PlanFailedError as error:
            await self._record_failure(request, error.failure, error.lines)
        except StorageError as error:
            await self._record_failure(request, error.code, (str(error),))
        else:
            await self._recorder.record(stored_event(request, reply, file))
            self._show(request, reply.record)
        finally:
            self.running = None
            self.show_progress()

    async def _record_failure(
        self, request: OpenRequest, failure: str, lines: tuple[str, ...]
    ) -> None:
        scope = scope_of(request)
        self._pressed_s.pop(request.trace_id, None)
        if failure == worker_errors.CANCELLED:
            await self._recorder.record(PlanCancelled(**scope))
            return
        clipped = tuple(line[:LINE_CHARACTERS_MAX] for line in lines[:LINES_MAX])
        await self._recorder.record(PlanFailed(**scope, code=failure, lines=clipped))
        self._screen.add_fault(fault_of_failure(failure))

    def _show(self, request: OpenRequest, record: PlanRecord) -> None:
        screen = self._screen
        screen.clear_faults(*CLEARED_BY_A_PLAN)
        if request.bucket_id != self._press_log.selected_bucket:
            self._pressed_s.pop(request.trace_id, None)
            return  # it is shown when its bucket is selected again
        screen.expect_answer(request.trace_id)
        state = screen.state.with_degraded(is_degraded=is_degraded(record))
        screen.update(state.with_result(record, screen.now_s()))

    def _on_event(self, event: dict[str, Any]) -> None:
        """Publish an event of the planner, and show the progress."""
        running = self.running
        self._recorder.publish_record(event)
        if running is None or running.bucket_id != self._press_log.selected_bucket:
            return
        if event["event_type"] == "StageCompleted":
            fraction = PROGRESS.get(str(event["data"]["stage"]))
            self._screen.update(self._screen.state.with_planning(self._screen.now_s(), fraction))


def scope_of(request: OpenRequest) -> EventScope:
    """Return the trace and the bucket of a request, for its events."""
    return {"trace_id": request.trace_id, "bucket_id": request.bucket_id}


def stored_event(request: OpenRequest, reply: PlanReply, file: PlanFile) -> PlanStored:
    """Return the answer to a request whose plan is on disk."""
    return PlanStored(
        **scope_of(request),
        file=file.path.name,
        elapsed_s=round(reply.elapsed_s, 4),
        via=request.via,
        **plan_summary(reply.record),
    )


def is_degraded(record: Mapping[str, object]) -> bool:
    """Return whether a plan was made without some of its modules."""
    modules = record.get("modules")
    attempts = modules if isinstance(modules, list) else []
    return any(
        isinstance(attempt, dict) and attempt.get("status") in LEFT_OUT_STATUSES
        for attempt in attempts
    )
