"""Look at the board, try it, trace its link, install its firmware.

A daemon that serves the board holds its port; stop it first.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import statistics
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from host.cli.home_option import open_home
from host.errors import EXIT_DONE, EXIT_FAILED

if TYPE_CHECKING:
    from firmware_bridge.link import Link
    from firmware_bridge.messages import HelloReply
    from firmware_bridge.transport import Port
    from host.cli.output import Output

PROBES = 20
"""Pictures that `info` sends to see how the link does."""
PROBE_S = 5.0
MILLISECONDS = 1000
BUTTONS_MAX = 8
TIMEOUT_S = 60.0
DAY_S = 86_400


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    info = actions.add_parser("info", help="kind, firmware, display, how the link does")
    _add_port(info)
    info.set_defaults(run=show_info)
    test = actions.add_parser("test", help="a guided walk: matrix, LEDs, buttons, link")
    _add_port(test)
    test.add_argument(
        "--unattended", action="store_true", help="ask nothing; look at what the board confirms"
    )
    test.add_argument(
        "--buttons",
        type=_count(0, BUTTONS_MAX),
        metavar="N",
        help="how many (default: 2 on a Yun or Uno Q; none with --unattended)",
    )
    test.add_argument(
        "--timeout",
        type=_seconds,
        default=TIMEOUT_S,
        metavar="S",
        help=f"for each answer and each press (default: {TIMEOUT_S:g})",
    )
    test.set_defaults(run=_run_test)
    monitor = actions.add_parser("monitor", help="every packet, both ways, as it travels")
    _add_port(monitor, json="print one JSON object per line")
    monitor.add_argument("--seconds", type=_seconds, metavar="S", help="end after this time")
    monitor.add_argument(
        "--count", type=_count(1, 1_000_000), metavar="N", help="end after so many packets"
    )
    monitor.set_defaults(run=_run_monitor)
    flash = actions.add_parser("flash", help="install the firmware that came with this version")
    flash.add_argument(
        "--board", choices=("yun", "uno-q"), help="default: by link.carrier, device.toml"
    )
    flash.add_argument("--port", metavar="PATH", help="the Yun on USB (default: the one there is)")
    flash.add_argument("--image", metavar="FILE", help="another Intel HEX file than ours")
    flash.add_argument("--app", metavar="DIR", help="Uno Q: write the app to this new folder")
    flash.add_argument("--dry-run", action="store_true", help="say what would be done")
    flash.add_argument("--yes", action="store_true", help="do not ask before writing")
    flash.add_argument("--json", action="store_true", help="print one JSON object")
    flash.set_defaults(run=_run_flash)


def _add_port(parser: argparse.ArgumentParser, json: str = "print one JSON object") -> None:
    parser.add_argument(
        "--port",
        metavar="PATH",
        help="serial device, or a router's .sock (default: link, device.toml)",
    )
    parser.add_argument("--json", action="store_true", help=json)


def _count(least: int, most: int) -> Any:  # noqa: ANN401 - what argparse takes as a type
    def count(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not least <= int(text[:12]) <= most:
            raise argparse.ArgumentTypeError(f"{text[:40]!r}: say a number from {least} to {most}")
        return int(text)

    return count


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number <= DAY_S:
        message = f"{text[:40]!r}: say how many seconds, more than 0 and a day at most"
        raise argparse.ArgumentTypeError(message)
    return number


# Each action loads what it needs, and nothing of the others.
def _run_test(options: argparse.Namespace, output: Output) -> int:
    from host.cli.commands.board_self_test import test

    return test(options, output)


def _run_monitor(options: argparse.Namespace, output: Output) -> int:
    from host.cli.commands.board_monitor import monitor

    return monitor(options, output)


def _run_flash(options: argparse.Namespace, output: Output) -> int:
    from host.cli.commands.board_flash import flash

    return flash(options, output)


def show_info(options: argparse.Namespace, output: Output) -> int:
    """Greet the board and print what it says of itself."""
    from firmware_bridge.messages import PROTOCOL_MAX, PROTOCOL_MIN
    from host.board.connection import free_port, incompatible_line, is_compatible

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
        rows |= {f"{key}.{name}".rstrip("."): found for name, found in inner.items()}
    width = max(map(len, rows))
    return [f"{key:<{width}}  {_figure(value)}" for key, value in rows.items()]


def _figure(value: object) -> str:
    if isinstance(value, list):
        return " to ".join(map(str, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.3f}" if isinstance(value, float) else "-" if value is None else str(value)


async def _ask(port: Port) -> tuple[HelloReply, dict[str, object]]:
    """Greet the board, and try its link if they understand each other."""
    from firmware_bridge.link import Link
    from host.board.connection import greet, is_compatible

    async with Link(port) as link:
        board = await greet(link)
        probe = await _probe(link) if is_compatible(board) else {}
        return board, {"pictures": probe, "link": asdict(link.statistics)}


async def _probe(link: Link) -> dict[str, object]:
    """Send pictures, each after the one before was confirmed; say how long that takes."""
    from firmware_bridge.events import FrameAcknowledged
    from host.display.screens import heartbeat_frame

    loop = asyncio.get_running_loop()
    took_ms: list[float] = []
    try:
        async with asyncio.timeout(PROBE_S):
            for step in range(PROBES):
                began_s = loop.time()
                version = link.show(heartbeat_frame(step))
                while True:
                    event = await link.next_event()
                    if isinstance(event, FrameAcknowledged) and event.version >= version:
                        break
                took_ms.append((loop.time() - began_s) * MILLISECONDS)
    except TimeoutError:
        pass  # as many as it took
    return {
        "sent": PROBES,
        "confirmed": len(took_ms),
        "median_ms": statistics.median(took_ms) if took_ms else None,
        "max_ms": max(took_ms, default=None),
    }
