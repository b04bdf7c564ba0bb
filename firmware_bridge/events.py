"""Events of the link, as typed values: a session returns them to its caller.

An event that the host journals has the name of the journal's event. The two are forms of one
event: this one holds what came over the wire, the other holds what a file can hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from firmware_bridge.messages import Edge, ErrorCode, HelloReply


class EdgeId(NamedTuple):
    """Unique id of a button edge: the boot of the board, and the edge's number in that boot."""

    boot_id: int
    event_id: int


class Reason(Enum):
    """Why a connection ended."""

    PORT_LOST = "port lost"
    NO_ANSWER = "no answer"
    BOARD_FORGOT = "board restarted or lost the session"
    REPLACED = "another host took the board"


@dataclass(frozen=True, slots=True)
class BoardConnected:
    """The board answered HELLO: the session is open."""

    board: HelloReply
    new_boot: bool


@dataclass(frozen=True, slots=True)
class BoardDisconnected:
    """The session ended. The link tries again at once, or later if another host took the board."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class ButtonEdge:
    """A debounced edge, reported once. Write it to the journal, then call ``confirm(edge_id)``."""

    edge_id: EdgeId
    button: int
    edge: Edge
    t_ms: int
    age_ms: int


@dataclass(frozen=True, slots=True)
class PressesLost:
    """Edges that the board lost before the host acknowledged them."""

    boot_id: int
    overflow: int
    reset: int


@dataclass(frozen=True, slots=True)
class FrameAcknowledged:
    """The board shows this version of the display."""

    version: int


@dataclass(frozen=True, slots=True)
class BoardRefused:
    """The board refused a packet; sending it again would not help."""

    code: ErrorCode


@dataclass(frozen=True, slots=True)
class FirmwareIncompatible:
    """Firmware and host share no protocol version; HELLO goes on every 5 s."""

    board: HelloReply


@dataclass(frozen=True, slots=True)
class PortOpened:
    """The link opened its port and sends HELLO."""

    port: str


@dataclass(frozen=True, slots=True)
class PortMissing:
    """The port is missing or vanished. Reported once; retries until it opens are silent."""

    port: str
    why: str


LinkEvent: TypeAlias = (
    BoardConnected
    | BoardDisconnected
    | ButtonEdge
    | PressesLost
    | FrameAcknowledged
    | BoardRefused
    | FirmwareIncompatible
    | PortOpened
    | PortMissing
)


@dataclass(frozen=True, slots=True)
class HelloReceived:
    """Board side: a host sent HELLO; accepted unless no protocol version is shared."""

    session_id: int
    accepted: bool


@dataclass(frozen=True, slots=True)
class FrameDisplayed:
    """Board side: the display shows these packed levels now."""

    version: int
    brightness: int
    levels: bytes


@dataclass(frozen=True, slots=True)
class StaleDisplayed:
    """Board side: the board draws its own "no host" pattern now."""


@dataclass(frozen=True, slots=True)
class IncompatibleDisplayed:
    """Board side: the display says that the host shares no protocol version."""


@dataclass(frozen=True, slots=True)
class SilenceBegan:
    """Board side: no host for 5 s, so the board stopped sending button edges."""


@dataclass(frozen=True, slots=True)
class EdgeAcknowledged:
    """Board side: the host has this edge in its journal."""

    event_id: int


@dataclass(frozen=True, slots=True)
class EdgeDropped:
    """Board side: the queue was full; this edge is lost, and counted."""

    button: int


BoardEvent: TypeAlias = (
    HelloReceived
    | FrameDisplayed
    | StaleDisplayed
    | IncompatibleDisplayed
    | SilenceBegan
    | EdgeAcknowledged
    | EdgeDropped
)
