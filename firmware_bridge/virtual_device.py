"""A board in software, sans-IO: pins, debouncing, resets, a noisy line, and the protocol.

Commands and reports are plain dictionaries; README.md lists them. `virtual_board` reads and writes
them as lines of JSON.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from firmware_bridge.board_frames import incompatible_frame, stale_frame
from firmware_bridge.board_session import COUNTER_MAX, BoardIdentity, BoardSession
from firmware_bridge.errors import BridgeError
from firmware_bridge.events import (
    BoardEvent,
    EdgeAcknowledged,
    EdgeDropped,
    FrameDisplayed,
    HelloReceived,
    IncompatibleDisplayed,
    SilenceBegan,
    StaleDisplayed,
)
from firmware_bridge.matrix import Frame
from firmware_bridge.messages import (
    BUTTONS_MAX,
    CLOCK_MASK,
    MILLISECONDS,
    PROTOCOL_MAX,
    PROTOCOL_MIN,
    Edge,
)
from firmware_bridge.noise import Noise

if TYPE_CHECKING:
    from firmware_bridge.session import Timing

Report: TypeAlias = dict[str, Any]
DeviceCommand: TypeAlias = Mapping[str, Any]

PRESS_MS: Final = 120
PRESS_MS_MAX: Final = 60_000
GARBAGE_MAX: Final = 4096
DEBOUNCE_S: Final = 0.008
BOUNCES: Final = 6  # changes of the pin within the bounce time; even, so it ends at the new level


class Debouncer:
    """Returns an edge once the pin has had its new level for 8 ms, as the firmware does in C."""

    def __init__(self, debounce_s: float = DEBOUNCE_S) -> None:
        self._debounce_s = debounce_s
        self._pin = Edge.UP
        self._stable = Edge.UP
        self._settles_s: float | None = None

    @property
    def next_deadline(self) -> float | None:
        """Time at which `tick` may return an edge."""
        return self._settles_s

    def set_pin(self, level: Edge, now_s: float) -> None:
        """Set the level of the pin; every change restarts the wait."""
        if level is self._pin:
            return
        self._pin = level
        self._settles_s = now_s + self._debounce_s if level is not self._stable else None

    def tick(self, now_s: float) -> Edge | None:
        """Return the new edge if the pin has been stable for long enough."""
        if self._settles_s is None or now_s < self._settles_s:
            return None
        self._settles_s = None
        self._stable = self._pin
        return self._stable


class CommandError(BridgeError):
    """The virtual board does not know this command or its arguments."""

    code = "bad_command"


class VirtualDevice:
    """A board with buttons and a display.

    Parameters
    ----------
    boot_id
        Of the first boot; each reset adds one.
    now_s
        The moment at which power came on.
    protocol
        Oldest and newest protocol of its firmware, to simulate another version.
    timing
        The intervals of the protocol.
    """

    def __init__(
        self,
        boot_id: int,
        now_s: float,
        *,
        protocol: tuple[int, int] = (PROTOCOL_MIN, PROTOCOL_MAX),
        timing: Timing | None = None,
    ) -> None:
        self.is_plugged = True
        self._protocol = protocol
        self._timing = timing
        self._now_s = now_s
        self._reports: list[Report] = []
        self._noise = Noise(0)
        self._is_mute = False
        self._unmute_s: float | None = None
        self._plug_s: float | None = None
        self._garbage = bytearray()
        self._pins: list[tuple[float, int, int, Edge]] = []  # when, order, button, level
        self._pin_order = 0
        self._session = self._boot(boot_id, lost_reset=0)
        self._debouncers = [Debouncer() for _ in range(BUTTONS_MAX)]
        self._commands: dict[str, Callable[[DeviceCommand], None]] = {
            "press": self._press,
            "down": lambda command: self._move(command, Edge.DOWN),
            "up": lambda command: self._move(command, Edge.UP),
            "reset": self._reset,
            "silence": self._silence,
            "noise": self._set_noise,
            "garbage": self._send_garbage,
            "unplug": self._unplug,
            "plug": self._plug,
            "status": self._status,
        }

    # --- for the process that runs it ------------------------------------------------------

    @property
    def boot_id(self) -> int:
        """The number of the current boot."""
        return self._session.identity.boot_id

    def command(self, command: object, now_s: float) -> None:
        """Execute a command; a wrong one becomes an error report."""
        self._now_s = now_s
        try:
            self._execute(command)
        except CommandError as error:
            self._report("error", message=str(error))

    def receive(self, data: bytes, now_s: float) -> None:
        """Process bytes from the host."""
        self._now_s = now_s
        if not self._is_mute:
            self._session.receive(self._noise.damage(data), now_s)

    def tick(self, now_s: float) -> bytes:
        """Run what is due and return the bytes to send."""
        self._now_s = now_s
        self._run_schedule()
        for button, debouncer in enumerate(self._debouncers):
            edge = debouncer.tick(now_s)
            if edge is not None:
                self._queue_edge(button, edge)
        data = self._noise.damage(self._session.tick(now_s))
        self._collect()
        data += bytes(self._garbage)
        self._garbage.clear()
        return b"" if self._is_mute else data

    def next_deadline(self) -> float | None:
        """Return when `tick` must be called."""
        deadlines = [
            self._session.next_deadline(),
            self._unmute_s,
            self._plug_s,
            self._pins[0][0] if self._pins else None,
            self._now_s if self._garbage else None,
            *(debouncer.next_deadline for debouncer in self._debouncers),
        ]
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def reports(self) -> list[Report]:
        """Return the reports since the last call."""
        reports, self._reports = self._reports, []
        return reports

    # --- commands --------------------------------------------------------------------------

    def _press(self, command: DeviceCommand) -> None:
        button = whole_number(command, "button", 0, BUTTONS_MAX - 1)
        held_s = whole_number(command, "ms", PRESS_MS, PRESS_MS_MAX) / MILLISECONDS
        bounce_s = whole_number(command, "bounce_ms", 0, PRESS_MS_MAX) / MILLISECONDS
        self._schedule_level(button, Edge.DOWN, self._now_s, bounce_s)
        self._schedule_level(button, Edge.UP, self._now_s + held_s, bounce_s)

    def _move(self, command: DeviceCommand, level: Edge) -> None:
        button = whole_number(command, "button", 0, BUTTONS_MAX - 1)
        self._schedule_level(button, level, self._now_s, 0)

    def _reset(self, command: DeviceCommand) -> None:
        del command
        lost = min(self._session.identity.lost_reset + len(self._session.edges), COUNTER_MAX)
        self._session = self._boot((self.boot_id + 1) & CLOCK_MASK, lost_reset=lost)
        self._debouncers = [Debouncer() for _ in range(BUTTONS_MAX)]
        self._report("reset", boot_id=self.boot_id, lost_reset=lost)

    def _silence(self, command: DeviceCommand) -> None:
        duration_ms = whole_number(command, "ms", 0, PRESS_MS_MAX)
        self._is_mute = bool(command.get("on", True))
        timed = self._is_mute and duration_ms > 0
        self._unmute_s = self._now_s + duration_ms / MILLISECONDS if timed else None
        self._report("silence", on=self._is_mute)

    def _set_noise(self, command: DeviceCommand) -> None:
        rate = command.get("rate", 0)
        if not isinstance(rate, int | float) or not 0 <= rate <= 1:
            raise CommandError('"rate" is a probability per byte, 0 to 1')
        self._noise = Noise(rate, whole_number(command, "seed", 0, CLOCK_MASK))
        self._report("noise", rate=rate)

    def _send_garbage(self, command: DeviceCommand) -> None:
        size = whole_number(command, "bytes", 64, GARBAGE_MAX)
        self._garbage += Noise(0, whole_number(command, "seed", 0, CLOCK_MASK)).garbage(size)

    def _unplug(self, command: DeviceCommand) -> None:
        duration_ms = whole_number(command, "ms", 0, PRESS_MS_MAX)
        self._plug_s = self._now_s + duration_ms / MILLISECONDS if duration_ms else None
        self.is_plugged = False

    def _plug(self, command: DeviceCommand) -> None:
        del command
        self._plug_s = None
        self.is_plugged = True

    def _status(self, command: DeviceCommand) -> None:
        del command
        session = self._session
        self._report(
            "status",
            boot_id=self.boot_id,
            state=session.state.name.lower(),
            stale=session.is_stale,
            version=0 if session.frame is None else session.frame.version,
            queued=len(session.edges),
            lost_overflow=session.edges.lost,
            bad_packets=session.carrier.counters.bad_packets,
        )

    # --- inside ----------------------------------------------------------------------------

    def _execute(self, command: object) -> None:
        if not isinstance(command, Mapping):
            raise CommandError("a command is a JSON object")
        action = self._commands.get(str(command.get("do")))
        if action is None:
            raise CommandError(f'"do" must be one of {", ".join(self._commands)}')
        action(command)

    def _boot(self, boot_id: int, lost_reset: int) -> BoardSession:
        """Start the firmware; its clock starts at zero."""
        identity = BoardIdentity(
            boot_id,
            protocol=self._protocol,
            clock_offset_ms=-round(self._now_s * MILLISECONDS),
            lost_reset=lost_reset,
        )
        return BoardSession(identity, timing=self._timing)

    def _schedule_level(self, button: int, level: Edge, at_s: float, bounce_s: float) -> None:
        """Schedule a pin's change to a level, with bounces before it."""
        other = Edge.UP if level is Edge.DOWN else Edge.DOWN
        for bounce in range(BOUNCES if bounce_s else 0):
            pin = other if bounce % 2 else level
            self._schedule_pin(at_s + bounce_s * bounce / BOUNCES, button, pin)
        self._schedule_pin(at_s + bounce_s, button, level)

    def _schedule_pin(self, at_s: float, button: int, level: Edge) -> None:
        self._pin_order += 1
        heapq.heappush(self._pins, (at_s, self._pin_order, button, level))

    def _run_schedule(self) -> None:
        while self._pins and self._pins[0][0] <= self._now_s:
            _, _, button, level = heapq.heappop(self._pins)
            self._debouncers[button].set_pin(level, self._now_s)
        if self._unmute_s is not None and self._now_s >= self._unmute_s:
            self._silence({"on": False})
        if self._plug_s is not None and self._now_s >= self._plug_s:
            self._plug({})

    def _queue_edge(self, button: int, edge: Edge) -> None:
        event_id = self._session.change_button(button, edge, self._now_s)
        if event_id is not None:
            self._report("edge", event_id=event_id, button=button, edge=edge.name.lower())

    def _collect(self) -> None:
        for event in self._session.take_events():
            self._reports.append(_report_of(event))

    def _report(self, event: str, **details: object) -> None:
        self._reports.append({"event": event, **details})


