"""The Yun's firmware on a pty in real time: our link opens it as it opens the board's port."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

from firmware_bridge.events import BoardConnected, ButtonEdge, FrameAcknowledged, PortMissing
from firmware_bridge.link import Link
from firmware_bridge.matrix import Frame
from firmware_bridge.max7219 import Max7219Chain, lit
from firmware_bridge.messages import Board, Edge
from firmware_bridge.transport import SerialPort
from tests.firmware_bridge.board_process import PATIENCE_S, wait_for_event
from tests.firmware_bridge.sample_frames import numbered_frame
from tools.build_firmware import Built


class Yun:
    """The simulator as a process; its display is decoded as it is drawn."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.chain = Max7219Chain()
        self.path = ""

    def do(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())

    async def read_until_path(self) -> None:
        while not self.path:
            await self._read()

    async def wait_for_frame(self, frame: Frame) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while self.chain.frame() != lit(frame):
                await self._read()

    async def stop(self) -> int:
        assert self._process.stdin is not None
        self._process.stdin.close()
        async with asyncio.timeout(PATIENCE_S):
            await self._process.communicate()
        return self._process.returncode or 0

    async def _read(self) -> None:
        assert self._process.stdout is not None
        report = json.loads(await self._process.stdout.readline())
        self.path = report.get("path", self.path)
        if "spi" in report:
            self.chain.transfer(bytes.fromhex(report["spi"]))


@contextlib.asynccontextmanager
async def yun(built: Built, *options: str) -> AsyncIterator[Yun]:
    process = await asyncio.create_subprocess_exec(
        str(built.simulator),
        str(built.yun_elf),
        *options,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        board = Yun(process)
        await board.read_until_path()
        yield board
        assert await board.stop() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def test_a_press_becomes_an_event_and_a_frame_becomes_spi_bytes(built: Built) -> None:
    async def scenario() -> None:
        async with yun(built) as board, Link(SerialPort(board.path)) as link:
            connected = await wait_for_event(link, BoardConnected)
            assert connected.board.board is Board.YUN
            link.show(numbered_frame(4))
            await wait_for_event(link, FrameAcknowledged)
            await board.wait_for_frame(numbered_frame(4))
            board.do("pin 1 1")
            pressed = await wait_for_event(link, ButtonEdge)
            assert (pressed.button, pressed.edge) == (1, Edge.DOWN)
            link.confirm(pressed.edge_id)
            board.do("reset")
            again = await wait_for_event(link, BoardConnected)
            assert again.new_boot
            await board.wait_for_frame(numbered_frame(4))

    asyncio.run(scenario())


def test_a_tty_that_vanished_and_was_made_anew_is_found_again(built: Built, tmp_path: Path) -> None:
    async def scenario() -> None:
        port = tmp_path / "ttyATH0"
        options = ("--eeprom", str(tmp_path / "eeprom"))
        async with Link(SerialPort(str(port))) as link:
            await wait_for_event(link, PortMissing)
            for boot_id in range(2):
                async with yun(built, *options) as board:
                    port.symlink_to(board.path)
                    connected = await wait_for_event(link, BoardConnected)
                    assert connected.board.boot_id == boot_id
                    link.show(numbered_frame(boot_id + 1))
                    await board.wait_for_frame(numbered_frame(boot_id + 1))
                    board.do("pin 0 1")
                    pressed = await wait_for_event(link, ButtonEdge)
                    assert pressed.edge_id == (boot_id, 1)
                    link.confirm(pressed.edge_id)
                port.unlink()
                await wait_for_event(link, PortMissing)

    asyncio.run(scenario())


def test_boots_are_counted_in_eeprom_across_a_loss_of_power(built: Built, tmp_path: Path) -> None:
    async def boot_id() -> int:
        options = ("--eeprom", str(tmp_path / "eeprom"))
        async with yun(built, *options) as board, Link(SerialPort(board.path)) as link:
            return int((await wait_for_event(link, BoardConnected)).board.boot_id)

    boots = [asyncio.run(boot_id()) for _ in range(3)]
    assert boots == [0, 1, 2]
