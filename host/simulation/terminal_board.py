"""The board in the terminal: it draws the matrix, and keys press the button.

The terminal is restored in every case: at the end, after an error, on a signal.
"""

from __future__ import annotations

import os
import shutil
import signal
import termios
import time
import tty
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Final, NoReturn, Self, TextIO

from host.simulation.view import DemoView, Style, screen_lines

if TYPE_CHECKING:
    from host.simulation.appliance import SimulatedEvent, Simulation

ENTER_SCREEN: Final = "\x1b[?1049h\x1b[?25l\x1b[2J"
LEAVE_SCREEN: Final = "\x1b[?25h\x1b[?1049l"
HOME: Final = "\x1b[H"
CLEAR_LINE: Final = "\x1b[K"
CLEAR_BELOW: Final = "\x1b[J"
SLEEP_S: Final = 3600.0
BETWEEN_S: Final = 0.2
KEY_BYTES: Final = 64
ENDING_SIGNALS: Final = (signal.SIGTERM, signal.SIGHUP)
QUIT: Final = frozenset("q\x03\x04")


class Terminal:
    """A terminal that reads single keys and shows one screen; ``with`` restores it."""

    def __init__(self, keys: TextIO, screen: TextIO) -> None:
        self.descriptor = keys.fileno()
        self._screen = screen
        self._before = termios.tcgetattr(self.descriptor)
        self._handlers: dict[signal.Signals, object] = {}

    def __enter__(self) -> Self:
        """Switch the terminal to single keys and an alternate screen."""
        for number in ENDING_SIGNALS:  # otherwise a signal would leave it without cursor and echo
            self._handlers[number] = signal.signal(number, _end)
        tty.setcbreak(self.descriptor)
        self._ignore_suspend()
        self._write(ENTER_SCREEN)
        return self

    def __exit__(self, *_: object) -> None:
        """Restore the terminal."""
        try:
            self._write(LEAVE_SCREEN)
        finally:
            termios.tcsetattr(self.descriptor, termios.TCSAFLUSH, self._before)
            for number, handler in self._handlers.items():
                signal.signal(number, handler)  # type: ignore[arg-type]  # what signal() gave us

    def draw(self, lines: list[str]) -> None:
        """Replace the screen by these lines."""
        text = f"{CLEAR_LINE}\r\n".join(lines)
        self._write(f"{HOME}{text}{CLEAR_LINE}{CLEAR_BELOW}")

    def keys(self) -> str:
        """Return the keys that were pressed; Ctrl-D at the end of the input."""
        return os.read(self.descriptor, KEY_BYTES).decode("utf-8", "replace") or "\x04"

    def _ignore_suspend(self) -> None:
        """Disable Ctrl-Z: a shell in the middle of our screen would be useless."""
        settings = termios.tcgetattr(self.descriptor)
        settings[6][termios.VSUSP] = b"\x00"
        termios.tcsetattr(self.descriptor, termios.TCSANOW, settings)

    def _write(self, text: str) -> None:
        self._screen.write(text)
        self._screen.flush()


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    """Exit by an exception, so that every `finally` runs."""
    raise SystemExit(128 + number)


class TerminalBoard:
    """Shows a simulation in a terminal and presses its button."""

    def __init__(
        self,
        appliance: Simulation,
        terminal: Terminal,
        read_plan: Callable[[str, str], object],
        bucket: str = "",
    ) -> None:
        # A daemon that reads the selected bucket from its journal does not report it again.
        self.view = DemoView(bucket)
        self._appliance = appliance
        self._terminal = terminal
        self._read_plan = read_plan
        self._later: list[tuple[float, Callable[[], None]]] = []

    def run(self) -> None:
        """Run until the user quits or the daemon ends."""
        self._appliance.follow(self._on_event)
        while self._appliance.is_running:
            self._draw()
            due_s = min((at_s for at_s, _ in self._later), default=time.monotonic() + SLEEP_S)
            ready = self._appliance.pump(due_s - time.monotonic(), self._terminal.descriptor)
            self._run_due()
            if ready and not self._press_keys(self._terminal.keys()):
                return

    def _draw(self) -> None:
        columns, rows = shutil.get_terminal_size()
        style = Style("NO_COLOR" not in os.environ, columns, rows)
        self.view.levels = self._appliance.levels
        self.view.brightness = self._appliance.brightness
        self.view.leds = self._appliance.leds
        self._terminal.draw(screen_lines(self.view, style))

    def _press_keys(self, keys: str) -> bool:
        """Execute keys; return False when the user quits."""
        for key in keys:
            if key in QUIT:
                return False
            if key in " \r\n":
                self._appliance.press()
            elif key == "d":
                self._appliance.press()
                self._later.append((time.monotonic() + BETWEEN_S, self._appliance.press))
            elif key == "b":
                self._appliance.hold()
            elif key == "c":
                self._appliance.hold_long()
        return True

    def _run_due(self) -> None:
        now_s = time.monotonic()
        due = [do for at_s, do in self._later if at_s <= now_s]
        self._later = [(at_s, do) for at_s, do in self._later if at_s > now_s]
        for do in due:
            do()

    def _on_event(self, event: SimulatedEvent) -> None:
        """Update the view from an event of the daemon."""
        if event.source != "daemon":
            return
        record = event.record
        bucket, data = str(record.get("bucket_id")), record.get("data", {})
        if event.kind == "BucketSelected":
            self.view.bucket, self.view.plan = bucket, None
        elif event.kind == "PlanStored":
            plan = self._read_plan(bucket, str(data.get("file")))
            self.view.plan = plan if isinstance(plan, dict) else None
        title = EVENT_TITLES.get(event.kind)
        if title is not None:
            lines = data.get("lines") or [data.get("remedy") or data.get("problem") or ""]
            self.view.add_event(f"{title} {lines[0]}".strip())


EVENT_TITLES: Final = {
    "BoardConnected": "board connected",
    "BoardDisconnected": "board lost",
    "FirmwareIncompatible": "another protocol:",
    "PlanRequested": "planning",
    "PressJoined": "the plan under way answers this press, too",
    "PlanStored": "plan stored",
    "PlanFailed": "no plan:",
    "PlanCancelled": "plan cancelled",
    "PressIgnored": "press ignored: nothing to do",
    "PressExpired": "press too old: recorded, not executed",
    "FaultAcknowledged": "fault acknowledged",
    "JournalFailed": "cannot write:",
    "InternalError": "internal error:",
}
"""The events that are shown on the screen."""