def whole_number(command: DeviceCommand, key: str, default: int, largest: int) -> int:
    """Return a whole number of a command, or raise CommandError."""
    value = command.get(key, default)
    if type(value) is not int or not 0 <= value <= largest:
        raise CommandError(f'"{key}" is a whole number, 0 to {largest}')
    return value


def _report_of(event: BoardEvent) -> Report:
    """Return an event of the session as a report."""
    match event:
        case HelloReceived():
            return {"event": "hello", "session_id": event.session_id, "accepted": event.accepted}
        case FrameDisplayed():
            return {
                "event": "frame",
                "version": event.version,
                "brightness": event.brightness,
                "levels": Frame.from_packed(event.levels).rows(),
            }
        case StaleDisplayed() | IncompatibleDisplayed():
            return _own_picture(event)
        case SilenceBegan():
            return {"event": "silent"}
        case EdgeAcknowledged():
            return {"event": "edge_acked", "event_id": event.event_id}
        case EdgeDropped():
            return {"event": "edge_lost", "button": event.button}


def _own_picture(event: StaleDisplayed | IncompatibleDisplayed) -> Report:
    """Return the report of a picture that the board draws by itself."""
    if isinstance(event, StaleDisplayed):
        return {"event": "stale", "levels": stale_frame().rows()}
    return {"event": "incompatible", "levels": incompatible_frame().rows()}
