"""A child process in a group of its own, with its pipes as streams, whose end is never missed.

asyncio's own subprocesses count as ended when their pipes are closed, and a pipe stays open for as
long as anybody holds it: what a crashed child had started itself, for example. Here the kernel says
when the process itself is gone.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from typing import IO, Final

from host.limits import WORKER_STDERR_BYTES_MAX
from host.planning.worker.current_module import VARIABLE, Running, new_memory, read_note
from host.planning.worker.orphan_reaper import LIVING

ONE_ARENA: Final = {"MALLOC_ARENA_MAX": "1"}
"""glibc reserves 64 MB of addresses for each thread that asks for memory; they would count."""


class WorkerProcess:
    """A process that was started; `connect` it before reading, and always `end` it.

    Raises
    ------
    OSError
        When it cannot be started.
    """

    def __init__(self, command: Sequence[str], line_bytes_max: int) -> None:
        self._note = new_memory()
        try:
            self._child = subprocess.Popen(  # noqa: S603 - our own worker, no shell
                command,
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,  # a group of its own, and no signals of our terminal
                pass_fds=(self._note,),
                env={**os.environ, **ONE_ARENA, VARIABLE: str(self._note)},
            )
        except OSError:
            os.close(self._note)
            raise
        try:
            self._watched: int | None = os.pidfd_open(self._child.pid)
        except OSError:
            self._child.kill()
            self._child.wait()
            self._close()
            raise
        assert self._child.stdin is not None
        os.set_blocking(self._child.stdin.fileno(), False)
        self.pid = self._child.pid
        LIVING.add(self.pid)
        self.answers = asyncio.StreamReader(line_bytes_max)
        self.complaints = asyncio.StreamReader(WORKER_STDERR_BYTES_MAX)
        self.has_ended = asyncio.Event()
        self._is_killed = False
        self._loop = asyncio.get_running_loop()
        self._pipes: list[asyncio.ReadTransport] = []
        self._loop.add_reader(self._watched, self._on_end)

    async def connect(self) -> None:
        """Begin to read what it says."""
        await self._connect(self._child.stdout, self.answers)
        await self._connect(self._child.stderr, self.complaints)

    def send(self, line: bytes) -> bool:
        """Send a line at once; False when the process does not take it."""
        assert self._child.stdin is not None
        try:
            return os.write(self._child.stdin.fileno(), line) == len(line)
        except (OSError, ValueError):  # gone, stuck, or closed by us
            return False

    def running(self) -> Running:
        """Return which of its modules runs, or ran when it died; ask before `end`."""
        return read_note(self._note)

    def kill(self) -> None:
        """Kill the whole group, also when only what the process left behind is alive."""
        self._is_killed = self._is_killed or not self.has_ended.is_set()
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def end(self) -> str:
        """Kill what is left, take back the pipes, and say how the process ended.

        Wait for `has_ended` first: this does not.
        """
        self.kill()
        self._stop_watching()
        for pipe in self._pipes:
            pipe.close()
        self._close()
        code = self._child.poll()
        LIVING.discard(self.pid)
        if code is None:
            return "was killed and does not end: the kernel holds it"
        return f"ended with code {code}" if code >= 0 else f"ended by {_signal_name(-code)}"

    def _close(self) -> None:
        os.close(self._note)
        for stream in (self._child.stdin, self._child.stdout, self._child.stderr):
            if stream is not None:
                with suppress(OSError):
                    stream.close()

    def was_killed_by_others(self) -> bool:
        """Tell whether it was killed, and not by us: for its memory, or by somebody."""
        return self._child.returncode == -signal.SIGKILL and not self._is_killed

    async def _connect(self, pipe: IO[bytes] | None, reader: asyncio.StreamReader) -> None:
        assert pipe is not None
        transport, _ = await self._loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        self._pipes.append(transport)

    def _on_end(self) -> None:
        self._stop_watching()
        self.has_ended.set()

    def _stop_watching(self) -> None:
        watched, self._watched = self._watched, None
        if watched is not None:
            self._loop.remove_reader(watched)
            os.close(watched)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
