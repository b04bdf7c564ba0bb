"""The daemon: one asyncio loop that owns the board, the journal and the planner's process.

    link event -> press desk (journal, confirm, gesture, verdict) -> ledger
    ledger -> plan desk (worker, plan store, answer) -> screen -> link

Everything is put together here. Presses are taken one after the other; planning goes on beside
them in a process of its own, and writing in threads, so that the loop is always free for the next
press. What goes wrong unexpectedly costs the step it went wrong in: it is shown, logged, and the
daemon goes on.
"""

from __future__ import annotations

import asyncio
import os
import traceback
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from firmware_bridge.events import (
    BoardConnected,
    BoardDisconnected,
    BoardRefused,
    ButtonEdge,
    FirmwareIncompatible,
    FrameAcknowledged,
    LinkEvent,
    PortMissing,
    PortOpened,
    PressesLost,
)
from firmware_bridge.link import Link
from host.appliance.assembly import supervised, worker_callbacks
from host.appliance.config_watcher import ConfigDesk
from host.appliance.health_monitor import HealthDesk
from host.appliance.link_monitor import LinkWatch, news_of
from host.appliance.night_dimmer import NightWatch
from host.appliance.plan_service import PlanDesk, is_degraded
from host.appliance.presses.controls import Controls
from host.appliance.presses.press_handler import PressDesk
from host.appliance.presses.press_log import PressLedger
from host.appliance.presses.recorder import Recorder
from host.appliance.screen import Screen
from host.appliance.sd_notify import SILENT, ServiceNotifier
from host.appliance.settings_watcher import SettingsDesk
from host.clock import utc_now
from host.display.compositor import Fault
from host.errors import StorageError
from host.home.plan_store import PlanStore
from host.home.storage.atomic_file import write_atomic
from host.home.storage.instance_lock import InstanceLock
from host.planning.worker.client import WorkerClient
from host.telemetry import events as told
from host.telemetry.event_bus import EventBus
from host.telemetry.events import BucketSelected
from host.telemetry.journal.journal import Journal, Reading
from host.telemetry.journal.reader import HEAD_NAME
from host.telemetry.logs.event_log import is_logged, is_logged_type, log_event
from host.version import version

if TYPE_CHECKING:
    from firmware_bridge.events import EdgeId
    from firmware_bridge.matrix import Frame
    from firmware_bridge.transport import Port
    from host.home.config.device_settings import DeviceConfig
    from host.home.home import Home
    from host.home.plan_store import PlanRecord

SELECTED_NAME: Final = "selected_bucket"
INBOX_MAX: Final = 64
RESTART_S: Final = 1.0
"""A part that failed unexpectedly is begun again after so long."""


@dataclass(frozen=True, slots=True)
class Tick:
    """The time of a press has come."""


