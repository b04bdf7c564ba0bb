"""Show the selected bucket on the screen, and write its name to `state/selected_bucket`.

The journal says which bucket is selected. The file is for other programs, and for a start without a
journal.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from host.appliance.plan_service import PlanService, is_degraded
from host.errors import StorageError
from host.home.storage.atomic_file import write_atomic
from host.telemetry.events import BucketSelected, PlanUnreadable, StateNotKept

if TYPE_CHECKING:
    from collections.abc import Sequence

    from host.appliance.presses.recorder import Recorder
    from host.appliance.screen import Screen
    from host.home.home import Home
    from host.home.plan_store import PlanRecord, PlanStore

SELECTED_NAME: Final = "selected_bucket"


class BucketSelection:
    """Follows the bucket that is selected in the press log.

    Parameters
    ----------
    home : Home
    recorder : Recorder
    screen : Screen
    plans : PlanService
    store : PlanStore
    """

    def __init__(
        self, home: Home, recorder: Recorder, screen: Screen, plans: PlanService, store: PlanStore
    ) -> None:
        self._file = home.state_dir / SELECTED_NAME
        self._recorder = recorder
        self._screen = screen
        self._plans = plans
        self._store = store
        self._wake = asyncio.Event()

    def on_selected(self) -> None:
        """Show the bucket soon that was selected just now."""
        self._wake.set()

    async def serve(self) -> None:
        """Show each bucket that is selected, forever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self._show()

    async def recover(self, bucket_ids: Sequence[str]) -> None:
        """Show the bucket that was selected last, or select one if it is gone."""
        if bucket_ids and self._recorder.press_log.selected_bucket not in bucket_ids:
            bucket_id = await asyncio.to_thread(self._read_file)
            if bucket_id not in bucket_ids:
                bucket_id = bucket_ids[0]
            await self._recorder.record(BucketSelected(bucket_id=bucket_id, why="at start"))
        await self._show()

    async def _show(self) -> None:
        bucket_id = self._recorder.press_log.selected_bucket
        if bucket_id is not None:
            await asyncio.gather(self._show_latest_plan(bucket_id), self._write_file(bucket_id))

    async def _show_latest_plan(self, bucket_id: str) -> None:
        record = await self._latest_plan(bucket_id)
        if bucket_id == self._recorder.press_log.selected_bucket:
            degraded = record is not None and is_degraded(record)
            state = self._screen.state.with_bucket(bucket_id, self._screen.now_s(), record)
            self._screen.update(state.with_degraded(is_degraded=degraded))
            self._plans.show_progress()

    async def _latest_plan(self, bucket_id: str) -> PlanRecord | None:
        try:
            stored = await asyncio.to_thread(self._store.latest, bucket_id)
        except StorageError as error:
            self._recorder.publish(PlanUnreadable(bucket_id=bucket_id, problem=str(error)))
            return None
        return None if stored is None else stored.record

    async def _write_file(self, bucket_id: str) -> None:
        try:
            await asyncio.to_thread(write_atomic, self._file, f"{bucket_id}\n".encode())
        except StorageError as error:
            self._recorder.publish(StateNotKept(problem=str(error)))

    def _read_file(self) -> str:
        with suppress(OSError, UnicodeDecodeError):
            return self._file.read_text("utf-8").strip()
        return ""
