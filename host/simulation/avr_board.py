"""The Yun's firmware as a board on a pseudo terminal: it runs the code that a real board runs.

::

    python -m host.simulation.avr_board [--link PATH] [--firmware FILE]

It takes the commands of `firmware_bridge.virtual_board` on stdin (all but "status") and writes its
reports to stdout, and also ``{"event": "led", "name": "host", "level": 1}``.

The firmware runs in a process of its own, a simulated ATmega32u4: its UART is a pseudo terminal,
its pins and its SPI bus are lines of text. This module simulates the rest of a Yun: the two LED
drivers, whose transfers become a frame again, the finger on the pin, and a line to the host, which
can be unplugged or damaged. Only the packets contain the version of a frame and the
acknowledgement of a press, so they are decoded as they pass.
"""

from __future__ import annotations

import argparse
import asyncio
import heapq
import json
import os
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from firmware_bridge.board_frames import incompatible_frame, stale_frame
from firmware_bridge.errors import PacketError
from firmware_bridge.matrix import Frame
from firmware_bridge.max7219 import Max7219Chain, lit
from firmware_bridge.messages import (
    CLOCK_MASK,
    MILLISECONDS,
    PROTOCOL_MAX,
    PROTOCOL_MIN,
    ButtonEdge,
    Direction,
    Edge,
    EdgeAck,
    Hello,
    HelloReply,
    Message,
    ShowFrame,
)
from firmware_bridge.noise import Noise
from firmware_bridge.virtual_board import VirtualBoard
from firmware_bridge.virtual_device import (
    BOUNCES,
    GARBAGE_MAX,
    PRESS_MS,
    PRESS_MS_MAX,
    CommandError,
    Report,
    whole_number,
)
from firmware_bridge.wire import CobsCarrier
from host.errors import HostError
from host.simulation.avr_build import build_simulator, yun_image

READ_MAX: Final = 65_536
STOP_S: Final = 5.0
BUTTONS: Final = 2
EEPROM_SIZE: Final = 1024
SHUTDOWN: Final = 0x0C
"""The register that the firmware writes last, after a whole frame."""
EDGES_KEPT: Final = 64
LEVEL_US: Final = 50_000
"""Shortest duration of a level, on the MCU's clock. A simulator that was suspended reads press and
release at once, and the firmware would see neither."""


