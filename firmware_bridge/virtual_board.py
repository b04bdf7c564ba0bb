"""The virtual board as a process: a pty that a host opens as a real serial port.

::

    python -m firmware_bridge.virtual_board [--link PATH] [--boot-id N] [--protocol N]

Commands come on stdin and reports go to stdout, one JSON object per line (see README.md). The
process ends at the end of stdin, at ``{"do": "quit"}`` and on SIGTERM. It never polls.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import signal
import sys
import tty
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from firmware_bridge.virtual_device import VirtualDevice

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from firmware_bridge.virtual_device import Report

READ_MAX: Final = 4096
LINE_MAX: Final = 4096
REPORTS_MAX: Final = 1000  # reports waiting for a slow reader; the board must not wait for it


class Pty:
    """A pseudo terminal whose far end a host opens, optionally through a symlink."""

    def __init__(self, link: Path | None) -> None:
        self.descriptor, self._far_end = os.openpty()
        # Raw from the start: else the terminal echoes our own bytes back to us. We keep the far
        # end open too: without any reader the near end reports a hang-up, which is a busy loop.
        tty.setraw(self._far_end)
        os.set_blocking(self.descriptor, False)
        self.path = os.ttyname(self._far_end)
        self._link = link
        if link is not None:
            fresh = link.with_name(f".{link.name}.{os.getpid()}")
            fresh.unlink(missing_ok=True)
            fresh.symlink_to(self.path)
            fresh.replace(link)

    def read(self) -> bytes:
        """Return the bytes that the host sent."""
        try:
            return os.read(self.descriptor, READ_MAX)
        except BlockingIOError:
            return b""

    def write(self, data: bytes) -> None:
        """Send to the host; bytes that do not fit are lost, as on a wire."""
        try:
            os.write(self.descriptor, data)
        except BlockingIOError:
            return

    def close(self) -> None:
        """Hang up, as when a cable is pulled."""
        if self._link is not None and os.path.lexists(self._link):
            self._link.unlink()
        os.close(self.descriptor)
        os.close(self._far_end)


class ReportWriter:
    """Writes lines to stdout without waiting for the reader."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        descriptor: int,
        on_broken: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._descriptor = descriptor
        self._on_broken = on_broken
        self._lines: deque[bytes] = deque(maxlen=REPORTS_MAX)
        self._rest = b""
        self._is_waiting = False
        # Not for a terminal: the shell shares its descriptor and needs it blocking.
        if not os.isatty(descriptor):
            os.set_blocking(descriptor, False)

    def write(self, report: Report) -> None:
        """Send a report, or queue it until stdout takes it; a full queue drops the oldest."""
        self._lines.append(json.dumps(report, separators=(",", ":")).encode() + b"\n")
        if not self._is_waiting:
            self.flush()

    def flush(self) -> None:
        """Write as many lines as stdout takes now."""
        try:
            while self._rest or self._lines:
                self._rest = self._rest or self._lines.popleft()
                self._rest = self._rest[os.write(self._descriptor, self._rest) :]
        except BlockingIOError:
            if not self._is_waiting:
                self._loop.add_writer(self._descriptor, self.flush)
                self._is_waiting = True
            return
        except BrokenPipeError:
            self._lines.clear()
            self._on_broken()
        if self._is_waiting:
            self._loop.remove_writer(self._descriptor)
            self._is_waiting = False


class Device(Protocol):
    """The board behind the pty, sans-IO: `VirtualDevice`, or another that behaves like a board."""

    is_plugged: bool

    @property
    def boot_id(self) -> int:
        """The number of the current boot."""

    def command(self, command: object, now_s: float) -> None:
        """Execute a command."""

    def receive(self, data: bytes, now_s: float) -> None:
        """Process bytes from the host."""

    def tick(self, now_s: float) -> bytes:
        """Run what is due and return the bytes to send."""

    def next_deadline(self) -> float | None:
        """Return when `tick` must be called."""

    def reports(self) -> list[Report]:
        """Return the reports since the last call."""


