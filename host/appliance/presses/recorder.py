"""One way to record what happens: journal, then ledger, then bus, in one order for all.

    record   something that others build on: on disk when it returns
    tell     something worth knowing: on the bus now, and in the journal soon

What is told waits a moment, in a queue of bounded length, for the next record, and is written
together with it: the journal keeps the order in which things happened, and a plan's fifty events
are one write.
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
    from host.appliance.presses.press_log import PressLedger
    from host.telemetry.event_bus import EventBus
    from host.telemetry.journal.journal import Journal
    from planner_core.events import Event

RETRY_S: Final = 1.0
"""A disk that is full is asked again this often; meanwhile the board keeps the presses."""
WAITING_MAX: Final = 2_000
"""Told events that may wait for the disk: some forty plans."""
SOON_S: Final = 0.5
"""A plan and what led to it: one write."""
WINDOW_S: Final = 3600.0
JOURNAL: Final = "journal"


class Recorder:
    """Appends to the journal and keeps the ledger of presses in step with it.

    Parameters
    ----------
    journal : Journal
        Open.
    ledger : PressLedger
        Of that journal.
    bus : EventBus
    now : callable returning an aware datetime
    on_storage : callable taking a bool
        Told True when the disk refuses a record, False when it takes them again.
    """

    def __init__(
        self,
        journal: Journal,
        ledger: PressLedger,
        bus: EventBus,
        now: Callable[[], datetime],
        on_storage: Callable[[bool], None],
    ) -> None:
        self.ledger = ledger
        self.bus = bus
        self.now = now
        self._journal = journal
        self._on_storage = on_storage
        self._recordings: set[asyncio.Future[Any]] = set()
        self._is_failing = False
        self._is_closing = False
        self._in_order = asyncio.Lock()
        self._waiting: deque[JournalRecord] = deque()
        self._dropped: Counter[str] = Counter()
        self._taken: Counter[str] = Counter()
        self._window_end_s = 0.0
        self._flushing: asyncio.Task[None] | None = None

    async def record(self, event: EventT) -> EventT:
        """Record something that others build on: it is on disk when this returns.

        A disk that refuses is asked again until it takes it. Nothing else could be promised.
        """
        # Whoever waits may be cancelled, what is being written cannot: it goes on to its end.
        recording = asyncio.ensure_future(self._record(stamped(event, self.now())))
        self._recordings.add(recording)
        recording.add_done_callback(self._recordings.discard)
        return await asyncio.shield(recording)

    def tell(self, event: Event) -> None:
        """Tell something that is worth knowing and that nothing depends on."""
        told = self.bus.tell(event)
        if not told.is_journaled:
            return
        if self._is_too_many(told):
            self._dropped[told.event_type] += 1
            return
        self._waiting.append(clean_record(told))
        self._flush()

    def tell_of(self, record: Mapping[str, object]) -> None:
        """Tell an event that another process sent, if anybody wants to know of its like."""
        event_type = EVENT_TYPES.get(str(record.get("event_type")))
        if event_type is None:
            return
        if event_type.is_journaled or self.bus.wants(event_type, str(record.get("bucket_id"))):
            event = event_of(record)
            if event is not None:
                self.tell(event)

    async def close(self) -> None:
        """Write what waits, if the disk takes it."""
        self._is_closing = True
        await asyncio.gather(*self._recordings, return_exceptions=True)
        async with self._in_order:
            if self._flushing is not None:
                self._flushing.cancel()  # it sleeps, or waits for its turn: it is not writing
            await self._try()

    # --- inside ----------------------------------------------------------------------------

    async def _record(self, event: EventT) -> EventT:
        async with self._in_order:
            record = clean_record(event)
            # A disk tells nobody when it has room again.
            while not await self._try(record):
                if self._is_closing:
                    raise asyncio.CancelledError
                await asyncio.sleep(RETRY_S)
            self.ledger.note(record)
            return self.bus.tell(event)

    async def _flush_soon(self) -> None:
        wait_s = SOON_S
        while True:
            await asyncio.sleep(wait_s)
            async with self._in_order:
                if await self._try():
                    break
            wait_s = RETRY_S
        self._flushing = None
        if self._waiting:
            self._flush()

    def _flush(self) -> None:
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush_soon(), name="journal flush")

    async def _try(self, record: JournalRecord | None = None) -> bool:
        """Write what waits and then the record; without one, what is refused goes on waiting."""
        n_waiting, dropped = len(self._waiting), Counter(self._dropped)
        batch = [*self._waiting, *self._drops(dropped)]
        records = batch if record is None else [*batch, record]
        if not records:
            return True
        try:
            await self._journal.append(*records, durable=record is not None)
        except StorageError as error:
            if not self._is_failing:
                self._is_failing = True
                self.tell(JournalFailed(problem=str(error)))
                self._on_storage(True)
            return False
        for _ in range(n_waiting):
            self._waiting.popleft()
        self._dropped -= dropped  # what came meanwhile goes on waiting
        for own in self._journal.written:
            told = event_of(own.to_json())
            if told is not None:
                self.bus.tell(told)
        if self._is_failing:
            self._is_failing = False
            self.tell(JournalMended())
            self._on_storage(False)
        return True

    def _drops(self, dropped: Counter[str]) -> list[JournalRecord]:
        """Return a record for each type of event that was told too often to be kept."""
        drops = [
            EventsDropped(subscriber=JOURNAL, n_dropped=count, of_type=event_type)
            for event_type, count in dropped.items()
        ]
        return [JournalRecord.of(stamped(drop, self.now())) for drop in drops]

    def _is_too_many(self, event: Event) -> bool:
        """Tell whether the journal has had enough of a type of event for this hour."""
        now_s = asyncio.get_running_loop().time()
        if now_s >= self._window_end_s:
            self._window_end_s = now_s + WINDOW_S
            self._taken.clear()
        self._taken[event.event_type] += 1
        known = EVENT_TYPES.get(event.event_type)
        limit = getattr(known, "per_hour_max", HostEvent.per_hour_max)
        return len(self._waiting) >= WAITING_MAX or self._taken[event.event_type] > limit