class AvrProcess:
    """The simulator: lines in, lines out, and the bytes of its UART.

    Parameters
    ----------
    simulator : Path
    firmware : Path
        An .elf, or a .hex.
    """

    def __init__(self, simulator: Path, firmware: Path) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="arduino-trader-avr-")
        eeprom = Path(self._folder.name) / "eeprom"
        # The firmware counts its boots there. A board that always began at 0 would repeat numbers
        # of presses that are in the journal of the home already, and they would be dropped.
        eeprom.write_bytes(os.urandom(2).ljust(EEPROM_SIZE, b"\xff"))
        command = (str(simulator), str(firmware), "--eeprom", str(eeprom))
        self._process = subprocess.Popen(  # noqa: S603 - built from a source of ours
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._process.stdout is not None
        self.lines = self._process.stdout.fileno()
        first = json.loads(self._process.stdout.readline() or b"{}")
        if "path" not in first:
            raise OSError(f"{simulator} did not start")
        os.set_blocking(self.lines, False)
        self.line = os.open(first["path"], os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        self._rest = b""
        self.has_ended = False

    def send_command(self, command: str) -> None:
        """Send a line to the simulator."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{command}\n".encode())
            self._process.stdin.flush()
        except BrokenPipeError:
            self.has_ended = True

    def reports(self) -> list[Report]:
        """Return the reports of its pins and its bus since the last call."""
        try:
            data = os.read(self.lines, READ_MAX)
        except BlockingIOError:
            return []
        self.has_ended = self.has_ended or not data
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [json.loads(line) for line in lines]

    def send(self, data: bytes) -> None:
        """Send bytes to its UART; bytes that do not fit are lost, as on a wire."""
        try:
            os.write(self.line, data)
        except BlockingIOError:
            return

    def receive(self) -> bytes:
        """Return the bytes that its UART sent."""
        try:
            return os.read(self.line, READ_MAX)
        except BlockingIOError:
            return b""
        except OSError:  # the simulator closed it
            self.has_ended = True
            return b""

    def close(self) -> None:
        """Stop the simulator."""
        os.close(self.line)
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._folder.cleanup()


class AvrDevice:
    """A Yun on a line, with the interface of `firmware_bridge.virtual_board.Device`."""

    def __init__(self, process: AvrProcess, now_s: float) -> None:
        self.is_plugged = True
        self.boot_id = 0
        """From the last HELLO_REPLY, the only packet that contains it."""
        self._process = process
        self._now_s = now_s
        self._chain = Max7219Chain()
        self._version = 0
        self._reports: list[Report] = []
        self._later: list[tuple[float, int, Callable[[], None]]] = []
        self._order = 0
        self._noise = Noise(0)
        self._is_mute = False
        self._garbage = bytearray()
        self._to_board, self._to_host = CobsCarrier(), CobsCarrier()
        self._reported: deque[tuple[str, int]] = deque(maxlen=EDGES_KEPT)
        self._commands: dict[str, Callable[[Mapping[str, Any]], None]] = {
            "press": self._press,
            "down": lambda command: self._move(command, Edge.DOWN),
            "up": lambda command: self._move(command, Edge.UP),
            "reset": lambda _command: self._process.send_command("reset"),
            "silence": self._silence,
            "noise": self._set_noise,
            "garbage": self._send_garbage,
            "unplug": self._unplug,
            "plug": lambda _command: self._plug(),
        }

    # --- for the virtual board -------------------------------------------------------------

    def command(self, command: object, now_s: float) -> None:
        """Execute a command; an invalid one becomes an error report."""
        self._now_s = now_s
        try:
            self._execute(command)
        except CommandError as error:
            self._report("error", message=str(error))

    def receive(self, data: bytes, now_s: float) -> None:
        """Pass bytes from the host to the MCU."""
        self._now_s = now_s
        if self._is_mute:
            return
        data = self._noise.damage(data)
        self._watch(self._to_board, data, Direction.TO_BOARD)
        self._process.send(data)

    def tick(self, now_s: float) -> bytes:
        """Do what is due, read the MCU, and return its bytes for the host."""
        self._now_s = now_s
        while self._later and self._later[0][0] <= now_s:
            heapq.heappop(self._later)[2]()
        # Read the bytes, then the reports, then decode the bytes: the simulator reports what it
        # drew before it answers, so a frame is known when its answer is passed on.
        data = self._process.receive()
        for report in self._process.reports():
            self._on_report(report)
        self._watch(self._to_host, data, Direction.TO_HOST)
        data = self._noise.damage(data) + bytes(self._garbage)
        self._garbage.clear()
        return b"" if self._is_mute else data

    def next_deadline(self) -> float | None:
        """Return when `tick` is next due by itself."""
        if self._garbage:
            return self._now_s
        return self._later[0][0] if self._later else None

    def reports(self) -> list[Report]:
        """Return the reports since the last call."""
        reports, self._reports = self._reports, []
        return reports

    # --- output of the MCU -----------------------------------------------------------------

    def _on_report(self, report: Report) -> None:
        if "spi" in report:
            self._draw(bytes.fromhex(report["spi"]))
        elif "led" in report:
            self._report("led", name=report["led"], level=report["level"])
        elif report.get("done") == "reset":
            self._report("reset")

    def _draw(self, transfer: bytes) -> None:
        self._chain.transfer(transfer)
        if transfer[0] != SHUTDOWN:
            return
        frame, brightness = self._chain.frame(), self._chain.brightness
        own = {lit(stale_frame()): "stale", lit(incompatible_frame()): "incompatible"}
        if frame in own:
            self._report(own[frame], levels=frame.rows())
            return
        shown = frame if brightness else Frame.blank()
        self._report("frame", version=self._version, brightness=brightness, levels=shown.rows())

    def _watch(self, carrier: CobsCarrier, data: bytes, direction: Direction) -> None:
        """Decode the packets that pass."""
        for packet in carrier.feed(data):
            try:
                message = packet.message(direction)
            except PacketError:
                continue
            self._on_message(message)

    def _on_message(self, message: Message) -> None:
        match message:
            case Hello():
                self._version = 0
            case ShowFrame():
                self._version = max(self._version, message.version)
            case HelloReply():
                self.boot_id = message.boot_id
                fits = message.protocol_min <= PROTOCOL_MAX
                accepted = fits and message.protocol_max >= PROTOCOL_MIN
                self._report("hello", session_id=message.session_id, accepted=accepted)
            case ButtonEdge() if self._is_new("edge", message.event_id):
                name = message.edge.name.lower()
                self._report("edge", event_id=message.event_id, button=message.button, edge=name)
            case EdgeAck() if self._is_new("acked", message.event_id):
                self._report("edge_acked", event_id=message.event_id)
            case _:
                pass

    def _is_new(self, what: str, event_id: int) -> bool:
        """Return whether an edge was not reported yet: packets may be repeated."""
        key = (f"{what} of boot {self.boot_id}", event_id)
        is_new = key not in self._reported
        if is_new:
            self._reported.append(key)
        return is_new

    # --- commands --------------------------------------------------------------------------

    def _execute(self, command: object) -> None:
        if not isinstance(command, Mapping):
            raise CommandError("a command is a JSON object")
        action = self._commands.get(str(command.get("do")))
        if action is None:
            raise CommandError(f'"do" must be one of {", ".join(self._commands)}')
        action(command)

    def _press(self, command: Mapping[str, Any]) -> None:
        button = whole_number(command, "button", 0, BUTTONS - 1)
        held_s = whole_number(command, "ms", PRESS_MS, PRESS_MS_MAX) / MILLISECONDS
        bounce_s = whole_number(command, "bounce_ms", 0, PRESS_MS_MAX) / MILLISECONDS
        self._level(button, Edge.DOWN, self._now_s, bounce_s)
        self._level(button, Edge.UP, self._now_s + held_s, bounce_s)

    def _move(self, command: Mapping[str, Any], level: Edge) -> None:
        self._level(whole_number(command, "button", 0, BUTTONS - 1), level, self._now_s, 0.0)

    def _level(self, button: int, level: Edge, at_s: float, bounce_s: float) -> None:
        """Set a pin to a level, after bouncing between both for a while."""
        other = Edge.UP if level is Edge.DOWN else Edge.DOWN
        for bounce in range(BOUNCES if bounce_s else 0):
            self._pin(at_s + bounce_s * bounce / BOUNCES, button, other if bounce % 2 else level)
        self._pin(at_s + bounce_s, button, level, f"run {LEVEL_US}")

    def _pin(self, at_s: float, button: int, level: Edge, *then: str) -> None:
        lines = "\n".join((f"pin {button} {int(level)}", *then))
        self._at(at_s, lambda: self._process.send_command(lines))

    def _silence(self, command: Mapping[str, Any]) -> None:
        duration_ms = whole_number(command, "ms", 0, PRESS_MS_MAX)
        self._is_mute = bool(command.get("on", True))
        self._report("silence", on=self._is_mute)
        if self._is_mute and duration_ms:
            end_s = self._now_s + duration_ms / MILLISECONDS
            self._at(end_s, lambda: self._silence({"on": False}))

    def _set_noise(self, command: Mapping[str, Any]) -> None:
        rate = command.get("rate", 0)
        if not isinstance(rate, int | float) or not 0 <= rate <= 1:
            raise CommandError('"rate" is a probability per byte, 0 to 1')
        self._noise = Noise(rate, whole_number(command, "seed", 0, CLOCK_MASK))
        self._report("noise", rate=rate)

    def _send_garbage(self, command: Mapping[str, Any]) -> None:
        size = whole_number(command, "bytes", 64, GARBAGE_MAX)
        self._garbage += Noise(0, whole_number(command, "seed", 0, CLOCK_MASK)).garbage(size)

    def _unplug(self, command: Mapping[str, Any]) -> None:
        duration_ms = whole_number(command, "ms", 0, PRESS_MS_MAX)
        self.is_plugged = False
        if duration_ms:
            self._at(self._now_s + duration_ms / MILLISECONDS, self._plug)

    def _plug(self) -> None:
        self.is_plugged = True

    # --- inside ----------------------------------------------------------------------------

    def _at(self, at_s: float, do: Callable[[], None]) -> None:
        self._order += 1
        heapq.heappush(self._later, (at_s, self._order, do))

    def _report(self, what: str, **details: object) -> None:
        self._reports.append({"event": what, **details})


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
