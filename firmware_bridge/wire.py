"""Packets on a raw serial line, sans-IO: bytes in, packets out.

Theory of operation. A packet is sealed with a CRC, then COBS-encoded, then ended by a zero byte:

::

    +------+-----------+------------------------+-----------+      COBS of all of that      +----+
    | type | packet id | msgpack body, <= 120 B | CRC16, BE |  --> (no zero byte inside) --> | 00 |
    +------+-----------+------------------------+-----------+                               +----+

COBS removes all zero bytes. It cuts the data at each zero, and replaces the zero by the length of
the run that follows::

    data    11 22 00 33            runs of 2 and 1 bytes
    COBS    03 11 22 02 33         each run is led by its length + 1

So a zero is always the end of a packet, and a receiver that lost its place finds it at the next
zero. Bad bytes raise nothing: they are counted, and the sender's timer repeats the packet.

The CRC is CRC-16/GENIBUS: polynomial 0x1021, start 0xFFFF, *complemented* at the end. Without the
complement, a zero appended after the CRC keeps the packet valid. COBS decodes a stray ``01`` before
the delimiter to exactly such a zero: of a million noisy packets, 16 to 37 were then accepted.
"""

from __future__ import annotations

from binascii import crc_hqx
from dataclasses import dataclass
from typing import Protocol

from firmware_bridge.errors import PacketError
from firmware_bridge.messages import BODY_MAX, Direction, Message, decode_body, encode_body
from firmware_bridge.messages import type_byte_of as _type_byte_of

DELIMITER = b"\x00"
HEAD_SIZE = 2
CRC_SIZE = 2
PACKET_MAX = HEAD_SIZE + BODY_MAX + CRC_SIZE
ENCODED_MAX = PACKET_MAX + 1  # COBS adds one byte to anything shorter than 255
PACKET_IDS = 256


@dataclass(frozen=True, slots=True)
class Packet:
    """A type byte, an id that the answer repeats, and a msgpack body."""

    type_byte: int
    packet_id: int
    body: bytes

    @classmethod
    def carrying(cls, message: Message, packet_id: int) -> Packet:
        """Return the packet that carries a message."""
        return cls(_type_byte_of(message), packet_id, encode_body(message))

    def message(self, direction: Direction) -> Message:
        """Return the message inside, or raise PacketError."""
        return decode_body(self.type_byte, self.body, direction)


@dataclass(slots=True)
class WireCounters:
    """Counters of a decoder, which only grow."""

    bytes_in: int = 0
    packets: int = 0
    bad_crc: int = 0
    bad_coding: int = 0
    too_long: int = 0
    too_short: int = 0
    resyncs: int = 0

    @property
    def bad_packets(self) -> int:
        """Number of stretches between delimiters that were not a packet."""
        return self.bad_crc + self.bad_coding + self.too_long + self.too_short


class Carrier(Protocol):
    """How packets travel: COBS on a raw line here, MessagePack-RPC through the router."""

    counters: WireCounters

    def encode(self, packet: Packet, *, flush: bool = False) -> bytes:
        """Return the bytes of a packet; ``flush`` first ends whatever garbage is under way."""

    def feed(self, data: bytes) -> list[Packet]:
        """Process received bytes and return the packets that they complete."""

    def reset(self) -> None:
        """Drop a half-received packet: the port was opened again."""

    def drain_control(self) -> bytes:
        """Return bytes that the carrier itself must send, besides packets; then forget them."""


def crc16(data: bytes) -> int:
    """Return the CRC-16/GENIBUS of ``data``: ``crc16(b"123456789") == 0xD64E``."""
    return crc_hqx(data, 0xFFFF) ^ 0xFFFF


def seal(packet: Packet) -> bytes:
    """Return type, id, body and CRC, before any framing."""
    head = bytes((packet.type_byte, packet.packet_id)) + packet.body
    return head + crc16(head).to_bytes(CRC_SIZE, "big")


def unseal(data: bytes) -> Packet:
    """Return the packet in sealed bytes, or raise PacketError."""
    if len(data) < HEAD_SIZE + CRC_SIZE + 1:
        raise PacketError(f"{len(data)} bytes are too few", code="too_short")
    if len(data) > PACKET_MAX:
        raise PacketError(f"{len(data)} bytes are too many", code="too_long")
    content, crc = data[:-CRC_SIZE], int.from_bytes(data[-CRC_SIZE:], "big")
    if crc16(content) != crc:
        raise PacketError("CRC mismatch", code="bad_crc")
    return Packet(content[0], content[1], content[HEAD_SIZE:])


def cobs_encode(data: bytes) -> bytes:
    """Return ``data`` without zero bytes: each run is led by the distance to the next zero."""
    assert len(data) <= PACKET_MAX, "longer data would need runs of 254"
    return b"".join(bytes((len(run) + 1,)) + run for run in data.split(DELIMITER))


def cobs_decode(data: bytes) -> bytes:
    """Undo `cobs_encode`, or raise PacketError."""
    runs = []
    position = 0
    while position < len(data):
        end = position + data[position]
        if data[position] == 0 or end > len(data):
            raise PacketError("a run reaches beyond the delimiter", code="bad_coding")
        runs.append(data[position + 1 : end])
        position = end
    return DELIMITER.join(runs)


class CobsCarrier:
    """COBS and a zero after each packet."""

    def __init__(self) -> None:
        self.counters = WireCounters()
        self._buffer = bytearray()
        self._skipping = False  # too long already: drop until the next delimiter

    def encode(self, packet: Packet, *, flush: bool = False) -> bytes:
        """Return the bytes of a packet; with ``flush``, a zero in front ends earlier garbage."""
        return (DELIMITER if flush else b"") + cobs_encode(seal(packet)) + DELIMITER

    def feed(self, data: bytes) -> list[Packet]:
        """Process bytes in pieces of any size and return the packets that they complete."""
        self.counters.bytes_in += len(data)
        *ended, rest = data.split(DELIMITER)
        packets = []
        for piece in ended:
            self._append(piece)
            packet = self._finish()
            if packet is not None:
                packets.append(packet)
        self._append(rest)
        return packets

    def reset(self) -> None:
        """Drop a half-received packet: the port was opened again."""
        self._buffer.clear()
        self._skipping = False

    def drain_control(self) -> bytes:
        """Return nothing: on a raw line only packets travel."""
        return b""

    def _append(self, piece: bytes) -> None:
        """Buffer a piece, but never more than the longest packet."""
        if self._skipping:
            return
        self._buffer += piece
        if len(self._buffer) > ENCODED_MAX:
            self._buffer.clear()
            self._skipping = True
            self.counters.too_long += 1

    def _finish(self) -> Packet | None:
        """Decode the bytes before a delimiter; count what is not a packet."""
        if self._skipping:
            self._skipping = False
            self.counters.resyncs += 1
            return None
        data = bytes(self._buffer)
        self._buffer.clear()
        if not data:
            return None  # two zeros in a row are not an error: senders flush with one
        try:
            packet = unseal(cobs_decode(data))
        except PacketError as error:
            self._count(error.code)
            return None
        self.counters.packets += 1
        return packet

    def _count(self, code: str) -> None:
        # Every code of cobs_decode and unseal is the name of a counter.
        setattr(self.counters, code, getattr(self.counters, code) + 1)
        self.counters.resyncs += 1
