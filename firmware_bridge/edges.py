"""The way of a button edge, sans-IO: the board's bounded queue and the host's inbox.

An edge leaves the queue only when it is acknowledged, and it is acknowledged only when the host's
application has confirmed that it stands in its journal. Between the two every edge may be sent
any number of times and is told once.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, NamedTuple

from firmware_bridge.errors import MessageError
from firmware_bridge.messages import EVENT_QUEUE_SIZE

if TYPE_CHECKING:
    from firmware_bridge.messages import Edge

LOST_MAX = 0xFFFF


class EdgeId(NamedTuple):
    """What makes a button edge unique: which boot of the board, and its number in that boot."""

    boot_id: int
    event_id: int


@dataclass(frozen=True, slots=True)
class QueuedEdge:
    """An edge that waits on the board."""

    event_id: int
    button: int
    edge: Edge
    t_ms: int


class EdgeQueue:
    """The board's side: 16 edges, oldest first; what does not fit is lost and counted."""

    def __init__(self) -> None:
        self.lost = 0
        self._edges: deque[QueuedEdge] = deque()
        self._last_event_id = 0

    def __len__(self) -> int:
        return len(self._edges)

    @property
    def oldest(self) -> QueuedEdge | None:
        """The edge to send, again and again until it is acknowledged."""
        return self._edges[0] if self._edges else None

    def push(self, button: int, edge: Edge, t_ms: int) -> QueuedEdge | None:
        """Queue an edge and return it, or count it as lost and return None.

        The newest is dropped, not the oldest: the oldest may be in the host's journal already.
        """
        if len(self._edges) >= EVENT_QUEUE_SIZE:
            self.lost = min(self.lost + 1, LOST_MAX)
            return None
        self._last_event_id += 1
        queued = QueuedEdge(self._last_event_id, button, edge, t_ms)
        self._edges.append(queued)
        return queued

    def acknowledge(self, event_id: int) -> bool:
        """Forget the oldest edge if this is its number; a repeated acknowledgement is not."""
        if not self._edges or self._edges[0].event_id != event_id:
            return False
        self._edges.popleft()
        return True


class Arrival(Enum):
    """What an arriving edge is to the host."""

    NEW = auto()
    """Tell the application."""
    WAITING = auto()
    """Told already, or behind one that was; not confirmed yet: say nothing."""
    JOURNALED = auto()
    """Confirmed before: only the acknowledgement was lost, send it again."""


class EdgeInbox:
    """The host's side: tells each edge once and remembers the newest that was confirmed."""

    def __init__(self, last: EdgeId | None = None) -> None:
        self.last = last
        self.pending: EdgeId | None = None

    def arrive(self, edge_id: EdgeId) -> Arrival:
        """Judge an edge of the boot that is connected."""
        if self._is_journaled(edge_id):
            return Arrival.JOURNALED
        if self.pending is not None:
            # Also for another edge than the pending one: the application confirms in order, and
            # the board sends this one again anyway.
            return Arrival.WAITING
        self.pending = edge_id
        return Arrival.NEW

    def confirm(self, edge_id: EdgeId) -> None:
        """Take the application's word that the pending edge is in its journal."""
        if edge_id == self.last:
            return
        if edge_id != self.pending:
            raise MessageError(f"{edge_id} was not told, {self.pending} was", code="not_pending")
        self.last = edge_id
        self.pending = None

    def _is_journaled(self, edge_id: EdgeId) -> bool:
        last = self.last
        return (
            last is not None
            and edge_id.boot_id == last.boot_id
            and edge_id.event_id <= last.event_id
        )


class LossLedger:
    """Turns the board's counters of lost edges, which it repeats, into what is newly lost."""

    def __init__(self) -> None:
        self._boot_id: int | None = None
        self._overflow = 0

    def note(self, boot_id: int, overflow: int, reset: int) -> tuple[int, int]:
        """Return how many edges an overflow and a reset took since the last call."""
        if boot_id != self._boot_id:
            self._boot_id, self._overflow = boot_id, overflow
            return overflow, reset
        # Late replies may carry an older, smaller count.
        newly = max(overflow - self._overflow, 0)
        self._overflow += newly
        return newly, 0
