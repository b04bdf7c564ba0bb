"""The host's end of the link, sans-IO.

Theory of operation. One request is outstanding at a time (stop-and-wait). It is sent again after
100 ms, eight times. Then the board counts as away, and HELLO is sent every 500 ms until it answers.
`session` draws the exchange.

The display is a snapshot with a version. Only the newest version is ever sent, so an old picture
cannot follow a new one.

A button edge is reported to the application once. The application writes it to its journal and
calls `confirm`, and only then is EDGE_ACK sent. If that packet is lost, the board sends the edge
again and gets another EDGE_ACK: so a press is neither lost nor counted twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from firmware_bridge import messages
from firmware_bridge.errors import MessageError, PacketError
from firmware_bridge.events import (
    BoardConnected,
    BoardDisconnected,
    BoardRefused,
    ButtonEdge,
    EdgeId,
    FirmwareIncompatible,
    FrameAcknowledged,
    LinkEvent,
    PressesLost,
    Reason,
)
from firmware_bridge.messages import (
    BRIGHTNESS_MAX,
    PROTOCOL_MAX,
    PROTOCOL_MIN,
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
    ShowFrame,
    elapsed_ms,
)
from firmware_bridge.session import HOST_TRANSITIONS, HostInput, HostState, Machine, Timing
from firmware_bridge.wire import PACKET_IDS, Carrier, CobsCarrier, Packet

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


DISCONNECT_REASONS: Final[Mapping[HostInput, Reason]] = {
    HostInput.PORT_LOST: Reason.PORT_LOST,
    HostInput.TIMED_OUT: Reason.NO_ANSWER,
    HostInput.NO_SESSION: Reason.BOARD_FORGOT,
    HostInput.REPLACED: Reason.REPLACED,
}


@dataclass(slots=True)
class SessionCounters:
    """Counters of the session, which only grow, and round-trip times in seconds."""

    requests: int = 0
    packets_sent: int = 0
    retransmits: int = 0
    hellos: int = 0
    bad_bodies: int = 0
    strays: int = 0
    duplicate_edges: int = 0
    refused: int = 0
    rtt_last_s: float = 0.0
    rtt_max_s: float = 0.0


@dataclass(slots=True)
class _Request:
    """The outstanding request."""

    message: Message
    packet_id: int
    sent_s: float
    deadline_s: float
    retransmits: int = 0


@dataclass(slots=True)
class _Display:
    """The newest snapshot, and the version that the board acknowledged last."""

    version: int = 0
    brightness: int = BRIGHTNESS_MAX
    levels: bytes = b""
    shown: int = 0

    @property
    def is_due(self) -> bool:
        return self.version > self.shown

    def change(self, levels: bytes, brightness: int) -> int:
        """Replace the snapshot by a newer one."""
        self.version += 1
        self.levels = levels
        self.brightness = brightness
        return self.version


class Arrival(Enum):
    """The host's decision about an edge that arrived."""

    NEW = auto()
    """Report it to the application."""
    WAITING = auto()
    """The application has not confirmed this edge, or one before it: ignore this copy."""
    JOURNALED = auto()
    """Confirmed before, so only the acknowledgement was lost: acknowledge it again."""


class EdgeInbox:
    """The host's queue of length one: it passes each edge on once."""

    def __init__(self, last: EdgeId | None = None) -> None:
        self.last = last
        self.pending: EdgeId | None = None

    def arrive(self, edge_id: EdgeId) -> Arrival:
        """Decide what to do with an edge of the boot that is connected."""
        if self._is_journaled(edge_id):
            return Arrival.JOURNALED
        if self.pending is not None:
            # Also for another edge than the pending one: the application confirms in order, and
            # the board sends this one again anyway.
            return Arrival.WAITING
        self.pending = edge_id
        return Arrival.NEW

    def confirm(self, edge_id: EdgeId) -> None:
        """Record that the pending edge is in the application's journal."""
        if edge_id == self.last:
            return
        if edge_id != self.pending:
            raise MessageError(
                f"{edge_id} is not the pending edge, {self.pending} is", code="not_pending"
            )
        self.last = edge_id
        self.pending = None

    def _is_journaled(self, edge_id: EdgeId) -> bool:
        last = self.last
        return (
            last is not None
            and edge_id.boot_id == last.boot_id
            and edge_id.event_id <= last.event_id
        )


