"""Plans that one bad module cannot prevent: it is left out, and the request is repeated.

    plan --dies, hangs or leaves processes--> the module's breaker opens --> the same request, once
                                                                            more, without it

The repeated request belongs to the same press and has the same trace id. If it fails too, that is
the answer. The breaker of the module that it failed in opens as well, so that the next press does
without both modules.

A process may be killed from outside: by the kernel for want of memory, or by a person. That says
nothing about the module that ran. Then, or when no module is a suspect, the request is first
repeated unchanged, with every module isolated. Only a module that fails again has its breaker
opened. If a repeated request without a module is killed like this, that is the answer, and no
breaker opens.

Every event of a plan passes through here, so the metrics of plans are counted here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from host.clock import utc_now
from host.errors import StorageError
from host.planning.worker.errors import CANCELLED, DIED, LEFT_PROCESSES, OVERRAN, PlanFailedError
from host.telemetry.metrics.metrics import Metrics
from planner_core.events import BreakerChanged, Event, PlanRepeated
from planner_core.model.circuit_breaker import Signal

if TYPE_CHECKING:
    from host.planning.breaker_store import BreakerStore
    from host.planning.worker.client import OnEvent, PlanReply, WorkerClient
    from host.telemetry.metrics.metrics import MetricsStore

Gauges = Callable[[], Mapping[str, float]]

FATAL: Final = frozenset({DIED, OVERRAN, LEFT_PROCESSES})
"""Failures that open the breaker of the suspect."""


def _prepare_nothing() -> None:
    """Prepare nothing."""


def _no_gauges() -> Mapping[str, float]:
    return {}


def _ignore_problem(_problem: str) -> None:
    """Ignore a problem."""


@dataclass(frozen=True, slots=True)
class _Request:
    """A request, and where its events go."""

    trace_id: str
    bucket_id: str
    deadline_s: float
    on_event: OnEvent

    def publish(self, event: Event) -> None:
        """Send an event of the supervisor where those of the planner go."""
        self.on_event(event.to_record())


class PlanSupervisor:
    """Requests plans from the worker; see above.

    Parameters
    ----------
    worker : WorkerClient
    breakers : BreakerStore
    store : MetricsStore
    prepare : callable, optional
        Called before each plan, in a thread: it inspects plugins that are new or changed.
    gauges : callable returning a mapping of str to float, optional
        Figures of the device, read after each plan.
    on_problem : callable taking a line, optional
        Called when metrics or breakers cannot be saved.
    now : callable returning an aware datetime
    """

    def __init__(
        self,
        worker: WorkerClient,
        breakers: BreakerStore,
        store: MetricsStore,
        *,
        prepare: Callable[[], object] = _prepare_nothing,
        gauges: Gauges = _no_gauges,
        on_problem: Callable[[str], None] = _ignore_problem,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._worker = worker
        self._breakers = breakers
        self._store = store
        self._prepare = prepare
        self._gauges = gauges
        self._on_problem = on_problem
        self._now = now
        self._metrics = Metrics()
        """Not saved yet."""
        self._restarts = worker.restarts
        self._trace_id = ""
        """Of the plan that is being made."""
        self._is_cancelled = False
        self._saving: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """Wait until the metrics are saved."""
        if self._saving is not None:
            await self._saving

    def cancel(self, trace_id: str) -> None:
        """Cancel this plan if the worker works on it."""
        self._is_cancelled = self._is_cancelled or trace_id == self._trace_id
        self._worker.cancel(trace_id)

    async def plan(
        self, trace_id: str, bucket_id: str, deadline_s: float, on_event: OnEvent
    ) -> PlanReply:
        """Request a plan, and repeat the request after a failure: see above.

        Raises
        ------
        PlanFailedError
            As `WorkerClient.plan` does.
        """
        self._trace_id, self._is_cancelled = trace_id, False

        def count_and_pass_on(event: dict[str, Any]) -> None:
            self._metrics.on_record(str(event["event_type"]), bucket_id, event["data"])
            on_event(event)

        request = _Request(trace_id, bucket_id, deadline_s, count_and_pass_on)
        await asyncio.to_thread(self._prepare)
        try:
            reply = await self._plan(request)
        except PlanFailedError as error:
            self._metrics.of(bucket_id).count(f"plans_failed.{error.failure}")
            raise
        else:
            self._note_memory(reply)
            return reply
        finally:  # in a task of its own: the board waits for its frame, not for this
            self._saving = asyncio.create_task(self._save_metrics(self._saving), name="metrics")

    async def _plan(self, request: _Request) -> PlanReply:
        """Request a plan, and once more without the suspect of a fatal failure."""
        try:
            return await self._with_all_modules(request)
        except PlanFailedError as error:
            if not await self._open_breaker(error, request):
                raise
            first = error
        self._publish_repeat(request, first, without=first.suspect)
        try:
            return await self._send(request, {first.suspect: first.lines[0]})
        except PlanFailedError as error:
            if not error.cause_uncertain:
                await self._open_breaker(error, request)
            raise

    async def _with_all_modules(self, request: _Request) -> PlanReply:
        """Request a plan, and once more, isolated, when the cause of a failure is uncertain."""
        try:
            return await self._send(request)
        except PlanFailedError as error:
            if not error.cause_uncertain:
                raise
            self._publish_repeat(request, error, without="")
        return await self._send(request, isolate=True)

    async def _send(
        self,
        request: _Request,
        excluded_modules: Mapping[str, str] | None = None,
        *,
        isolate: bool = False,
    ) -> PlanReply:
        """Send the request to the worker, unless it was cancelled meanwhile."""
        if self._is_cancelled:
            raise PlanFailedError(CANCELLED, ["cancelled"])
        # The worker reads the saved breakers by itself; it cannot know those that were not saved.
        unsaved = {} if self._breakers.problem is None else self._breakers.unsaved_open()
        return await self._worker.plan(
            request.trace_id,
            request.bucket_id,
            request.deadline_s,
            request.on_event,
            {**unsaved, **(excluded_modules or {})},
            isolate=isolate,
        )

    async def _open_breaker(self, error: PlanFailedError, request: _Request) -> bool:
        """Open the breaker of the suspect of a fatal failure; return whether there is one."""
        if error.failure not in FATAL:
            return False
        if error.failure == LEFT_PROCESSES:
            self._worker.kill()  # the whole group: some of them may have survived
        key = error.suspect
        if not key:
            return False
        reason = error.lines[0]
        transition = await asyncio.to_thread(self._breakers.signal, key, Signal.CRASH, reason)
        if self._breakers.problem is not None:
            self._on_problem(self._breakers.problem)
        if transition is not None:
            event = BreakerChanged(
                timestamp=self._now(),
                bucket_id=request.bucket_id,
                trace_id=request.trace_id,
                key=key,
                before=transition.before.state.value,
                after=transition.after.state.value,
                reason=reason,
                retry_after_s=self._breakers.breakers.wait_s(key),
            )
            request.publish(event)
        return True

    def _publish_repeat(self, request: _Request, error: PlanFailedError, *, without: str) -> None:
        self._metrics.of(request.bucket_id).count("plans_repeated")
        event = PlanRepeated(
            timestamp=self._now(),
            bucket_id=request.bucket_id,
            trace_id=request.trace_id,
            without=without,
            failure=error.failure,
            reason=error.lines[0],
        )
        request.publish(event)

    def _note_memory(self, reply: PlanReply) -> None:
        for name, value in reply.memory.items():
            if isinstance(value, int):
                self._metrics.gauge(f"planner_{name}", value)

    async def _save_metrics(self, previous: asyncio.Task[None] | None) -> None:
        """Add the metrics to those on disk; those that cannot be saved are kept for next time."""
        if previous is not None:
            await previous
        restarts, self._restarts = self._restarts, self._worker.restarts
        self._metrics.count("worker_restarts", self._restarts - restarts)
        for name, value in self._gauges().items():
            self._metrics.gauge(name, value)
        unsaved, self._metrics = self._metrics, Metrics()
        try:
            await asyncio.to_thread(self._store.add, unsaved)
        except StorageError as error:
            unsaved.merge(self._metrics)
            self._metrics = unsaved
            self._on_problem(str(error))
