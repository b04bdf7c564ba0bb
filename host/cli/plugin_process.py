"""Runs a command that plans in a process that may be killed, when there are plugins to load.

    trader plan core --starts--> the same command, with plugins --ends by itself--> its output
                                        |
                                        +-- dies or hangs in a plugin: the plugin's breaker opens,
                                            and the command is run once more, without it

The command's own process never runs the code of a plugin. Standard output of the other process is
held back until its end, so that a command that is run again prints once. Errors and progress go
to the terminal at once.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING, Final

from host.errors import EXIT_FAILED
from host.home.config.plugin_catalogue import runs_plugins
from host.planning.breaker_store import BreakerStore
from host.planning.worker.current_module import VARIABLE, create_memory, read_current_module
from host.plugins.line_process import how_it_ended
from host.sandbox import (
    ACTIVE_PIDS,
    STARTING,
    adopt_orphans,
    child_pids,
    kill_orphans_now,
)
from planner_core.model.circuit_breaker import Signal

if TYPE_CHECKING:
    from host.cli.output import Output
    from host.home.home import Home
    from host.planning.worker.current_module import CurrentModule

HANG_S: Final = 60.0
"""A call of a plugin that takes longer hangs: the result of one of 30 s is dropped already."""
TRIES_MAX: Final = 3
"""Two bad plugins, and the command without them."""
POLL_S: Final = 0.1
"""A hang is looked for this often; the end of the process is noticed at once."""
END_S: Final = 2.0
"""For a process that was killed to end."""
RESULT_VARIABLE: Final = "TRADER_RESULT_FD"
REQUEST_VARIABLE: Final = "TRADER_PLUGIN_REQUEST"
RESULT_BYTES_MAX: Final = 64 * 1024 * 1024
"""Far more than a plan with everything that can be asked of it."""
CHUNK_BYTES: Final = 65_536


@dataclass(slots=True)
class _ThisProcess:
    """The way to load plugins in a process that was started for them; None in any other."""

    load: Callable[[Home], None] | None = None


THIS_PROCESS: Final = _ThisProcess()


def run_with_plugins(
    home: Home, arguments: Sequence[str], output: Output, *, writes: bool
) -> int | None:
    """Run a command in a process with plugins; return its exit code.

    Parameters
    ----------
    home : Home
    arguments : sequence of str
        All arguments of `trader`.
    output : Output
    writes : bool
        Whether the command may write into the home.

    Returns
    -------
    int or None
        None: this process has to run the command, because there are no plugins, or because it was
        started for them.
    """
    if THIS_PROCESS.load is not None:
        THIS_PROCESS.load(home)
        return None
    if not runs_plugins(home):
        return None
    adopt_orphans()
    excluded: dict[str, str] = {}
    why = ""
    for _ in range(TRIES_MAX):
        run = _Run(arguments, excluded, writes=writes)
        result = run.complete()
        if result is not None:
            output.stdout.write(result.text)
            return result.code
        why, suspect = run.why, run.suspect.key
        if not suspect or suspect in excluded:
            break
        excluded[suspect] = f"it {why}"
        output.error(f"trader: {suspect}: it {why}; the command is run once more without it")
        if writes:
            BreakerStore(home).signal(suspect, Signal.CRASH, why)
    output.error(f"trader: the process with the plugins {why} (`trader plugin list` shows them)")
    return EXIT_FAILED


@dataclass(frozen=True, slots=True)
class CommandResult:
    """Output of a command, and its exit code."""

    code: int
    text: str


class _Run:
    """One process, from its start to its end.

    Attributes
    ----------
    suspect : CurrentModule
        The plugin, or the module of one, that ran when the process died.
    why : str
        How it died.
    """

    def __init__(
        self, arguments: Sequence[str], excluded: Mapping[str, str], *, writes: bool
    ) -> None:
        self.why = ""
        self._other_pids = child_pids()
        self._memory = create_memory()
        self._arguments = arguments
        self._request = {"excluded": dict(excluded), "writes": writes}
        self.suspect: CurrentModule = read_current_module(self._memory)

    def complete(self) -> CommandResult | None:
        """Run the process to its end; return None if it died."""
        reading, writing = os.pipe()
        try:
            process = self._start(writing)
        finally:
            os.close(writing)
        try:
            with _forwarded_interrupts(process):
                data = self._read(reading, process)
            self.suspect = read_current_module(self._memory)
        finally:
            os.close(reading)
            os.close(self._memory)
            _end(process, self._other_pids)
        result = _parse(data)
        if result is None:
            self.why = self.why or how_it_ended(process.returncode)
        return result

    def _start(self, result: int) -> subprocess.Popen[bytes]:
        # -P: a folder `host` in the working directory must not hide our package.
        command = (sys.executable, "-P", "-m", "host.cli.plugin_process_main", *self._arguments)
        variables = {
            VARIABLE: str(self._memory),
            RESULT_VARIABLE: str(result),
            REQUEST_VARIABLE: json.dumps(self._request),
            "MALLOC_ARENA_MAX": "1",
        }
        if not self._request["writes"]:
            variables["PYTHONDONTWRITEBYTECODE"] = "1"
        with STARTING:
            process = subprocess.Popen(  # noqa: S603 - our own program, no shell
                command,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                pass_fds=(self._memory, result),
                env={**os.environ, **variables},
            )
            ACTIVE_PIDS.add(process.pid)
        return process

    def _read(self, result: int, process: subprocess.Popen[bytes]) -> bytes:
        """Read the result, until there is one, or the process has ended or hangs."""
        data = b""
        while not data.endswith(b"\n") and len(data) <= RESULT_BYTES_MAX:
            is_ready = select.select([result], [], [], POLL_S)[0]
            if is_ready:
                chunk = os.read(result, CHUNK_BYTES)
                if not chunk:
                    break
                data += chunk
            elif process.poll() is not None:
                break
            elif self._hangs():
                self.why = f"took longer than {HANG_S:g} s"
                break
        return data

    def _hangs(self) -> bool:
        module = read_current_module(self._memory)
        return bool(module.key) and time.monotonic() - module.start_s > HANG_S


def _end(process: subprocess.Popen[bytes], other_pids: Set[int]) -> None:
    """Kill the process with everything that it started, unless it ends by itself."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(POLL_S)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        process.wait(END_S)
    ACTIVE_PIDS.discard(process.pid)
    kill_orphans_now(other_pids)


@contextmanager
def _forwarded_interrupts(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Pass Ctrl-C on: the process has a session of its own, and decides what it means."""

    def forward(number: int, _frame: FrameType | None) -> None:
        process.send_signal(number)

    before = signal.signal(signal.SIGINT, forward)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _parse(data: bytes) -> CommandResult | None:
    try:
        record = json.loads(data)
        return CommandResult(int(record["code"]), str(record["text"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
