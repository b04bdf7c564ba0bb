"""The Yun's firmware as a process: a board on a pty that runs the code a real board runs.

::

    python -m host.simulation.avr_board [--link PATH] [--firmware FILE]

It takes the commands of `firmware_bridge.virtual_board` on stdin (all but "status") and makes its
reports on stdout, and besides ``{"event": "led", "name": "host", "level": 1}``.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from firmware_bridge.virtual_board import VirtualBoard
from host.errors import HostError
from host.simulation.avr_build import build_simulator, yun_image
from host.simulation.avr_device import AvrDevice, AvrProcess

if TYPE_CHECKING:
    from collections.abc import Sequence


async def _run(process: AvrProcess, link: Path | None) -> int:
    loop = asyncio.get_running_loop()
    board = VirtualBoard(AvrDevice(process, loop.time()), link)

    def pump() -> None:
        board.pump()
        if process.has_ended:
            board.stop()

    for descriptor in (process.lines, process.line):
        loop.add_reader(descriptor, pump)
    await board.run()
    return 1 if process.has_ended else 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the board from the command line."""
    parser = argparse.ArgumentParser(prog="python -m host.simulation.avr_board")
    parser.add_argument(
        "--link", type=Path, help="symlink to the pty, renewed when it is replugged"
    )
    parser.add_argument("--firmware", type=Path, default=yun_image(), help="default: the Yun's")
    options = parser.parse_args(argv)
    try:
        process = AvrProcess(build_simulator(), options.firmware)
    except (HostError, OSError) as error:
        print(error, file=sys.stderr)  # noqa: T201 - a program of its own
        return 1
    try:
        return asyncio.run(_run(process, options.link))
    finally:
        process.close()


if __name__ == "__main__":
    sys.exit(main())
