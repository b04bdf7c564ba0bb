"""A plan that one module cannot prevent: who took the process down is left out, and asked again.

    plan --dies, hangs or leaves processes--> the module's breaker opens --> the same request, once
                                                                            more, without it

It is the same press and the same trace id. A second failure is the answer; the module that is to
blame for it has its breaker opened too, so that the next press does without both.

A process that was killed from outside, by the kernel for want of memory or by somebody, says
nothing about the module that happened to run. Then, and when nobody knows who it was, the request
is first asked once more as it was, carefully; only what fails again is blamed. Where that befalls
the request that was repeated without a module, it is the answer, and blames nobody.

Everything that is told about plans passes here, so here it is counted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from host.clock import utc_now
from host.errors import StorageError
from host.planning.worker.errors import CANCELLED, DIED, LEFT_PROCESSES, OVERRAN, PlanFailedError
from host.telemetry.metrics.planner_metrics import Metrics
from planner_core.events import BreakerChanged, PlanRepeated
from planner_core.model.circuit_breaker import Signal

if TYPE_CHECKING:
    from host.planning.breaker_store import BreakerStore
    from host.planning.worker.client import PlanReply, WorkerClient
    from host.telemetry.metrics.store import MetricsStore

OnEvent = Callable[[dict[str, Any]], None]
Gauges = Callable[[], Mapping[str, float]]

FATAL: Final = frozenset({DIED, OVERRAN, LEFT_PROCESSES})


def _no_gauges() -> Mapping[str, float]:
    return {}


def _tell_nobody(_problem: str) -> None:
    """Take a problem and do nothing with it."""


class PlanSupervisor:
    """Asks the planner's process for plans; see above.

    Parameters
    ----------
    worker : WorkerClient
    breakers : BreakerStore
    metrics : MetricsStore
    gauges : callable returning a mapping of str to float, optional
        Figures of the device, asked for after each plan.
    complain : callable taking a line, optional
        Told when metrics or breakers cannot be kept.
    now : callable returning an aware datetime
    """

    def __init__(
        self,
        worker: WorkerClient,
        breakers: BreakerStore,
        metrics: MetricsStore,
        *,
        gauges: Gauges = _no_gauges,
        complain: Callable[[str], None] = _tell_nobody,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._worker = worker
        self._breakers = breakers
        self._metrics = metrics
        self._gauges = gauges
        self._complain = complain
        self._now = now
        self._measured = Metrics()
        self._restarts = worker.restarts
        self._cancelled: str | None = None
        self._keeping: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """Wait until what was measured is kept."""
        if self._keeping is not None:
            await self._keeping

    def cancel(self, trace_id: str) -> None:
        """Stop this plan if it is the one under way."""
        self._cancelled = trace_id
        self._worker.cancel(trace_id)

    async def plan(
        self, trace_id: str, bucket_id: str, deadline_s: float, on_event: OnEvent
    ) -> PlanReply:
        """Ask for a plan, and again after a failure: see above.

        Raises
        ------
        PlanFailedError
            As `WorkerClient.plan` does.
        """
        self._cancelled = None

        def hear(event: dict[str, Any]) -> None:
            self._measured.note(str(event["event_type"]), bucket_id, event["data"])
            on_event(event)

        asked = (trace_id, bucket_id, deadline_s, hear)
        try:
            try:
                reply = await self._first(asked)
            except PlanFailedError as error:
                if not await self._blame(error, trace_id, bucket_id, hear):
                    raise
                repeated = self._repeated(error, trace_id, bucket_id, error.blamed)
                hear(repeated.to_record())
                reply = await self._again(asked, error)
        except PlanFailedError as error:
            self._measured.of(bucket_id).count(f"plans_failed.{error.failure}")
            raise
        else:
            self._note_memory(reply)
            return reply
        finally:  # beside whatever comes next: a board waits for its frame, not for this
            self._keeping = asyncio.create_task(self._keep(self._keeping), name="metrics")

    async def _first(self, asked: tuple[str, str, float, OnEvent]) -> PlanReply:
        """Ask with all modules; and again when a failure says nothing about any of them."""
        trace_id, bucket_id, _, hear = asked
        try:
            return await self._worker.plan(*asked, self._breakers.unsaved_open())
        except PlanFailedError as error:
            if not error.is_doubtful:
                raise
            hear(self._repeated(error, trace_id, bucket_id, without="").to_record())
        if self._cancelled == trace_id:
            raise PlanFailedError(CANCELLED, ["cancelled"])
        return await self._worker.plan(*asked, self._breakers.unsaved_open(), is_careful=True)

    async def _again(
        self, asked: tuple[str, str, float, OnEvent], failed: PlanFailedError
    ) -> PlanReply:
        trace_id, bucket_id, _, hear = asked
        without = {**self._breakers.unsaved_open(), failed.blamed: failed.lines[0]}
        if self._cancelled == trace_id:
            raise PlanFailedError(CANCELLED, ["cancelled"])
        try:
            return await self._worker.plan(*asked, without)
        except PlanFailedError as error:
            if not error.is_doubtful:
                await self._blame(error, trace_id, bucket_id, hear)
            raise

    async def _blame(
        self, error: PlanFailedError, trace_id: str, bucket_id: str, hear: OnEvent
    ) -> bool:
        """Open the breaker of the module that is to blame; tell whether there is one."""
        if error.failure not in FATAL:
            return False
        if error.failure == LEFT_PROCESSES:
            self._worker.kill()  # with the whole group: who knows what is left of it
        if not error.blamed:
            return False
        why = error.lines[0]
        changed = await asyncio.to_thread(self._breakers.signal, error.blamed, Signal.CRASH, why)
        if self._breakers.problem is not None:
            self._complain(self._breakers.problem)
        if changed is not None:
            event = BreakerChanged(
                timestamp=self._now(),
                bucket_id=bucket_id,
                trace_id=trace_id,
                key=error.blamed,
                before=changed.before.state.value,
                after=changed.after.state.value,
                reason=why,
                retry_after_s=self._breakers.breakers.wait_s(error.blamed),
            )
            hear(event.to_record())
        return True

    def _repeated(
        self, error: PlanFailedError, trace_id: str, bucket_id: str, without: str
    ) -> PlanRepeated:
        self._measured.of(bucket_id).count("plans_repeated")
        return PlanRepeated(
            timestamp=self._now(),
            bucket_id=bucket_id,
            trace_id=trace_id,
            without=without,
            failure=error.failure,
            reason=error.lines[0],
        )

    def _note_memory(self, reply: PlanReply) -> None:
        for name, value in reply.memory.items():
            if isinstance(value, int):
                self._measured.gauge(f"planner_{name}", value)

    async def _keep(self, before: asyncio.Task[None] | None) -> None:
        """Add what was measured to what is on disk; what cannot be kept is tried again later."""
        if before is not None:
            await before
        restarts, self._restarts = self._restarts, self._worker.restarts
        self._measured.count("worker_restarts", self._restarts - restarts)
        for name, value in self._gauges().items():
            self._measured.gauge(name, value)
        measured, self._measured = self._measured, Metrics()
        try:
            await asyncio.to_thread(self._metrics.add, measured)
        except StorageError as error:
            measured.merge(self._measured)
            self._measured = measured
            self._complain(str(error))
