"""Serve the board: take presses, plan, show the plan on the matrix. Ends on SIGTERM or Ctrl-C.

The port may be missing, vanish and come back; it is looked for once a second. What happens is told
on standard error, a line each.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from host.terminal.errors import EXIT_DONE
from host.terminal.home import open_home

if TYPE_CHECKING:
    from host.configuration.device import DeviceConfig
    from host.files.home import Home
    from host.terminal.output import Output


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "--port",
        metavar="PATH",
        help="serial device, or a router's .sock (default: link, device.toml)",
    )
    parser.add_argument("--json", action="store_true", help="tell what happens as JSON lines")


def run(options: argparse.Namespace, output: Output) -> int:
    """Run the daemon until it is told to stop."""
    home = open_home(options.home)
    home.require_home()
    config, rejected = device_config(home, output)
    asyncio.run(_serve(options, home, config, rejected))
    return EXIT_DONE


def device_config(home: Home, output: Output) -> tuple[DeviceConfig, str | None]:
    """Return the settings; the defaults, and what to show, when the file cannot be used.

    A board that nobody sits at must not stay dark because of a typing error.
    """
    from host.configuration.device import DeviceConfig, load_device_config
    from host.files.problems import ConfigFileError

    try:
        return load_device_config(home), None
    except ConfigFileError as error:
        output.errors(error.lines)
        output.error(f"{home.device_file} was refused: going on with the defaults")
        line = error.problems[0].line
        return DeviceConfig(), home.device_file.name + ("" if line is None else f":{line}")


async def _serve(
    options: argparse.Namespace, home: Home, config: DeviceConfig, rejected: str | None
) -> None:
    from host.board.access import board_port
    from host.daemon.daemon import Daemon
    from host.daemon.log import DaemonLog

    port = board_port(options.port, config.link)
    log = DaemonLog(sys.stderr, as_json=options.json, now=lambda: datetime.now(UTC))
    await Daemon(home, config, port, log, config_rejected=rejected).run()
