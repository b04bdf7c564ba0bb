"""Events of the link, as typed values: a session returns them to its caller.

An event that the host journals has the name of the journal's event. The two are forms of one
happening: this one holds what came over the wire, the other holds what a file can hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from firmware_bridge.messages import Edge, ErrorCode, HelloReply


class EdgeId(NamedTuple):
    """What makes a button edge unique: which boot of the board, and its number in that boot."""

    boot_id: int
    event_id: int


class Reason(Enum):
    """Why a connection ended."""

    PORT_LOST = "port lost"
    NO_ANSWER = "no answer"
    BOARD_FORGOT = "board restarted or forgot the session"
    REPLACED = "another host took the board"


@dataclass(frozen=True, slots=True)
class BoardConnected:
    """The board answered HELLO: the session is open."""

    board: HelloReply
    new_boot: bool


@dataclass(frozen=True, slots=True)
class BoardDisconnected:
    """The session is no longer open; HELLO goes on by itself, or later if we were replaced."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class ButtonEdge:
    """A debounced edge, told once. Journal it, then ``confirm(edge_id)``: no sooner, no later."""

    edge_id: EdgeId
    button: int
    edge: Edge
    t_ms: int
    age_ms: int


@dataclass(frozen=True, slots=True)
class PressesLost:
    """Edges that were never acknowledged and are gone."""

    boot_id: int
    overflow: int
    reset: int


@dataclass(frozen=True, slots=True)
class FrameAcknowledged:
    """The board shows this version of the display."""

    version: int


@dataclass(frozen=True, slots=True)
class BoardRefused:
    """The board refused a packet for a reason that no retry mends."""

    code: ErrorCode


@dataclass(frozen=True, slots=True)
class FirmwareIncompatible:
    """Firmware and host share no protocol version; HELLO goes on slowly, for after a flash."""

    board: HelloReply


@dataclass(frozen=True, slots=True)
class PortOpened:
    """The link opened its port; HELLO is on its way."""

    port: str


@dataclass(frozen=True, slots=True)
class PortMissing:
    """The port is missing or vanished; told once, then it is tried in silence until it opens."""

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
class HelloSeen:
    """Board side: a host opened or renewed a session, or spoke no version of ours."""

    session_id: int
    accepted: bool


@dataclass(frozen=True, slots=True)
class FrameDisplayed:
    """Board side: these packed levels are on the display now."""

    version: int
    brightness: int
    levels: bytes


@dataclass(frozen=True, slots=True)
class StaleDisplayed:
    """Board side: the board draws its own "no host" pattern now."""


@dataclass(frozen=True, slots=True)
class IncompatibleDisplayed:
    """Board side: a host greeted that shares no version, and the display says so."""


@dataclass(frozen=True, slots=True)
class SilenceBegan:
    """Board side: no host for so long that nothing is sent unasked any more."""


@dataclass(frozen=True, slots=True)
class EdgeAcknowledged:
    """Board side: the host has this edge in its journal."""

    event_id: int


@dataclass(frozen=True, slots=True)
class EdgeDropped:
    """Board side: the queue was full, this edge is lost and counted."""

    button: int


BoardEvent: TypeAlias = (
    HelloSeen
    | FrameDisplayed
    | StaleDisplayed
    | IncompatibleDisplayed
    | SilenceBegan
    | EdgeAcknowledged
    | EdgeDropped
)
