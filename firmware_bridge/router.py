"""Packets through arduino-router, sans-IO: MessagePack-RPC around the packet that `wire` seals.

Theory of operation. On an Uno Q the serial line belongs to arduino-router, a message broker on the
board's Debian. Host and board are its clients, and send each other calls and notices::

    host -> router    [0, id, "pd", [packet]]           answered [1, id, nil, packet or nil]
    router -> host    [2, "pde", [packet]]              a button event
    host -> router    [0, id, "$/register", ["pde"]]    the host wants the events

The router holds one route per method name. It forgets all routes when it restarts, reports no
change of a route, delivers in any order, and never answers a call whose provider died. So nothing
here waits for an answer: the session's timers repeat the packet. The route of the events is
requested with every packet until the router grants it. `$/cancelRequest` is never sent, because
firmware that does not know it hangs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgpack  # type: ignore[import-untyped]  # it ships no types

from firmware_bridge.errors import PacketError
from firmware_bridge.messages import BY_MESSAGE, Hello
from firmware_bridge.wire import Packet, WireCounters, seal, unseal

CALL: Final = b"pd"  # the board's method
EVENTS: Final = b"pde"  # ours
REGISTER: Final = b"$/register"
SERIAL_OPEN: Final = b"$/serial/open"
SERIAL_CLOSE: Final = b"$/serial/close"
ROUTER_SERIAL: Final = "/dev/ttyHS1"  # what arduino-router.service opens on an Uno Q

REQUEST: Final = 0
ANSWER: Final = 1
NOTICE: Final = 2
NOT_AVAILABLE: Final = 2  # the router's error code for a method without a route

# If noise damages a length, the router waits for the end of a message that never ends. It then
# ignores everything that the board sends until the serial line is opened again. The host cannot see
# this directly. The signs are HELLOs (two a second) without any answer, not even an error; or, if
# the route is lost too, a board that does not register again.
STUCK_HELLOS: Final = 4
STUCK_HELLOS_NO_ROUTE: Final = 8
# The line may belong to another app's sketch by then, which loses its routes at each reopening.
REOPENINGS_MAX: Final = 5
IDS: Final = 1 << 31  # a negative id gets no answer
BUFFER_MAX: Final = 1 << 16
_HELLO: Final = BY_MESSAGE[Hello].type_byte


@dataclass(slots=True)
class RouterCounters:
    """Counters of the messages other than packets, which only grow."""

    no_route: int = 0
    """Calls without a route: the board is away or has not registered."""
    refusals: int = 0
    """Other errors, of the router or of a board without this method."""
    strays: int = 0
    serial_reopened: int = 0
    """Number of times that the router reopened a stuck serial line on our request."""


class RouterCarrier:
    """The carrier of a host that talks to its board through arduino-router.

    Parameters
    ----------
    serial
        The device that the router uses for the board; named in the calls that reopen it.
    """

    def __init__(self, serial: str = ROUTER_SERIAL) -> None:
        self.counters = WireCounters()
        self.router = RouterCounters()
        self._serial = serial
        self._next_id = 0
        self._unpacker = _new_unpacker()
        self._has_events = False
        self._events_id: int | None = None
        self._close_id: int | None = None
        self._hellos = 0  # since the last packet of the board
        self._reopenings = 0  # since the last packet of the board
        self._has_no_route = False
        self._board_answered = False  # ever
        self._control = bytearray()

    def encode(self, packet: Packet, *, flush: bool = False) -> bytes:
        """Return the call that carries a packet, after calls that restore routes if need be."""
        del flush  # a socket has no noise: there is no garbage to end
        is_registered = self._has_events or self._events_id is not None
        data = b"" if is_registered else self._register_events()
        if packet.type_byte == _HELLO:
            self._hellos += 1
            if self._is_stuck():
                data += self._close_serial()
        _, call = self._request(CALL, seal(packet))
        return data + call

    def feed(self, data: bytes) -> list[Packet]:
        """Process received bytes and return the packets in them."""
        self.counters.bytes_in += len(data)
        packets: list[Packet] = []
        try:
            self._unpacker.feed(data)
            for message in self._unpacker:
                self._take(message, packets)
        # msgpack's errors for bytes that are invalid, too many, nested too deep, or unhashable.
        except (ValueError, TypeError, msgpack.UnpackException):
            self.counters.bad_coding += 1
            self.counters.resyncs += 1
            self._unpacker = _new_unpacker()
        return packets

    def reset(self) -> None:
        """Start from zero: a router has no routes for a new connection."""
        self._unpacker = _new_unpacker()
        self._has_events = False
        self._events_id = None
        self._close_id = None
        self._hellos = self._reopenings = 0
        self._has_no_route = False
        self._control.clear()

    def drain_control(self) -> bytes:
        """Return calls of the carrier itself, such as opening the serial line again."""
        data = bytes(self._control)
        self._control.clear()
        return data

    # --- calls -----------------------------------------------------------------------------

    def _request(self, method: bytes, parameter: bytes | str) -> tuple[int, bytes]:
        request_id = self._next_id
        self._next_id = (request_id + 1) % IDS
        call: bytes = msgpack.packb([REQUEST, request_id, method.decode(), [parameter]])
        return request_id, call

    def _register_events(self) -> bytes:
        # Refused while another host holds the route. That host releases it at its next heartbeat,
        # when the board reports that we replaced it. So the request is repeated.
        self._events_id, call = self._request(REGISTER, EVENTS.decode())
        return call

    def _is_stuck(self) -> bool:
        """Return whether the router probably waits for the end of a damaged message."""
        # Without a route and without any answer so far, the board is simply not there.
        if self._reopenings >= REOPENINGS_MAX or (self._has_no_route and not self._board_answered):
            return False
        return self._hellos % (STUCK_HELLOS_NO_ROUTE if self._has_no_route else STUCK_HELLOS) == 0

    def _close_serial(self) -> bytes:
        """Return the call that closes the line; the call to open it follows the answer."""
        self._reopenings += 1
        self._close_id, call = self._request(SERIAL_CLOSE, self._serial)
        return call

    # --- receiving -------------------------------------------------------------------------

    def _take(self, message: object, packets: list[Packet]) -> None:
        match message:
            case [int(kind), int(request_id), error, result] if kind == ANSWER:
                self._take_answer(request_id, error, result, packets)
            case [int(kind), bytes(method), [bytes(sealed)]] if (kind, method) == (NOTICE, EVENTS):
                self._take_packet(sealed, packets)
            case _:
                self.router.strays += 1

    def _take_answer(
        self, request_id: int, error: object, result: object, packets: list[Packet]
    ) -> None:
        if request_id == self._events_id:
            self._events_id = None
            self._has_events = error is None
            return
        if request_id == self._close_id:
            # Open it whether closing succeeded or not: the line must not stay closed.
            self._close_id = None
            self.router.serial_reopened += 1
            self._control += self._request(SERIAL_OPEN, self._serial)[1]
            return
        if error is not None:
            self._note_error(error)
        elif isinstance(result, bytes):
            self._take_packet(result, packets)
        # Else nil: this packet has no answer, or the board could not read it.

    def _note_error(self, error: object) -> None:
        if isinstance(error, list) and error and error[0] == NOT_AVAILABLE:
            self.router.no_route += 1
            self._has_no_route = True
        else:
            self.router.refusals += 1

    def _take_packet(self, sealed: bytes, packets: list[Packet]) -> None:
        try:
            packet = unseal(sealed)
        except PacketError as error:
            # Every code of unseal is the name of a counter.
            setattr(self.counters, error.code, getattr(self.counters, error.code) + 1)
            return
        self._hellos = self._reopenings = 0
        self._has_no_route = False
        self._board_answered = True
        self.counters.packets += 1
        packets.append(packet)


def _new_unpacker() -> msgpack.Unpacker:
    return msgpack.Unpacker(raw=True, strict_map_key=False, max_buffer_size=BUFFER_MAX)
