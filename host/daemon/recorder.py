"""One way to record what happens: journal, then ledger, then log, in one order for all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Final

from host.errors import StorageError
from host.files.journal import Journal, JournalRecord

if TYPE_CHECKING:
    from host.daemon.log import DaemonLog
    from host.daemon.presses import PressLedger

RETRY_S: Final = 1.0
"""A disk that is full is asked again this often; meanwhile the board keeps the presses."""


class Recorder:
    """Appends to the journal and keeps the ledger of presses in step with it.

    Parameters
    ----------
    journal : Journal
        Open.
    ledger : PressLedger
        Of that journal.
    log : DaemonLog
    now : callable returning an aware datetime
    on_storage : callable taking a bool
        Told True when the disk refuses a record, False when it takes them again.
    """

    def __init__(
        self,
        journal: Journal,
        ledger: PressLedger,
        log: DaemonLog,
        now: Callable[[], datetime],
        on_storage: Callable[[bool], None],
    ) -> None:
        self.ledger = ledger
        self.log = log
        self.now = now
        self._journal = journal
        self._on_storage = on_storage
        self._is_failing = False
        self._in_order = asyncio.Lock()

    async def record(
        self, event_type: str, trace_id: str = "", bucket_id: str = "", **data: object
    ) -> None:
        """Record something that others build on: it is on disk when this returns.

        A disk that refuses is asked again until it takes it. Nothing else could be promised.
        """
        await self.append(JournalRecord(event_type, self.now(), trace_id, bucket_id, data))

    async def append(self, record: JournalRecord) -> None:
        """Record a record that was made already; see `record`."""
        async with self._in_order:
            # A disk tells nobody when it has room again.
            while not await self._try(record, durable=True):  # noqa: ASYNC110
                await asyncio.sleep(RETRY_S)

    async def mention(
        self, event_type: str, trace_id: str = "", bucket_id: str = "", **data: object
    ) -> None:
        """Record something that is worth knowing and that nothing depends on."""
        record = JournalRecord(event_type, self.now(), trace_id, bucket_id, data)
        async with self._in_order:
            await self._try(record, durable=False)

    async def _try(self, record: JournalRecord, *, durable: bool) -> bool:
        try:
            await self._journal.append(record, durable=durable)
        except StorageError as error:
            if not self._is_failing:
                self._is_failing = True
                self.log.tell("JournalFailed", severity="ERROR", problem=str(error))
                self._on_storage(True)
            return False
        if self._is_failing:
            self._is_failing = False
            self.log.tell("JournalMended")
            self._on_storage(False)
        self.ledger.note(record)
        self.log.record(record)
        return True
