"""What the link tells of the board, as events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firmware_bridge.events import (
    Connected,
    Disconnected,
    PeerError,
    PeerIncompatible,
    PortLost,
    PortOpened,
)
from firmware_bridge.messages import PROTOCOL_MAX, PROTOCOL_MIN
from host.observability import daemon_events as told

if TYPE_CHECKING:
    from host.observability.host_event import HostEvent

LinkNews = Connected | Disconnected | PeerError | PeerIncompatible | PortLost | PortOpened


def news_of(event: LinkNews) -> HostEvent:
    """Return the event that is told of something on the link."""
    match event:
        case Connected(board):
            return told.BoardConnected(board=board.board.name.lower(), boot_id=board.boot_id)
        case Disconnected(reason):
            return told.BoardDisconnected(reason=reason.value)
        case PortOpened(port):
            return told.PortOpened(port=port)
        case PortLost(port, why):
            return told.PortMissing(port=port, why=why)
        case PeerError():
            return told.BoardRefused(code=event.code.name)
        case PeerIncompatible(board):
            return told.FirmwareIncompatible(
                board=board.board.name.lower(),
                protocol=f"{board.protocol_min} to {board.protocol_max}",
                protocol_of_host=f"{PROTOCOL_MIN} to {PROTOCOL_MAX}",
                remedy="install the firmware of this version: trader board flash",
            )
