"""The daemon: one asyncio loop that owns the board, the journal and the planner's process.

    link event -> press handler (journal, confirm, gesture, verdict) -> press log
    press log -> plan service (worker, plan store, answer) -> screen -> link

`assembly` puts the parts together; here they run. Link events are handled one after the other.
Planning goes on beside them in a process of its own, and writing in threads, so that the loop is
always free for the next press. A part that fails unexpectedly is reported and starts again; the
others go on.
"""

from __future__ import annotations

import asyncio
import os
import traceback
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
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
from firmware_bridge.messages import PROTOCOL_MAX, PROTOCOL_MIN
from host.appliance.assembly import assemble
from host.appliance.sd_notify import SILENT, ServiceNotifier
from host.clock import SYSTEM_CLOCK, Clock
from host.display.compositor import Fault
from host.home.storage.instance_lock import InstanceLock
from host.telemetry import events as journal_events
from host.version import version

if TYPE_CHECKING:
    from firmware_bridge.transport import Port
    from host.home.config.device_settings import DeviceConfig
    from host.home.home import Home
    from host.telemetry.events import HostEvent

INBOX_MAX: Final = 64
FULL_INBOX_RETRY_S: Final = 0.05
RESTART_S: Final = 1.0
"""A part that failed unexpectedly starts again after this time."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A deadline of a gesture has passed."""


