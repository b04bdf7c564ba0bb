"""Runs plugins once in a process that may be killed, and says what modules they have.

A plugin that crashes, hangs or leaves something behind costs that process. Then the others are
loaded in another one. A plugin that is not the first of its process is tried alone before it is
blamed: an earlier one may have left a timer or a thread.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from host.limits import PLAN_MEMORY_MB, PLUGIN_LINE_BYTES_MAX
from host.plugins.description import PluginDescription
from host.plugins.inspection_main import PIPE_VARIABLE
from host.sandbox import ACTIVE_PIDS, STARTING, adopt_orphans, kill_orphans_now
from host.text import printable

if TYPE_CHECKING:
    from host.plugins.sources import PluginSource

LOAD_S: Final = 20.0
"""For one plugin, and for the start of the process. A board takes seconds to import numpy."""
TOTAL_S: Final = 60.0
"""For all plugins. Those that are not loaded by then are left out."""
END_S: Final = 2.0
"""For a process that was killed to end."""
STDERR_BYTES_MAX: Final = 64 * 1024
CHUNK_BYTES: Final = 65_536
LAST_LINE_LENGTH: Final = 200
NOT_STARTED: Final = ""
"""In place of a label: no plugin had begun."""


@dataclass(frozen=True, slots=True)
class InspectionLimits:
    """Seconds and megabytes."""

    load_s: float = LOAD_S
    total_s: float = TOTAL_S
    memory_mb: int = PLAN_MEMORY_MB


def inspect_plugins(
    folder: Path, sources: Sequence[PluginSource], limits: InspectionLimits | None = None
) -> list[PluginDescription]:
    """Load each plugin in a process of its own kind, and describe it.

    Parameters
    ----------
    folder : Path
    sources : sequence of PluginSource
        Without a problem.
    limits : InspectionLimits, optional

    Returns
    -------
    list of PluginDescription
        One per source, in their order.
    """
    limits = limits or InspectionLimits()
    adopt_orphans()
    end_s = time.monotonic() + limits.total_s
    waiting = list(sources)
    results: dict[str, PluginDescription] = {}
    has_started = False
    while waiting and time.monotonic() < end_s:
        run = _Run(folder, [source.label for source in waiting], limits, end_s)
        run.complete()
        results |= {item.label: item for item in run.loaded}
        waiting = [source for source in waiting if source.label not in results]
        culprit = next((source for source in waiting if source.label == run.current), None)
        if culprit is not None:
            if not run.loaded:
                results[culprit.label] = _failed(culprit, run.failure)
            waiting.remove(culprit)
            waiting = waiting if culprit.label in results else [culprit, *waiting]
        elif not run.loaded:
            # Nothing is to blame: the process did not start. Once more, then not again.
            if has_started:
                break
            has_started = True
    why = f"was not loaded: all plugins together took longer than {limits.total_s:g} s"
    if waiting and time.monotonic() < end_s:
        why = "was not loaded: the process that loads plugins does not start"
    results |= {source.label: _failed(source, why) for source in waiting}
    return [results[source.label] for source in sources]


def _failed(source: PluginSource, why: str) -> PluginDescription:
    return PluginDescription(label=source.label, sha256=source.sha256, error=why)


class _Run:
    """One process, from its start to its end."""

    def __init__(
        self, folder: Path, labels: list[str], limits: InspectionLimits, end_s: float
    ) -> None:
        self.loaded: list[PluginDescription] = []
        self.current = NOT_STARTED
        """The plugin that was being loaded when the process ended."""
        self.failure = ""
        self._request = {"folder": str(folder), "labels": labels, "memory_mb": limits.memory_mb}
        self._limits = limits
        self._end_s = end_s
        self._stderr = b""
        self._unread = b""
        self._is_done = False

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
        if not self._is_done:
            self.failure = f"{problem or _how_it_ended(process.returncode)} while it was loaded"
            last_line = self._stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
            if last_line and not problem:
                self.failure += f" (its last output: {printable(last_line[0])[:LAST_LINE_LENGTH]})"

    def _start(self, pipe: int) -> subprocess.Popen[bytes]:
        # -P: a folder `host` in the working directory must not hide our package.
        command = (sys.executable, "-P", "-m", "host.plugins.inspection_main")
        with STARTING:
            process = subprocess.Popen(  # noqa: S603 - our own program, no shell
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                bufsize=0,
                start_new_session=True,
                pass_fds=(pipe,),
                env={**os.environ, "MALLOC_ARENA_MAX": "1", PIPE_VARIABLE: str(pipe)},
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
            until_s = min(self._end_s, time.monotonic() + self._limits.load_s)
            while not self._is_done:
                events = selector.select(max(0.0, until_s - time.monotonic()))
                if not events:
                    return f"took longer than {self._limits.load_s:g} s"
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
                    until_s = min(self._end_s, time.monotonic() + self._limits.load_s)
        return ""

    def _on_output(self, data: bytes) -> None:
        self._stderr = (self._stderr + data)[-STDERR_BYTES_MAX:]

    def _on_answer(self, data: bytes) -> None:
        *lines, self._unread = (self._unread + data).split(b"\n")
        if len(self._unread) > PLUGIN_LINE_BYTES_MAX:
            raise ValueError("a line without an end")
        for line in lines:
            self._on_message(json.loads(line))

    def _on_message(self, message: dict[str, Any]) -> None:
        if "loading" in message:
            self.current = str(message["loading"])
        elif "loaded" in message:
            description = PluginDescription.model_validate(message["loaded"])
            if description.label != self.current:
                raise ValueError("about another plugin")
            self.loaded.append(description)
            self.current = NOT_STARTED
        else:
            self._is_done = bool(message["done"])

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        """Kill the process with everything that it started."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):
            process.wait(END_S)
        if process.stdout is not None:
            process.stdout.close()
        ACTIVE_PIDS.discard(process.pid)
        kill_orphans_now()


def _how_it_ended(code: int | None) -> str:
    if code is None:
        return "does not end"
    if code >= 0:
        return f"ended the process with code {code}"
    try:
        return f"crashed ({signal.Signals(-code).name})"
    except ValueError:
        return f"crashed (signal {-code})"
