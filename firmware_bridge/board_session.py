"""The board's end of the link, sans-IO: a model of the firmware for the virtual board and tests.

Theory of operation. The board only answers, except for button edges, which it sends by itself.
Every request is idempotent, and a duplicate is answered again because its answer may have been
lost. `session` draws the exchange and holds the table of states.

The newest session owns the board. Sessions that it replaced are remembered, and refused: a HELLO of
theirs that arrives late must not take the board back. Edges wait in a queue of 16 until the host
acknowledges them. `firmware/core/app.c` is the same in C, and both pass the same tests.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from firmware_bridge.errors import PacketError
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
from firmware_bridge.messages import (
    BODY_MAX,
    COLUMNS,
    EVENT_QUEUE_SIZE,
    LEVELS,
    PROTOCOL_MAX,
    PROTOCOL_MIN,
    ROWS,
    Board,
    ButtonEdge,
    Direction,
    EdgeAck,
    ErrorCode,
    ErrorReply,
    FrameAck,
    Heartbeat,
    HeartbeatReply,
    Hello,
    HelloReply,
    Message,
    SessionMessage,
    ShowFrame,
    board_clock_ms,
)
from firmware_bridge.session import BOARD_TRANSITIONS, BoardInput, BoardState, Machine, Timing
from firmware_bridge.wire import PACKET_IDS, Carrier, CobsCarrier, Packet

if TYPE_CHECKING:
    from collections.abc import Callable

    from firmware_bridge.messages import Edge

COUNTER_MAX: Final = 0xFFFF
REPLACED_MAX: Final = 4  # replaced sessions to remember: a late HELLO of theirs must be refused


@dataclass(frozen=True, slots=True)
class BoardIdentity:
    """The part of HELLO_REPLY that stays the same during one boot."""

    boot_id: int
    board: Board = Board.VIRTUAL
    firmware: tuple[int, int, int] = (0, 1, 0)
    protocol: tuple[int, int] = (PROTOCOL_MIN, PROTOCOL_MAX)
    clock_offset_ms: int = 0
    lost_reset: int = 0


@dataclass(frozen=True, slots=True)
class QueuedEdge:
    """An edge that waits on the board."""

    event_id: int
    button: int
    edge: Edge
    t_ms: int


class EdgeQueue:
    """Up to 16 edges, oldest first; those that do not fit are lost and counted."""

    def __init__(self) -> None:
        self.lost = 0
        self._edges: deque[QueuedEdge] = deque()
        self._last_event_id = 0

    def __len__(self) -> int:
        return len(self._edges)

    @property
    def oldest(self) -> QueuedEdge | None:
        """The edge to send until it is acknowledged."""
        return self._edges[0] if self._edges else None

    def push(self, button: int, edge: Edge, t_ms: int) -> QueuedEdge | None:
        """Queue an edge and return it, or count it as lost and return None.

        The newest is dropped, not the oldest: the oldest may be in the host's journal already.
        """
        if len(self._edges) >= EVENT_QUEUE_SIZE:
            self.lost = min(self.lost + 1, COUNTER_MAX)
            return None
        self._last_event_id += 1
        queued = QueuedEdge(self._last_event_id, button, edge, t_ms)
        self._edges.append(queued)
        return queued

    def acknowledge(self, event_id: int) -> bool:
        """Remove the oldest edge if this is its number; return whether it was.

        A repeated acknowledgement names an edge that is no longer the oldest.
        """
        if not self._edges or self._edges[0].event_id != event_id:
            return False
        self._edges.popleft()
        return True


class BoardSession:
    """The board's end of the link; a reset of the board makes a new one."""

    def __init__(
        self,
        identity: BoardIdentity,
        *,
        carrier: Carrier | None = None,
        timing: Timing | None = None,
    ) -> None:
        self.identity = identity
        self.edges = EdgeQueue()
        self.carrier: Carrier = carrier or CobsCarrier()
        self.frame: FrameDisplayed | None = None
        self._timing = timing or Timing()
        self._machine = Machine(BoardState.SILENT, BOARD_TRANSITIONS)
        self._events: list[BoardEvent] = []
        self._outbox = bytearray()
        self._owner: int | None = None
        self._replaced: deque[int] = deque(maxlen=REPLACED_MAX)
        self._shows_incompatible = False
        self._version = 0
        self._last_packet_s = 0.0
        self._edge_due_s = 0.0
        self._edge_packet_id = 0
        self._bad_bodies = 0
        self._now_s = 0.0
        self._handlers: dict[type[Message], Callable[[Packet, Message], None]] = {
            Hello: self._on_hello,
            ShowFrame: self._on_show_frame,
            Heartbeat: self._on_heartbeat,
            EdgeAck: self._on_edge_ack,
        }

    @property
    def state(self) -> BoardState:
        """State of the session."""
        return self._machine.state

    @property
    def is_stale(self) -> bool:
        """True if the display draws its own "no host" pattern."""
        return self.state is not BoardState.FRESH or self.frame is None

    def receive(self, data: bytes, now_s: float) -> None:
        """Process bytes from the host; bad ones are only counted."""
        self._now_s = now_s
        self._age()
        for packet in self.carrier.feed(data):
            self._take(packet)

    def tick(self, now_s: float) -> bytes:
        """Run the timers that are due and return the bytes to send."""
        self._now_s = now_s
        self._age()
        if self._may_send_edge() and now_s >= self._edge_due_s:
            self._send_edge()
        data = bytes(self._outbox)
        self._outbox.clear()
        return data

    def next_deadline(self) -> float | None:
        """Return when `tick` must be called, or None if only received bytes can change anything."""
        if self._outbox:
            return self._now_s
        if self.state is BoardState.SILENT:
            return None
        fresh = self.state is BoardState.FRESH
        quiet_s = self._timing.stale_s if fresh else self._timing.silent_s
        deadline_s = self._last_packet_s + quiet_s
        return min(deadline_s, self._edge_due_s) if self._may_send_edge() else deadline_s

    def take_events(self) -> list[BoardEvent]:
        """Return what happened since the last call."""
        events, self._events = self._events, []
        return events

    def change_button(self, button: int, edge: Edge, now_s: float) -> int | None:
        """Queue a debounced edge; return its number, or None if the queue was full."""
        self._now_s = now_s
        waiting = len(self.edges)
        queued = self.edges.push(button, edge, self._clock_ms())
        if queued is None:
            self._events.append(EdgeDropped(button))
            return None
        if not waiting:
            self._next_edge()
        return queued.event_id

    # --- time and sending ------------------------------------------------------------------

    def _clock_ms(self) -> int:
        return board_clock_ms(self._now_s, self.identity.clock_offset_ms)

    def _age(self) -> None:
        """Change the state when no packet came for too long."""
        # The same sums as in next_deadline, so that rounding cannot make a tick come too early.
        if self._now_s >= self._last_packet_s + self._timing.silent_s:
            self._advance(BoardInput.STALE_TIMEOUT)
            self._advance(BoardInput.SILENT_TIMEOUT)
        elif self._now_s >= self._last_packet_s + self._timing.stale_s:
            self._advance(BoardInput.STALE_TIMEOUT)

    def _may_send_edge(self) -> bool:
        return self.state is not BoardState.SILENT and self.edges.oldest is not None

    def _next_edge(self) -> None:
        """Make the oldest edge due now, under a new packet id."""
        self._edge_due_s = self._now_s
        self._edge_packet_id = (self._edge_packet_id + 1) % PACKET_IDS

    def _send_edge(self) -> None:
        edge = self.edges.oldest
        assert edge is not None
        self._edge_due_s = self._now_s + self._timing.edge_resend_s
        message = ButtonEdge(
            self.identity.boot_id,
            edge.event_id,
            edge.button,
            edge.edge,
            edge.t_ms,
            self._clock_ms(),
        )
        self._send(message, self._edge_packet_id)

    def _send(self, message: Message, packet_id: int) -> None:
        self._outbox += self.carrier.encode(Packet.carrying(message, packet_id))

    def _refuse(self, packet_id: int, code: ErrorCode, session_id: int = 0) -> None:
        self._send(ErrorReply(code, session_id), packet_id)

    # --- receiving -------------------------------------------------------------------------

    def _take(self, packet: Packet) -> None:
        try:
            message = packet.message(Direction.TO_BOARD)
        except PacketError as error:
            self._bad_bodies += 1
            if self.state is not BoardState.SILENT:
                unknown = error.code in {"unknown_type", "wrong_direction"}
                code = ErrorCode.UNKNOWN_TYPE if unknown else ErrorCode.BODY
                self._refuse(packet.packet_id, code)
            return
        assert isinstance(message, SessionMessage), "every packet to the board names its session"
        if not isinstance(message, Hello) and not self._is_owned(packet.packet_id, message):
            return
        self._handlers[type(message)](packet, message)

    def _is_owned(self, packet_id: int, message: SessionMessage) -> bool:
        """Return whether a packet belongs to the open session; refuse it otherwise."""
        if message.session_id in self._replaced:
            self._refuse(packet_id, ErrorCode.SESSION, message.session_id)
        elif message.session_id != self._owner or self.state is BoardState.SILENT:
            # Either unknown (we restarted since its HELLO) or timed out: it must send HELLO again.
            self._refuse(packet_id, ErrorCode.NO_SESSION, message.session_id)
        else:
            self._last_packet_s = self._now_s
            self._advance(BoardInput.PACKET)
            return True
        return False

    def _on_hello(self, packet: Packet, hello: Message) -> None:
        assert isinstance(hello, Hello)
        if hello.session_id in self._replaced:
            self._refuse(packet.packet_id, ErrorCode.SESSION, hello.session_id)
            return
        oldest, newest = self.identity.protocol
        accepted = hello.protocol_min <= newest and hello.protocol_max >= oldest
        self._events.append(HelloReceived(hello.session_id, accepted))
        if accepted:
            self._adopt(hello.session_id)
        elif self.state is not BoardState.FRESH:  # an active host keeps its picture
            self._shows_incompatible = True
            self._events.append(IncompatibleDisplayed())
        self._send(self._hello_reply(hello.session_id), packet.packet_id)

    def _adopt(self, session_id: int) -> None:
        """Make a session the owner; a new one starts with an empty display."""
        if session_id != self._owner:
            if self._owner is not None:
                self._replaced.append(self._owner)
            self._owner = session_id
            self._version = 0
            if self.frame is not None:
                self.frame = None
                self._events.append(StaleDisplayed())
        self._last_packet_s = self._now_s
        self._advance(BoardInput.HELLO)
        if self._shows_incompatible and self.frame is None:
            self._events.append(StaleDisplayed())
        self._shows_incompatible = False
        self._next_edge()

    def _hello_reply(self, session_id: int) -> HelloReply:
        identity = self.identity
        return HelloReply(
            session_id,
            *identity.protocol,
            identity.board,
            ROWS,
            COLUMNS,
            LEVELS,
            *identity.firmware,
            identity.boot_id,
            BODY_MAX,
            self._version if session_id == self._owner else 0,
            self.edges.lost,
            identity.lost_reset,
        )

    def _on_show_frame(self, packet: Packet, show: Message) -> None:
        assert isinstance(show, ShowFrame)
        if show.version > self._version:
            self._version = show.version
            self.frame = FrameDisplayed(show.version, show.brightness, show.levels)
            self._events.append(self.frame)
        self._send(FrameAck(show.session_id, self._version), packet.packet_id)

    def _on_heartbeat(self, packet: Packet, beat: Message) -> None:
        assert isinstance(beat, Heartbeat)
        reply = HeartbeatReply(
            beat.session_id,
            self.identity.boot_id,
            self._clock_ms(),
            len(self.edges),
            self.edges.lost,
            min(self._bad_bodies + self.carrier.counters.bad_packets, COUNTER_MAX),
        )
        self._send(reply, packet.packet_id)

    def _on_edge_ack(self, packet: Packet, ack: Message) -> None:
        assert isinstance(ack, EdgeAck)
        del packet  # any copy of the edge may have been acknowledged, so its packet id is no test
        if ack.boot_id == self.identity.boot_id and self.edges.acknowledge(ack.event_id):
            self._events.append(EdgeAcknowledged(ack.event_id))
            self._next_edge()

    # --- state -----------------------------------------------------------------------------

    def _advance(self, trigger: BoardInput) -> None:
        """Change the state by the table and run the actions of entering it."""
        before, after = self._machine.apply(trigger)
        if before is after:
            return
        if after is BoardState.STALE:
            self._events.append(StaleDisplayed())
        elif after is BoardState.SILENT:
            self._events.append(SilenceBegan())
        elif self.frame is not None:
            self._events.append(self.frame)  # the host is back: draw its last picture again
