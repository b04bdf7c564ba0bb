"""Serves a home, and waits for one that is missing or cannot be written: nobody sits at a board.

The board is told meanwhile which fault it is, the service manager that the start is over and what
is missing, and a signal ends it. Presses stay in the board's queue: nothing could be promised.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

from firmware_bridge.link import Link
from host.appliance.daemon import Daemon
from host.appliance.screen import Screen
from host.clock import utc_now
from host.display.faults import SCROLL_TEXTS, Fault
from host.errors import HomeError, HostError, StorageError
from host.telemetry import events
from host.telemetry.events import HostEvent, stamped
from host.telemetry.logs.event_log import log_event

if TYPE_CHECKING:
    from firmware_bridge.transport import Port
    from host.appliance.sd_notify import ServiceNotifier
    from host.home.config.device_settings import DeviceConfig
    from host.home.home import Home

LOOK_AGAIN_S: Final = 2.0

Settings = Callable[[], "tuple[DeviceConfig, str | None]"]
Logging = Callable[..., AbstractContextManager[object]]
OpenPort = Callable[["DeviceConfig"], "Port"]


async def serve(
    home: Home,
    settings: Settings,
    open_port: OpenPort,
    logging: Logging,
    notifier: ServiceNotifier,
    *,
    waits: bool,
) -> None:
    """Run a daemon; where its home does not let it, wait until it does, if that is wanted.

    Parameters
    ----------
    home : Home
    settings : callable
        Reads `device.toml`: the settings, and what of it was refused.
    open_port : callable taking the settings
    logging : callable taking the settings, and whether a file may be written
    notifier : ServiceNotifier
    waits : bool
        Whether to wait; a person at a terminal would rather be told.

    Raises
    ------
    InstanceError
        When another daemon serves this home.
    HomeError, StorageError
        When it cannot be served and nobody wants to wait.
    """
    notifier.feed_watchdog()
    stop, told = _stop_on_signals(), ""
    while not stop.is_set():
        config, rejected = settings()
        port = open_port(config)
        daemon = Daemon(home, config, port, config_rejected=rejected, notifier=notifier)
        try:
            home.require_home()
            with logging(config, keeps=True):
                async with _passed_on(stop, daemon, notifier):
                    return await daemon.run()
        except (HomeError, StorageError) as error:
            if not waits:
                raise
            fault = Fault.HOME_MISSING if isinstance(error, HomeError) else Fault.CANNOT_WRITE
            notifier.status(f"degraded (fault {fault.value} {SCROLL_TEXTS[fault]}): {error}")
            notifier.ready()
            with logging(config, keeps=False):
                if str(error) != told:
                    told = str(error)
                    _log(events.WaitingForHome(fault=fault.value, problem=told))
                await _wait(home, open_port(config), fault, stop)
                if stop.is_set():
                    _log(events.DaemonStopped())
    notifier.stopping()
    return None


def _log(event: HostEvent) -> None:
    """Tell the log alone: there is no journal yet."""
    log_event(stamped(event, utc_now()))


def _stop_on_signals() -> asyncio.Event:
    """Return what SIGTERM and SIGINT set, from now on and whatever is going on."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


@asynccontextmanager
async def _passed_on(
    stop: asyncio.Event, daemon: Daemon, notifier: ServiceNotifier
) -> AsyncIterator[None]:
    """Stop the daemon when a signal says so."""

    async def pass_on() -> None:
        await stop.wait()
        notifier.stopping()
        daemon.stop()

    passing = asyncio.create_task(pass_on(), name="stop on signals")
    try:
        yield
    finally:
        passing.cancel()


async def _wait(home: Home, port: Port, fault: Fault, stop: asyncio.Event) -> None:
    """Show the fault until it is worth another try, or a signal came."""
    async with Link(port) as link:
        screen = Screen(link.show)
        screen.add_fault(fault)
        listening = asyncio.create_task(_follow(link, screen))
        try:
            while not stop.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_AGAIN_S):
                        await stop.wait()
                if not stop.is_set() and await asyncio.to_thread(_is_worth_a_try, home):
                    return
        finally:
            screen.close()
            listening.cancel()
            with suppress(asyncio.CancelledError):
                await listening


async def _follow(link: Link, screen: Screen) -> None:
    """Draw when the board comes; its presses are not confirmed, so it keeps them."""
    from firmware_bridge.events import BoardConnected, BoardDisconnected

    async for event in link:
        if isinstance(event, BoardConnected | BoardDisconnected):
            is_linked = isinstance(event, BoardConnected)
            screen.update(screen.state.with_link(is_linked=is_linked))


def _is_worth_a_try(home: Home) -> bool:
    """Tell whether a home is there and can be written; trying leaves nothing behind."""
    from host.home.storage.atomic_file import write_atomic

    try:
        home.require_home()
        probe = home.state_dir / "probe"
        write_atomic(probe, b"")
        probe.unlink()
    except (HostError, OSError):
        return False
    return True
