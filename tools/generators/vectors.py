"""Golden vectors: bytes on the line and what every codec must make of them, ours and the C one.

The text of `tests/vectors/*.hex`, as a pure function. A vector has comment lines, then keys::

    # what it shows
    direction: host to board          which end receives it
    wire: 09 01 03 93 ... 00          everything up to and with the delimiter
    verdict: message HELLO            or "packet CODE": no packet; or "body CODE": refused
    packet_id: 3                      for a message
    fields: {"session_id": 7, ...}    for a message; bytes as hex
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Final

import msgpack  # type: ignore[import-untyped]  # it ships no types

from firmware_bridge.messages import (
    BODY_MAX,
    MESSAGES,
    PACKED_SIZE,
    Choice,
    Direction,
    EdgeAck,
    FieldKind,
    Heartbeat,
    Hello,
    Message,
    ShowFrame,
    Unsigned,
    Wire,
    encode_body,
    fields_of,
)
from firmware_bridge.wire import DELIMITER, PACKET_MAX, Packet, cobs_encode, crc16, seal

PACKET_ID: Final = 3
_HELLO: Final = Hello(7, 1, 1)
_TYPE: Final = {spec.message: spec.type_byte for spec in MESSAGES}


@dataclass(frozen=True, slots=True)
class Vector:
    """Bytes and what must become of them."""

    about: str
    wire: bytes
    verdict: str
    direction: Direction = Direction.TO_BOARD
    message: Message | None = None

    def text(self) -> str:
        """Return the file."""
        lines = [
            f"# {self.about}",
            f"direction: {self.direction.value}",
            f"wire: {self.wire.hex(' ')}",
            f"verdict: {self.verdict}",
        ]
        if self.message is not None:
            fields = {name: _readable(value) for name, value in asdict(self.message).items()}
            lines += [f"packet_id: {PACKET_ID}", f"fields: {json.dumps(fields)}"]
        return "\n".join(lines) + "\n"


def vectors() -> dict[str, Vector]:
    """Return all vectors by the stem of their file's name."""
    return {**_good(), **_bad_packets(), **_bad_bodies()}


def _good() -> dict[str, Vector]:
    """Return each message with its smallest and its largest values."""
    good_vectors = {}
    for spec in MESSAGES:
        fields = fields_of(spec.message).values()
        for size, pick in (("least", _least), ("most", _most)):
            message = spec.message(*(pick(kind) for kind in fields))
            name = f"{spec.name.lower()}_{size}"
            good_vectors[name] = Vector(
                f"{spec.name} with the {'smallest' if size == 'least' else 'largest'} values.",
                _framed(seal(Packet.carrying(message, PACKET_ID))),
                f"message {spec.name}",
                spec.direction,
                message,
            )
    return good_vectors


def _bad_packets() -> dict[str, Vector]:
    """Return damage that must be noticed before anyone looks at the body."""
    sealed = seal(Packet.carrying(_HELLO, PACKET_ID))
    whole = cobs_encode(sealed)
    head = sealed[:-2]
    plain_crc = (crc16(head) ^ 0xFFFF).to_bytes(2, "big")
    long = b"\x55" * (PACKET_MAX + 2)
    cases = {
        "inserted_01": (
            "A 01 before the delimiter: one more zero, which a CRC without complement accepts.",
            whole + b"\x01" + DELIMITER,
            "bad_crc",
        ),
        "crc_not_complemented": ("CRC without complement.", _framed(head + plain_crc), "bad_crc"),
        "bit_flipped": ("One bit of the body flipped.", _flipped(whole, 6), "bad_crc"),
        "byte_lost": ("One byte of the body lost.", _without(whole, 6), "bad_coding"),
        "run_beyond_end": ("A run that reaches beyond the end.", b"\x09\x01\x00", "bad_coding"),
        "too_short": ("A CRC over nothing.", _framed(crc16(b"").to_bytes(2, "big")), "too_short"),
        "no_body": ("Type and packet id without a body.", _sealed(b"\x01\x03"), "too_short"),
        "too_long": ("More bytes than the longest packet.", long + DELIMITER, "too_long"),
    }
    return {
        f"packet_{name}": Vector(about, wire, f"packet {code}")
        for name, (about, wire, code) in cases.items()
    }


