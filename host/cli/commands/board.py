"""`trader board info`: greet a board, and measure its link."""

from __future__ import annotations

import argparse
import asyncio
import statistics
from dataclasses import asdict
from typing import TYPE_CHECKING

from firmware_bridge.events import FrameAcknowledged
from firmware_bridge.link import Link
from firmware_bridge.messages import PROTOCOL_MAX, PROTOCOL_MIN
from host.board.connection import free_port, greet, incompatible_line, is_compatible
from host.cli.home_option import open_home
from host.display.screens import heartbeat_frame
from host.errors import EXIT_DONE, EXIT_FAILED

if TYPE_CHECKING:
    from firmware_bridge.messages import HelloReply
    from firmware_bridge.transport import Port
    from host.cli.output import Output

PROBES = 20
"""Frames that `info` sends to measure the link."""
PROBE_S = 5.0
MILLISECONDS = 1000


# Each action loads what it needs, and nothing of the others.


def show_info(options: argparse.Namespace, output: Output) -> int:
    """Greet the board and print its answer."""
    port = free_port(options.port, open_home(options.home))
    board, measured = asyncio.run(_ask(port))
    described = {
        "port": port.name,
        "board": board.board.name.lower(),
        "firmware": f"{board.firmware_major}.{board.firmware_minor}.{board.firmware_patch}",
        "protocol": [board.protocol_min, board.protocol_max],
        "protocol_of_host": [PROTOCOL_MIN, PROTOCOL_MAX],
        "compatible": is_compatible(board),
        "rows": board.rows,
        "columns": board.columns,
        "levels": board.levels,
        "boot_id": board.boot_id,
        "max_payload": board.max_payload,
        "events_lost": {"overflow": board.lost_overflow, "reset": board.lost_reset},
        **measured,
    }
    if options.json:
        output.json(described)
    else:
        for line in _lines(described):
            output.line(line)
    if not is_compatible(board):
        output.error(incompatible_line(board))
    return EXIT_DONE if is_compatible(board) else EXIT_FAILED


def _lines(described: dict[str, object]) -> list[str]:
    rows: dict[str, object] = {}
    for key, value in described.items():
        inner = value if isinstance(value, dict) else {"": value}
        rows |= {f"{key}.{name}".rstrip("."): entry for name, entry in inner.items()}
    width = max(map(len, rows))
    return [f"{key:<{width}}  {_figure(value)}" for key, value in rows.items()]


def _figure(value: object) -> str:
    if isinstance(value, list):
        return " to ".join(map(str, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.3f}" if isinstance(value, float) else "-" if value is None else str(value)


async def _ask(port: Port) -> tuple[HelloReply, dict[str, object]]:
    """Greet the board, and measure its link if it is compatible."""
    async with Link(port) as link:
        board = await greet(link)
        probe = await _probe(link) if is_compatible(board) else {}
        return board, {"pictures": probe, "link": asdict(link.statistics)}


async def _probe(link: Link) -> dict[str, object]:
    """Send frames one after the other; measure how long each confirmation takes."""
    loop = asyncio.get_running_loop()
    times_ms: list[float] = []
    try:
        async with asyncio.timeout(PROBE_S):
            for step in range(PROBES):
                began_s = loop.time()
                version = link.show(heartbeat_frame(step))
                while True:
                    event = await link.next_event()
                    if isinstance(event, FrameAcknowledged) and event.version >= version:
                        break
                times_ms.append((loop.time() - began_s) * MILLISECONDS)
    except TimeoutError:
        pass  # some frames were not confirmed
    return {
        "sent": PROBES,
        "confirmed": len(times_ms),
        "median_ms": statistics.median(times_ms) if times_ms else None,
        "max_ms": max(times_ms, default=None),
    }
