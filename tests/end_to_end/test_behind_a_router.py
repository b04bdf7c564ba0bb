"""The daemon with the Uno Q's sketch, behind a router that comes late and restarts."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from host.telemetry.logs import event_of_line
from tests.end_to_end.promises import PATIENCE_S, assert_promises, small_home, trader
from tests.firmware_bridge.test_router_port import RouterService, service
from tools.build_firmware import Built
from tools.chaos.promises import plan_files

PRESS_S = 0.2


class DaemonLines:
    """A daemon whose log is read event by event."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self._pending: list[dict[str, Any]] = []

    async def wait_for(self, kind: str) -> dict[str, Any]:
        """Return the first event of a kind that was not waited for yet, in any order of kinds."""
        assert self.process.stderr is not None
        async with asyncio.timeout(PATIENCE_S):
            while not (matches := [r for r in self._pending if r["event_type"] == kind]):
                line = await self.process.stderr.readline()
                assert line, f"the daemon ended without {kind}"
                with contextlib.suppress(ValueError, KeyError):
                    self._pending.append(event_of_line(json.loads(line)))
        self._pending.remove(matches[0])
        return matches[0]


@contextlib.asynccontextmanager
async def daemon(home: Path, plan_s: float) -> AsyncIterator[DaemonLines]:
    process = await asyncio.create_subprocess_exec(
        *trader(plan_s),
        *("--home", str(home), "run", "--json"),
        stderr=asyncio.subprocess.PIPE,
        limit=1 << 20,
    )
    try:
        yield DaemonLines(process)
        process.terminate()
        await process.communicate()
        assert process.returncode == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def home_behind(socket: Path) -> Path:
    link = f'[link]\ncarrier = "router"\nsocket = "{socket}"\n'
    return small_home(socket.parent / "home", link)


async def press(router: RouterService) -> None:
    router.bench.pin(0, is_down=True)
    await asyncio.sleep(PRESS_S)
    router.bench.pin(0, is_down=False)


def test_a_press_is_answered_through_a_router_that_came_late_and_restarts_under_the_plan(
    built: Built, tmp_path: Path
) -> None:
    home = home_behind(tmp_path / "router.sock")

    async def scenario() -> None:
        async with service(built, tmp_path) as router, daemon(home, plan_s=1.5) as lines:
            await lines.wait_for("PortMissing")
            await router.start()
            connected = await lines.wait_for("BoardConnected")
            assert connected["data"]["board"] == "uno_q"
            await lines.wait_for("WorkerWarm")
            await press(router)
            await lines.wait_for("PlanRequested")
            await router.stop()
            await lines.wait_for("PortMissing")
            await router.start()
            stored = await lines.wait_for("PlanStored")
            shown = await lines.wait_for("FrameShown")
            assert shown["trace_id"] == stored["trace_id"]

    asyncio.run(scenario())
    assert_promises(home)
    assert len(plan_files(home)) == 1


def test_no_command_takes_the_board_from_a_daemon_behind_a_router(
    built: Built, tmp_path: Path
) -> None:
    home = home_behind(tmp_path / "router.sock")

    async def scenario() -> None:
        async with service(built, tmp_path) as router, daemon(home, plan_s=0.0) as lines:
            await router.start()
            await lines.wait_for("BoardConnected")
            command = (sys.executable, "-P", "-m", "host.cli", "--home", str(home), "board", "info")
            completed = await asyncio.to_thread(
                subprocess.run, command, capture_output=True, text=True, timeout=60, check=False
            )
            assert completed.returncode == 1
            assert f"in use by process {lines.process.pid}" in completed.stderr
            await press(router)
            await lines.wait_for("PlanStored")

    asyncio.run(scenario())


def test_board_info_asks_through_the_router(built: Built, tmp_path: Path) -> None:
    home = home_behind(tmp_path / "router.sock")

    async def scenario() -> None:
        async with service(built, tmp_path) as router:
            await router.start()
            command = (sys.executable, "-P", "-m", "host.cli", "--home", str(home), "board")
            completed = await asyncio.to_thread(
                subprocess.run,
                (*command, "info", "--json"),
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert completed.returncode == 0, completed.stderr
            info = json.loads(completed.stdout)
            assert (info["board"], info["compatible"]) == ("uno_q", True)
            assert info["pictures"]["confirmed"] > 0

    asyncio.run(scenario())