class VirtualBoard:
    """Runs a `Device` on a pty and reads its commands from stdin."""

    def __init__(self, device: Device, link: Path | None) -> None:
        self._device = device
        self._link = link
        self._pty: Pty | None = None
        self._loop = asyncio.get_running_loop()
        self._stopped = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._reports = ReportWriter(self._loop, sys.stdout.fileno(), self._stopped.set)
        self._line = bytearray()

    async def run(self) -> None:
        """Run until a signal, a quit command, or the end of stdin."""
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._stopped.set)
        self.pump()
        try:
            self._loop.add_reader(sys.stdin.fileno(), self._on_stdin)
        except PermissionError:  # epoll refuses files and /dev/null: they are always readable
            while not self._stopped.is_set():
                self._on_stdin()
        await self._stopped.wait()
        self._hang_up()

    def stop(self) -> None:
        """End `run` soon."""
        self._stopped.set()

    def _on_stdin(self) -> None:
        data = os.read(sys.stdin.fileno(), READ_MAX)
        if not data:
            self._stopped.set()
            return
        self._line += data
        *lines, rest = self._line.split(b"\n")
        self._line = bytearray(rest[:LINE_MAX])
        for line in lines:
            self._execute(bytes(line))
        self.pump()

    def _execute(self, line: bytes) -> None:
        if not line.strip():
            return
        try:
            command = json.loads(line)
        except (ValueError, RecursionError) as error:
            self._reports.write({"event": "error", "message": f"not JSON: {error}"})
            return
        if isinstance(command, dict) and command.get("do") == "quit":
            self._stopped.set()
            return
        self._device.command(command, self._loop.time())

    def _on_readable(self) -> None:
        assert self._pty is not None
        self._device.receive(self._pty.read(), self._loop.time())
        self.pump()

    def pump(self) -> None:
        """Run what is due, write reports, and set the timer for the next deadline.

        A device that has a report of its own calls this too.
        """
        data = self._device.tick(self._loop.time())
        self._follow_plug()
        if data and self._pty is not None:
            self._pty.write(data)
        for report in self._device.reports():
            self._reports.write(report)
        if self._timer is not None:
            self._timer.cancel()
        deadline_s = self._device.next_deadline()
        self._timer = None if deadline_s is None else self._loop.call_at(deadline_s, self.pump)

    def _follow_plug(self) -> None:
        """Create the pty when the device is plugged in, close it when it is unplugged."""
        if self._device.is_plugged and self._pty is None:
            self._pty = Pty(self._link)
            self._loop.add_reader(self._pty.descriptor, self._on_readable)
            path = self._pty.path if self._link is None else str(self._link)
            self._reports.write({"event": "plugged", "path": path, "boot_id": self._device.boot_id})
        elif not self._device.is_plugged and self._pty is not None:
            self._hang_up()
            self._reports.write({"event": "unplugged"})

    def _hang_up(self) -> None:
        if self._pty is not None:
            self._loop.remove_reader(self._pty.descriptor)
            self._pty.close()
            self._pty = None


async def _run(arguments: argparse.Namespace) -> None:
    protocol = (arguments.protocol, arguments.protocol)
    now_s = asyncio.get_running_loop().time()
    device = VirtualDevice(arguments.boot_id, now_s, protocol=protocol)
    await VirtualBoard(device, arguments.link).run()


def main(argv: Sequence[str] | None = None) -> None:
    """Run the virtual board from the command line."""
    parser = argparse.ArgumentParser(prog="python -m firmware_bridge.virtual_board")
    parser.add_argument(
        "--link", type=Path, help="symlink to the pty, renewed when it is replugged"
    )
    parser.add_argument("--boot-id", type=int, default=secrets.randbits(32), help="default: random")
    parser.add_argument("--protocol", type=int, default=1, help="protocol version of its firmware")
    asyncio.run(_run(parser.parse_args(argv)))


if __name__ == "__main__":
    main()
