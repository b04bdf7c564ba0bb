"""The virtual board as a process of its own, driven by a test."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from firmware_bridge.events import ButtonEdge, LinkEvent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from firmware_bridge.link import Link

PATIENCE_S = 20.0  # generous: a busy machine is slow, and no test waits for it when all is well
ROOT = Path(__file__).parents[2]

Report = dict[str, Any]


class BoardProcess:
    """Commands in, reports out; `wait_for` reads reports until the one that is wanted."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.reports: list[Report] = []

    def do(self, what: str, **details: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"do": what, **details}).encode() + b"\n")

    async def wait_for(self, event: str, **details: object) -> Report:
        """Return the next report of this kind with these details."""
        expected = {"event": event, **details}
        async with asyncio.timeout(PATIENCE_S):
            while True:
                report = await self._next_report()
                if expected.items() <= report.items():
                    return report

    async def stop(self) -> int:
        """Close stdin, which ends the board, and return its exit code."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        async with asyncio.timeout(PATIENCE_S):
            return await self.process.wait()

    async def _next_report(self) -> Report:
        assert self.process.stdout is not None
        line = await self.process.stdout.readline()
        assert line, f"the board ended; it said {self.reports}"
        report: Report = json.loads(line)
        self.reports.append(report)
        return report


@contextlib.asynccontextmanager
async def board_process(link: Path, *arguments: str) -> AsyncIterator[BoardProcess]:
    """Start a virtual board and end it whatever happens."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "firmware_bridge.virtual_board", "--link", str(link), *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    try:
        yield BoardProcess(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        assert process.stdin is not None
        process.stdin.close()


async def until(condition: Callable[[], object]) -> None:
    """Wait for something that tells nobody when it happens."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.002)


async def wait_for_event(
    link: Link,
    kind: type[LinkEvent],
    matches: Callable[[Any], bool] = lambda _: True,
) -> Any:  # noqa: ANN401 - the test knows what it asked for
    """Return the next event of a kind, confirming the edges on the way."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            event = await link.next_event()
            assert event is not None, "the link was closed"
            if isinstance(event, kind) and matches(event):
                return event
            if isinstance(event, ButtonEdge):
                link.confirm(event.edge_id)
