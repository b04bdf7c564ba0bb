"""Bytes on the line: whole packets come out, and nothing else ever does."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.errors import PacketError
from firmware_bridge.messages import BODY_MAX, Direction, EdgeAck, Heartbeat, Hello
from firmware_bridge.noise import Noise
from firmware_bridge.wire import (
    ENCODED_MAX,
    PACKET_MAX,
    CobsCarrier,
    Packet,
    cobs_decode,
    cobs_encode,
    crc16,
    seal,
    unseal,
)

packets = st.builds(
    Packet, st.integers(0, 255), st.integers(0, 255), st.binary(min_size=1, max_size=BODY_MAX)
)


def test_the_crc_is_genibus() -> None:
    assert crc16(b"123456789") == 0xD64E


@pytest.mark.parametrize(
    ("data", "encoded"),
    [
        (b"", "01"),
        (b"\x00", "0101"),
        (b"\x00\x00", "010101"),
        (b"\x11\x22\x00\x33", "0311220233"),
        (b"\x11\x22\x33\x44", "0511223344"),
        (b"\x11\x00\x00\x00", "0211010101"),
    ],
)
def test_cobs_follows_the_examples_of_its_paper(data: bytes, encoded: str) -> None:
    assert cobs_encode(data).hex() == encoded
    assert cobs_decode(bytes.fromhex(encoded)) == data


@given(st.binary(max_size=PACKET_MAX))
def test_cobs_round_trips_without_a_zero_and_costs_one_byte(data: bytes) -> None:
    encoded = cobs_encode(data)
    assert 0 not in encoded
    assert len(encoded) == len(data) + 1
    assert cobs_decode(encoded) == data


def test_a_packet_costs_six_bytes_around_its_body() -> None:
    packet = Packet.carrying(Hello(7, 1, 1), 3)
    assert len(CobsCarrier().encode(packet)) == len(packet.body) + 6


@given(st.lists(packets, max_size=5), st.lists(st.integers(0, 700), max_size=6))
def test_packets_come_out_whole_however_the_stream_is_cut(
    sent: list[Packet], cuts: list[int]
) -> None:
    sender, receiver = CobsCarrier(), CobsCarrier()
    stream = b"".join(sender.encode(packet) for packet in sent)
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    received = [packet for a, b in pairwise(edges) for packet in receiver.feed(stream[a:b])]
    assert received == sent
    assert receiver.counters.packets == len(sent)
    assert receiver.counters.bad_packets == 0


@given(st.binary(max_size=2000), packets)
def test_after_any_garbage_the_next_flushed_packet_comes_through(
    garbage: bytes, packet: Packet
) -> None:
    receiver = CobsCarrier()
    receiver.feed(garbage)
    assert receiver.feed(CobsCarrier().encode(packet, flush=True))[-1] == packet


@given(st.binary(max_size=3000))
def test_the_buffer_never_outgrows_the_longest_packet(garbage: bytes) -> None:
    receiver = CobsCarrier()
    for at in range(0, len(garbage), 7):
        receiver.feed(garbage[at : at + 7])
        assert len(receiver._buffer) <= ENCODED_MAX


@given(packets, st.data())
def test_up_to_three_flipped_bits_are_always_noticed(packet: Packet, data: st.DataObject) -> None:
    sealed = bytearray(seal(packet))
    bits = st.sets(st.integers(0, 8 * len(sealed) - 1), min_size=1, max_size=3)
    for bit in data.draw(bits):
        sealed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(PacketError):
        unseal(bytes(sealed))


@given(packets, st.integers(1, 5))
def test_zeros_appended_after_the_crc_are_noticed(packet: Packet, zeros: int) -> None:
    with pytest.raises(PacketError):
        unseal(seal(packet) + bytes(zeros))


def test_a_01_before_the_delimiter_is_noticed() -> None:
    encoded = CobsCarrier().encode(Packet.carrying(Hello(7, 1, 1), 3))
    receiver = CobsCarrier()
    assert receiver.feed(encoded[:-1] + b"\x01\x00") == []
    assert receiver.counters.bad_crc == 1


def test_noise_of_one_percent_lets_no_wrong_packet_through() -> None:
    sent = [Packet.carrying(EdgeAck(7, 9, number), number % 256) for number in range(1, 20_001)]
    sender, receiver, noise = CobsCarrier(), CobsCarrier(), Noise(0.01, seed=1)
    received = [p for packet in sent for p in receiver.feed(noise.damage(sender.encode(packet)))]
    assert set(received) <= set(sent)
    assert 15_000 < len(received) < 19_000
    assert receiver.counters.bad_packets > 0


def test_what_is_wrong_is_counted_by_its_kind() -> None:
    good = CobsCarrier().encode(Packet.carrying(Heartbeat(7), 3))
    receiver = CobsCarrier()
    receiver.feed(b"\x09\x01\x00")  # a run beyond the end
    receiver.feed(b"\x03\x01\x02\x00")  # two bytes
    receiver.feed(b"\x55" * 500 + b"\x00")  # endless
    receiver.feed(good[:4] + bytes([good[4] ^ 1]) + good[5:])
    receiver.feed(b"\x00\x00\x00" + good)
    counters = receiver.counters
    assert (counters.bad_coding, counters.too_short, counters.too_long) == (1, 1, 1)
    assert (counters.bad_crc, counters.packets, counters.resyncs) == (1, 1, 4)


def test_a_line_that_is_opened_anew_forgets_half_a_packet() -> None:
    encoded = CobsCarrier().encode(Packet.carrying(Heartbeat(7), 3))
    receiver = CobsCarrier()
    receiver.feed(encoded[:5])
    receiver.reset()
    assert receiver.feed(encoded)[0].message(Direction.TO_BOARD) == Heartbeat(7)
