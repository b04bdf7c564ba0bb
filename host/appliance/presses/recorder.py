"""Record events, in one order for all: journal, then press log, then bus.

    record    something that others build on: on disk when it returns
    publish   something worth knowing: on the bus now, and in the journal soon

A published event waits a moment, in a queue of bounded length, for the next record, and is written
together with it. So the journal has the order in which things happened, and the fifty events of a
plan are one write.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from host.errors import StorageError
from host.telemetry.events import (
    EVENT_TYPES,
    EventsDropped,
    EventT,
    HostEvent,
    JournalFailed,
    JournalMended,
    event_of,
    stamped,
)
from host.telemetry.journal.record import JournalRecord, clean_record

if TYPE_CHECKING:
    from host.appliance.presses.press_log import PressLog
    from host.telemetry.event_bus import EventBus
    from host.telemetry.journal.journal import Journal
    from planner_core.events import Event

RETRY_S: Final = 1.0
"""Retry interval while the disk is full; the board keeps the presses meanwhile."""
QUEUE_MAX: Final = 2_000
"""Published events that may wait for the disk: those of about forty plans."""
SOON_S: Final = 0.5
"""A plan and the events that led to it are one write."""
WINDOW_S: Final = 3600.0
JOURNAL: Final = "journal"


class Recorder:
    """Appends to the journal and keeps the press log in step with it.

    Parameters
    ----------
    journal : Journal
        Open.
    press_log : PressLog
        Of that journal.
    bus : EventBus
    now : callable returning an aware datetime
    on_storage : callable taking a bool
        Called with True when the disk refuses a record, with False when it takes them again.
    """

    def __init__(
        self,
        journal: Journal,
        press_log: PressLog,
        bus: EventBus,
        now: Callable[[], datetime],
        on_storage: Callable[[bool], None],
    ) -> None:
        self.press_log = press_log
        self.bus = bus
        self.now = now
        self.deciding = asyncio.Lock()
        """Held from a decision about a plan until its record, which may wait for the disk: whoever
        decides next must see that plan."""
        self._journal = journal
        self._on_storage = on_storage
        self._recordings: set[asyncio.Future[Any]] = set()
        self._is_failing = False
        self._is_closing = False
        self._write_lock = asyncio.Lock()
        self._queue: deque[JournalRecord] = deque()
        self._n_dropped: Counter[str] = Counter()
        self._n_published: Counter[str] = Counter()
        self._window_end_s = 0.0
        self._flushing: asyncio.Task[None] | None = None

    async def record(self, event: EventT) -> EventT:
        """Record something that others build on: it is on disk when this returns.

        The write is retried until the disk takes it.
        """
        # The caller may be cancelled; the write goes on to its end.
        recording = asyncio.ensure_future(self._record(stamped(event, self.now())))
        self._recordings.add(recording)
        recording.add_done_callback(self._recordings.discard)
        return await asyncio.shield(recording)

    def publish(self, event: Event) -> None:
        """Publish an event that nothing depends on."""
        event = self.bus.publish(event)
        if not event.is_journaled:
            return
        if self._is_over_limit(event):
            self._n_dropped[event.event_type] += 1
            return
        self._queue.append(clean_record(event))
        self._flush_later()

    def publish_record(self, record: Mapping[str, object]) -> None:
        """Publish an event of another process, if the journal or a subscriber wants its type."""
        event_type = EVENT_TYPES.get(str(record.get("event_type")))
        if event_type is None:
            return
        if event_type.is_journaled or self.bus.wants(event_type, str(record.get("bucket_id"))):
            event = event_of(record)
            if event is not None:
                self.publish(event)

    async def close(self) -> None:
        """Write the queue, if the disk takes it."""
        self._is_closing = True
        await asyncio.gather(*self._recordings, return_exceptions=True)
        async with self._write_lock:
            if self._flushing is not None:
                self._flushing.cancel()  # it sleeps, or waits for the lock: it does not write
            await self._write()

    # --- inside ----------------------------------------------------------------------------

    async def _record(self, event: EventT) -> EventT:
        async with self._write_lock:
            record = clean_record(event)
            # A disk does not report that it has room again.
            while not await self._write(record):
                if self._is_closing:
                    raise asyncio.CancelledError
                await asyncio.sleep(RETRY_S)
            self.press_log.note(record)
            return self.bus.publish(event)

    async def _flush(self) -> None:
        wait_s = SOON_S
        while True:
            await asyncio.sleep(wait_s)
            async with self._write_lock:
                if await self._write():
                    break
            wait_s = RETRY_S
        self._flushing = None
        if self._queue:
            self._flush_later()

    def _flush_later(self) -> None:
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush(), name="journal flush")

    async def _write(self, record: JournalRecord | None = None) -> bool:
        """Write the queue and then the record; return whether the disk took them."""
        n_queued, n_dropped = len(self._queue), Counter(self._n_dropped)
        batch = [*self._queue, *self._drop_records(n_dropped)]
        records = batch if record is None else [*batch, record]
        if not records:
            return True
        try:
            await self._journal.append(*records, durable=record is not None)
        except StorageError as error:
            if not self._is_failing:
                self._is_failing = True
                self.publish(JournalFailed(problem=str(error)))
                self._on_storage(True)
            return False
        for _ in range(n_queued):
            self._queue.popleft()
        self._n_dropped -= n_dropped  # later drops wait for the next write
        for own_record in self._journal.written:
            event = event_of(own_record.to_json())
            if event is not None:
                self.bus.publish(event)
        if self._is_failing:
            self._is_failing = False
            self.publish(JournalMended())
            self._on_storage(False)
        return True

    def _drop_records(self, n_dropped: Counter[str]) -> list[JournalRecord]:
        """Return a record for each type of event that was published too often."""
        drops = [
            EventsDropped(subscriber=JOURNAL, n_dropped=count, of_type=event_type)
            for event_type, count in n_dropped.items()
        ]
        return [JournalRecord.of(stamped(drop, self.now())) for drop in drops]

    def _is_over_limit(self, event: Event) -> bool:
        """Return whether the queue is full, or the type had its share of this hour."""
        now_s = asyncio.get_running_loop().time()
        if now_s >= self._window_end_s:
            self._window_end_s = now_s + WINDOW_S
            self._n_published.clear()
        self._n_published[event.event_type] += 1
        event_class = EVENT_TYPES.get(event.event_type)
        limit = getattr(event_class, "per_hour_max", HostEvent.per_hour_max)
        return len(self._queue) >= QUEUE_MAX or self._n_published[event.event_type] > limit
