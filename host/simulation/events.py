"""What a simulated appliance says: lines of its processes, as events."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import IO, Any, Final

from host.errors import HostError
from host.telemetry.logs.log_format import event_of_line

READ_BYTES: Final = 65_536

Record = dict[str, Any]


class SimulationError(HostError):
    """The board, the daemon or the answer did not come."""

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
    """What a press led to.

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
    """The lines of a pipe, without ever waiting for one."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self.descriptor = pipe.fileno()
        os.set_blocking(self.descriptor, False)
        self._rest = b""
        self.is_open = True

    def read(self) -> list[str]:
        """Return the whole lines that have come."""
        try:
            data = os.read(self.descriptor, READ_BYTES)
        except BlockingIOError:
            return []
        self.is_open = bool(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [line.decode("utf-8", "replace") for line in lines]


def event_of(source: str, line: str, now_s: float) -> SimulatedEvent | None:
    """Return a line as an event; None for words that are none."""
    try:
        found = json.loads(line)
        record = found if source == "board" else event_of_line(found)
        kind = record["event" if source == "board" else "event_type"]
    except (ValueError, KeyError, TypeError):
        return None
    return SimulatedEvent(source, str(kind), record, now_s)
