"""The virtual board as a process: a pty that a host opens as a real serial port.

::

    python -m firmware_bridge.virtual_board [--link PATH] [--boot-id N] [--protocol N]

Commands come on stdin and reports go to stdout, one JSON object per line (see README.md). The
process ends at the end of stdin, at ``{"do": "quit"}`` and on SIGTERM. It sleeps until something
happens; nothing is polled.
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
REPORTS_MAX: Final = 1000  # that wait for a reader of stdout; the board must not stop for one


class Pty:
    """A pseudo terminal whose far end a host opens; optionally found through a symlink."""

    def __init__(self, link: Path | None) -> None:
        self.descriptor, self._far_end = os.openpty()
        # Raw from the start, else the terminal would echo our own bytes back to us. The far end
        # stays open here as well: without any reader the near end would report a hang-up all the
        # time, which is a busy loop.
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
        """Return what the host sent."""
        try:
            return os.read(self.descriptor, READ_MAX)
        except BlockingIOError:
            return b""

    def write(self, data: bytes) -> None:
        """Send to the host; what it does not read is lost, as on a wire."""
        try:
            os.write(self.descriptor, data)
        except BlockingIOError:
            return

    def close(self) -> None:
        """Hang up, as a cable that is pulled does."""
        if self._link is not None and os.path.lexists(self._link):
            self._link.unlink()
        os.close(self.descriptor)
        os.close(self._far_end)


class ReportWriter:
    """Writes lines to stdout without ever waiting for whoever reads them."""

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
        if not os.isatty(
            descriptor
        ):  # a terminal is shared with the shell, which wants it as it is
            os.set_blocking(descriptor, False)

    def write(self, report: Report) -> None:
        """Send a report, or keep it until stdout takes it; the oldest are dropped first."""
        self._lines.append(json.dumps(report, separators=(",", ":")).encode() + b"\n")
        if not self._is_waiting:
            self.flush()

    def flush(self) -> None:
        """Send what stdout takes now."""
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
    """What is behind the pty, sans-IO: `VirtualDevice`, or anything that behaves like a board."""

    is_plugged: bool

    @property
    def boot_id(self) -> int:
        """The number of the present boot."""

    def command(self, command: object, now_s: float) -> None:
        """Obey a command."""

    def receive(self, data: bytes, now_s: float) -> None:
        """Take bytes from the host."""

    def tick(self, now_s: float) -> bytes:
        """Do what is due and return the bytes to send."""

    def next_deadline(self) -> float | None:
        """Return when `tick` has something to do."""

    def reports(self) -> list[Report]:
        """Return what happened since the last call."""


class VirtualBoard:
    """Runs a `Device` on a pty, told what to do on a descriptor of lines."""

    def __init__(self, device: Device, link: Path | None) -> None:
        self._device = device
        self._link = link
        self._pty: Pty | None = None
        self._loop = asyncio.get_running_loop()
        self._done = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._reports = ReportWriter(self._loop, sys.stdout.fileno(), self._done.set)
        self._line = bytearray()

    async def run(self) -> None:
        """Run until told to stop."""
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._done.set)
        self.pump()
        try:
            self._loop.add_reader(sys.stdin.fileno(), self._on_stdin)
        except PermissionError:  # a file or /dev/null is always readable, and cannot be watched
            while not self._done.is_set():
                self._on_stdin()
        await self._done.wait()
        self._hang_up()

    def stop(self) -> None:
        """End `run` soon."""
        self._done.set()

    def _on_stdin(self) -> None:
        data = os.read(sys.stdin.fileno(), READ_MAX)
        if not data:
            self._done.set()
            return
        self._line += data
        *lines, rest = self._line.split(b"\n")
        self._line = bytearray(rest[:LINE_MAX])
        for line in lines:
            self._obey(bytes(line))
        self.pump()

    def _obey(self, line: bytes) -> None:
        if not line.strip():
            return
        try:
            command = json.loads(line)
        except (ValueError, RecursionError) as error:
            self._reports.write({"event": "error", "message": f"not JSON: {error}"})
            return
        if isinstance(command, dict) and command.get("do") == "quit":
            self._done.set()
            return
        self._device.command(command, self._loop.time())

    def _on_readable(self) -> None:
        assert self._pty is not None
        self._device.receive(self._pty.read(), self._loop.time())
        self.pump()

    def pump(self) -> None:
        """Do what is due, report, and sleep until the next deadline.

        A device that has something to say by itself calls it, too.
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
        """Create or close the pty, as the device is plugged in or not."""
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
    parser.add_argument("--protocol", type=int, default=1, help="version that its firmware speaks")
    asyncio.run(_run(parser.parse_args(argv)))


if __name__ == "__main__":
    main()
