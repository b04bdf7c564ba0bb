"""Serve a home, and wait for one that is missing or cannot be written: a board has no operator.

Meanwhile the board shows the fault, the service manager learns that the start is over and what is
missing, and a signal ends the wait. Presses stay in the board's queue until they can be recorded.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

from firmware_bridge.events import BoardConnected, BoardDisconnected
from firmware_bridge.link import Link
from host.appliance.daemon import Daemon
from host.appliance.screen import Screen
from host.clock import utc_now
from host.display.faults import SCROLL_TEXTS, Fault
from host.errors import HomeError, HostError, StorageError
from host.home.storage.atomic_file import write_atomic
from host.telemetry.events import DaemonStopped, HostEvent, WaitingForHome, stamped
from host.telemetry.logs import log_event

if TYPE_CHECKING:
    from firmware_bridge.transport import Port
    from host.appliance.sd_notify import ServiceNotifier
    from host.home.config.device_settings import DeviceConfig
    from host.home.home import Home

RETRY_S: Final = 2.0

LoadSettings = Callable[[], "tuple[DeviceConfig, str | None]"]
StartLogging = Callable[..., AbstractContextManager[object]]
OpenPort = Callable[["DeviceConfig"], "Port"]


async def serve(
    home: Home,
    load_settings: LoadSettings,
    open_port: OpenPort,
    start_logging: StartLogging,
    notifier: ServiceNotifier,
    *,
    waits: bool,
) -> None:
    """Run a daemon; with `waits`, wait for a home that cannot be served.

    Parameters
    ----------
    home : Home
    load_settings : callable
        Reads `device.toml`; returns the settings, and the place of an error in it.
    open_port : callable taking the settings
    start_logging : callable taking the settings and `keeps`
        `keeps` is whether a file may be written.
    notifier : ServiceNotifier
    waits : bool
        False for a person at a terminal, who would rather see the error.

    Raises
    ------
    InstanceError
        When another daemon serves this home.
    HomeError, StorageError
        When the home cannot be served, without `waits`.
    """
    notifier.feed_watchdog()
    stop, last_problem = _stop_on_signals(), ""
    while not stop.is_set():
        config, rejected = load_settings()
        port = open_port(config)
        daemon = Daemon(home, config, port, config_rejected=rejected, notifier=notifier)
        try:
            home.require_home()
            with start_logging(config, keeps=True):
                async with _stopped_by(stop, daemon, notifier):
                    return await daemon.run()
        except (HomeError, StorageError) as error:
            if not waits:
                raise
            fault = Fault.HOME_MISSING if isinstance(error, HomeError) else Fault.CANNOT_WRITE
            notifier.status(f"degraded (fault {fault.value} {SCROLL_TEXTS[fault]}): {error}")
            notifier.ready()
            with start_logging(config, keeps=False):
                if str(error) != last_problem:
                    last_problem = str(error)
                    _log(WaitingForHome(fault=fault.value, problem=last_problem))
                await _wait(home, open_port(config), fault, stop)
                if stop.is_set():
                    _log(DaemonStopped())
    notifier.stopping()
    return None


def _log(event: HostEvent) -> None:
    """Write an event to the log alone: there is no journal yet."""
    log_event(stamped(event, utc_now()))


def _stop_on_signals() -> asyncio.Event:
    """Return an event that SIGTERM and SIGINT set from now on."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


@asynccontextmanager
async def _stopped_by(
    stop: asyncio.Event, daemon: Daemon, notifier: ServiceNotifier
) -> AsyncIterator[None]:
    """Stop the daemon when the event is set."""

    async def stop_daemon() -> None:
        await stop.wait()
        notifier.stopping()
        daemon.stop()

    task = asyncio.create_task(stop_daemon(), name="stop on signals")
    try:
        yield
    finally:
        task.cancel()


async def _wait(home: Home, port: Port, fault: Fault, stop: asyncio.Event) -> None:
    """Show the fault until the home can be served, or a signal came."""
    async with Link(port) as link:
        screen = Screen(link.show)
        screen.add_fault(fault)
        drawing = asyncio.create_task(_draw_when_connected(link, screen))
        try:
            while not stop.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(RETRY_S):
                        await stop.wait()
                if not stop.is_set() and await asyncio.to_thread(_is_writable, home):
                    return
        finally:
            screen.close()
            drawing.cancel()
            with suppress(asyncio.CancelledError):
                await drawing


async def _draw_when_connected(link: Link, screen: Screen) -> None:
    """Draw when the board comes; its presses are not confirmed, so it keeps them."""
    async for event in link:
        if isinstance(event, BoardConnected | BoardDisconnected):
            is_linked = isinstance(event, BoardConnected)
            screen.update(screen.state.with_link(is_linked=is_linked))


def _is_writable(home: Home) -> bool:
    """Return whether the home is there and can be written; the attempt leaves nothing behind."""
    try:
        home.require_home()
        probe = home.state_dir / "probe"
        write_atomic(probe, b"")
        probe.unlink()
    except (HostError, OSError):
        return False
    return True