class LossCounter:
    """Turns the board's running totals of lost edges into increments."""

    def __init__(self) -> None:
        self._boot_id: int | None = None
        self._overflow = 0

    def update(self, boot_id: int, overflow: int, reset: int) -> tuple[int, int]:
        """Return how many edges an overflow and a reset took since the last call."""
        if boot_id != self._boot_id:
            self._boot_id, self._overflow = boot_id, overflow
            return overflow, reset
        # A late reply may carry an older, smaller total.
        increment = max(overflow - self._overflow, 0)
        self._overflow += increment
        return increment, 0


class HostSession:
    """The host's end of the link.

    Parameters
    ----------
    session_id
        Random, 1 to 2**32 - 1, another one in each process.
    last_edge
        The newest edge in the journal. It and older ones of its boot are acknowledged again but
        not reported again.
    carrier
        How packets travel; by default COBS on a raw line.
    timing
        The intervals of the protocol.
    """

    def __init__(
        self,
        session_id: int,
        *,
        last_edge: EdgeId | None = None,
        carrier: Carrier | None = None,
        timing: Timing | None = None,
    ) -> None:
        self.session_id = session_id
        self.counters = SessionCounters()
        self.carrier: Carrier = carrier or CobsCarrier()
        self.board: HelloReply | None = None
        self._timing = timing or Timing()
        self._machine = Machine(HostState.CLOSED, HOST_TRANSITIONS)
        self._events: list[LinkEvent] = []
        self._outbox = bytearray()
        self._next_packet_id = 0
        self._request: _Request | None = None
        self._display = _Display()
        self._inbox = EdgeInbox(last_edge)
        self._edge_packet_id = 0
        self._loss_counter = LossCounter()
        self._next_hello_s = 0.0
        self._next_heartbeat_s = 0.0
        self._now_s = 0.0
        self._handlers: dict[type[Message], Callable[[int, Message], None]] = {
            HelloReply: self._on_hello_reply,
            FrameAck: self._on_frame_ack,
            HeartbeatReply: self._on_heartbeat_reply,
            messages.ButtonEdge: self._on_edge,
            ErrorReply: self._on_error,
        }

    # --- called by the link ----------------------------------------------------------------

    @property
    def state(self) -> HostState:
        """State of the session."""
        return self._machine.state

    def on_port_opened(self, now_s: float) -> None:
        """Begin to send HELLO: the port is open."""
        self._now_s = now_s
        self.carrier.reset()
        self._advance(HostInput.PORT_OPENED)

    def on_port_lost(self, now_s: float) -> None:
        """Stop sending: the port is gone."""
        self._now_s = now_s
        self._outbox.clear()
        self._advance(HostInput.PORT_LOST)

    def renew(self, session_id: int) -> None:
        """Take a new session id: the board refuses the one that was replaced."""
        assert self.state is HostState.REPLACED
        self.session_id = session_id
        self._advance(HostInput.NEW_SESSION_ID)

    def receive(self, data: bytes, now_s: float) -> None:
        """Process bytes from the board; bad ones are only counted."""
        self._now_s = now_s
        for packet in self.carrier.feed(data):
            try:
                message = packet.message(Direction.TO_HOST)
            except PacketError:
                self.counters.bad_bodies += 1
                continue
            self._handlers[type(message)](packet.packet_id, message)

    def tick(self, now_s: float) -> bytes:
        """Run the timers that are due and return the bytes to send."""
        self._now_s = now_s
        if self.state is HostState.READY:
            self._tick_ready()
        if (
            self.state in {HostState.GREETING, HostState.INCOMPATIBLE}
            and now_s >= self._next_hello_s
        ):
            self._greet()
        data = self.carrier.drain_control() + bytes(self._outbox)
        self._outbox.clear()
        return data

    def next_deadline(self) -> float | None:
        """Return when `tick` must be called, or None if only received bytes can change anything."""
        if self.state in {HostState.CLOSED, HostState.REPLACED}:
            return None
        if self._outbox:
            return self._now_s
        if self.state is not HostState.READY:
            return self._next_hello_s
        if self._request is not None:
            return self._request.deadline_s
        return self._now_s if self._display.is_due else self._next_heartbeat_s

    def take_events(self) -> list[LinkEvent]:
        """Return what happened since the last call."""
        events, self._events = self._events, []
        return events

    # --- called by the application ---------------------------------------------------------

    def show(self, levels: bytes, brightness: int = BRIGHTNESS_MAX) -> int:
        """Make these packed levels the display's newest version and return its number."""
        # Built here only to check it: a mistake must raise at the caller, not in the IO loop.
        ShowFrame(self.session_id, self._display.version + 1, brightness, levels)
        return self._display.change(levels, brightness)

    def confirm(self, edge_id: EdgeId) -> None:
        """Acknowledge the pending edge: it is in the journal now."""
        self._inbox.confirm(edge_id)
        self._acknowledge(edge_id)

    # --- sending ---------------------------------------------------------------------------

    def _tick_ready(self) -> None:
        request = self._request
        if request is None:
            self._start_due_request()
        elif self._now_s >= request.deadline_s:
            if request.retransmits >= self._timing.retransmits:
                self._advance(HostInput.TIMED_OUT)
            else:
                self._retry(request)

    def _start_due_request(self) -> None:
        # The heartbeat goes first: frequent redraws must not delay it until the board turns stale.
        if self._now_s >= self._next_heartbeat_s:
            self._next_heartbeat_s = self._now_s + self._timing.heartbeat_s
            self._start(Heartbeat(self.session_id), self._timing.retransmit_s)
        elif self._display.is_due:
            self._start(self._newest_frame(), self._timing.retransmit_s)

    def _retry(self, request: _Request) -> None:
        """Send the request again; if a newer picture exists, send that instead."""
        retransmits = request.retransmits + 1
        self.counters.retransmits += 1
        newest = self._newest_frame() if isinstance(request.message, ShowFrame) else None
        if newest is not None and newest != request.message:
            self._start(newest, self._timing.retransmit_s)
        else:
            request.deadline_s = self._now_s + self._timing.retransmit_s
            self._send(request.message, request.packet_id, flush=True)
        assert self._request is not None
        self._request.retransmits = retransmits

    def _newest_frame(self) -> ShowFrame:
        display = self._display
        return ShowFrame(self.session_id, display.version, display.brightness, display.levels)

    def _greet(self) -> None:
        incompatible = self.state is HostState.INCOMPATIBLE
        wait_s = self._timing.incompatible_hello_s if incompatible else self._timing.hello_s
        self._next_hello_s = self._now_s + wait_s
        self.counters.hellos += 1
        if self._request is None:
            self._start(Hello(self.session_id, PROTOCOL_MIN, PROTOCOL_MAX), wait_s)
        else:
            self._request.retransmits += 1
            self._send(self._request.message, self._request.packet_id, flush=True)

    def _start(self, message: Message, wait_s: float) -> None:
        """Make a message the outstanding request."""
        packet_id = self._next_packet_id
        self._next_packet_id = (packet_id + 1) % PACKET_IDS
        self._request = _Request(message, packet_id, self._now_s, self._now_s + wait_s)
        self.counters.requests += 1
        # HELLO may follow half a packet of a host that died: a zero in front ends it.
        self._send(message, packet_id, flush=isinstance(message, Hello))

    def _send(self, message: Message, packet_id: int, *, flush: bool = False) -> None:
        self._outbox += self.carrier.encode(Packet.carrying(message, packet_id), flush=flush)
        self.counters.packets_sent += 1

    def _acknowledge(self, edge_id: EdgeId) -> None:
        board = self.board
        if self.state is HostState.READY and board is not None and board.boot_id == edge_id.boot_id:
            self._send(EdgeAck(self.session_id, *edge_id), self._edge_packet_id)

    # --- receiving -------------------------------------------------------------------------

    def _close_request(self, packet_id: int, request_type: type[Message], session_id: int) -> bool:
        """Close the outstanding request if this answers it; return whether it does."""
        request = self._request
        if (
            request is None
            or request.packet_id != packet_id
            or not isinstance(request.message, request_type)
            or session_id != self.session_id
        ):
            self.counters.strays += 1
            return False
        # Karn's rule: after a retransmission it is unknown which copy was answered.
        if request.retransmits == 0:
            self.counters.rtt_last_s = self._now_s - request.sent_s
            self.counters.rtt_max_s = max(self.counters.rtt_max_s, self.counters.rtt_last_s)
        self._request = None
        return True

    def _on_hello_reply(self, packet_id: int, reply: Message) -> None:
        assert isinstance(reply, HelloReply)
        if not self._close_request(packet_id, Hello, reply.session_id):
            return
        if reply.protocol_min > PROTOCOL_MAX or reply.protocol_max < PROTOCOL_MIN:
            if self.state is not HostState.INCOMPATIBLE:
                self._events.append(FirmwareIncompatible(reply))
            self._advance(HostInput.VERSION_MISMATCH)
            return
        new_boot = self.board is None or self.board.boot_id != reply.boot_id
        self.board = reply
        self._display.shown = reply.shown_version
        # The board is ahead of us only if two hosts drew the same session id: continue from there.
        self._display.version = max(self._display.version, reply.shown_version)
        self._next_heartbeat_s = self._now_s + self._timing.heartbeat_s
        self._advance(HostInput.HELLO_ACCEPTED)
        self._events.append(BoardConnected(reply, new_boot))
        self._report_lost(reply.boot_id, reply.lost_overflow, reply.lost_reset)

    def _on_frame_ack(self, packet_id: int, ack: Message) -> None:
        assert isinstance(ack, FrameAck)
        if self._close_request(packet_id, ShowFrame, ack.session_id):
            self._display.shown = ack.version
            self._events.append(FrameAcknowledged(ack.version))

    def _on_heartbeat_reply(self, packet_id: int, reply: Message) -> None:
        assert isinstance(reply, HeartbeatReply)
        if not self._close_request(packet_id, Heartbeat, reply.session_id):
            return
        if self.board is None or reply.boot_id != self.board.boot_id:
            # HELLO was answered before and after a reset of the board, and we took the old answer.
            self._advance(HostInput.NO_SESSION)
            return
        self._report_lost(reply.boot_id, reply.lost_overflow, 0)

    def _on_edge(self, packet_id: int, edge: Message) -> None:
        assert isinstance(edge, messages.ButtonEdge)
        board = self.board
        if self.state is not HostState.READY or board is None or board.boot_id != edge.boot_id:
            self.counters.strays += 1  # a late copy from before a reset or before HELLO
            return
        edge_id = EdgeId(edge.boot_id, edge.event_id)
        arrival = self._inbox.arrive(edge_id)
        self._edge_packet_id = packet_id
        if arrival is Arrival.NEW:
            age_ms = elapsed_ms(edge.t_ms, edge.now_ms)
            self._events.append(ButtonEdge(edge_id, edge.button, edge.edge, edge.t_ms, age_ms))
            return
        self.counters.duplicate_edges += 1
        if arrival is Arrival.JOURNALED:
            self._acknowledge(edge_id)

    def _on_error(self, packet_id: int, error: Message) -> None:
        assert isinstance(error, ErrorReply)
        request = self._request
        if request is None or request.packet_id != packet_id:
            self.counters.strays += 1
            return
        self.counters.refused += 1
        ours = error.session_id == self.session_id
        if error.code is ErrorCode.NO_SESSION and ours:
            self._advance(HostInput.NO_SESSION)
        elif error.code is ErrorCode.SESSION and ours:
            self._advance(HostInput.REPLACED)
        else:
            # Noise can forge a bad body: report the error, and let the request be sent again.
            self._events.append(BoardRefused(error.code))

    def _report_lost(self, boot_id: int, overflow: int, reset: int) -> None:
        new_overflow, new_reset = self._loss_counter.update(boot_id, overflow, reset)
        if new_overflow or new_reset:
            self._events.append(PressesLost(boot_id, new_overflow, new_reset))

    # --- state -----------------------------------------------------------------------------

    def _advance(self, trigger: HostInput) -> None:
        """Change the state by the table; run the actions of leaving and entering a state."""
        before, after = self._machine.apply(trigger)
        if before is after:
            return
        self._request = None
        self._next_hello_s = self._now_s
        if after is HostState.INCOMPATIBLE:
            self._next_hello_s += self._timing.incompatible_hello_s
        if before is HostState.READY:
            self._events.append(BoardDisconnected(DISCONNECT_REASONS[trigger]))
        elif after is HostState.REPLACED:
            self._events.append(BoardDisconnected(Reason.REPLACED))
