"""Commands of a checkout, and a board with its daemon, in processes that `trips_tracer` watches.

Nothing of the checkout is imported here. Its command `trader`, its virtual board and the lines that
`trader run --json` writes are used as a user uses them. So trees with other file names work, too.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
import tomllib
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, Final, NamedTuple, Self

TRACER: Final = Path(__file__).resolve().with_name("trips_tracer.py")
TIMEOUT_S: Final = 60.0
QUIET_S: Final = 3.0
"""The daemon is at rest when it has written no line for so long; its health looks every 2 s."""
PRESS_MS: Final = 100
MS_PER_S: Final = 1000
PLAN_ENDINGS: Final = frozenset({"PlanStored", "PlanFailed", "PlanCancelled", "PlanExpired"})

Functions = dict[str, list[str]]
"""The functions that were entered, by file."""


class TripError(Exception):
    """A trip did not arrive."""


class TripTimes(NamedTuple):
    """The times at which a trip begins and reaches its goal, and the daemon is at rest again."""

    begin_s: float
    goal_s: float
    rest_s: float


class ReportedLine(NamedTuple):
    """A line of the board or of the daemon, and when it was read."""

    source: str
    kind: str
    record: dict[str, Any]
    at_s: float


class Report:
    """The file of a tracer: the functions that one process entered, and when."""

    def __init__(self, path: Path) -> None:
        self._entries: list[tuple[str, str, list[int]]] = json.loads(path.read_text("utf-8"))
        if not self._entries:
            raise TripError("no function was entered: the command ran files of another tree")

    def between(self, begin_s: float = 0.0, end_s: float = float("inf")) -> Functions:
        """Return the functions that were entered between two times of the monotonic clock."""
        begin_ms, end_ms = begin_s * MS_PER_S, end_s * MS_PER_S
        functions: defaultdict[str, list[str]] = defaultdict(list)
        for file, function, times_ms in self._entries:
            if any(begin_ms <= time_ms <= end_ms for time_ms in times_ms):
                functions[file].append(function)
        return {file: sorted(functions[file]) for file in sorted(functions)}


class Checkout:
    """A tree to measure, and the ways to start its commands."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.root = root.resolve()
        self.folder = folder
        project = tomllib.loads((self.root / "pyproject.toml").read_text("utf-8"))["project"]
        self.entry_point = str(project["scripts"]["trader"])
        board = next((self.root / "firmware_bridge").rglob("virtual_board.py"), None)
        if board is None:
            raise TripError(f"{self.root} has no virtual board below firmware_bridge")
        self._board = ".".join(board.relative_to(self.root).with_suffix("").parts)
        self.environment = {**os.environ, "PYTHONPATH": str(self.root)}

    def board_command(self, port: Path) -> Sequence[str]:
        """Return the command of the virtual board."""
        return (sys.executable, "-P", "-m", self._board, "--link", str(port))

    def traced_command(self, report: Path, *arguments: str) -> Sequence[str]:
        """Return the command `trader ARGUMENTS` under the tracer."""
        tracer = (sys.executable, "-P", str(TRACER), str(report), str(self.root), self.entry_point)
        return (*tracer, *arguments)

    def run(self, name: str, *arguments: str) -> Functions:
        """Run `trader ARGUMENTS` to its end; return what its process entered."""
        path = self.folder / f"{name}.json"
        completed = subprocess.run(
            self.traced_command(path, *arguments),
            cwd=self.folder,
            env=self.environment,
            check=False,
            capture_output=True,
            text=True,
            errors="replace",
        )
        if completed.returncode != 0:
            words = completed.stderr.strip()
            raise TripError(
                f"trader {' '.join(arguments)} ended with {completed.returncode}: {words}"
            )
        return Report(path).between()

    def demo_home(self, name: str) -> Path:
        """Write a demo home."""
        home = self.folder / name
        self.run(f"init-{name}", "--home", str(home), "init", "--demo")
        return home


