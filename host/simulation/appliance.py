"""The whole appliance on this computer: a virtual board, the daemon, and presses of the button.

For the demo, for benchmarks, and for tests of your own::

    with Simulation(home) as appliance:
        appliance.press()
        answer = appliance.wait_for_answer()
        assert answer.plan["outcome"] == "PLANNED"

Board and daemon are separate processes, connected by a pseudo terminal instead of a serial line.
There is no background thread: events are read while the caller waits for something.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, Self

from firmware_bridge.messages import BRIGHTNESS_MAX
from host.errors import HostError
from host.telemetry.logs import event_of_line

READ_BYTES: Final = 65_536
EVENTS_KEPT: Final = 2_000
TIMEOUT_S: Final = 60.0
FRAMES_KEPT: Final = 200
STOP_S: Final = 5.0
SHORT_MS: Final = 100
HOLD_MS: Final = 1_700
LONG_HOLD_MS: Final = 5_300
BETWEEN_S: Final = 0.2
"""Between the two presses of a double one."""

ENDINGS: Final = frozenset({"PlanStored", "PlanFailed", "PlanCancelled", "PlanExpired"})
"""The events that end a requested plan."""

BOARD_COMMAND: Final = (sys.executable, "-P", "-m", "firmware_bridge.virtual_board")
AVR_COMMAND: Final = (sys.executable, "-P", "-m", "host.simulation.avr_board")
"""A board that executes the Yun's firmware; see `avr_build` for its requirements."""
DAEMON_COMMAND: Final = (sys.executable, "-P", "-m", "host.cli")


Record = dict[str, Any]


class SimulationError(HostError):
    """The board, the daemon or the answer is missing."""

    code = "simulation"


