"""`trader board monitor`: what passes between this computer and a board, packet by packet."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from firmware_bridge.events import (
    BoardConnected,
    BoardDisconnected,
    ButtonEdge,
    FirmwareIncompatible,
    LinkEvent,
    PortMissing,
    PortOpened,
    PressesLost,
    Reason,
)
from firmware_bridge.link import Link
from host.board.connection import free_port, greet, incompatible_line, is_compatible
from host.board.packet_trace import TracedPacket, TracingCarrier
from host.cli.home_option import open_home
from host.display.screens import heartbeat_frame
from host.errors import EXIT_DONE, EXIT_FAILED
from host.json_record import json_text

if TYPE_CHECKING:
    import argparse

    from firmware_bridge.transport import Port
    from host.cli.output import Output

HEART_STEP: Final = 5
HEAD: Final = (
    "This command is the host now: presses are acknowledged, but plan nothing. Ctrl-C ends it."
)


def run(options: argparse.Namespace, output: Output) -> int:
    """Print the packets of a board until the time or the count is reached, or forever."""
    port = free_port(options.port, open_home(options.home))
    printer = PacketPrinter(output, as_json=options.json, count=options.count)
    return asyncio.run(_serve(port, printer, options.seconds))


class PacketPrinter:
    """Prints packets and link events; `is_full` is set after the last one."""

    def __init__(self, output: Output, *, as_json: bool, count: int | None) -> None:
        self.is_full = asyncio.Event()
        self.is_replaced = False
        self._output = output
        self._as_json = as_json
        self._remaining = count
        self._since_s: float | None = None

    def packet(self, packet: TracedPacket) -> None:
        """Print a packet."""
        if self.is_full.is_set():
            return
        elapsed_s = self._elapsed_s()
        record = packet.record(elapsed_s)
        self._print(json_text(record, None) if self._as_json else packet.line(elapsed_s))
        if self._remaining is not None:
            self._remaining -= 1
            if self._remaining == 0:
                self.is_full.set()

    def event(self, kind: str, **details: object) -> None:
        """Print an event of the link itself."""
        elapsed_s = self._elapsed_s()
        if self._as_json:
            record = {"t_s": round(elapsed_s, 6), "event": kind, **details}
            self._print(json_text(record, None))
        else:
            values = "  ".join(f"{key} {value}" for key, value in details.items())
            self._print(f"{elapsed_s:9.3f} *      {kind:<16} {values}".rstrip())

    def note(self, text: str) -> None:
        """Print a note for people, on standard error."""
        if not self._as_json:
            self._output.error(text)

    def _print(self, line: str) -> None:
        self._output.line(line)
        self._output.flush()  # a reader of our pipe wants it now

    def _elapsed_s(self) -> float:
        now_s = asyncio.get_running_loop().time()
        if self._since_s is None:
            self._since_s = now_s
        return now_s - self._since_s


async def _serve(port: Port, printer: PacketPrinter, seconds: float | None) -> int:
    link = Link(port)
    link.session.carrier = TracingCarrier(link.session.carrier, printer.packet)
    async with link:
        board = await greet(link)
        printer.note(HEAD)
        if not is_compatible(board):
            printer.note(incompatible_line(board))
        link.show(heartbeat_frame(HEART_STEP))
        reading = asyncio.create_task(_read(link, printer))
        try:
            async with asyncio.timeout(seconds):
                await printer.is_full.wait()
        except TimeoutError:
            pass
        finally:
            reading.cancel()
        return EXIT_DONE if is_compatible(board) and not printer.is_replaced else EXIT_FAILED


async def _read(link: Link, printer: PacketPrinter) -> None:
    async for event in link:
        if isinstance(event, ButtonEdge):
            link.confirm(event.edge_id)
        _print_event(event, printer)
        if event == BoardDisconnected(Reason.REPLACED):
            printer.is_replaced = True
            printer.is_full.set()  # nothing will be received any more


def _print_event(event: LinkEvent, printer: PacketPrinter) -> None:
    """Print a link event that is not a packet."""
    match event:
        case PortOpened():
            printer.event("port_opened", port=event.port)
        case PortMissing():
            printer.event("port_lost", why=event.why)
        case BoardConnected():
            printer.event("connected", boot_id=event.board.boot_id)
        case FirmwareIncompatible():
            printer.event("incompatible")
        case BoardDisconnected():
            printer.event("disconnected", reason=event.reason.value)
        case PressesLost():
            printer.event("presses_lost", overflow=event.overflow, reset=event.reset)
        case _:
            pass