def _bad_bodies() -> dict[str, Vector]:
    """Return packets that arrived whole and still must be refused."""
    hello = encode_body(_HELLO)
    dark = bytes(PACKED_SIZE)
    bright = b"\x80" + dark[1:]
    cases: dict[str, tuple[str, type[Message] | int, bytes, str]] = {
        "unknown_type": ("A type that does not exist.", 0x7F, hello, "unknown_type"),
        "wrong_direction": (
            "A FRAME_ACK sent to the board.",
            0x82,
            _array(7, 1),
            "wrong_direction",
        ),
        "too_long": ("A body of 121 bytes.", Hello, bytes(BODY_MAX + 1), "too_long"),
        "empty_array": ("An array of none.", Heartbeat, _array(), "arity"),
        "field_missing": ("A field too few.", Hello, _array(7, 1), "arity"),
        "field_extra": ("A field too many.", Heartbeat, _array(7, 7), "arity"),
        "trailing_byte": ("A byte after the array.", Hello, hello + b"\x01", "msgpack"),
        "truncated": ("The array ends too early.", Hello, hello[:-1], "msgpack"),
        "long_form": ("7 in two bytes.", Heartbeat, b"\x91\xcc\x07", "msgpack"),
        "long_array": ("array16 for one field.", Heartbeat, b"\xdc\x00\x01\x07", "msgpack"),
        "not_an_array": ("A bare number.", Heartbeat, b"\x07", "msgpack"),
        "map": ("A map.", Heartbeat, b"\x81\x07\x07", "msgpack"),
        "nested": ("An array in the array.", Heartbeat, b"\x91\x91\x07", "field_type"),
        "nil": ("nil for a number.", Heartbeat, b"\x91\xc0", "field_type"),
        "true": ("true for a number.", Heartbeat, b"\x91\xc3", "field_type"),
        "negative": ("-1 for a number.", Heartbeat, b"\x91\xff", "field_range"),
        "float": ("7.0 for a number.", Heartbeat, _array(7.0), "field_type"),
        "text": ("Text for a number.", Heartbeat, b"\x91\xa1\x37", "msgpack"),
        "extension": ("An extension type.", Heartbeat, b"\x91\xd4\x01\x07", "msgpack"),
        "above_u32": ("2**32 for a u32.", Heartbeat, _array(2**32), "field_range"),
        "session_zero": ("Session 0.", Heartbeat, _array(0), "field_range"),
        "event_zero": ("Event 0.", EdgeAck, _array(7, 1, 0), "field_range"),
        "brightness_16": ("Brightness 16.", ShowFrame, _array(7, 1, 16, dark), "field_range"),
        "level_8": ("A level of 8.", ShowFrame, _array(7, 1, 15, bright), "field_range"),
        "levels_short": (
            "51 bytes of levels.",
            ShowFrame,
            _array(7, 1, 15, dark[1:]),
            "field_range",
        ),
        "levels_long": (
            "53 bytes of levels.",
            ShowFrame,
            _array(7, 1, 15, dark + b"\0"),
            "field_range",
        ),
        "levels_number": ("A number for the levels.", ShowFrame, _array(7, 1, 15, 9), "field_type"),
    }
    return {
        f"body_{name}": Vector(
            about,
            # A body of 121 bytes does not fit a packet either: that is seen first.
            _sealed(bytes((_type_of(which), PACKET_ID)) + body),
            f"packet {code}" if name == "too_long" else f"body {code}",
        )
        for name, (about, which, body, code) in cases.items()
    }


def _type_of(which: type[Message] | int) -> int:
    return which if isinstance(which, int) else _TYPE[which]


def _array(*values: object) -> bytes:
    body: bytes = msgpack.packb(list(values))
    return body


def _sealed(head: bytes) -> bytes:
    return _framed(head + crc16(head).to_bytes(2, "big"))


def _framed(data: bytes) -> bytes:
    # Not cobs_encode: some vectors are longer than anything that it agrees to send.
    return b"".join(bytes((len(run) + 1,)) + run for run in data.split(DELIMITER)) + DELIMITER


def _flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes((data[at] ^ 0x40,)) + data[at + 1 :] + DELIMITER


def _without(data: bytes, at: int) -> bytes:
    return data[:at] + data[at + 1 :] + DELIMITER


def _least(kind: FieldKind) -> Wire:
    if isinstance(kind, Unsigned):
        return kind.minimum
    return min(kind.enum) if isinstance(kind, Choice) else bytes(PACKED_SIZE)


def _most(kind: FieldKind) -> Wire:
    if isinstance(kind, Unsigned):
        return kind.largest
    return max(kind.enum) if isinstance(kind, Choice) else b"\x77" * PACKED_SIZE


def _readable(value: object) -> object:
    if isinstance(value, bytes):
        return value.hex()
    return int(value) if isinstance(value, IntEnum) else value
