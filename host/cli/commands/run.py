"""`trader run`: start the daemon."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING

from host.appliance.sd_notify import MANAGER_VARIABLES, ServiceNotifier
from host.appliance.settings_watcher import levels_of
from host.appliance.startup import serve
from host.board.connection import board_port
from host.cli.home_option import open_home
from host.errors import EXIT_DONE
from host.home.config.device_settings import DeviceConfig, load_device_config
from host.home.storage.problems import ConfigFileError, ConfigFileUnreadableError
from host.telemetry.logs import LogFile, logging_to

if TYPE_CHECKING:
    from firmware_bridge.transport import Port
    from host.cli.output import Output
    from host.home.home import Home


BYTES_PER_MB = 1_000_000


def run(options: argparse.Namespace, output: Output) -> int:
    """Run the daemon until a signal stops it."""
    home = open_home(options.home)
    if not options.wait:
        home.require_home()
    asyncio.run(_serve(options, home, output))
    return EXIT_DONE


def device_config(home: Home, output: Output) -> tuple[DeviceConfig, str | None]:
    """Return the settings; for an invalid file the defaults, and the place to show.

    An unattended board must not stay dark because of a typing error.
    """
    try:
        return load_device_config(home), None
    except ConfigFileError as error:
        output.errors(error.lines)
        is_unreadable = isinstance(error, ConfigFileUnreadableError)
        what = "could not be read" if is_unreadable else "was refused"
        output.error(f"{home.device_file} {what}: using the defaults")
        line = error.problems[0].line
        return DeviceConfig(), home.device_file.name + ("" if line is None else f":{line}")


async def _serve(options: argparse.Namespace, home: Home, output: Output) -> None:
    def open_port(config: DeviceConfig) -> Port:
        return board_port(options.port, config.link)

    def logging(config: DeviceConfig, *, keeps: bool) -> AbstractContextManager[object]:
        file = LogFile(home.log_dir, config.log.total_mb * BYTES_PER_MB) if keeps else None
        levels = levels_of(config.log)
        return logging_to(sys.stderr, as_json=options.json, file=file, levels=levels)

    notifier = ServiceNotifier(os.environ)
    for name in MANAGER_VARIABLES:
        os.environ.pop(name, None)  # only for this process, not for its children
    try:
        settings = partial(device_config, home, output)
        await serve(home, settings, open_port, logging, notifier, waits=options.wait)
    finally:
        notifier.close()
