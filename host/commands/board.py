"""Ask the board what it is and how the link to it fares.

A daemon that serves the board holds its port; stop it first.
"""

from __future__ import annotations

import argparse
import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING

from host.errors import HostError
from host.terminal.errors import EXIT_DONE, EXIT_FAILED
from host.terminal.home import open_home

if TYPE_CHECKING:
    from firmware_bridge.link import Link
    from firmware_bridge.messages import HelloReply
    from host.terminal.output import Output

ANSWER_S = 5.0
"""A board that is there answers sooner, the boot of an MCU included."""


class BoardError(HostError):
    """There is no board, or it does not answer."""

    code = "board"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    info = actions.add_parser("info", help="kind, firmware, display, link")
    info.add_argument(
        "--port", metavar="PATH", help="serial device or router's socket (default: link.port)"
    )
    info.add_argument("--json", action="store_true", help="print one JSON object")
    info.set_defaults(run=show_info)


def show_info(options: argparse.Namespace, output: Output) -> int:
    """Greet the board and print what it says of itself."""
    from host.configuration.device import load_device_config

    link = load_device_config(open_home(options.home)).link
    board, statistics = asyncio.run(_ask(options.port or link.port, link.baud))
    from firmware_bridge.messages import PROTOCOL_MAX, PROTOCOL_MIN

    fits = board.protocol_min <= PROTOCOL_MAX and board.protocol_max >= PROTOCOL_MIN
    described = {
        "port": options.port or link.port,
        "board": board.board.name.lower(),
        "firmware": f"{board.firmware_major}.{board.firmware_minor}.{board.firmware_patch}",
        "protocol": [board.protocol_min, board.protocol_max],
        "protocol_of_host": [PROTOCOL_MIN, PROTOCOL_MAX],
        "compatible": fits,
        "rows": board.rows,
        "columns": board.columns,
        "levels": board.levels,
        "boot_id": board.boot_id,
        "max_payload": board.max_payload,
        "events_lost": {"overflow": board.lost_overflow, "reset": board.lost_reset},
        "link": statistics,
    }
    if options.json:
        output.json(described)
    else:
        for line in _lines(described):
            output.line(line)
    if not fits:
        output.error(
            f"trader board: the firmware speaks protocol {board.protocol_min} to"
            f" {board.protocol_max}, this host {PROTOCOL_MIN} to {PROTOCOL_MAX}"
            " (install the firmware that came with this version)"
        )
    return EXIT_DONE if fits else EXIT_FAILED


def _lines(described: dict[str, object]) -> list[str]:
    lines = []
    for key, value in described.items():
        if isinstance(value, dict):
            lines += [f"{key}.{name:<17} {found}" for name, found in value.items()]
        else:
            shown = " to ".join(map(str, value)) if isinstance(value, list) else value
            lines.append(f"{key:<22} {shown}")
    return lines


async def _ask(port: str, baud: int) -> tuple[HelloReply, dict[str, object]]:
    """Greet the board; BoardError when it does not answer."""
    from firmware_bridge.link import Link
    from firmware_bridge.transport import port_at

    async with Link(port_at(port, baud=baud)) as link:
        try:
            async with asyncio.timeout(ANSWER_S):
                return await _greeted(link), asdict(link.statistics)
        except TimeoutError:
            raise BoardError(
                f"{port}: no answer within {ANSWER_S:g} s (is the board's firmware installed, and"
                " is this its port?)"
            ) from None


async def _greeted(link: Link) -> HelloReply:
    from firmware_bridge.events import Connected, PeerIncompatible, PortLost

    async for event in link:
        match event:
            case Connected() | PeerIncompatible():
                return event.board
            case PortLost():
                raise BoardError(f"{event.why} (is it plugged in, and not in use by a daemon?)")
            case _:
                pass
    raise AssertionError("a link ends when it is closed, and nobody closed it")
