"""The firmware's codec and ours are one: the same table, the same vectors, the same verdicts."""

from __future__ import annotations

import ctypes
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.errors import PacketError
from firmware_bridge.messages import BY_MESSAGE, BY_TYPE, Direction, decode_body, fields_of
from firmware_bridge.wire import CobsCarrier, Packet, cobs_encode, crc16, seal
from tests.tools.generators.test_vectors import FILES, read
from tools.build_firmware import Built

VERDICTS = ("pending", "packet", "bad_crc", "bad_coding", "too_short", "too_long")
C_TYPES: dict[str, Any] = {
    "uint8_t": ctypes.c_uint8,
    "uint16_t": ctypes.c_uint16,
    "uint32_t": ctypes.c_uint32,
    "const uint8_t *": ctypes.POINTER(ctypes.c_uint8),
}


class Receiver(ctypes.Structure):
    _fields_ = (
        ("bytes", ctypes.c_uint8 * 125),
        ("size", ctypes.c_uint8),
        ("skipping", ctypes.c_bool),
        ("complete", ctypes.c_bool),
    )


class Codec:
    """The C functions, called as firmware would."""

    def __init__(self, library: Path) -> None:
        self._library = ctypes.CDLL(str(library))
        self._library.pd_crc16.restype = ctypes.c_uint16

    def crc16(self, data: bytes) -> int:
        return int(self._library.pd_crc16(data, len(data)))

    def receive(self, line: bytes) -> list[tuple[str, bytes]]:
        """Return each verdict that was not "pending", with the packet without its CRC."""
        receiver, verdicts = Receiver(), []
        for byte in line:
            verdict = VERDICTS[self._library.pd_receive(ctypes.byref(receiver), byte)]
            if verdict != "pending":
                verdicts.append((verdict, bytes(receiver.bytes[: receiver.size])))
        return verdicts

    def read(self, type_byte: int, body: bytes) -> dict[str, Any] | None:
        """Return the fields of a body, or None if it is refused."""
        message = self._structure(type_byte)
        buffer = ctypes.create_string_buffer(body, len(body))
        name = BY_TYPE[type_byte].name.lower()
        reader = getattr(self._library, f"pd_read_{name}")
        reader.restype = ctypes.c_bool
        if not reader(buffer, len(body), ctypes.byref(message)):
            return None
        return {
            field: bytes(value[: kind.size]).hex() if hasattr(kind, "size") else value
            for field, kind in fields_of(BY_TYPE[type_byte].message).items()
            for value in [getattr(message, field)]
        }

    def rewrite(self, type_byte: int, body: bytes) -> bytes:
        """Read a body and write it again."""
        message, written = self._structure(type_byte), ctypes.create_string_buffer(128)
        name = BY_TYPE[type_byte].name.lower()
        buffer = ctypes.create_string_buffer(body, len(body))
        getattr(self._library, f"pd_read_{name}")(buffer, len(body), ctypes.byref(message))
        writer = getattr(self._library, f"pd_write_{name}")
        writer.restype = ctypes.c_uint8
        size = writer(written, ctypes.byref(message))
        return written.raw[:size]

    def frame(self, head: bytes) -> bytes:
        """Seal a packet and encode it for the line."""
        packet = ctypes.create_string_buffer(head, 128)
        size = self._library.pd_seal(packet, len(head))
        line = ctypes.create_string_buffer(132)
        encoded = self._library.pd_encode(packet, size, line)
        return line.raw[:encoded]

    def _structure(self, type_byte: int) -> ctypes.Structure:
        fields = fields_of(BY_TYPE[type_byte].message)
        declared = tuple((name, C_TYPES[kind.c_type]) for name, kind in fields.items())
        return type("Fields", (ctypes.Structure,), {"_fields_": declared})()  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def codec(built: Built) -> Codec:
    return Codec(built.core_library)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_c_codec_makes_of_a_vector_what_it_says(codec: Codec, path: Path) -> None:
    vector = read(path)
    kind, what = vector["verdict"].split()
    line = bytes.fromhex(vector["wire"])
    ((verdict, head),) = codec.receive(line)
    if kind == "packet":
        assert verdict == what
        return
    assert verdict == "packet"
    if kind == "body":
        # Types are sorted out before any body is read, by a switch that the conformance suite
        # covers; which of a body's faults it was, the firmware does not say.
        if what not in {"unknown_type", "wrong_direction"}:
            assert codec.read(head[0], head[2:]) is None
        return
    assert BY_TYPE[head[0]].name == what
    assert head[1] == int(vector["packet_id"])
    assert codec.read(head[0], head[2:]) == json.loads(vector["fields"])
    assert codec.frame(head[:2] + codec.rewrite(head[0], head[2:])) == line


def test_the_crc_is_the_one_that_is_documented(codec: Codec) -> None:
    assert codec.crc16(b"123456789") == 0xD64E


@given(data=st.binary(max_size=122))
def test_crc_and_framing_are_the_same_in_both_languages(codec: Codec, data: bytes) -> None:
    assert codec.crc16(data) == crc16(data)
    sealed = data + crc16(data).to_bytes(2, "big")
    assert codec.frame(data) == cobs_encode(sealed) + b"\x00"


@given(line=st.lists(st.sampled_from([0, 1, 2, 3, 5, 0x93, 255]), max_size=300).map(bytes))
def test_both_receivers_judge_any_bytes_alike(codec: Codec, line: bytes) -> None:
    ours = CobsCarrier()
    packets = [bytes((p.type_byte, p.packet_id)) + p.body for p in ours.feed(line)]
    theirs = codec.receive(line)
    assert [head for verdict, head in theirs if verdict == "packet"] == packets
    for verdict in VERDICTS[2:]:
        count = [name for name, _ in theirs].count(verdict)
        assert count == getattr(ours.counters, verdict)


BODY_BYTES = st.sampled_from([0, 1, 7, 0x7F, 0x80, 0x90, 0x91, 0x93, 0xC4, 0xCC, 0xCD, 0xCE, 0xCF])


@given(
    type_byte=st.sampled_from(sorted(BY_TYPE)),
    body=st.lists(BODY_BYTES | st.integers(0, 255), min_size=1, max_size=24).map(bytes),
)
def test_both_readers_accept_the_same_bodies(codec: Codec, type_byte: int, body: bytes) -> None:
    spec = BY_TYPE[type_byte]
    try:
        decode_body(type_byte, body, spec.direction)
        accepted = True
    except PacketError:
        accepted = False
    assert (codec.read(type_byte, body) is not None) is accepted


def test_every_message_of_the_table_has_a_reader_and_a_writer(codec: Codec) -> None:
    for spec in BY_MESSAGE.values():
        for verb in ("read", "write"):
            assert hasattr(codec._library, f"pd_{verb}_{spec.name.lower()}")


def test_a_packet_that_is_sealed_here_is_whole_there(codec: Codec) -> None:
    packet = Packet(0x03, 9, b"\x91\x07")
    assert packet.message(Direction.TO_BOARD) is not None
    head = seal(packet)[:-2]
    assert codec.receive(codec.frame(head)) == [("packet", head)]
