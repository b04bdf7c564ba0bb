"""The HTTP API beside the daemon, while `[web] enabled = true`: started, watched, started again.

It is `trader serve` in a process of its own. In a thread of the daemon it would hold Python's lock
while it reads files and plans, and the link would wait: 11 ms instead of 0.4 for every second
packet, and half a second at worst. And whatever happens to it, the daemon goes on.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from host.backoff import backoff_s
from host.telemetry.events import WebServerEnded, WebServerReady

if TYPE_CHECKING:
    from host.home.config.device_settings import WebTable
    from host.home.home import Home
    from host.telemetry.events import HostEvent

RETRY_MIN_S: Final = 2.0
RETRY_MAX_S: Final = 300.0
"""A port that another program uses may be free later, and somebody may install the packages."""
STEADY_S: Final = 60.0
"""After serving for so long, an end is the first failure again."""
END_S: Final = 5.0
"""`trader serve` ends within three seconds; then it is killed."""
LINES_MAX: Final = 5
LINE_BYTES_MAX: Final = 4096
LINE_CHARACTERS_MAX: Final = 500


class WebServer:
    """Runs `trader serve`.

    Parameters
    ----------
    home : Home
    table : WebTable
        Of `device.toml` at the start of the daemon.
    publish : callable taking a HostEvent
    command : sequence of str, optional
        Another program, for tests.
    """

    def __init__(
        self,
        home: Home,
        table: WebTable,
        publish: Callable[[HostEvent], None],
        command: Sequence[str] | None = None,
    ) -> None:
        # -P: a folder `host` in the daemon's working directory must not hide our package.
        python = (sys.executable, "-P", "-m", "host.cli", "--home", str(home.root.absolute()))
        address = (f"--host={table.host}", f"--port={table.port}")
        self._command = tuple(command or (*python, "serve", "--child", *address))
        self._is_enabled = table.enabled
        self._publish = publish
        self.problem = ""
        """Why the API is not served; empty while it is, or when it is off."""

    async def serve(self) -> None:
        """Keep the API served, forever."""
        if not self._is_enabled:
            await asyncio.Event().wait()
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            start_s = loop.time()
            self.problem = await self._run_once()
            failures = 1 if loop.time() - start_s >= STEADY_S else failures + 1
            retry_s = backoff_s(failures, RETRY_MIN_S, RETRY_MAX_S)
            self._publish(WebServerEnded(why=self.problem, retry_s=retry_s))
            await asyncio.sleep(retry_s)

    async def _run_once(self) -> str:
        """Run the process to its end; return how it ended."""
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                limit=LINE_BYTES_MAX,
                # A group of its own, to end it whole; not a session: by that the supervision of
                # the planner's process recognizes what a dead worker left behind.
                process_group=0,
            )
        except OSError as error:
            return f"could not be started: {error.strerror}"
        assert process.stdout is not None
        assert process.stderr is not None
        announcing = asyncio.create_task(self._announce(process.stdout))
        reading = asyncio.create_task(_last_lines(process.stderr))
        try:
            code = await process.wait()
            lines = await reading
        finally:
            for task in (announcing, reading):
                task.cancel()
            await _end(process)
        last = lines[-1] if lines else f"ended with {code}"
        return last[:LINE_CHARACTERS_MAX]

    async def _announce(self, stdout: asyncio.StreamReader) -> None:
        """Publish the line that says that it serves, and discard the rest."""
        line = await _read_line(stdout)
        if line:
            self.problem = ""
            self._publish(WebServerReady(line=line[:LINE_CHARACTERS_MAX]))
        while await stdout.read(LINE_BYTES_MAX):
            pass


async def _last_lines(stream: asyncio.StreamReader) -> list[str]:
    """Return the last lines of a stream, once it has ended."""
    lines: deque[str] = deque(maxlen=LINES_MAX)
    while True:
        line = await _read_line(stream)
        if line is None:
            return list(lines)
        if line:
            lines.append(line)


async def _read_line(stream: asyncio.StreamReader) -> str | None:
    """Return the next line, empty if it is too long; None at the end."""
    try:
        line = await stream.readline()
    except ValueError:  # longer than the limit; what was read so far is discarded
        return ""
    return line.decode("utf-8", "replace").strip() if line else None


async def _end(process: asyncio.subprocess.Process) -> None:
    """End the process and what it started; wait for it."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(process.wait()), END_S)
