"""The IO loop of the host's side, with a far end in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from firmware_bridge.board_session import BoardIdentity, BoardSession
from firmware_bridge.errors import LinkError
from firmware_bridge.events import (
    BoardConnected,
    BoardDisconnected,
    ButtonEdge,
    FrameAcknowledged,
    PortMissing,
    PortOpened,
    Reason,
)
from firmware_bridge.link import EVENTS_MAX, RETRY_MAX_S, UNSENT_MAX, Link
from firmware_bridge.matrix import Frame
from firmware_bridge.messages import Edge, Hello
from firmware_bridge.session import HostState
from firmware_bridge.transport import Transport
from firmware_bridge.wire import CobsCarrier, Packet
from tests.firmware_bridge.board_process import until, wait_for_event
from tests.firmware_bridge.memory_port import MemoryPort, memory_pair


class BoardOnPort:
    """Runs a board session on the far end of a memory port."""

    def __init__(self, port: MemoryPort, session: BoardSession | None = None) -> None:
        self.session = session or BoardSession(BoardIdentity(5))
        self.port = port
        self.is_plugged = True
        self._loop = asyncio.get_running_loop()
        assert port.peer is not None
        self._line: Transport = port.peer
        self._timer: asyncio.TimerHandle | None = None
        self._loop.add_reader(self._line.fileno(), self._on_readable)

    def press(self, edge: Edge) -> None:
        self.session.change_button(0, edge, self._loop.time())
        self._pump()

    def hang_up(self) -> None:
        self.is_plugged = False
        self._loop.remove_reader(self._line.fileno())
        if self._timer is not None:
            self._timer.cancel()
        self._line.close()

    def _on_readable(self) -> None:
        try:
            data = self._line.read()
        except LinkError:
            self.hang_up()
            return
        self.session.receive(data, self._loop.time())
        self._pump()

    def _pump(self) -> None:
        self._line.write(self.session.tick(self._loop.time()))
        if self._timer is not None:
            self._timer.cancel()
        due_s = self.session.next_deadline()
        self._timer = None if due_s is None else self._loop.call_at(due_s, self._pump)


def count_calls(counted: Callable[[float], bytes], calls: list[float]) -> Callable[[float], bytes]:
    def counting(now_s: float) -> bytes:
        calls.append(now_s)
        return counted(now_s)

    return counting


def test_a_link_connects_shows_and_confirms_over_a_port_in_memory() -> None:
    async def run() -> None:
        port = MemoryPort()
        async with Link(port) as link:
            board = BoardOnPort(port)
            await wait_for_event(link, BoardConnected)
            link.show(Frame.blank())
            await wait_for_event(link, FrameAcknowledged)
            board.press(Edge.DOWN)
            down = await wait_for_event(link, ButtonEdge)
            assert len(board.session.edges) == 1
            link.confirm(down.edge_id)
            await until(lambda: not board.session.edges)
            assert link.session.state is HostState.READY
            assert link.statistics.rtt_max_ms > 0
            board.hang_up()

    asyncio.run(run())


def test_an_idle_link_wakes_a_few_times_per_second(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        port = MemoryPort()
        async with Link(port) as link:
            board = BoardOnPort(port)
            await wait_for_event(link, BoardConnected)
            calls: list[float] = []
            monkeypatch.setattr(link.session, "tick", count_calls(link.session.tick, calls))
            await asyncio.sleep(2.5)
            assert 2 <= len(calls) <= 40  # polling would make thousands
            board.hang_up()

    asyncio.run(run())


def test_a_missing_port_is_tried_at_least_every_second_and_told_once() -> None:
    async def run() -> None:
        port = MemoryPort()
        port.is_present = False
        loop = asyncio.get_running_loop()
        tries: list[float] = []
        opened = port.open

        def opening() -> Transport:
            tries.append(loop.time())
            return opened()

        port.open = opening  # type: ignore[method-assign]
        async with Link(port) as link:
            await until(lambda: len(tries) == 7)
            assert link._retry_s == RETRY_MAX_S <= 1.0
            assert tries[-1] - tries[0] > 1.5  # no hammering either
            assert isinstance(await link.next_event(), PortMissing)
            port.is_present = True
            assert isinstance(await link.next_event(), PortOpened)
            port.hang_up()

    asyncio.run(run())


def test_a_port_that_opens_and_fails_at_once_is_not_hammered() -> None:
    async def run() -> None:
        port = MemoryPort()
        start_s = asyncio.get_running_loop().time()
        async with Link(port) as link:
            for _ in range(6):
                await wait_for_event(link, PortOpened)
                port.hang_up()
        assert asyncio.get_running_loop().time() - start_s > 1.5

    asyncio.run(run())


def test_a_far_end_that_reads_nothing_blocks_nothing() -> None:
    async def run() -> None:
        port = MemoryPort()
        async with Link(port) as link:
            transport = link._transport
            assert transport is not None
            while transport.write(bytes(100_000)):
                pass  # the line is full now
            for _ in range(200):
                link.session.tick(0.0)
                link._write(b"x" * 70)
            assert len(link._unsent) <= UNSENT_MAX
            assert link.statistics.bytes_dropped > 0
            peer = port.peer
            assert peer is not None
            while link._unsent:
                peer.read()
                await asyncio.sleep(0)
            port.hang_up()

    asyncio.run(run())


def test_a_host_that_reads_no_events_loses_old_ones_and_never_an_edge() -> None:
    async def run() -> None:
        port = MemoryPort()
        async with Link(port) as link:
            board = BoardOnPort(port)
            await wait_for_event(link, BoardConnected)
            board.press(Edge.DOWN)
            await until(lambda: link._events)
            for _ in range(EVENTS_MAX + 50):
                link._publish(PortOpened("again"))
            assert len(link._events) == EVENTS_MAX
            assert link.statistics.events_dropped > 0
            assert isinstance(await link.next_event(), ButtonEdge)
            board.hang_up()

    asyncio.run(run())


async def replaced(link: Link, port: MemoryPort) -> BoardOnPort:
    """Connect a link to a board that another host takes right after; return that board."""
    board = BoardOnPort(port)
    await wait_for_event(link, BoardConnected)
    link.show(Frame.blank())
    await wait_for_event(link, FrameAcknowledged)
    other_id = link.session.session_id ^ 0x8000_0000 or 1
    other = CobsCarrier().encode(Packet.carrying(Hello(other_id, 1, 1), 9))
    board.session.receive(other, asyncio.get_running_loop().time())
    lost = await wait_for_event(link, BoardDisconnected)
    assert lost.reason is Reason.REPLACED
    return board


def test_a_link_that_was_replaced_says_so_gives_its_port_back_and_returns_much_later() -> None:
    async def run() -> None:
        port = MemoryPort()
        async with Link(port, reclaim_s=0.3) as link:
            board = await replaced(link, port)
            old_id = link.session.session_id
            await until(lambda: not board.is_plugged)  # its line was closed
            assert link.session.state is not HostState.READY
            await wait_for_event(link, PortOpened)
            again = BoardOnPort(port, board.session)
            await wait_for_event(link, BoardConnected)
            assert link.session.session_id != old_id
            await wait_for_event(link, FrameAcknowledged)  # the newest picture, by itself
            assert link._reclaim_s == 0.6
            again.hang_up()

    asyncio.run(run())


def test_a_human_can_take_the_board_back_at_once() -> None:
    async def run() -> None:
        port = MemoryPort()
        async with Link(port, reclaim_s=1000.0) as link:
            link.reclaim()  # nobody has it: nothing to do
            board = await replaced(link, port)
            await until(lambda: not board.is_plugged)  # its line was closed
            link.reclaim()
            assert link.session.state is HostState.GREETING
            again = BoardOnPort(port, board.session)
            await wait_for_event(link, BoardConnected)
            again.hang_up()

    asyncio.run(run())


def test_closing_ends_the_iteration_and_can_be_repeated() -> None:
    async def run() -> None:
        port = MemoryPort()
        async with Link(port) as link:
            asyncio.get_running_loop().call_later(0.05, link.close)
            events = [event async for event in link]
            assert [type(event) for event in events] == [PortOpened]
            link.close()
            link.show(Frame.blank())  # too late, and harmless
            assert await link.next_event() is None
        port.hang_up()

    asyncio.run(run())


def test_a_line_in_memory_carries_bytes_and_tells_when_its_other_end_is_gone() -> None:
    ours, theirs = memory_pair()
    assert ours.write(b"hello") == 5
    assert theirs.read() == b"hello"
    assert theirs.read() == b""
    theirs.close()
    with pytest.raises(LinkError, match="closed by the other side"):
        ours.read()
    ours.close()
