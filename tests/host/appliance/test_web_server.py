"""The API beside the daemon: served, watched, and started again; its failures stay its own."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from host.appliance import web_server
from host.appliance.web_server import WebServer
from host.home.config.device_settings import WebTable
from host.home.home import Home
from host.telemetry.events import HostEvent, WebServerEnded, WebServerReady

PATIENCE_S = 20.0

Scene = Callable[[WebServer, "asyncio.Queue[HostEvent]"], Awaitable[None]]


def play(tmp_path: Path, program: str, scene: Scene, *, enabled: bool = True) -> None:
    """Run a scene with this program in place of `trader serve`."""

    async def run() -> None:
        events: asyncio.Queue[HostEvent] = asyncio.Queue()
        command = (sys.executable, "-c", program)
        table = WebTable(enabled=enabled)
        server = WebServer(Home(tmp_path), table, events.put_nowait, command)
        serving = asyncio.create_task(server.serve())
        try:
            async with asyncio.timeout(PATIENCE_S):
                await scene(server, events)
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)

    asyncio.run(run())


def test_it_says_when_it_serves_and_ends_with_the_daemon(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    program = (
        f"import os, time; open({str(note)!r}, 'w').write(str(os.getpid()))\n"
        "print('serving at http://127.0.0.1:1', flush=True); time.sleep(600)"
    )

    async def scene(server: WebServer, events: asyncio.Queue[HostEvent]) -> None:
        event = await events.get()
        assert isinstance(event, WebServerReady)
        assert event.line == "serving at http://127.0.0.1:1"
        assert server.problem == ""

    play(tmp_path, program, scene)
    assert not Path(f"/proc/{note.read_text()}").exists()


def test_an_end_is_reported_with_its_last_line_and_it_is_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_server, "RETRY_MIN_S", 0.01)
    program = "import sys; print('noise', file=sys.stderr); sys.exit('trader: port in use')"

    async def scene(server: WebServer, events: asyncio.Queue[HostEvent]) -> None:
        waits = []
        for _ in range(3):
            event = await events.get()
            assert isinstance(event, WebServerEnded)
            assert event.why == server.problem == "trader: port in use"
            waits.append(event.retry_s)
        assert waits == [0.01, 0.02, 0.04]

    play(tmp_path, program, scene)


@pytest.mark.parametrize(
    "program",
    [
        "import os; os.abort()",
        "import sys; sys.stderr.write('x' * 1_000_000)",
        "import sys; sys.stdout.write('x' * 1_000_000)",
        "import os; os.write(2, bytes(range(256)) * 1000)",
    ],
)
def test_whatever_it_writes_its_end_is_a_short_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    monkeypatch.setattr(web_server, "RETRY_MIN_S", 0.01)

    async def scene(_server: WebServer, events: asyncio.Queue[HostEvent]) -> None:
        while not isinstance(event := await events.get(), WebServerEnded):
            pass
        assert 0 < len(event.why) <= web_server.LINE_CHARACTERS_MAX

    play(tmp_path, program, scene)


def test_a_process_that_does_not_end_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_server, "END_S", 0.2)
    note = tmp_path / "pid"
    program = (
        "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"open({str(note)!r}, 'w').write(str(os.getpid()))\n"
        "print('serving', flush=True); time.sleep(600)"
    )

    async def scene(_server: WebServer, events: asyncio.Queue[HostEvent]) -> None:
        await events.get()

    play(tmp_path, program, scene)
    assert not Path(f"/proc/{note.read_text()}").exists()


def test_nothing_is_started_when_it_is_off(tmp_path: Path) -> None:
    note = tmp_path / "started"

    async def scene(server: WebServer, events: asyncio.Queue[HostEvent]) -> None:
        await asyncio.sleep(0.3)
        assert events.empty()
        assert server.problem == ""

    play(tmp_path, f"open({str(note)!r}, 'w')", scene, enabled=False)
    assert not note.exists()


def test_a_program_that_is_missing_is_a_problem(tmp_path: Path) -> None:
    async def run() -> None:
        events: asyncio.Queue[HostEvent] = asyncio.Queue()
        command = (str(tmp_path / "missing"),)
        server = WebServer(Home(tmp_path), WebTable(enabled=True), events.put_nowait, command)
        serving = asyncio.create_task(server.serve())
        event = await asyncio.wait_for(events.get(), PATIENCE_S)
        assert isinstance(event, WebServerEnded)
        assert event.why == "could not be started: No such file or directory"
        serving.cancel()

    asyncio.run(run())
