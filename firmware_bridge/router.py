"""Packets through arduino-router, sans-IO: MessagePack-RPC around the packet that `wire` seals.

::

    us -> router    [0, id, "pd", [packet]]           answered [1, id, nil, packet], nil for none
    router -> us    [2, "pde", [packet]]              a button event
    us -> router    [0, id, "$/register", ["pde"]]    who wants the events

The router keeps a route per method name and forgets all of them when it restarts, tells nobody when
a route appears or goes, delivers in any order, and never answers a call whose provider died. So
nothing here waits for an answer, and a route is asked for with every packet until it is ours.
`$/cancelRequest` is never sent: firmware that does not know it wedges.
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
REQUEST_ARITY: Final = 4
NOTICE_ARITY: Final = 3
NOT_AVAILABLE: Final = 2  # the router's code: nobody has registered this method

# A message that noise made endless leaves the router waiting for its end: it hears nothing more of
# what the board says, and only opening the line anew helps. The sign of it is that HELLOs, two a
# second, bring not even an error, or, if the route went too, that the board does not ask for it.
DEAF_HELLOS: Final = 4
UNROUTED_HELLOS: Final = 8
# That line may belong to another app's sketch by now, whose routes go with each opening.
REOPENINGS_MAX: Final = 5
IDS: Final = 1 << 31  # a negative id gets no answer
BUFFER_MAX: Final = 1 << 16
_HELLO: Final = BY_MESSAGE[Hello].type_byte


@dataclass(slots=True)
class RouterCounters:
    """What a carrier met on the socket besides packets; plain numbers that only grow."""

    no_route: int = 0
    """Calls that the router could deliver to nobody: the board is away, or has not registered."""
    refusals: int = 0
    """Other errors, of the router or of a board that had no such method."""
    strays: int = 0
    serial_reopened: int = 0
    """How often we told the router to open the board's line anew, because it had gone deaf."""


class RouterCarrier:
    """The carrier of a host that talks to its board through arduino-router.

    Parameters
    ----------
    serial
        The device that the router was given for the board, by which it can be told to open it anew.
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
        self._hellos = 0  # since the board was heard
        self._reopenings = 0  # likewise
        self._is_unrouted = False
        self._has_met = False  # the board, since we exist
        self._unasked = bytearray()

    def encode(self, packet: Packet, *, flush: bool = False) -> bytes:
        """Return the call that carries a packet; what keeps the routes alive goes before it."""
        del flush  # the router has its socket to itself: there is no garbage to end
        is_asking = self._has_events or self._events_id is not None
        data = b"" if is_asking else self._ask_for_events()
        if packet.type_byte == _HELLO:
            self._hellos += 1
            if self._is_deaf():
                data += self._close_serial()
        _, call = self._request(CALL, seal(packet))
        return data + call

    def feed(self, data: bytes) -> list[Packet]:
        """Take bytes as they come and return the packets that they bring."""
        self.counters.bytes_in += len(data)
        packets: list[Packet] = []
        try:
            self._unpacker.feed(data)
            for message in self._unpacker:
                self._take(message, packets)
        # What msgpack raises for bytes that are none of its own, too many, too deep, or unhashable.
        except (ValueError, TypeError, msgpack.UnpackException):
            self.counters.bad_coding += 1
            self.counters.resyncs += 1
            self._unpacker = _new_unpacker()
        return packets

    def reset(self) -> None:
        """Begin anew: the socket was opened, and a router knows nothing of a new connection."""
        self._unpacker = _new_unpacker()
        self._has_events = False
        self._events_id = None
        self._close_id = None
        self._hellos = self._reopenings = 0
        self._is_unrouted = False
        self._unasked.clear()

    def unasked(self) -> bytes:
        """Return what the carrier itself has to say, which no packet asked for."""
        data = bytes(self._unasked)
        self._unasked.clear()
        return data

    # --- calls -----------------------------------------------------------------------------

    def _request(self, method: bytes, parameter: bytes | str) -> tuple[int, bytes]:
        request_id = self._next_id
        self._next_id = (request_id + 1) % IDS
        call: bytes = msgpack.packb([REQUEST, request_id, method.decode(), [parameter]])
        return request_id, call

    def _ask_for_events(self) -> bytes:
        # Refused while another host holds the route. It gives it back when it learns from the board
        # that we replaced it, and that takes a heartbeat: hence the repetition.
        self._events_id, call = self._request(REGISTER, EVENTS.decode())
        return call

    def _is_deaf(self) -> bool:
        """Tell whether the router should open the board's line anew, as far as one can know."""
        if self._reopenings >= REOPENINGS_MAX or (self._is_unrouted and not self._has_met):
            return False
        return self._hellos % (UNROUTED_HELLOS if self._is_unrouted else DEAF_HELLOS) == 0

    def _close_serial(self) -> bytes:
        """Make the router drop what it believes to be reading; opening follows the answer."""
        self._reopenings += 1
        self._close_id, call = self._request(SERIAL_CLOSE, self._serial)
        return call

    # --- what comes ------------------------------------------------------------------------

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
            # Whatever the router said of closing: it must not stay closed.
            self._close_id = None
            self.router.serial_reopened += 1
            self._unasked += self._request(SERIAL_OPEN, self._serial)[1]
            return
        if error is not None:
            self._note_error(error)
        elif isinstance(result, bytes):
            self._take_packet(result, packets)
        # Else nil: the board has nothing to say to this packet, or could not read it.

    def _note_error(self, error: object) -> None:
        if isinstance(error, list) and error and error[0] == NOT_AVAILABLE:
            self.router.no_route += 1
            self._is_unrouted = True
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
        self._is_unrouted = False
        self._has_met = True
        self.counters.packets += 1
        packets.append(packet)


def _new_unpacker() -> msgpack.Unpacker:
    return msgpack.Unpacker(raw=True, strict_map_key=False, max_buffer_size=BUFFER_MAX)
