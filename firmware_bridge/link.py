"""The host's only IO loop: one port and one session, in asyncio, without polling.

The loop sleeps until bytes arrive, until a deadline of the session, or until the next attempt to
open the port. Ports that are missing, vanish or come back are normal. A missing port is tried at
least once a second.

When another host takes the board, the link closes its port, waits, and then takes the board back.
The wait doubles each time, up to an hour: two hosts that both run take turns ever more rarely, and
the survivor of two gets the board in the end.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from firmware_bridge.errors import LinkError
from firmware_bridge.events import BoardConnected, ButtonEdge, LinkEvent, PortMissing, PortOpened
from firmware_bridge.host_session import HostSession
from firmware_bridge.messages import BRIGHTNESS_MAX, MILLISECONDS
from firmware_bridge.session import HostState

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from firmware_bridge.events import EdgeId
    from firmware_bridge.matrix import Frame
    from firmware_bridge.messages import HelloReply
    from firmware_bridge.session import Timing
    from firmware_bridge.transport import Port, Transport

RETRY_MIN_S: Final = 0.05
RETRY_MAX_S: Final = 0.8  # a port that comes back is served within 2 s
RECLAIM_MIN_S: Final = 60.0  # wait before taking the board back from another host
RECLAIM_MAX_S: Final = 3600.0
UNSENT_MAX: Final = 1024  # bytes waiting for a stuck port; the session repeats what is dropped
EVENTS_MAX: Final = 256  # events waiting for the host


@dataclass(frozen=True, slots=True)
class LinkStatistics:
    """All counters of a link at one moment; they only grow while the process lives."""

    packets_sent: int
    packets_received: int
    bytes_sent: int
    bytes_received: int
    bytes_dropped: int
    retransmits: int
    hellos: int
    crc_errors: int
    bad_packets: int
    resyncs: int
    bad_bodies: int
    strays: int
    duplicate_edges: int
    refused: int
    port_openings: int
    events_dropped: int
    rtt_last_ms: float
    rtt_max_ms: float


class Link:
    """A board on a port, for a host in asyncio.

    Start it with ``async with``, read events with ``async for``, and call `show` and `confirm` at
    any time, connected or not.

    Parameters
    ----------
    port
        The port to open, for example ``SerialPort("/dev/ttyATH0")``.
    last_edge
        The newest button edge in the host's journal; it is not reported again.
    timing
        The intervals of the protocol; tests shorten them.
    reclaim_s
        How long to wait before taking the board back from another host, the first time.
    """

    def __init__(
        self,
        port: Port,
        *,
        last_edge: EdgeId | None = None,
        timing: Timing | None = None,
        reclaim_s: float = RECLAIM_MIN_S,
    ) -> None:
        self.port = port
        self.session = HostSession(
            _new_session_id(),
            last_edge=last_edge,
            carrier=port.carrier(),
            timing=timing,
        )
        self.events_dropped = 0
        self._events: deque[LinkEvent] = deque()
        self._has_events = asyncio.Event()
        self._closed = False
        self._transport: Transport | None = None
        self._unsent = bytearray()
        self._is_writing = False
        self._timer: asyncio.TimerHandle | None = None
        self._retry_s = RETRY_MIN_S
        self._reported_missing = False
        self._reclaim_min_s = self._reclaim_s = reclaim_s
        self._connected_s = 0.0
        self._openings = 0
        self._bytes_out = 0
        self._bytes_dropped = 0

    # --- for the host ----------------------------------------------------------------------

    async def __aenter__(self) -> Link:
        """Start: try to open the port now, and again until it opens."""
        self._loop = asyncio.get_running_loop()
        self._try_port()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def __aiter__(self) -> AsyncIterator[LinkEvent]:
        """Iterate over the events, oldest first, until the link is closed."""
        return self._iterate()

    async def next_event(self) -> LinkEvent | None:
        """Wait for the next event; return None once the link is closed and all were read."""
        while not self._events:
            if self._closed:
                return None
            self._has_events.clear()
            await self._has_events.wait()
        return self._events.popleft()

    def show(self, frame: Frame, brightness: int = BRIGHTNESS_MAX) -> int:
        """Show a frame as soon as possible; it replaces one that was not shown yet.

        Returns the version that a later ``FrameAcknowledged`` will name (or a newer one).
        """
        version = self.session.show(frame.packed(), brightness)
        self._pump()
        return version

    def confirm(self, edge_id: EdgeId) -> None:
        """Acknowledge an edge to the board; call it once the edge is on disk in the journal."""
        self.session.confirm(edge_id)
        self._pump()

    def reclaim(self) -> None:
        """Take the board back from another host; only a person should call it sooner."""
        if self.session.state is HostState.REPLACED and not self._closed:
            self._cancel_timer()
            self.session.renew(_new_session_id())
            self._try_port()

    def close(self) -> None:
        """Stop, release the port and end the iteration; harmless when repeated."""
        if self._closed:
            return
        self._closed = True
        self._cancel_timer()
        self._drop_port()
        self._has_events.set()

    @property
    def board(self) -> HelloReply | None:
        """The board's last HELLO_REPLY; it stays while the board is away."""
        return self.session.board

    @property
    def statistics(self) -> LinkStatistics:
        """The counters of the link now."""
        session, wire = self.session.counters, self.session.carrier.counters
        return LinkStatistics(
            packets_sent=session.packets_sent,
            packets_received=wire.packets,
            bytes_sent=self._bytes_out,
            bytes_received=wire.bytes_in,
            bytes_dropped=self._bytes_dropped,
            retransmits=session.retransmits,
            hellos=session.hellos,
            crc_errors=wire.bad_crc,
            bad_packets=wire.bad_packets,
            resyncs=wire.resyncs,
            bad_bodies=session.bad_bodies,
            strays=session.strays,
            duplicate_edges=session.duplicate_edges,
            refused=session.refused,
            port_openings=self._openings,
            events_dropped=self.events_dropped,
            rtt_last_ms=session.rtt_last_s * MILLISECONDS,
            rtt_max_ms=session.rtt_max_s * MILLISECONDS,
        )

    # --- the loop --------------------------------------------------------------------------

    async def _iterate(self) -> AsyncIterator[LinkEvent]:
        while (event := await self.next_event()) is not None:
            yield event

    def _try_port(self) -> None:
        """Open the port, or schedule the next attempt."""
        try:
            self._transport = self.port.open()
        except LinkError as error:
            if not self._reported_missing:
                self._reported_missing = True
                self._publish(PortMissing(self.port.name, str(error)))
            self._try_port_later()
            return
        self._reported_missing = False
        self._openings += 1
        self._loop.add_reader(self._transport.fileno(), self._on_readable)
        self._publish(PortOpened(self.port.name))
        self.session.on_port_opened(self._loop.time())
        self._pump()

    def _on_readable(self) -> None:
        assert self._transport is not None
        try:
            data = self._transport.read()
        except LinkError as error:
            self._lose_port(error)
            return
        self.session.receive(data, self._loop.time())
        self._pump()

    def _pump(self) -> None:
        """Send what is due, publish events, and set the timer for the next deadline."""
        if self._transport is not None and not self._write(self.session.tick(self._loop.time())):
            return  # the port is gone: _lose_port has published that and set the timer
        self._publish_session_events()
        if self._transport is None:
            return
        if self.session.state is HostState.REPLACED:
            self._yield_board()
            return
        self._cancel_timer()
        deadline_s = self.session.next_deadline()
        if deadline_s is not None:
            self._timer = self._loop.call_at(deadline_s, self._pump)

    def _write(self, data: bytes) -> bool:
        """Send bytes; return whether the port is still there."""
        if len(self._unsent) + len(data) > UNSENT_MAX:
            # Drop whole packets only: the next bytes must begin at a packet.
            self._bytes_dropped += len(data)
        else:
            self._unsent += data
        if self._unsent and not self._is_writing:
            self._flush()
        return self._transport is not None

    def _flush(self) -> None:
        """Write waiting bytes; watch the descriptor for room only while some are left."""
        transport = self._transport
        assert transport is not None
        try:
            sent = transport.write(bytes(self._unsent))
        except LinkError as error:
            self._lose_port(error)
            return
        self._bytes_out += sent
        del self._unsent[:sent]
        if self._unsent and not self._is_writing:
            self._loop.add_writer(transport.fileno(), self._flush)
        elif not self._unsent and self._is_writing:
            self._loop.remove_writer(transport.fileno())
        self._is_writing = bool(self._unsent)

    def _lose_port(self, error: LinkError) -> None:
        """Report that the port vanished and try it again."""
        self._cancel_timer()
        self._drop_port()
        self._reported_missing = True
        self._publish_session_events()
        self._publish(PortMissing(self.port.name, str(error)))
        self._try_port_later()

    def _yield_board(self) -> None:
        """Release the port for the host that took the board; take the board back later."""
        self._cancel_timer()
        self._drop_port()
        if self._loop.time() - self._connected_s > RECLAIM_MAX_S:
            self._reclaim_s = self._reclaim_min_s  # we had the board for long: start over
        self._timer = self._loop.call_later(self._reclaim_s, self.reclaim)
        self._reclaim_s = min(self._reclaim_s * 2, RECLAIM_MAX_S)

    def _try_port_later(self) -> None:
        self._timer = self._loop.call_later(self._retry_s, self._try_port)
        self._retry_s = min(self._retry_s * 2, RETRY_MAX_S)

    def _drop_port(self) -> None:
        transport, self._transport = self._transport, None
        if transport is None:
            return
        self._loop.remove_reader(transport.fileno())
        self._loop.remove_writer(transport.fileno())
        self._is_writing = False
        self._unsent.clear()
        with contextlib.suppress(OSError):  # closing a vanished tty may fail
            transport.close()
        self.session.on_port_lost(self._loop.time())

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # --- events ----------------------------------------------------------------------------

    def _publish_session_events(self) -> None:
        for event in self.session.take_events():
            if isinstance(event, BoardConnected):
                # Not when the port opens: a port that opens and fails at once needs the long wait.
                self._retry_s = RETRY_MIN_S
                self._connected_s = self._loop.time()
            self._publish(event)

    def _publish(self, event: LinkEvent) -> None:
        """Queue an event for the host; a full queue drops its oldest event, but never an edge."""
        if len(self._events) >= EVENTS_MAX:
            oldest = next(e for e in self._events if not isinstance(e, ButtonEdge))
            self._events.remove(oldest)
            self.events_dropped += 1
        self._events.append(event)
        self._has_events.set()


def _new_session_id() -> int:
    return secrets.randbelow(0xFFFF_FFFF) + 1