class Daemon:
    """The appliance of one home on one board.

    Parameters
    ----------
    home : Home
    config : DeviceConfig
    port : Port
        Where the board is; it may be missing, vanish and come back.
    config_rejected : str, optional
        What of `device.toml` was refused, for the matrix.
    now : callable returning an aware datetime
    worker_command : sequence of str, optional
        Another planner's process than ours, for tests.
    """

    def __init__(
        self,
        home: Home,
        config: DeviceConfig,
        port: Port,
        *,
        config_rejected: str | None = None,
        now: Callable[[], datetime] = utc_now,
        notifier: ServiceNotifier = SILENT,
        worker_command: Sequence[str] | None = None,
    ) -> None:
        self.home = home
        self.config = config
        self.bus = EventBus(now)
        self.bus.subscribe("log", log_event, wants=is_logged, wants_type=is_logged_type)
        self._port = port
        self._config_rejected = config_rejected
        self._now = now
        self._notifier = notifier
        self._worker_command = worker_command
        self._stop = asyncio.Event()
        self._inbox: asyncio.Queue[LinkEvent | Tick] = asyncio.Queue(INBOX_MAX)
        self._has_recovered = asyncio.Event()
        self._reading = Reading()
        self._timer: asyncio.TimerHandle | None = None
        self._background: set[asyncio.Task[None]] = set()

    def stop(self) -> None:
        """End `run` soon."""
        self._stop.set()

    async def run(self) -> None:
        """Serve until told to stop.

        Raises
        ------
        InstanceError
            When another daemon serves this home.
        StorageError
            When the home cannot be written at all.
        """
        self._loop = asyncio.get_running_loop()
        async with AsyncExitStack() as stack:
            stack.enter_context(InstanceLock(self.home.state_dir))
            await self._open(stack)
            parts = (
                *(self._listen, self._work, self._plan, self._configure),
                *(self.settings.serve, self.night_watch.serve, self.health.serve),
            )
            tasks = [asyncio.create_task(self._keep_on(part), name=part.__name__) for part in parts]
            try:
                await self._stop.wait()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                self.recorder.tell(told.DaemonStopped())

    # --- putting it together ---------------------------------------------------------------

    async def _open(self, stack: AsyncExitStack) -> None:
        """Open everything; what the last daemon left unfinished is settled on the way."""
        ledger = PressLedger()
        stack.push_async_callback(self.bus.close)
        head = self.home.state_dir / HEAD_NAME
        journal = Journal(self.home.journal_dir, head, now=self._now, state=ledger.state)
        reading = await asyncio.to_thread(journal.open, ledger.note)
        stack.callback(journal.close)
        self.recorder = Recorder(journal, ledger, self.bus, self._now, self._on_storage)
        stack.push_async_callback(self.recorder.close)
        self.link = Link(self._port, last_edge=ledger.last_edge)
        self.screen = Screen(self._show)
        stack.callback(self.screen.close)
        self.screen.update(
            self.screen.state.with_config_rejected(self._config_rejected, self.screen.now_s())
        )
        self.night_watch = NightWatch(self.config.display, self.screen, self._now)
        self.night_watch.look()
        tell = self.recorder.tell
        news = worker_callbacks(tell, lambda: self.worker.restarts, lambda: self.plans.running)
        limits, store = self.config.limits, PlanStore(self.home)
        worker = WorkerClient(self.home, news, self._worker_command, limits.plan_memory_mb)
        self.worker = await stack.enter_async_context(worker)
        planner = supervised(worker, self.home, self.link, tell, self._now)
        stack.push_async_callback(planner.close)
        self.store = store
        self.plans = PlanDesk(self.recorder, self.screen, planner, store, limits.plan_deadline_s)
        self.settings = SettingsDesk(self.home, self.recorder, self.config.log)
        self.configs = ConfigDesk(self.home, self.recorder, self.screen, self._config_rejected)
        controls = Controls(self.config.buttons, limits.press_age_s)
        self.presses = PressDesk(
            self.home, self.recorder, self.screen, controls, self, self.plans.head_start
        )
        self._reading = reading
        line = LinkWatch(self._port.name, lambda: self.link.statistics)
        watched = (self.home, self.screen, self.worker, tell)
        self.health = HealthDesk(*watched, self._notifier, self._now, line, limits)
        await stack.enter_async_context(self.link)

    async def _recover(self) -> None:
        """Settle what the journal holds open, then stand where the last daemon stood.

        It takes as long as the disk takes, a full one for ever; the display lives meanwhile.
        """
        reading = self._reading
        started = told.DaemonStarted(
            port=self._port.name, records=reading.count, pid=os.getpid(), version=version()
        )
        self.recorder.tell(started)
        if reading.lines_damaged or reading.links_broken:
            await self.recorder.record(
                told.JournalDamaged(
                    lines_damaged=reading.lines_damaged,
                    links_broken=reading.links_broken,
                    places=tuple(str(damage) for damage in reading.damage),
                )
            )
        await self.configs.recover()
        await self._restore_selection()
        await self.plans.recover(self.config.limits.press_age_s)
        await self.presses.replay()
        self._has_recovered.set()

    async def _restore_selection(self) -> None:
        """Select what was selected; the journal knows, the file is for a journal that is gone."""
        ledger = self.recorder.ledger
        known = await self.presses.look_at_buckets()
        if ledger.selected_bucket not in known and known:
            kept = await asyncio.to_thread(self._kept_selection)
            bucket_id = kept if kept in known else known[0]
            await self.recorder.record(BucketSelected(bucket_id=bucket_id, why="at start"))
        if ledger.selected_bucket is not None:
            await self._show_bucket(ledger.selected_bucket)

    def _kept_selection(self) -> str:
        with suppress(OSError, UnicodeDecodeError):
            return (self.home.state_dir / SELECTED_NAME).read_text("utf-8").strip()
        return ""

    # --- the loops -------------------------------------------------------------------------

    async def _keep_on(self, part: Callable[[], Awaitable[None]]) -> None:
        """Run a part for ever; a failure that nobody foresaw is shown, and costs a second."""
        while not self._stop.is_set():
            try:
                return await part()
            except Exception as error:  # noqa: BLE001 - the daemon's loop: it goes on
                trace = traceback.format_exc()
                self.recorder.tell(told.InternalError(problem=repr(error), traceback=trace))
                self.screen.add_fault(Fault.INTERNAL_ERROR)
                await asyncio.sleep(RESTART_S)
        return None

    async def _listen(self) -> None:
        """Move events from the link to the inbox; a full inbox makes the link wait."""
        async for event in self.link:
            if isinstance(event, BoardConnected | BoardDisconnected):
                is_linked = isinstance(event, BoardConnected)
                self.screen.update(self.screen.state.with_link(is_linked=is_linked))
            await self._inbox.put(event)

    async def _plan(self) -> None:
        """Answer requests, once it is known what the last daemon left."""
        await self._has_recovered.wait()
        try:
            await self.plans.serve()
        except Exception as error:
            await self.plans.give_up(error)  # else it would be tried again every second
            raise

    async def _configure(self) -> None:
        """Pick up edited configurations."""
        await self._has_recovered.wait()
        await self.configs.serve()

    async def _work(self) -> None:
        """Take events one after the other, and look after presses under way."""
        if not self._has_recovered.is_set():
            await self._recover()
        while True:
            self._set_timer()
            event = await self._inbox.get()
            await self._take(event)
            await self.presses.tick()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        deadline_s = self.presses.reader.next_deadline()
        loop = asyncio.get_running_loop()
        self._timer = None if deadline_s is None else loop.call_at(deadline_s, self._on_timer)

    def _on_timer(self) -> None:
        with suppress(asyncio.QueueFull):  # then the loop turns, and looks at the time, anyway
            self._inbox.put_nowait(Tick())

    async def _take(self, event: LinkEvent | Tick) -> None:
        match event:
            case ButtonEdge():
                await self.presses.take(event, self.confirm)
            case FrameAcknowledged():
                await self.plans.frame_shown(event.version)
            case BoardConnected():
                await self._connected(event)
            case BoardDisconnected():
                self._disconnected(event)
            case PressesLost():
                await self.presses.events_lost(event)
            case FirmwareIncompatible():
                self.recorder.tell(news_of(event))
                self.screen.add_fault(Fault.FIRMWARE_INCOMPATIBLE)
            case BoardRefused() | PortOpened() | PortMissing():
                self.recorder.tell(news_of(event))
            case Tick():
                pass

    # --- what the parts call ---------------------------------------------------------------

    def confirm(self, edge_id: EdgeId) -> None:
        """Acknowledge an edge to the board: it stands in the journal."""
        self.link.confirm(edge_id)

    def plan_requested(self, trace_id: str, pressed_s: float) -> None:
        """Begin to plan."""
        self.plans.requested(trace_id, pressed_s)

    def cancel_requested(self, trace_id: str) -> None:
        """Stop a plan."""
        self.plans.cancel(trace_id)

    def bucket_selected(self, bucket_id: str) -> None:
        """Show another bucket, and keep which one."""
        self._in_background(self._show_bucket(bucket_id))

    async def _show_bucket(self, bucket_id: str) -> None:
        record = await asyncio.to_thread(self._latest_plan, bucket_id)
        if bucket_id == self.recorder.ledger.selected_bucket:
            degraded = record is not None and is_degraded(record)
            state = self.screen.state.with_bucket(bucket_id, self.screen.now_s(), record)
            self.screen.update(state.with_degraded(is_degraded=degraded))
            self.plans.show_planning()
        await asyncio.to_thread(self._keep_selection, bucket_id)

    def _latest_plan(self, bucket_id: str) -> PlanRecord | None:
        try:
            stored = self.store.latest(bucket_id)
        except StorageError as error:
            self._from_thread(told.PlanUnreadable(bucket_id=bucket_id, problem=str(error)))
            return None
        return None if stored is None else stored.record

    def _keep_selection(self, bucket_id: str) -> None:
        """Write what the journal says, for other programs; the journal stays the truth."""
        try:
            write_atomic(self.home.state_dir / SELECTED_NAME, f"{bucket_id}\n".encode())
        except StorageError as error:
            self._from_thread(told.StateNotKept(problem=str(error)))

    def _from_thread(self, event: told.PlanUnreadable | told.StateNotKept) -> None:
        """Tell something from a thread of file work: events belong to the loop."""
        self._loop.call_soon_threadsafe(self.recorder.tell, event)

    def _in_background(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(self._once(work))
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _once(self, work: Awaitable[None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - as in `_keep_on`
            self.recorder.tell(told.InternalError(problem=repr(error)))
            self.screen.add_fault(Fault.INTERNAL_ERROR)

    def _show(self, frame: Frame, brightness: int) -> int:
        return self.link.show(frame, brightness)

    async def _connected(self, event: BoardConnected) -> None:
        self.recorder.tell(news_of(event))
        self.screen.clear_faults(Fault.FIRMWARE_INCOMPATIBLE)
        await self.presses.board_connected(event.board.boot_id)

    def _disconnected(self, event: BoardDisconnected) -> None:
        self.recorder.tell(news_of(event))
        self.presses.reader.link_lost()
        self.screen.update(self.screen.state.with_preview(None))

    def _on_storage(self, is_failing: bool) -> None:
        if is_failing:
            self.screen.add_fault(Fault.CANNOT_WRITE)
        else:
            self.screen.clear_faults(Fault.CANNOT_WRITE)
