"""The link, watched: its events for the journal, and a line that damages packets."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from firmware_bridge.events import (
    BoardConnected,
    BoardDisconnected,
    BoardRefused,
    FirmwareIncompatible,
    PortMissing,
    PortOpened,
)
from firmware_bridge.messages import PROTOCOL_MAX, PROTOCOL_MIN
from host.telemetry import events as told

if TYPE_CHECKING:
    from firmware_bridge.link import LinkStatistics
    from host.telemetry.events import HostEvent

WINDOW_S: Final = 60.0
DAMAGED_MIN: Final = 3
DAMAGED_SHARE: Final = 0.02
"""A good line damages less than one packet in a million; one in fifty is worth a look."""


class LinkWatch:
    """Looks at the link's counters now and then.

    Parameters
    ----------
    port : str
        Where the board is.
    statistics : callable returning LinkStatistics
    """

    def __init__(self, port: str, statistics: Callable[[], LinkStatistics]) -> None:
        self.port = port
        self._statistics = statistics
        self._looks: deque[tuple[float, int, int]] = deque()

    def is_unsteady(self, now_s: float) -> bool:
        """Tell whether too much of the last minute's packets was damaged."""
        found = self._statistics()
        # What was damaged on its way to the board shows as having to be sent again.
        damaged = found.bad_packets + found.bad_bodies + found.retransmits
        self._looks.append((now_s, damaged, found.packets_received))
        while self._looks[0][0] < now_s - WINDOW_S:
            self._looks.popleft()
        _, damaged_before, received_before = self._looks[0]
        damaged -= damaged_before
        all_packets = damaged + found.packets_received - received_before
        return damaged >= DAMAGED_MIN and damaged >= DAMAGED_SHARE * all_packets


LinkNews = (
    BoardConnected
    | BoardDisconnected
    | BoardRefused
    | FirmwareIncompatible
    | PortMissing
    | PortOpened
)


def news_of(event: LinkNews) -> HostEvent:
    """Return the event that is told of something on the link."""
    match event:
        case BoardConnected(board):
            return told.BoardConnected(board=board.board.name.lower(), boot_id=board.boot_id)
        case BoardDisconnected(reason):
            return told.BoardDisconnected(reason=reason.value)
        case PortOpened(port):
            return told.PortOpened(port=port)
        case PortMissing(port, why):
            return told.PortMissing(port=port, why=why)
        case BoardRefused():
            return told.BoardRefused(code=event.code.name)
        case FirmwareIncompatible(board):
            return told.FirmwareIncompatible(
                board=board.board.name.lower(),
                protocol=f"{board.protocol_min} to {board.protocol_max}",
                protocol_of_host=f"{PROTOCOL_MIN} to {PROTOCOL_MAX}",
                remedy="install the firmware of this version: trader board flash",
            )
