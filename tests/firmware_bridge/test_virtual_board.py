"""Link and virtual board, two real processes on a real pty."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from firmware_bridge.board_frames import stale_frame
from firmware_bridge.errors import LinkError
from firmware_bridge.events import (
    BoardConnected,
    BoardDisconnected,
    ButtonEdge,
    EdgeId,
    FirmwareIncompatible,
    FrameAcknowledged,
    PortMissing,
    PortOpened,
    Reason,
)
from firmware_bridge.link import Link
from firmware_bridge.matrix import Canvas
from firmware_bridge.messages import Board, Edge
from firmware_bridge.session import HostState
from firmware_bridge.transport import SerialPort
from tests.firmware_bridge.board_process import (
    PATIENCE_S,
    ROOT,
    BoardProcess,
    board_process,
    until,
    wait_for_event,
)
from tests.firmware_bridge.pixels import lit
from tests.firmware_bridge.sample_frames import numbered_frame

CORNER = lit((12, 7, 5))


@pytest.fixture
def tty(tmp_path: Path) -> Path:
    return tmp_path / "tty"


async def pressed(board: BoardProcess, link: Link) -> list[ButtonEdge]:
    board.do("press", ms=100)
    edges = []
    for _ in range(2):
        edges.append(await wait_for_event(link, ButtonEdge))
        link.confirm(edges[-1].edge_id)
    return edges


def test_a_host_greets_shows_a_frame_and_hears_a_press(tty: Path) -> None:
    async def run() -> None:
        async with board_process(tty) as board:
            await board.wait_for("plugged", path=str(tty))
            async with Link(SerialPort(str(tty))) as link:
                connected = await wait_for_event(link, BoardConnected)
                assert connected.board.board is Board.VIRTUAL
                version = link.show(CORNER, brightness=9)
                await wait_for_event(
                    link, FrameAcknowledged, lambda shown: shown.version == version
                )
                await board.wait_for("frame", version=version, brightness=9, levels=CORNER.rows())
                down, up = await pressed(board, link)
                assert (down.edge, up.edge) == (Edge.DOWN, Edge.UP)
                assert 90 <= up.t_ms - down.t_ms <= 1000
                await board.wait_for("edge_acked", event_id=up.edge_id.event_id)
            assert await board.stop() == 0

    asyncio.run(run())
    assert not tty.is_symlink()


def test_an_edge_is_not_acknowledged_before_it_is_confirmed(tty: Path) -> None:
    async def run() -> None:
        async with board_process(tty) as board, Link(SerialPort(str(tty))) as link:
            await wait_for_event(link, BoardConnected)
            board.do("down")
            down = await wait_for_event(link, ButtonEdge)
            await until(lambda: link.statistics.duplicate_edges >= 3)  # sent again and again
            board.do("status")
            assert (await board.wait_for("status"))["queued"] == 1
            assert not [r for r in board.reports if r["event"] == "edge_acked"]
            link.confirm(down.edge_id)
            await board.wait_for("edge_acked", event_id=1)

    asyncio.run(run())


def test_an_edge_that_stands_in_the_journal_is_acknowledged_and_not_told_again(tty: Path) -> None:
    async def run() -> None:
        async with board_process(tty, "--boot-id", "5") as board:
            await board.wait_for("plugged")
            async with Link(SerialPort(str(tty))) as link:
                await wait_for_event(link, BoardConnected)
                board.do("press", ms=50)
                down = await wait_for_event(link, ButtonEdge)
                assert down.edge_id == EdgeId(5, 1)
            # The host died between journal and acknowledgement; its heir knows the journal.
            async with Link(SerialPort(str(tty)), last_edge=EdgeId(5, 1)) as link:
                up = await wait_for_event(link, ButtonEdge)
                assert up.edge_id == EdgeId(5, 2)
            await board.wait_for("edge_acked", event_id=1)

    asyncio.run(run())


def test_a_port_that_is_missing_at_the_start_is_found_when_it_comes(tty: Path) -> None:
    async def run() -> None:
        async with Link(SerialPort(str(tty))) as link:
            link.show(CORNER)
            lost = await wait_for_event(link, PortMissing)
            assert str(tty) in lost.why
            await asyncio.sleep(0.3)
            async with board_process(tty) as board:
                await wait_for_event(link, PortOpened)
                await board.wait_for("frame", levels=CORNER.rows())

    asyncio.run(run())


def test_a_port_that_vanishes_and_comes_back_is_used_again(tty: Path) -> None:
    async def run() -> None:
        async with board_process(tty) as board, Link(SerialPort(str(tty))) as link:
            await wait_for_event(link, BoardConnected)
            board.do("unplug", ms=700)
            assert (await wait_for_event(link, BoardDisconnected)).reason is Reason.PORT_LOST
            await wait_for_event(link, PortMissing)
            link.show(CORNER)
            again = await wait_for_event(link, BoardConnected)
            assert not again.new_boot
            await board.wait_for("frame", levels=CORNER.rows())
            assert len(await pressed(board, link)) == 2
            assert link.statistics.port_openings == 2

    asyncio.run(run())


def test_a_reset_of_the_board_is_survived_and_the_frame_comes_back(tty: Path) -> None:
    async def run() -> None:
        async with board_process(tty) as board, Link(SerialPort(str(tty))) as link:
            link.show(CORNER)
            first = await wait_for_event(link, BoardConnected)
            await board.wait_for("frame")
            board.do("reset")
            second = await wait_for_event(link, BoardConnected)
            assert second.new_boot
            assert second.board.boot_id == first.board.boot_id + 1
            await board.wait_for("frame", levels=CORNER.rows())
            assert len(await pressed(board, link)) == 2

    asyncio.run(run())


def test_garbage_and_noise_on_the_line_lose_and_double_nothing(tty: Path) -> None:
    async def run() -> None:
        async with board_process(tty) as board, Link(SerialPort(str(tty))) as link:
            await wait_for_event(link, BoardConnected)
            board.do("noise", rate=0.005, seed=2)
            edges = []
            for number in range(10):
                board.do("garbage", bytes=300, seed=number)
                link.show(numbered_frame(number))
                edges += await pressed(board, link)
            assert [edge.edge_id.event_id for edge in edges] == list(range(1, 21))
            board.do("noise", rate=0)
            await board.wait_for("frame", levels=numbered_frame(9).rows())
            assert link.statistics.bad_packets > 0
            assert link.statistics.resyncs > 0

    asyncio.run(run())


def test_a_board_that_hears_nothing_says_so_and_comes_back(tty: Path) -> None:
    async def run() -> None:
        async with board_process(tty) as board, Link(SerialPort(str(tty))) as link:
            link.show(CORNER)
            await board.wait_for("frame")
            board.do("silence", on=True)
            assert (await wait_for_event(link, BoardDisconnected)).reason is Reason.NO_ANSWER
            stale = await board.wait_for("stale")
            assert stale["levels"] == stale_frame().rows()
            await board.wait_for("silent")
            board.do("silence", on=False)
            await wait_for_event(link, BoardConnected)
            await board.wait_for("frame", levels=CORNER.rows())

    asyncio.run(run())


def test_a_host_that_goes_leaves_a_stale_display(tty: Path) -> None:
    async def run() -> None:
        async with board_process(tty) as board:
            async with Link(SerialPort(str(tty))) as link:
                link.show(CORNER)
                await board.wait_for("frame")
            await board.wait_for("stale")
            await board.wait_for("silent")
            async with Link(SerialPort(str(tty))) as link:
                link.show(CORNER)
                await board.wait_for("frame", version=1)

    asyncio.run(run())


def test_firmware_of_another_version_is_told_as_such(tty: Path) -> None:
    async def run() -> None:
        async with (
            board_process(tty, "--protocol", "9") as board,
            Link(SerialPort(str(tty))) as link,
        ):
            event = await wait_for_event(link, FirmwareIncompatible)
            assert (event.board.protocol_min, event.board.protocol_max) == (9, 9)
            await board.wait_for("hello", accepted=False)
            assert link.session.state is not HostState.READY

    asyncio.run(run())


def test_a_port_in_use_is_refused_to_a_second_host(tty: Path) -> None:
    async def run() -> None:
        async with board_process(tty), Link(SerialPort(str(tty))) as first:
            await wait_for_event(first, BoardConnected)
            with pytest.raises(LinkError) as caught:
                SerialPort(str(tty)).open()
            assert caught.value.port == str(tty)
            async with Link(SerialPort(str(tty))) as second:
                await wait_for_event(second, PortMissing)
                first.close()
                await wait_for_event(second, BoardConnected)

    asyncio.run(run())


def test_a_file_or_folder_is_no_port(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file", tmp_path, tmp_path / "missing"):
        with pytest.raises(LinkError):
            SerialPort(str(path)).open()


def test_the_newest_of_many_frames_wins_and_versions_only_grow(tty: Path) -> None:
    async def run() -> None:
        async with board_process(tty) as board, Link(SerialPort(str(tty))) as link:
            await wait_for_event(link, BoardConnected)
            for x in range(500):
                canvas = Canvas()
                canvas.pixel(x % 13, x % 8)
                link.show(canvas.frame())
            await board.wait_for("frame", version=500)
            versions = [r["version"] for r in board.reports if r["event"] == "frame"]
            assert versions == sorted(set(versions))
            assert len(versions) < 100

    asyncio.run(run())


@pytest.mark.parametrize("how", ["sigterm", "sigint", "quit", "eof"])
def test_the_board_ends_cleanly_and_takes_its_symlink_along(tty: Path, how: str) -> None:
    async def run() -> None:
        async with board_process(tty) as board:
            await board.wait_for("plugged")
            if how == "quit":
                board.do("quit")
            elif how != "eof":
                board.process.send_signal(getattr(signal, how.upper()))
            if how == "eof":
                assert await board.stop() == 0
            async with asyncio.timeout(PATIENCE_S):
                assert await board.process.wait() == 0

    asyncio.run(run())
    assert not tty.is_symlink()


def test_the_board_answers_what_is_not_json_and_goes_on(tty: Path) -> None:
    async def run() -> None:
        async with board_process(tty) as board:
            assert board.process.stdin is not None
            board.process.stdin.write(b"{not json\n\n" + b"[" * 3000 + b"\n")
            assert "not JSON" in (await board.wait_for("error"))["message"]
            assert "not JSON" in (await board.wait_for("error"))["message"]
            board.do("status")
            await board.wait_for("status")

    asyncio.run(run())


def test_the_board_runs_its_commands_from_a_file_and_ends_with_it(tmp_path: Path) -> None:
    script = tmp_path / "commands"
    script.write_text('{"do": "status"}\n{"do": "jump"}\n')
    with script.open() as stdin:
        process = subprocess.run(
            [sys.executable, "-m", "firmware_bridge.virtual_board"],
            stdin=stdin,
            capture_output=True,
            timeout=PATIENCE_S,
            check=True,
            cwd=ROOT,
        )
    events = [line.split(b'"')[3] for line in process.stdout.splitlines()]
    assert events == [b"plugged", b"status", b"error"]


def test_the_board_ends_when_nobody_reads_its_reports(tty: Path) -> None:
    board = subprocess.Popen(
        [sys.executable, "-m", "firmware_bridge.virtual_board", "--link", str(tty)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    assert board.stdin is not None
    assert board.stdout is not None
    board.stdout.readline()
    board.stdout.close()
    board.stdin.write(b'{"do": "status"}\n')
    board.stdin.flush()
    assert board.wait(PATIENCE_S) == 0
    board.stdin.close()
