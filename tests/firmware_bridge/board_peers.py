"""Boards on a virtual clock, that say and hear COBS.

Each is the same to a test: bytes in, bytes out, pins, a reset, and what the display shows. Three
of the four execute firmware, and one of those is machine code for the ATmega32u4.
"""

from __future__ import annotations

import ctypes
import json
import subprocess
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firmware_bridge.board_frames import stale_frame
from firmware_bridge.matrix import Frame
from firmware_bridge.max7219 import Max7219Chain, lit
from firmware_bridge.messages import COLUMNS, ROWS, Direction, Message
from firmware_bridge.virtual_device import VirtualDevice
from firmware_bridge.wire import CobsCarrier, Packet

PIXELS = ROWS * COLUMNS
SENT_MAX = 65536
STARTING_S = 0.05  # an Arduino's start, the bootloader aside


@dataclass(frozen=True)
class Shown:
    """The picture of a display."""

    frame: Frame
    brightness: int


ALONE = Shown(stale_frame(), 15)  # what a board draws when it is switched on


class BoardPeer(ABC):
    """A board on a bench."""

    counts_presses_lost_to_a_reset = True

    def __init__(self) -> None:
        self.now_s = 0.0
        self._line = CobsCarrier()
        self._raw: list[tuple[float, bytes]] = []

    @abstractmethod
    def send(self, data: bytes) -> None:
        """Put bytes on the line."""

    @abstractmethod
    def run(self, seconds: float) -> None:
        """Let time pass."""

    @abstractmethod
    def pin(self, button: int, *, is_down: bool) -> None:
        """Move a button's pin."""

    @abstractmethod
    def reset(self) -> None:
        """Reset the MCU."""

    @abstractmethod
    def shown(self) -> Shown:
        """Return what the display shows now."""

    def as_shown(self, frame: Frame) -> Frame:
        """Return a frame as this board's display can show it."""
        return frame

    def close(self) -> None:  # noqa: B027 - most boards need no more than to be forgotten
        """Switch it off."""

    def fetch(self) -> bytes:
        """Return the bytes that came since the last call."""
        raw, self._raw = self._raw, []
        return b"".join(data for _, data in raw)

    def drain_packets(self) -> list[tuple[float, Packet, Message]]:
        """Return the packets that came since the last call, with the time of the last byte."""
        raw, self._raw = self._raw, []
        return [
            (at_s, packet, packet.message(Direction.TO_HOST))
            for at_s, data in raw
            for packet in self._line.feed(data)
        ]

    def bad_packets(self) -> int:
        """Return how much of what came was no packet; a reset may cut one short."""
        return self._line.counters.bad_packets


class VirtualPeer(BoardPeer):
    """The Python board."""

    def __init__(self) -> None:
        super().__init__()
        self._device = VirtualDevice(1, 0.0)
        self._shown = ALONE

    def send(self, data: bytes) -> None:
        self._device.receive(data, self.now_s)
        self._pump()

    def run(self, seconds: float) -> None:
        end_s = self.now_s + seconds
        self._pump()
        while (due_s := self._device.next_deadline()) is not None and due_s <= end_s:
            self.now_s = max(due_s, self.now_s)
            self._pump()
        self.now_s = end_s

    def pin(self, button: int, *, is_down: bool) -> None:
        self._do(do="down" if is_down else "up", button=button)

    def reset(self) -> None:
        self._do(do="reset")

    def shown(self) -> Shown:
        return self._shown

    def _do(self, **command: object) -> None:
        self._device.command(command, self.now_s)
        self._pump()

    def _pump(self) -> None:
        data = self._device.tick(self.now_s)
        if data:
            self._raw.append((self.now_s, data))
        for report in self._device.reports():
            if report["event"] == "reset":
                self._shown = ALONE
            if "levels" in report:
                brightness = report.get("brightness", 15)
                self._shown = Shown(Frame.from_rows(report["levels"]), brightness)


