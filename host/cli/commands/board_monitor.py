"""`trader board monitor`: what passes between this computer and a board, packet by packet."""

from __future__ import annotations

import asyncio
import json
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
from firmware_bridge.patterns import heartbeat_frame
from host.board.connection import free_port, greet, incompatible_line, is_compatible
from host.board.packet_trace import Passed, TracingCarrier
from host.cli.home_option import open_home
from host.errors import EXIT_DONE, EXIT_FAILED

if TYPE_CHECKING:
    import argparse

    from firmware_bridge.transport import Port
    from host.cli.output import Output

HEART_STEP: Final = 5
HEAD: Final = (
    "We are the host here: presses that you make now are acknowledged and plan nothing."
    " Ctrl-C ends it."
)


def monitor(options: argparse.Namespace, output: Output) -> int:
    """Trace a board until time or count are up, or for ever."""
    port = free_port(options.port, open_home(options.home))
    trace = Trace(output, as_json=options.json, count=options.count)
    return asyncio.run(_serve(port, trace, options.seconds))


class Trace:
    """Prints what passes; `is_full` is set once enough has."""

    def __init__(self, output: Output, *, as_json: bool, count: int | None) -> None:
        self.is_full = asyncio.Event()
        self.is_replaced = False
        self._output = output
        self._as_json = as_json
        self._left = count
        self._since_s: float | None = None

    def packet(self, passed: Passed) -> None:
        """Print a packet."""
        if self.is_full.is_set():
            return
        elapsed_s = self._elapsed_s()
        record = passed.record(elapsed_s)
        self._print(json.dumps(record) if self._as_json else passed.line(elapsed_s))
        if self._left is not None:
            self._left -= 1
            if self._left == 0:
                self.is_full.set()

    def event(self, kind: str, **details: object) -> None:
        """Print what happened to the link itself."""
        elapsed_s = self._elapsed_s()
        if self._as_json:
            self._print(json.dumps({"t_s": round(elapsed_s, 6), "event": kind, **details}))
        else:
            said = "  ".join(f"{key} {value}" for key, value in details.items())
            self._print(f"{elapsed_s:9.3f} *      {kind:<16} {said}".rstrip())

    def note(self, text: str) -> None:
        """Say something to whoever looks on."""
        if not self._as_json:
            self._output.error(text)

    def _print(self, line: str) -> None:
        self._output.line(line)
        self._output.flush()  # whoever reads us wants it now

    def _elapsed_s(self) -> float:
        now_s = asyncio.get_running_loop().time()
        if self._since_s is None:
            self._since_s = now_s
        return now_s - self._since_s


async def _serve(port: Port, trace: Trace, seconds: float | None) -> int:
    link = Link(port)
    link.session.carrier = TracingCarrier(link.session.carrier, trace.packet)
    async with link:
        board = await greet(link)
        trace.note(HEAD)
        if not is_compatible(board):
            trace.note(incompatible_line(board))
        link.show(heartbeat_frame(HEART_STEP))
        reading = asyncio.create_task(_read(link, trace))
        try:
            async with asyncio.timeout(seconds):
                await trace.is_full.wait()
        except TimeoutError:
            pass
        finally:
            reading.cancel()
        return EXIT_DONE if is_compatible(board) and not trace.is_replaced else EXIT_FAILED


async def _read(link: Link, trace: Trace) -> None:
    async for event in link:
        if isinstance(event, ButtonEdge):
            link.confirm(event.edge_id)
        _tell(event, trace)
        if event == BoardDisconnected(Reason.REPLACED):
            trace.is_replaced = True
            trace.is_full.set()  # for good: nothing will come any more


def _tell(event: LinkEvent, trace: Trace) -> None:
    """Print what no packet says."""
    match event:
        case PortOpened():
            trace.event("port_opened", port=event.port)
        case PortMissing():
            trace.event("port_lost", why=event.why)
        case BoardConnected():
            trace.event("connected", boot_id=event.board.boot_id)
        case FirmwareIncompatible():
            trace.event("incompatible")
        case BoardDisconnected():
            trace.event("disconnected", reason=event.reason.value)
        case PressesLost():
            trace.event("presses_lost", overflow=event.overflow, reset=event.reset)
        case _:
            pass
