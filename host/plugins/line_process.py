"""Runs code of plugins in a process that may be killed; it answers with a JSON object a line.

The process gets one line on its standard input, and answers on a pipe of its own. What the plugins
print does not reach that pipe.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from host.limits import PLUGIN_LINE_BYTES_MAX
from host.sandbox import ACTIVE_PIDS, STARTING, child_pids, kill_orphans_now

PIPE_VARIABLE: Final = "TRADER_PLUGIN_PIPE"
END_S: Final = 2.0
"""For a process that was killed to end."""
OUTPUT_BYTES_MAX: Final = 64 * 1024
CHUNK_BYTES: Final = 65_536
NOT_STARTED: Final = ""
"""In place of a step: nothing of a plugin runs."""


class AnswerPipe:
    """The process's end of the pipe."""

    def __init__(self) -> None:
        self._descriptor = int(os.environ.pop(PIPE_VARIABLE))

    def send(self, **message: object) -> None:
        """Send one line."""
        data = json.dumps(message).encode() + b"\n"
        while data:
            data = data[os.write(self._descriptor, data) :]

    def close(self) -> None:
        """Close the pipe, in a forked child: the parent alone answers."""
        os.close(self._descriptor)


def read_request() -> dict[str, Any]:
    """Return the request, and close standard input."""
    request: dict[str, Any] = json.loads(sys.stdin.readline())
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    return request


class LineProcess(ABC):
    """One process, from its start to its end.

    Parameters
    ----------
    main : str
        Name of the Python module to run.
    request : mapping
    step_s : float
        Seconds for one step: `current` has to change within them.
    start_s : float
        Seconds until the first message: a board takes seconds to import numpy.
    end_s : float
        On the monotonic clock; the process ends then at the latest.
    environment : mapping, optional
        Variables besides ours.
    """

    def __init__(
        self,
        main: str,
        request: Mapping[str, object],
        *,
        step_s: float,
        start_s: float,
        end_s: float,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.current = NOT_STARTED
        """The step that was running when the process ended; a subclass sets it."""
        self.is_done = False
        """Everything was answered; a subclass sets it."""
        self.problem = ""
        """How the process failed; empty: it did not."""
        self.has_ended = False
        """It ended by itself, and was not killed."""
        self._main = main
        self._request = request
        self._step_s = step_s
        self._start_s = start_s
        self._end_s = end_s
        self._environment = environment or {}
        self._other_pids = child_pids()
        self._output = b""
        self._unread = b""

    @abstractmethod
    def on_message(self, message: dict[str, Any]) -> None:
        """Take one message; raise ValueError or KeyError if it makes no sense."""

    @property
    def output(self) -> str:
        """The end of what the process printed."""
        return self._output.decode("utf-8", "replace")

    def complete(self) -> None:
        """Run the process to its end, or to the end of its time."""
        reading, writing = os.pipe()
        try:
            process = self._start(writing)
        finally:
            os.close(writing)
        try:
            problem = self._converse(process, reading)
        finally:
            self._end(process)
            os.close(reading)
        if not self.is_done:
            self.has_ended = not problem
            self.problem = problem or how_it_ended(process.returncode)

    def _start(self, pipe: int) -> subprocess.Popen[bytes]:
        # -P: a folder `host` in the working directory must not hide our package.
        command = (sys.executable, "-P", "-m", self._main)
        own = {"MALLOC_ARENA_MAX": "1", PIPE_VARIABLE: str(pipe)}
        with STARTING:
            process = subprocess.Popen(  # noqa: S603 - our own program, no shell
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                bufsize=0,
                start_new_session=True,
                pass_fds=(pipe,),
                env={**os.environ, **self._environment, **own},
            )
            ACTIVE_PIDS.add(process.pid)
        assert process.stdin is not None
        with suppress(OSError), process.stdin as stdin:
            stdin.write(json.dumps(self._request).encode() + b"\n")
        return process

    def _converse(self, process: subprocess.Popen[bytes], reading: int) -> str:
        """Read until the process has ended or must end; return why it must."""
        assert process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(reading, selectors.EVENT_READ, self._on_answer)
            selector.register(process.stdout, selectors.EVENT_READ, self._on_output)
            allowed_s = self._start_s
            until_s = min(self._end_s, time.monotonic() + allowed_s)
            while not self.is_done:
                events = selector.select(max(0.0, until_s - time.monotonic()))
                if not events:
                    return f"took longer than {allowed_s:g} s"
                before = self.current
                for key, _ in events:
                    data = os.read(key.fd, CHUNK_BYTES)
                    try:
                        key.data(data)
                    except (ValueError, KeyError, TypeError, RecursionError):
                        return "sent invalid output"
                    if not data and key.fd == reading:
                        return ""
                    if not data:
                        selector.unregister(key.fileobj)
                if self.current != before:
                    allowed_s = self._step_s
                    until_s = min(self._end_s, time.monotonic() + self._step_s)
        return ""

    def _on_output(self, data: bytes) -> None:
        self._output = (self._output + data)[-OUTPUT_BYTES_MAX:]

    def _on_answer(self, data: bytes) -> None:
        *lines, self._unread = (self._unread + data).split(b"\n")
        if len(self._unread) > PLUGIN_LINE_BYTES_MAX:
            raise ValueError("a line without an end")
        for line in lines:
            self.on_message(json.loads(line))

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        """Kill the process with everything that it started."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):
            process.wait(END_S)
        if process.stdout is not None:
            process.stdout.close()
        ACTIVE_PIDS.discard(process.pid)
        kill_orphans_now(self._other_pids)


def how_it_ended(code: int | None) -> str:
    """Return how a process ended, for a sentence about what ran in it."""
    if code is None:
        return "does not end"
    if code >= 0:
        return f"ended the process with code {code}"
    try:
        return f"crashed ({signal.Signals(-code).name})"
    except ValueError:
        return f"crashed (signal {-code})"
