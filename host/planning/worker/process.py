"""A worker process in a group of its own, with its pipes as streams, and what it leaves behind.

asyncio's own subprocesses count as ended when their pipes are closed. A pipe stays open as long as
any process holds it, for example one that a crashed worker had started. Here the kernel says when
the process itself has ended.

A module may start a process in a session of its own, which outlives the group of its parent. So
the daemon adopts the orphans of its descendants. All other children of the daemon are in its own
session. When a worker is gone, children in other sessions are its orphans, and are killed
(`host/sandbox.py` finds them).
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
from host.planning.worker.current_module import (
    VARIABLE,
    CurrentModule,
    create_memory,
    read_current_module,
)
from host.sandbox import ACTIVE_PIDS, KILL_ROUNDS, STARTING, orphan_pids

ONE_ARENA: Final = {"MALLOC_ARENA_MAX": "1"}
"""glibc reserves 64 MB of addresses per thread, which would count against the memory limit."""
KILL_ROUND_S: Final = 0.01


class WorkerProcess:
    """A process that was started: call `connect` before reading, and always `close`.

    Raises
    ------
    OSError
        When it cannot be started.
    """

    def __init__(self, command: Sequence[str], line_bytes_max: int) -> None:
        self._memory = create_memory()
        try:
            with STARTING:
                self._child = subprocess.Popen(  # noqa: S603 - our own worker, no shell
                    command,
                    bufsize=0,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    start_new_session=True,  # a group of its own, and no signals of our terminal
                    pass_fds=(self._memory,),
                    env={**os.environ, **ONE_ARENA, VARIABLE: str(self._memory)},
                )
                ACTIVE_PIDS.add(self._child.pid)
        except OSError:
            os.close(self._memory)
            raise
        try:
            self._pidfd: int | None = os.pidfd_open(self._child.pid)
        except OSError:
            self._child.kill()
            self._child.wait()
            ACTIVE_PIDS.discard(self._child.pid)
            self._close_files()
            raise
        assert self._child.stdin is not None
        os.set_blocking(self._child.stdin.fileno(), False)
        self.pid = self._child.pid
        self.responses = asyncio.StreamReader(line_bytes_max)
        self.stderr = asyncio.StreamReader(WORKER_STDERR_BYTES_MAX)
        self.has_ended = asyncio.Event()
        self._is_killed = False
        self._loop = asyncio.get_running_loop()
        self._transports: list[asyncio.ReadTransport] = []
        self._loop.add_reader(self._pidfd, self._on_end)

    async def connect(self) -> None:
        """Begin to read from its pipes."""
        await self._connect(self._child.stdout, self.responses)
        await self._connect(self._child.stderr, self.stderr)

    def send(self, line: bytes) -> bool:
        """Send a line without waiting; return False if the process does not take it."""
        assert self._child.stdin is not None
        try:
            return os.write(self._child.stdin.fileno(), line) == len(line)
        except (OSError, ValueError):  # it ended or hangs, or we closed the pipe
            return False

    def current_module(self) -> CurrentModule:
        """Return the module that runs, or ran when the process ended; call it before `close`."""
        return read_current_module(self._memory)

    def kill(self) -> None:
        """Kill the whole group, even if only descendants of the process are left in it."""
        self._is_killed = self._is_killed or not self.has_ended.is_set()
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def close(self) -> str:
        """Kill what is left, close the pipes, and return how the process ended.

        It does not wait: wait for `has_ended` before.
        """
        self.kill()
        self._stop_watching()
        for transport in self._transports:
            transport.close()
        self._close_files()
        code = self._child.poll()
        ACTIVE_PIDS.discard(self.pid)
        if code is None:
            return "was killed but does not end: it hangs in the kernel"
        return f"ended with code {code}" if code >= 0 else f"ended by {_signal_name(-code)}"

    def was_killed_by_others(self) -> bool:
        """Return whether something else killed it: the kernel for its memory, or a person."""
        return self._child.returncode == -signal.SIGKILL and not self._is_killed

    def _close_files(self) -> None:
        os.close(self._memory)
        for stream in (self._child.stdin, self._child.stdout, self._child.stderr):
            if stream is not None:
                with suppress(OSError):
                    stream.close()

    async def _connect(self, pipe: IO[bytes] | None, reader: asyncio.StreamReader) -> None:
        assert pipe is not None
        transport, _ = await self._loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        self._transports.append(transport)

    def _on_end(self) -> None:
        self._stop_watching()
        self.has_ended.set()

    def _stop_watching(self) -> None:
        pidfd, self._pidfd = self._pidfd, None
        if pidfd is not None:
            self._loop.remove_reader(pidfd)
            os.close(pidfd)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


async def kill_orphans() -> None:
    """Kill the descendants of dead workers."""
    for _ in range(KILL_ROUNDS):
        pids = orphan_pids()
        if not pids:
            return
        for pid in pids:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(KILL_ROUND_S)
        _reap(pids)


def _reap(pids: set[int]) -> None:
    """Remove those that have ended from the process table."""
    for pid in pids:
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
