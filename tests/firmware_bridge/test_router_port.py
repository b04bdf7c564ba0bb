"""Our link on a real socket, with the fake router and the Uno Q's sketch behind it."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from firmware_bridge.errors import LinkError
from firmware_bridge.events import BoardConnected, ButtonEdge, FrameAcknowledged, PortMissing
from firmware_bridge.link import Link
from firmware_bridge.messages import Board
from firmware_bridge.router import RouterCarrier
from firmware_bridge.transport import ROUTER_SOCKET, RouterPort, SerialPort, port_at
from tests.firmware_bridge.board_process import until, wait_for_event
from tests.firmware_bridge.fake_router import Connection
from tests.firmware_bridge.router_peers import RoutedBoard
from tests.firmware_bridge.sample_frames import numbered_frame
from tools.build_firmware import Built

TICK_S = 0.002


class RouterService:
    """The router on a unix socket, in real time."""

    def __init__(self, built: Built, path: Path) -> None:
        self.bench = RoutedBoard(built.uno_q_library)
        self.path = path
        self._server: asyncio.Server | None = None
        self._clients: list[asyncio.StreamWriter] = []

    async def start(self) -> None:
        self.bench.router.start()
        self._server = await asyncio.start_unix_server(self._serve, self.path)

    async def stop(self) -> None:
        self.bench.router.stop()
        if self._server is not None:
            self._server.close()
        for client in self._clients:
            client.close()
            with contextlib.suppress(ConnectionError):
                await client.wait_closed()
        self._clients.clear()
        self.path.unlink(missing_ok=True)

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            begin_s = loop.time()
            await asyncio.sleep(TICK_S)
            self.bench.run(loop.time() - begin_s)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = self.bench.router.connect()
        assert connection is not None
        self._clients.append(writer)
        sending = asyncio.create_task(self._send(connection, writer))
        while data := await reader.read(4096):
            self.bench.router.receive(connection, data)
        self.bench.router.disconnect(connection)
        sending.cancel()
        writer.close()

    async def _send(self, connection: Connection, writer: asyncio.StreamWriter) -> None:
        while connection.is_open:
            writer.write(self.bench.router.fetch(connection))
            await asyncio.sleep(TICK_S)


@contextlib.asynccontextmanager
async def service(built: Built, folder: Path) -> AsyncIterator[RouterService]:
    router = RouterService(built, folder / "router.sock")
    running = asyncio.create_task(router.run())
    try:
        yield router
    finally:
        running.cancel()
        await router.stop()


def test_a_link_finds_the_router_whenever_it_comes_and_comes_back(
    built: Built, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with (
            service(built, tmp_path) as router,
            Link(RouterPort(str(router.path))) as link,
        ):
            await wait_for_event(link, PortMissing)
            await router.start()
            connected = await wait_for_event(link, BoardConnected)
            assert connected.board.board is Board.UNO_Q
            link.show(numbered_frame(4))
            await wait_for_event(link, FrameAcknowledged)
            assert router.bench.shown().frame == numbered_frame(4)
            router.bench.pin(0, is_down=True)
            pressed = await wait_for_event(link, ButtonEdge)
            link.confirm(pressed.edge_id)
            await router.stop()
            await wait_for_event(link, PortMissing)
            await router.start()
            await wait_for_event(link, BoardConnected)
            link.show(numbered_frame(5))
            await until(lambda: router.bench.shown().frame == numbered_frame(5))
            assert link.statistics.packets_received > 0

    asyncio.run(scenario())


def test_a_router_that_is_missing_is_told_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(LinkError, match=r"cannot connect to .*none\.sock: No such file"):
        RouterPort(str(tmp_path / "none.sock")).open()


def test_a_path_that_no_socket_can_have_is_told_too() -> None:
    with pytest.raises(LinkError, match="cannot connect"):
        RouterPort("/tmp/" + "x" * 200).open()  # noqa: S108 - never made


def test_a_socket_is_known_by_its_name_and_all_else_is_a_serial_device() -> None:
    assert isinstance(port_at(ROUTER_SOCKET), RouterPort)
    assert isinstance(port_at("/dev/ttyATH0", baud=9600), SerialPort)
    assert isinstance(port_at(ROUTER_SOCKET).carrier(), RouterCarrier)


def test_opening_leaves_no_descriptor_behind_when_it_fails(tmp_path: Path) -> None:
    descriptors = Path("/proc/self/fd")
    before = len(os.listdir(descriptors))  # noqa: PTH208 - names are all that is wanted
    for _ in range(5):
        with pytest.raises(LinkError):
            RouterPort(str(tmp_path / "none.sock")).open()
    assert len(os.listdir(descriptors)) == before  # noqa: PTH208
