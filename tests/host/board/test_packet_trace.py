"""A trace says what every packet says, and counts what arrived damaged; it changes nothing."""

from __future__ import annotations

import json

from firmware_bridge.messages import (
    MESSAGES,
    Direction,
    EdgeAck,
    Heartbeat,
    HeartbeatReply,
    ShowFrame,
)
from firmware_bridge.wire import CobsCarrier, Packet
from host.board.packet_trace import TracedPacket, TracingCarrier, trace_packet
from tools.generators.vectors import vectors


def traced() -> tuple[TracingCarrier, list[TracedPacket]]:
    packets: list[TracedPacket] = []
    return TracingCarrier(CobsCarrier(), packets.append), packets


def test_every_message_of_the_protocol_becomes_a_line_and_a_record() -> None:
    kinds = set()
    for vector in vectors().values():
        for packet in CobsCarrier().feed(vector.wire):
            for direction in Direction:
                traced_packet = trace_packet(packet, direction)
                json.dumps(traced_packet.record(1.0))
                assert len(traced_packet.line(1.0).splitlines()) == 1
                kinds.add(traced_packet.kind)
    assert {spec.name for spec in MESSAGES} <= kinds


def test_a_line_is_short_and_a_record_is_whole() -> None:
    show = ShowFrame(0xABCDEF01, 7, 15, bytes(52))
    traced_packet = trace_packet(Packet.carrying(show, 3), Direction.TO_BOARD)
    line = traced_packet.line(12.5)
    assert line.startswith("   12.500 > #3   SHOW_FRAME       session_id abcdef01  version 7")
    assert line.endswith("levels 000000000000000000000000...")
    assert traced_packet.record(12.5)["levels"] == "00" * 52
    assert traced_packet.record(12.5)["direction"] == "to_board"


def test_what_passes_through_is_what_the_carrier_alone_would_have_made_of_it() -> None:
    carrier, packets = traced()
    packet = Packet.carrying(Heartbeat(9), 1)
    assert carrier.encode(packet) == CobsCarrier().encode(packet)
    answer = Packet.carrying(HeartbeatReply(9, 1, 2, 0, 0, 0), 1)
    data = CobsCarrier().encode(answer)
    assert carrier.feed(data[:5]) == []
    assert carrier.feed(data[5:]) == [answer]
    assert [traced_packet.kind for traced_packet in packets] == ["HEARTBEAT", "HEARTBEAT_REPLY"]
    assert carrier.counters.packets == 1


def test_damage_is_counted_where_it_came() -> None:
    carrier, packets = traced()
    data = bytearray(CobsCarrier().encode(Packet.carrying(HeartbeatReply(9, 1, 2, 0, 0, 0), 1)))
    data[4] ^= 0x10
    assert carrier.feed(bytes(data)) == []
    (damage,) = packets
    assert damage.direction is Direction.TO_HOST
    assert damage.values == {"bad_crc": 1}
    assert "(damaged)" in damage.line(0.0)


def test_a_packet_that_goes_the_wrong_way_is_shown_by_its_bytes() -> None:
    traced_packet = trace_packet(Packet.carrying(EdgeAck(1, 2, 3), 4), Direction.TO_HOST)
    assert traced_packet.kind == "(EDGE_ACK)"
    assert "host to board" in traced_packet.line(0.0)