@dataclass(frozen=True, slots=True)
class SimulatedEvent:
    """A line of the board or of the daemon; `at_s` is when it was read."""

    source: str
    kind: str
    record: Record
    at_s: float


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of a press.

    Parameters
    ----------
    trace_id : str
        The same in the press, the journal, the plan and the frame.
    plan : dict
        As in `docs/plan-json.md`.
    frame : list of 8 lists of 13 ints
        Levels 0 to 7, when the board first showed the plan.
    press_to_frame_s : float
        From the press to that moment.
    shown_s : float
        That moment, on the clock of the events.
    """

    trace_id: str
    plan: Record
    frame: list[list[int]]
    press_to_frame_s: float
    shown_s: float


class EventLines:
    """The lines of a pipe, read without blocking."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self.descriptor = pipe.fileno()
        os.set_blocking(self.descriptor, False)
        self._rest = b""
        self.is_open = True

    def read(self) -> list[str]:
        """Return the complete lines that were received."""
        try:
            data = os.read(self.descriptor, READ_BYTES)
        except BlockingIOError:
            return []
        self.is_open = bool(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [line.decode("utf-8", "replace") for line in lines]


def event_of(source: str, line: str, now_s: float) -> SimulatedEvent | None:
    """Return a line as an event; None if it is not one."""
    try:
        parsed = json.loads(line)
        record = parsed if source == "board" else event_of_line(parsed)
        kind = record["event" if source == "board" else "event_type"]
    except (ValueError, KeyError, TypeError):
        return None
    return SimulatedEvent(source, str(kind), record, now_s)


class Simulation:
    """A board and a daemon; ``with`` starts and stops them.

    Parameters
    ----------
    home : Path
        Of the daemon.
    board : sequence of str
        The command of a board with the virtual board's commands (see
        `firmware_bridge/README.md`); ``--link PATH`` is added.
    daemon : sequence of str
        The command `trader`; ``run ...`` is added.
    """

    def __init__(
        self,
        home: Path,
        *,
        board: Sequence[str] = BOARD_COMMAND,
        daemon: Sequence[str] = DAEMON_COMMAND,
    ) -> None:
        self.home = home
        self.events: deque[SimulatedEvent] = deque(maxlen=EVENTS_KEPT)
        self.levels: list[list[int]] | None = None
        self.brightness = BRIGHTNESS_MAX
        self.leds: dict[str, bool] = {}
        self.board: subprocess.Popen[bytes] | None = None
        self.daemon: subprocess.Popen[bytes] | None = None
        self.last_lines: deque[str] = deque(maxlen=20)
        self._commands = (tuple(board), tuple(daemon))
        self._folder = tempfile.TemporaryDirectory(prefix="arduino-trader-board-")
        self.port = str(Path(self._folder.name) / "board")
        self._selector = selectors.DefaultSelector()
        self._lines: dict[str, EventLines] = {}
        self._pressed_s = 0.0
        self._follower: Callable[[SimulatedEvent], None] = lambda _event: None
        self._unread: dict[str, deque[SimulatedEvent]] = {}
        self._frames: deque[SimulatedEvent] = deque(maxlen=FRAMES_KEPT)

    def __enter__(self) -> Self:
        """Start the board and the daemon; wait until a press would be answered."""
        with ExitStack() as undo:
            undo.callback(self.close)
            self.start_board()
            self.start_daemon()
            self.wait_until_ready()
            undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop both."""
        self.close()

    # --- the processes ---------------------------------------------------------------------

    def start_board(self) -> None:
        """Plug in a board."""
        command = (*self._commands[0], "--link", self.port)
        # Our own modules, or what the caller asks for; no shell.
        self.board = subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self.board.stdout is not None
        self._watch("board", self.board.stdout)
        self.wait_for("board", "plugged")

    def restart_board(self, board: Sequence[str] = BOARD_COMMAND) -> None:
        """Unplug the board and plug in another one, with its own command."""
        assert self.board is not None
        self.board.terminate()
        self.board.wait(STOP_S)
        if "board" in self._lines:
            self._selector.unregister(self._lines.pop("board").descriptor)
        self._close_pipes(self.board)
        self._commands = (tuple(board), self._commands[1])
        self.start_board()

    def start_daemon(self) -> None:
        """Start `trader run`, whose log is read as events."""
        arguments = ("--home", str(self.home), "run", "--port", self.port, "--json")
        self.daemon = subprocess.Popen(  # noqa: S603 - as above
            (*self._commands[1], *arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        assert self.daemon.stderr is not None
        self._watch("daemon", self.daemon.stderr)

    def restart_daemon(self, daemon: Sequence[str] = DAEMON_COMMAND) -> None:
        """Start another daemon after the last one ended, with its own command."""
        self._close_pipes(self.daemon)
        self._commands = (self._commands[0], tuple(daemon))
        self.start_daemon()

    def stop_daemon(self, *, kill: bool = False) -> int:
        """Stop the daemon, or kill it as a power cut would; return its exit code."""
        assert self.daemon is not None
        self.daemon.kill() if kill else self.daemon.terminate()
        return self.wait_for_daemon_end()

    def wait_for_daemon_end(self, timeout_s: float = TIMEOUT_S) -> int:
        """Wait until the daemon has ended, and read its last lines."""
        assert self.daemon is not None
        deadline_s = time.monotonic() + timeout_s
        while "daemon" in self._lines and time.monotonic() < deadline_s:
            self.pump(deadline_s - time.monotonic())
        try:
            return self.daemon.wait(max(deadline_s - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            raise SimulationError(f"the daemon did not end within {timeout_s:g} s") from None

    def close(self) -> None:
        """Terminate the daemon and the board; kill them if they do not stop."""
        for process in (self.daemon, self.board):
            if process is None:
                continue
            process.terminate()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            self._close_pipes(process)
        self._selector.close()
        self._lines.clear()
        self._folder.cleanup()

    # --- the button ------------------------------------------------------------------------

    def command_board(self, do: str, **details: object) -> None:
        """Send the board a command, such as ``command_board("reset")``."""
        assert self.board is not None
        assert self.board.stdin is not None
        line = json.dumps({"do": do, **details}) + "\n"
        try:
            self.board.stdin.write(line.encode())
            self.board.stdin.flush()
        except BrokenPipeError:
            raise SimulationError("the board's process has ended") from None

    def press(self, ms: int = SHORT_MS) -> None:
        """Press the button for this time; return at once."""
        self._pressed_s = time.monotonic()
        self.command_board("press", ms=ms)

    def press_twice(self) -> None:
        """Press the button twice, quickly."""
        self.press()
        self.pump_for(BETWEEN_S)
        self.press()

    def hold(self) -> None:
        """Hold the button until a release selects the next bucket."""
        self.press(HOLD_MS)

    def hold_long(self) -> None:
        """Hold the button until it cancels."""
        self.press(LONG_HOLD_MS)

    # --- events -------------------------------------------------------------------------

    def wait_for(
        self,
        source: str,
        kind: str,
        timeout_s: float = TIMEOUT_S,
        where: Callable[[Record], bool] = lambda _record: True,
    ) -> SimulatedEvent:
        """Return the next event of a kind, after the last one that this returned.

        Raises
        ------
        SimulationError
            When it does not come, with the last lines of the processes.
        """
        return self.wait_for_any(source, {kind}, timeout_s, where)

    def wait_for_any(
        self,
        source: str,
        kinds: Collection[str],
        timeout_s: float = TIMEOUT_S,
        where: Callable[[Record], bool] = lambda _record: True,
    ) -> SimulatedEvent:
        """Return the next event of one of several kinds; see `wait_for`."""
        deadline_s = time.monotonic() + timeout_s
        while True:
            for event in self._unread_events(source):
                if event.kind in kinds and where(event.record):
                    return event
            left_s = deadline_s - time.monotonic()
            if left_s <= 0 or source not in self._lines:
                lines = "; ".join(self.last_lines) or "no output"
                if source not in self._lines:
                    raise SimulationError(f"the {source} ended: {lines}")
                raise SimulationError(f"the {source} did not report {' or '.join(kinds)} ({lines})")
            self.pump(left_s)

    def wait_until_ready(self, timeout_s: float = TIMEOUT_S) -> None:
        """Wait until the board is connected and the planner is warm."""
        missing = {"BoardConnected", "WorkerWarm"}
        while missing:
            missing.discard(self.wait_for_any("daemon", missing, timeout_s).kind)

    def wait_for_answer(self, timeout_s: float = TIMEOUT_S) -> Answer:
        """Return the plan of the press and the frame that shows it.

        Raises
        ------
        SimulationError
            When there is no plan, with the daemon's reason.
        """
        ended = self.wait_for_any("daemon", ENDINGS, timeout_s)
        if ended.kind != "PlanStored":
            lines = ended.record["data"].get("lines") or [ended.kind]
            raise SimulationError(f"there is no plan: {'; '.join(lines)}")
        trace_id = str(ended.record["trace_id"])
        shown = self.wait_for(
            "daemon", "FrameShown", timeout_s, lambda record: record["trace_id"] == trace_id
        )
        version = shown.record["data"]["version"]
        frame = self._frame(version, timeout_s)
        folder = self.home / "plans" / str(ended.record["bucket_id"])
        plan = json.loads((folder / str(ended.record["data"]["file"])).read_bytes())
        return Answer(
            trace_id, plan, frame.record["levels"], frame.at_s - self._pressed_s, frame.at_s
        )

    @staticmethod
    def now_s() -> float:
        """Return the time on the clock of the events."""
        return time.monotonic()

    @property
    def is_running(self) -> bool:
        """True while board and daemon are both running."""
        return len(self._lines) == 2  # noqa: PLR2004 - these two

    def follow(self, follower: Callable[[SimulatedEvent], None]) -> None:
        """Call a function with every event, beginning with those already read."""
        for event in self.events:
            follower(event)
        self._follower = follower

    def pump(self, timeout_s: float, *descriptors: int) -> set[int]:
        """Wait at most this long for output of the processes, and read it.

        Parameters
        ----------
        timeout_s : float
        descriptors : ints
            Of the caller, to wait for as well; the readable ones are returned.
        """
        for descriptor in descriptors:
            self._selector.register(descriptor, selectors.EVENT_READ)
        try:
            ready = {key.fd for key, _ in self._selector.select(max(timeout_s, 0.0))}
        finally:
            for descriptor in descriptors:
                self._selector.unregister(descriptor)
        for source, lines in list(self._lines.items()):
            if lines.descriptor in ready:
                self._read(source, lines)
        return ready & set(descriptors)

    def pump_for(self, duration_s: float) -> None:
        """Wait for this long, and read the output meanwhile."""
        until_s = time.monotonic() + duration_s
        while (left_s := until_s - time.monotonic()) > 0:
            self.pump(left_s) if self._lines else time.sleep(left_s)

    # --- inside ----------------------------------------------------------------------------

    @staticmethod
    def _close_pipes(process: subprocess.Popen[bytes] | None) -> None:
        if process is None:
            return
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()

    def _watch(self, source: str, pipe: IO[bytes]) -> None:
        self._lines[source] = EventLines(pipe)
        self._unread[source] = deque(maxlen=EVENTS_KEPT)
        self._selector.register(pipe, selectors.EVENT_READ)

    def _unread_events(self, source: str) -> Iterator[SimulatedEvent]:
        while self._unread[source]:
            yield self._unread[source].popleft()

    def _frame(self, version: int, timeout_s: float) -> SimulatedEvent:
        """Return the frame of a version; the daemon may report it before the board does."""
        for frame in self._frames:
            if frame.record["version"] == version:
                return frame
        return self.wait_for(
            "board", "frame", timeout_s, lambda record: record["version"] == version
        )

    def _read(self, source: str, lines: EventLines) -> None:
        now_s = time.monotonic()
        for line in lines.read():
            event = event_of(source, line, now_s)
            if event is None:
                self.last_lines.append(line[:300])
                continue
            self.events.append(event)
            self._follower(event)
            self._unread[source].append(event)
            if source == "board":
                self._update_board(event)
            if event.record.get("severity") in {"WARN", "ERROR"}:
                self.last_lines.append(f"{event.kind}: {event.record.get('data')}"[:300])
        if not lines.is_open:
            self._selector.unregister(lines.descriptor)
            del self._lines[source]

    def _update_board(self, event: SimulatedEvent) -> None:
        record = event.record
        if "levels" in record:
            self.levels = record["levels"]
            self.brightness = record.get("brightness", BRIGHTNESS_MAX)
        if event.kind == "frame":
            self._frames.append(event)
        elif event.kind == "led":
            self.leds[record["name"]] = bool(record["level"])