class Appliance:
    """A virtual board and a traced daemon that serves it; ``with`` starts and ends them."""

    def __init__(self, checkout: Checkout, home: Path) -> None:
        self._checkout = checkout
        self._home = home
        self._report = checkout.folder / "daemon.json"
        self._lines: queue.Queue[ReportedLine] = queue.Queue()
        self._processes: list[subprocess.Popen[bytes]] = []
        self._readers: list[tuple[threading.Thread, IO[bytes]]] = []

    def __enter__(self) -> Self:
        """Start the board, then the daemon, and wait until a press would be answered at once."""
        with ExitStack() as undo:
            undo.callback(self.close)
            port = self._checkout.folder / "board"
            self._board = self._start("board", self._checkout.board_command(port))
            self.wait_for("board", {"plugged"})
            arguments = ("--home", str(self._home), "run", "--port", str(port), "--json")
            self._start("daemon", self._checkout.traced_command(self._report, *arguments))
            missing = {"BoardConnected", "WorkerWarm"}
            while missing:
                missing.discard(self.wait_for("daemon", missing).kind)
            undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """End both."""
        self.close()

    def close(self) -> None:
        """End both; the daemon first, so that its report is written."""
        for process in reversed(self._processes):
            process.terminate()
            try:
                process.wait(TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdin is not None:
                process.stdin.close()
        for reader, pipe in self._readers:
            reader.join()
            pipe.close()

    def report(self) -> Report:
        """Return what the daemon entered; it must have ended."""
        return Report(self._report)

    def press(self) -> None:
        """Press the button of the board once."""
        assert self._board.stdin is not None
        command = {"do": "press", "ms": PRESS_MS}
        self._board.stdin.write(json.dumps(command).encode() + b"\n")
        self._board.stdin.flush()

    def wait_for(
        self,
        source: str,
        kinds: Collection[str],
        accepts: Callable[[ReportedLine], bool] = lambda _line: True,
    ) -> ReportedLine:
        """Return the next line of one of several kinds."""
        deadline_s = time.monotonic() + TIMEOUT_S
        while (left_s := deadline_s - time.monotonic()) > 0:
            try:
                line = self._lines.get(timeout=left_s)
            except queue.Empty:
                break
            if line.source == source and line.kind in kinds and accepts(line):
                return line
        raise TripError(f"the {source} did not report {' or '.join(sorted(kinds))}")

    def wait_for_plan(self) -> None:
        """Wait until the board has confirmed to the daemon that it shows the plan of a press."""
        ending = self.wait_for("daemon", PLAN_ENDINGS)
        if ending.kind != "PlanStored":
            raise TripError(f"the press led to {ending.kind}: {ending.record['Attributes']}")
        trace_id = ending.record["TraceId"]
        self.wait_for("daemon", {"FrameShown"}, lambda line: line.record["TraceId"] == trace_id)

    def wait_for_rest(self) -> None:
        """Wait until the daemon has written no line for a while; the board may show a film."""
        deadline_s = time.monotonic() + TIMEOUT_S
        rest_s = time.monotonic() + QUIET_S
        while (left_s := rest_s - time.monotonic()) > 0:
            try:
                line = self._lines.get(timeout=left_s)
            except queue.Empty:
                return
            if line.source == "daemon":
                rest_s = line.at_s + QUIET_S
            if line.at_s > deadline_s:
                raise TripError("the daemon does not come to rest")

    def _start(self, source: str, command: Sequence[str]) -> subprocess.Popen[bytes]:
        """Start a process and read its lines: the board's output, and the daemon's log."""
        is_board = source == "board"
        process = subprocess.Popen(
            command,
            cwd=self._checkout.folder,
            env=self._checkout.environment,
            stdin=subprocess.PIPE if is_board else subprocess.DEVNULL,
            stdout=subprocess.PIPE if is_board else subprocess.DEVNULL,
            stderr=None if is_board else subprocess.PIPE,
        )
        self._processes.append(process)
        pipe = process.stdout if is_board else process.stderr
        assert pipe is not None
        reader = threading.Thread(target=self._read, args=(source, pipe), daemon=True)
        reader.start()
        self._readers.append((reader, pipe))
        return process

    def _read(self, source: str, pipe: IO[bytes]) -> None:
        key = "event" if source == "board" else "EventName"
        for text in pipe:  # until the process has ended
            try:
                record = json.loads(text)
                line = ReportedLine(source, str(record[key]), record, time.monotonic())
            except (ValueError, KeyError, TypeError):
                sys.stderr.write(
                    f"{source}: {text.decode(errors='replace')}"
                )  # words, not an event
            else:
                self._lines.put(line)

    def timed(self, act: Callable[[], None], wait: Callable[[], object]) -> TripTimes:
        """Do something, and wait for its goal and then for the rest; return the times."""
        begin_s = time.monotonic()
        act()
        wait()
        goal_s = time.monotonic()
        self.wait_for_rest()
        return TripTimes(begin_s, goal_s, time.monotonic())
