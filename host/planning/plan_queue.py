"""Plans on request, one after the other, for a process without a board: `trader serve` alone.

As in the daemon, the planner has a process of its own, which is started for the first request and
ends when nobody asks for a while. A request for a bucket whose plan is under way joins it. Plans
are stored and journaled as those of `trader plan`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from host.clock import utc_now
from host.errors import HostError, StorageError
from host.home.config.plugin_catalogue import load_catalogue
from host.home.plan_store import PlanStore
from host.planning.breaker_store import BreakerStore
from host.planning.plan_run import JOURNAL_EVENTS_MAX
from host.planning.progress import ProgressLog
from host.planning.worker.client import WorkerClient
from host.planning.worker.errors import CANCELLED, PlanFailedError
from host.planning.worker.supervisor import PlanSupervisor
from host.telemetry.events import (
    HostEvent,
    PlanCancelled,
    PlanFailed,
    PlanRequested,
    PlanStored,
    event_of,
    new_trace_id,
    plan_summary,
    stamped,
)
from host.telemetry.journal.journal import Journal
from host.telemetry.journal.reader import HEAD_NAME
from host.telemetry.journal.record import clean_record
from host.telemetry.metrics.metrics import MetricsStore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from host.home.home import Home
    from host.planning.worker.client import PlanReply
    from planner_core.events import Event

IDLE_S: Final = 60.0
"""After this time without a request the planner's process ends, and its memory is free."""
VIA: Final = "api"
LINES_MAX: Final = 20
LINE_CHARACTERS_MAX: Final = 500
"""As in the daemon: a failed plan is one record of the journal."""


@dataclass(slots=True)
class _Request:
    """A plan that was requested, and its events so far."""

    trace_id: str
    bucket_id: str
    is_cancelled: bool = False
    events: deque[Event] = field(default_factory=lambda: deque(maxlen=JOURNAL_EVENTS_MAX))


class PlanQueue:
    """Makes the plans that are requested.

    Parameters
    ----------
    home : Home
    deadline_s : float
        For each plan.
    memory_mb : int
        That planning may take.
    command : sequence of str, optional
        Another command for the planner's process, for tests.
    """

    def __init__(
        self,
        home: Home,
        deadline_s: float,
        memory_mb: int,
        command: Sequence[str] | None = None,
    ) -> None:
        self.progress = ProgressLog()
        self._home = home
        self._deadline_s = deadline_s
        self._memory_mb = memory_mb
        self._command = command
        self._requests: dict[str, _Request] = {}
        """Those without an answer, by bucket, oldest first."""
        self._supervisor: PlanSupervisor | None = None
        self._serving: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()

    async def close(self) -> None:
        """Stop the plan under way, and the planner's process."""
        if self._serving is not None:
            self._serving.cancel()
            with suppress(asyncio.CancelledError):
                await self._serving

    def request(self, bucket_id: str) -> tuple[str, bool]:
        """Request a plan; return its trace id, and whether it was requested before."""
        request = self._requests.get(bucket_id)
        if request is not None and not request.is_cancelled:
            return request.trace_id, True
        request = _Request(new_trace_id(), bucket_id)
        self._requests[bucket_id] = request
        self._note(
            request,
            PlanRequested(trace_id=request.trace_id, bucket_id=bucket_id, via=VIA),
        )
        self._wake.set()
        if self._serving is None or self._serving.done():
            self._serving = asyncio.create_task(self._serve(), name="plan queue")
        return request.trace_id, False

    def cancel(self, trace_id: str) -> None:
        """Cancel a plan that has no answer yet."""
        for request in self._requests.values():
            if request.trace_id == trace_id:
                request.is_cancelled = True
                if self._supervisor is not None:
                    self._supervisor.cancel(trace_id)

    async def _serve(self) -> None:
        """Answer requests until nobody asks any more."""
        async with WorkerClient(
            self._home, command=self._command, memory_mb=self._memory_mb
        ) as worker:
            store = MetricsStore(self._home)
            supervisor = PlanSupervisor(
                worker,
                BreakerStore(self._home),
                store,
                prepare=partial(load_catalogue, self._home),
            )
            self._supervisor = supervisor
            try:
                while await self._has_requests():
                    await self._answer(next(iter(self._requests.values())), supervisor)
            finally:
                self._supervisor = None
                await supervisor.close()

    async def _has_requests(self) -> bool:
        """Wait for a request; return False when none came for IDLE_S."""
        while not self._requests:
            self._wake.clear()
            try:
                async with asyncio.timeout(IDLE_S):
                    await self._wake.wait()
            except TimeoutError:
                return False
        return True

    async def _answer(self, request: _Request, supervisor: PlanSupervisor) -> None:
        trace_id, bucket_id = request.trace_id, request.bucket_id
        try:
            if request.is_cancelled:
                raise PlanFailedError(CANCELLED, ["cancelled"])
            self.progress.begin(trace_id)
            reply = await supervisor.plan(
                trace_id, bucket_id, self._deadline_s, lambda event: self._on_event(request, event)
            )
            answer: HostEvent = await asyncio.to_thread(self._store, request, reply)
        except HostError as error:
            answer = _failure(request, error)
        if self._requests.get(bucket_id) is request:
            del self._requests[bucket_id]
        try:
            await asyncio.to_thread(self._journal, [*request.events, stamped(answer, utc_now())])
        except StorageError as error:
            answer = _failure(request, error)  # the plan is stored; whoever asked learns the rest
        self._note(request, answer)

    def _store(self, request: _Request, reply: PlanReply) -> PlanStored:
        file = PlanStore(self._home).save(reply.record, reply.created_at)
        return PlanStored(
            trace_id=request.trace_id,
            bucket_id=request.bucket_id,
            file=file.path.name,
            elapsed_s=round(reply.elapsed_s, 4),
            via=VIA,
            **plan_summary(reply.record),
        )

    def _journal(self, events: Sequence[Event]) -> None:
        journal = Journal(self._home.journal_dir, self._home.state_dir / HEAD_NAME)
        try:
            journal.append_now(*(clean_record(event) for event in events), durable=True)
        finally:
            journal.close()

    def _on_event(self, request: _Request, record: Mapping[str, Any]) -> None:
        event = event_of(record)
        if event is not None:
            self._note(request, event)

    def _note(self, request: _Request, event: Event) -> None:
        if event.is_journaled:
            request.events.append(stamped(event, utc_now()))
        self.progress.note(event.event_type, event.trace_id, event.bucket_id, event.payload())


def _failure(request: _Request, error: HostError) -> HostEvent:
    """Return the answer to a request without a plan."""
    if isinstance(error, PlanFailedError) and error.failure == CANCELLED:
        return PlanCancelled(trace_id=request.trace_id, bucket_id=request.bucket_id)
    code = error.failure if isinstance(error, PlanFailedError) else error.code
    lines = tuple(line[:LINE_CHARACTERS_MAX] for line in error.lines[:LINES_MAX])
    return PlanFailed(
        trace_id=request.trace_id, bucket_id=request.bucket_id, code=code, lines=lines
    )
