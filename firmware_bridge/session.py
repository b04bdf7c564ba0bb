"""The parts that both ends of the link share: the protocol's intervals and the state tables.

Theory of operation. The host sends a request and the board answers it, one request at a time::

    host                              board
      |  HELLO (session id)      -->    |   open or renew the session
      |  <--      HELLO_REPLY           |
      |  SHOW_FRAME (version)    -->    |   draw, unless an older version
      |  <--      FRAME_ACK             |
      |  HEARTBEAT (each second) -->    |   the host is alive
      |  <--      HEARTBEAT_REPLY       |
      |  <--      BUTTON_EDGE           |   again every 50 ms, until ...
      |  EDGE_ACK                -->    |   ... it is in the host's journal

Every request is idempotent, so either end may repeat it. A lost packet costs a retransmission, and
a duplicate costs an answer. Neither changes what the board shows or which presses count.

The two ends are `host_session.HostSession` and `board_session.BoardSession`. Both are sans-IO:
``receive(data, now_s)`` takes bytes, ``tick(now_s)`` returns the bytes to send, ``next_deadline()``
says when to call `tick` again, and ``take_events()`` returns what happened. Times are seconds of
any monotonic clock. Nothing that the peer sends raises an exception here. Only a mistake of our
own side does.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Timing:
    """Every interval of the protocol, in seconds; tests use shorter ones."""

    retransmit_s: float = 0.1
    """A round trip takes about 10 ms, so after 100 ms the packet or its answer was lost."""
    retransmits: int = 8
    """Nine copies take 0.9 s: longer than noise usually lasts, shorter than `stale_s`."""
    hello_s: float = 0.5
    incompatible_hello_s: float = 5.0
    """Slow: only flashing other firmware can change the answer."""
    heartbeat_s: float = 1.0
    edge_resend_s: float = 0.05
    """Shorter than `retransmit_s`: a person is waiting for the press to act."""
    stale_s: float = 3.0
    """Three heartbeats were lost: the picture may be out of date."""
    silent_s: float = 5.0
    """The host is off, perhaps restarting: see `BoardState.SILENT`."""


StateT = TypeVar("StateT", bound=Enum)
InputT = TypeVar("InputT", bound=Enum)


class Machine(Generic[StateT, InputT]):
    """A state that only a table can change; an input that a state does not list changes nothing."""

    def __init__(self, start: StateT, table: Mapping[StateT, Mapping[InputT, StateT]]) -> None:
        assert set(table) == set(type(start)), "every state needs its row"
        self.state = start
        self._table = table

    def apply(self, trigger: InputT) -> tuple[StateT, StateT]:
        """Apply an input and return the state before and after."""
        before = self.state
        self.state = self._table[before].get(trigger, before)
        return before, self.state


class HostState(Enum):
    """State of the host's session."""

    CLOSED = auto()
    """The port is not open."""
    GREETING = auto()
    """HELLO is sent until the board answers."""
    READY = auto()
    """The session is open."""
    INCOMPATIBLE = auto()
    """The board answered, but shares no protocol version."""
    REPLACED = auto()
    """Another host opened a session after ours."""


class HostInput(Enum):
    """Everything that can change the host's state."""

    PORT_OPENED = auto()
    PORT_LOST = auto()
    HELLO_ACCEPTED = auto()
    VERSION_MISMATCH = auto()
    TIMED_OUT = auto()
    NO_SESSION = auto()
    """The board restarted, or does not know our session any more."""
    REPLACED = auto()
    NEW_SESSION_ID = auto()


_S, _I = HostState, HostInput
HOST_TRANSITIONS: Final[Mapping[HostState, Mapping[HostInput, HostState]]] = {
    _S.CLOSED: {_I.PORT_OPENED: _S.GREETING},
    _S.GREETING: {
        _I.HELLO_ACCEPTED: _S.READY,
        _I.VERSION_MISMATCH: _S.INCOMPATIBLE,
        _I.REPLACED: _S.REPLACED,
        _I.PORT_LOST: _S.CLOSED,
    },
    _S.READY: {
        _I.TIMED_OUT: _S.GREETING,
        _I.NO_SESSION: _S.GREETING,
        _I.REPLACED: _S.REPLACED,
        _I.PORT_LOST: _S.CLOSED,
    },
    _S.INCOMPATIBLE: {
        _I.HELLO_ACCEPTED: _S.READY,  # someone flashed the board
        _I.REPLACED: _S.REPLACED,
        _I.PORT_LOST: _S.CLOSED,
    },
    # No way back to GREETING: two running hosts would replace each other forever.
    _S.REPLACED: {_I.NEW_SESSION_ID: _S.CLOSED},
}


class BoardState(Enum):
    """State of the board's session."""

    SILENT = auto()
    """No host. The board sends nothing unasked: one byte can stop U-Boot while a Yun boots."""
    FRESH = auto()
    """Packets of the host arrive."""
    STALE = auto()
    """No packet for 3 s. The display says so."""


class BoardInput(Enum):
    """Everything that can change the board's state."""

    HELLO = auto()
    PACKET = auto()
    """Any other packet of the open session."""
    STALE_TIMEOUT = auto()
    SILENT_TIMEOUT = auto()


_B, _J = BoardState, BoardInput
BOARD_TRANSITIONS: Final[Mapping[BoardState, Mapping[BoardInput, BoardState]]] = {
    # Only HELLO ends SILENT: a packet of an older session may still be under way.
    _B.SILENT: {_J.HELLO: _B.FRESH},
    _B.FRESH: {_J.STALE_TIMEOUT: _B.STALE, _J.SILENT_TIMEOUT: _B.SILENT},
    _B.STALE: {_J.HELLO: _B.FRESH, _J.PACKET: _B.FRESH, _J.SILENT_TIMEOUT: _B.SILENT},
}
