"""Serve the board: take presses, plan, show the plan on the matrix. Ends on SIGTERM or Ctrl-C.

The port may be missing, vanish and come back; it is looked for once a second. What happens is told
on standard error, a line each, and kept in the home: log/ for a while, journal/ for long. systemd
is told too, if it asks (see docs/service.md).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING

from host.cli.home_option import open_home
from host.errors import EXIT_DONE

if TYPE_CHECKING:
    from firmware_bridge.transport import Port
    from host.cli.output import Output
    from host.home.config.device_settings import DeviceConfig
    from host.home.home import Home


BYTES_PER_MB = 1_000_000


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "--port",
        metavar="PATH",
        help="serial device, or a router's .sock (default: link, device.toml)",
    )
    parser.add_argument(
        "--wait",
        action="store_true",
        help="wait for a home that is missing or cannot be written, and show that on the matrix",
    )
    parser.add_argument("--json", action="store_true", help="tell what happens as JSON lines")


def run(options: argparse.Namespace, output: Output) -> int:
    """Run the daemon until it is told to stop."""
    home = open_home(options.home)
    if not options.wait:
        home.require_home()
    asyncio.run(_serve(options, home, output))
    return EXIT_DONE


def device_config(home: Home, output: Output) -> tuple[DeviceConfig, str | None]:
    """Return the settings; the defaults, and what to show, when the file cannot be used.

    A board that nobody sits at must not stay dark because of a typing error.
    """
    from host.home.config.device_settings import DeviceConfig, load_device_config
    from host.home.storage.problems import ConfigFileError, ConfigFileUnreadableError

    try:
        return load_device_config(home), None
    except ConfigFileError as error:
        output.errors(error.lines)
        is_unreadable = isinstance(error, ConfigFileUnreadableError)
        what = "could not be read" if is_unreadable else "was refused"
        output.error(f"{home.device_file} {what}: going on with the defaults")
        line = error.problems[0].line
        return DeviceConfig(), home.device_file.name + ("" if line is None else f":{line}")


async def _serve(options: argparse.Namespace, home: Home, output: Output) -> None:
    from host.appliance.sd_notify import MANAGER_VARIABLES, ServiceNotifier
    from host.appliance.settings_watcher import levels_of
    from host.appliance.startup import serve
    from host.board.connection import board_port
    from host.telemetry.logs import LogFile, logging_to

    def open_port(config: DeviceConfig) -> Port:
        return board_port(options.port, config.link)

    def logging(config: DeviceConfig, *, keeps: bool) -> AbstractContextManager[object]:
        file = LogFile(home.log_dir, config.log.total_mb * BYTES_PER_MB) if keeps else None
        levels = levels_of(config.log)
        return logging_to(sys.stderr, as_json=options.json, file=file, levels=levels)

    notifier = ServiceNotifier(os.environ)
    for name in MANAGER_VARIABLES:
        os.environ.pop(name, None)  # they are meant for this process, and for none it starts
    try:
        settings = partial(device_config, home, output)
        await serve(home, settings, open_port, logging, notifier, waits=options.wait)
    finally:
        notifier.close()
