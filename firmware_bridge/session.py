"""What both ends of the link share: timing, and state machines that tables drive.

The two peers are `host_session.HostSession` and `board_session.BoardSession`. Both are sans-IO:
``receive(data, now_s)`` takes bytes, ``tick(now_s)`` returns the bytes to send, ``next_deadline()``
says when to tick again, ``events()`` drains what happened. Times are seconds of any monotonic
clock. Nothing that the peer sends can raise here (rule 10); only a mistake of our own side can.
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
    retransmits: int = 8
    hello_s: float = 0.5
    incompatible_hello_s: float = 5.0
    heartbeat_s: float = 1.0
    edge_resend_s: float = 0.05
    stale_s: float = 3.0
    silent_s: float = 5.0


StateT = TypeVar("StateT", bound=Enum)
InputT = TypeVar("InputT", bound=Enum)


class Machine(Generic[StateT, InputT]):
    """A state that only a table can change; an input that a state does not list changes nothing."""

    def __init__(self, start: StateT, table: Mapping[StateT, Mapping[InputT, StateT]]) -> None:
        assert set(table) == set(type(start)), "every state needs its row"
        self.state = start
        self._table = table

    def take(self, what: InputT) -> tuple[StateT, StateT]:
        """Apply an input and return the state before and after."""
        before = self.state
        self.state = self._table[before].get(what, before)
        return before, self.state


class HostState(Enum):
    """Where the host stands with the board."""

    CLOSED = auto()
    GREETING = auto()
    READY = auto()
    INCOMPATIBLE = auto()
    REPLACED = auto()


class HostInput(Enum):
    """What can change where it stands."""

    OPENED = auto()
    LOST = auto()
    GREETED = auto()
    MISMATCHED = auto()
    UNANSWERED = auto()
    FORGOTTEN = auto()
    REPLACED = auto()
    RENEWED = auto()


_S, _I = HostState, HostInput
HOST_TRANSITIONS: Final[Mapping[HostState, Mapping[HostInput, HostState]]] = {
    _S.CLOSED: {_I.OPENED: _S.GREETING},
    _S.GREETING: {
        _I.GREETED: _S.READY,
        _I.MISMATCHED: _S.INCOMPATIBLE,
        _I.REPLACED: _S.REPLACED,
        _I.LOST: _S.CLOSED,
    },
    _S.READY: {
        _I.UNANSWERED: _S.GREETING,
        _I.FORGOTTEN: _S.GREETING,
        _I.REPLACED: _S.REPLACED,
        _I.LOST: _S.CLOSED,
    },
    _S.INCOMPATIBLE: {
        _I.GREETED: _S.READY,  # someone flashed the board
        _I.REPLACED: _S.REPLACED,
        _I.LOST: _S.CLOSED,
    },
    # Not by itself: two hosts that both came back would take the board from each other for ever.
    _S.REPLACED: {_I.RENEWED: _S.CLOSED},
}


class BoardState(Enum):
    """What the board knows of its host."""

    SILENT = auto()
    """None: nothing is sent unasked, for a byte during a Yun's Linux boot can stop U-Boot."""
    FRESH = auto()
    STALE = auto()
    """None for 3 s: the display says so."""


class BoardInput(Enum):
    """What can change what it knows."""

    GREETED = auto()
    HEARD = auto()
    QUIET = auto()
    QUIET_LONG = auto()


_B, _J = BoardState, BoardInput
BOARD_TRANSITIONS: Final[Mapping[BoardState, Mapping[BoardInput, BoardState]]] = {
    _B.SILENT: {_J.GREETED: _B.FRESH},
    _B.FRESH: {_J.QUIET: _B.STALE, _J.QUIET_LONG: _B.SILENT},
    _B.STALE: {_J.GREETED: _B.FRESH, _J.HEARD: _B.FRESH, _J.QUIET_LONG: _B.SILENT},
}