class Daemon:
    """The appliance of one home on one board.

    Parameters
    ----------
    home : Home
    config : DeviceConfig
    port : Port
        Of the board; it may be missing, vanish and come back.
    config_rejected : str, optional
        The place of an error in `device.toml`, for the matrix.
    clock : Clock
    notifier : ServiceNotifier
    worker_command : sequence of str, optional
        Another command for the planner's process, for tests.
    """

    def __init__(
        self,
        home: Home,
        config: DeviceConfig,
        port: Port,
        *,
        config_rejected: str | None = None,
        clock: Clock = SYSTEM_CLOCK,
        notifier: ServiceNotifier = SILENT,
        worker_command: Sequence[str] | None = None,
    ) -> None:
        self._home = home
        self._config = config
        self._port = port
        self._config_rejected = config_rejected
        self._clock = clock
        self._notifier = notifier
        self._worker_command = worker_command
        self._stop = asyncio.Event()
        self._inbox: asyncio.Queue[LinkEvent | Tick] = asyncio.Queue(INBOX_MAX)
        self._has_recovered = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    def stop(self) -> None:
        """End `run` soon."""
        self._stop.set()

    async def run(self) -> None:
        """Serve until `stop` is called.

        Raises
        ------
        InstanceError
            When another daemon serves this home.
        StorageError
            When the home cannot be written at all.
        """
        async with AsyncExitStack() as stack:
            stack.enter_context(InstanceLock(self._home.state_dir))
            self._parts = parts = await assemble(
                stack,
                home=self._home,
                config=self._config,
                port=self._port,
                clock=self._clock,
                notifier=self._notifier,
                config_rejected=self._config_rejected,
                worker_command=self._worker_command,
            )
            loops = [
                self._read_link,
                self._handle_events,
                self._serve_plans,
                self._serve_configs,
                self._serve_control,
                parts.selection.serve,
                parts.pairing.serve,
                parts.settings.serve,
                parts.night_dimmer.serve,
                parts.health.serve,
                parts.web.serve,
            ]
            tasks = [asyncio.create_task(self._run_forever(loop)) for loop in loops]
            try:
                await self._stop.wait()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                parts.recorder.publish(journal_events.DaemonStopped())

    async def _recover(self) -> None:
        """Settle what the journal holds open, and go on where the last daemon stopped.

        Waits while the disk is full; the display works meanwhile.
        """
        parts = self._parts
        reading, recorder = parts.journal_reading, parts.recorder
        started = journal_events.DaemonStarted(
            port=self._port.name, records=reading.count, pid=os.getpid(), version=version()
        )
        recorder.publish(started)
        if reading.lines_damaged or reading.links_broken:
            await recorder.record(
                journal_events.JournalDamaged(
                    lines_damaged=reading.lines_damaged,
                    links_broken=reading.links_broken,
                    places=tuple(str(damage) for damage in reading.damage),
                )
            )
        await parts.configs.recover()
        await parts.selection.recover(await parts.presses.read_bucket_ids())
        await parts.plans.recover(self._config.limits.press_age_s)
        await parts.presses.replay()
        self._has_recovered.set()

    # --- the loops -------------------------------------------------------------------------

    async def _run_forever(self, loop: Callable[[], Awaitable[None]]) -> None:
        """Run a loop; on an unexpected error, report it and start again after RESTART_S."""
        while not self._stop.is_set():
            try:
                return await loop()
            except Exception as error:  # noqa: BLE001 - one part must not end the daemon
                trace = traceback.format_exc()
                event = journal_events.InternalError(problem=repr(error), traceback=trace)
                self._parts.recorder.publish(event)
                self._parts.screen.add_fault(Fault.INTERNAL_ERROR)
                await asyncio.sleep(RESTART_S)
        return None

    async def _read_link(self) -> None:
        """Move events from the link to the inbox; a full inbox makes the link wait."""
        screen = self._parts.screen
        async for event in self._parts.link:
            if isinstance(event, BoardConnected | BoardDisconnected):
                is_linked = isinstance(event, BoardConnected)
                screen.update(screen.state.with_link(is_linked=is_linked))
            await self._inbox.put(event)

    async def _serve_plans(self) -> None:
        """Answer requests, after the recovery."""
        await self._has_recovered.wait()
        try:
            await self._parts.plans.serve()
        except Exception as error:
            await self._parts.plans.give_up(error)  # else it would be tried again every second
            raise

    async def _serve_configs(self) -> None:
        """Commit edited configurations, after the recovery."""
        await self._has_recovered.wait()
        await self._parts.configs.serve()

    async def _serve_control(self) -> None:
        """Answer requests of other processes, after the recovery."""
        await self._has_recovered.wait()
        await self._parts.control.serve()

    async def _handle_events(self) -> None:
        """Handle link events one after the other, and the deadlines of presses under way."""
        if not self._has_recovered.is_set():
            await self._recover()
        while True:
            self._set_timer()
            event = await self._next_event()
            await self._handle(event)
            await self._parts.presses.tick()

    async def _next_event(self) -> LinkEvent | Tick:
        """Return the next event that may concern a press; handle acknowledged frames meanwhile."""
        screen, plans = self._parts.screen, self._parts.plans
        while isinstance(event := await self._inbox.get(), FrameAcknowledged):
            trace_id = screen.acknowledge(event.version)
            if trace_id is not None:
                plans.on_shown(trace_id, event.version)
        return event

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        deadline_s = self._parts.presses.gestures.next_deadline()
        loop = asyncio.get_running_loop()
        self._timer = None if deadline_s is None else loop.call_at(deadline_s, self._on_timer)

    def _on_timer(self) -> None:
        try:
            self._inbox.put_nowait(Tick())
        except asyncio.QueueFull:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(FULL_INBOX_RETRY_S, self._on_timer)

    async def _handle(self, event: LinkEvent | Tick) -> None:
        parts = self._parts
        match event:
            case ButtonEdge():
                await parts.presses.on_edge(event)
            case PressesLost():
                await parts.presses.on_presses_lost(event)
            case BoardConnected():
                parts.recorder.publish(journal_event(event))
                parts.screen.clear_faults(Fault.FIRMWARE_INCOMPATIBLE)
                await parts.presses.on_connected(event.board.boot_id)
            case BoardDisconnected():
                parts.recorder.publish(journal_event(event))
                parts.presses.gestures.link_lost()
                parts.screen.update(parts.screen.state.with_preview(None))
            case FirmwareIncompatible():
                parts.recorder.publish(journal_event(event))
                parts.screen.add_fault(Fault.FIRMWARE_INCOMPATIBLE)
            case BoardRefused() | PortOpened() | PortMissing():
                parts.recorder.publish(journal_event(event))
            case FrameAcknowledged() | Tick():
                pass  # `_next_event` handles frames; a tick only wakes the loop


def journal_event(
    event: BoardConnected
    | BoardDisconnected
    | BoardRefused
    | FirmwareIncompatible
    | PortMissing
    | PortOpened,
) -> HostEvent:
    """Return the journal's form of a link event."""
    match event:
        case BoardConnected(board):
            name = board.board.name.lower()
            return journal_events.BoardConnected(board=name, boot_id=board.boot_id)
        case BoardDisconnected(reason):
            return journal_events.BoardDisconnected(reason=reason.value)
        case PortOpened(port):
            return journal_events.PortOpened(port=port)
        case PortMissing(port, why):
            return journal_events.PortMissing(port=port, why=why)
        case BoardRefused():
            return journal_events.BoardRefused(code=event.code.name)
        case FirmwareIncompatible(board):
            return journal_events.FirmwareIncompatible(
                board=board.board.name.lower(),
                protocol=f"{board.protocol_min} to {board.protocol_max}",
                protocol_of_host=f"{PROTOCOL_MIN} to {PROTOCOL_MAX}",
                remedy="install the firmware of this version: trader board flash",
            )