class CorePeer(BoardPeer):
    """The C core, in this process."""

    def __init__(self, library: Path) -> None:
        super().__init__()
        self._c = ctypes.CDLL(str(library))
        self._c.pc_board_size.restype = self._c.pc_board_fetch.restype = ctypes.c_size_t
        size = self._c.pc_board_size()
        self._memory = (ctypes.c_uint64 * (size // 8 + 1))()
        self._buffer = ctypes.create_string_buffer(SENT_MAX)
        self._c.pc_board_begin(self._memory, 1, 0, 0)

    def send(self, data: bytes) -> None:
        self._c.pc_board_receive(self._memory, data, ctypes.c_size_t(len(data)), self._now_ms)
        self._fetch()

    def run(self, seconds: float) -> None:
        end_s = self.now_s + seconds
        while True:
            self._c.pc_board_tick(self._memory, self._now_ms)
            self._fetch()
            if self.now_s >= end_s:
                return
            self.now_s = min(self.now_s + 0.001, end_s)

    def pin(self, button: int, *, is_down: bool) -> None:
        self._c.pc_board_pin(self._memory, button, is_down)

    def reset(self) -> None:
        self._c.pc_board_reset(self._memory, self._now_ms)

    def shown(self) -> Shown:
        self._c.pc_board_picture(self._memory, self._buffer)
        return Shown(Frame(self._buffer.raw[:PIXELS]), self._buffer.raw[PIXELS])

    @property
    def _now_ms(self) -> int:
        return round(self.now_s * 1000)

    def _fetch(self) -> None:
        size = self._c.pc_board_fetch(self._memory, self._buffer)
        if size:
            self._raw.append((self.now_s, self._buffer.raw[:size]))


class ProcessPeer(BoardPeer):
    """A board that is driven line by line: a runner of ours."""

    def __init__(self, *command: str | Path) -> None:
        super().__init__()
        self._process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def send(self, data: bytes) -> None:
        if data:
            self._say(f"send {data.hex()}")

    def run(self, seconds: float) -> None:
        self._say(f"run {round(seconds * 1_000_000)}")
        self._wait()

    def pin(self, button: int, *, is_down: bool) -> None:
        self._say(f"pin {button} {int(is_down)}")

    def reset(self) -> None:
        self._say("reset")
        self._wait()
        self.run(STARTING_S)

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.read()
        self._process.stdout.close()
        assert self._process.wait(timeout=20) == 0

    def take(self, report: dict[str, Any]) -> None:
        """Note what a report says of the display."""
        raise NotImplementedError

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def _wait(self) -> None:
        """Read reports up to the end of the last command."""
        assert self._process.stdout is not None
        while True:
            line = self._process.stdout.readline()
            assert line, f"the runner ended with {self._process.wait()}"
            report = json.loads(line)
            assert "error" not in report, report
            self.now_s = report["t_us"] / 1e6
            if "done" in report:
                return
            if "uart" in report:
                self._raw.append((self.now_s, bytes.fromhex(report["uart"])))
            else:
                self.take(report)


class SanitizedPeer(ProcessPeer):
    """The C core as a process under ASan and UBSan."""

    def __init__(self, runner: Path) -> None:
        super().__init__(runner)
        self._shown = Shown(Frame.blank(), 0)

    def shown(self) -> Shown:
        return self._shown

    def take(self, report: dict[str, Any]) -> None:
        levels = bytes(int(digit) for digit in report["picture"])
        self._shown = Shown(Frame(levels), report["brightness"])


class AvrPeer(ProcessPeer):
    """The Yun's firmware in simavr."""

    def __init__(self, simulator: Path, elf: Path, *options: str | Path) -> None:
        super().__init__(simulator, elf, "--lockstep", *options)
        self.leds: dict[str, int] = {}
        self.chain = Max7219Chain()
        self.run(STARTING_S)

    def shown(self) -> Shown:
        return Shown(self.chain.frame(), self.chain.brightness)

    def as_shown(self, frame: Frame) -> Frame:
        return lit(frame)

    def take(self, report: dict[str, Any]) -> None:
        if "spi" in report:
            self.chain.transfer(bytes.fromhex(report["spi"]))
        else:
            self.leds[report["led"]] = report["level"]
