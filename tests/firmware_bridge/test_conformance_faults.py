"""Conformance of every kind of board: buttons, bad bytes and resets."""

from __future__ import annotations

from itertools import pairwise

import pytest

from firmware_bridge.board_frames import stale_frame
from firmware_bridge.messages import (
    EVENT_QUEUE_SIZE,
    ButtonEdge,
    Edge,
    EdgeAck,
    ErrorCode,
    ErrorReply,
    FrameAck,
    Heartbeat,
    HeartbeatReply,
    Hello,
    ShowFrame,
)
from firmware_bridge.wire import CobsCarrier, Packet
from tests.firmware_bridge.conformance_bench import BRIGHT, PICTURE, A, Bench
from tools.generators.vectors import vectors

# --- buttons ---------------------------------------------------------------------------------


def test_an_edge_is_sent_every_50_ms_until_it_is_acknowledged(bench: Bench) -> None:
    bench.hello()
    assert len(bench.move(1, Edge.DOWN)) == 1
    bench.peer.run(0.5)
    packets = bench.peer.drain_packets()
    times = [at_s for at_s, _, _ in packets]
    gaps = [later - sooner for sooner, later in pairwise(times)]
    assert all(0.047 <= gap <= 0.055 for gap in gaps)
    assert 9 <= len(packets) <= 11
    edges = [m for _, _, m in packets if isinstance(m, ButtonEdge)]
    assert {(edge.event_id, edge.button, edge.edge) for edge in edges} == {(1, 1, Edge.DOWN)}
    ages = [edge.now_ms - edge.t_ms for edge in edges]
    assert ages == sorted(ages)
    assert bench.acknowledge(edges[0]) == []
    assert bench.edges_within(0.3) == []


def test_one_edge_is_on_its_way_at_a_time_and_the_next_follows_its_acknowledgement(
    bench: Bench,
) -> None:
    bench.hello()
    (down,) = bench.move(0, Edge.DOWN)
    bench.peer.run(0.03)
    assert {m.event_id for m in bench.move(0, Edge.UP)} <= {1}
    following = [m for m in bench.acknowledge(down) if isinstance(m, ButtonEdge)]
    assert [edge.event_id for edge in following] == [2]
    again = [m for m in bench.acknowledge(down) if isinstance(m, ButtonEdge)]
    assert {edge.event_id for edge in again} <= {2}


def test_an_acknowledgement_of_another_boot_or_event_changes_nothing(bench: Bench) -> None:
    bench.hello()
    (edge,) = bench.move(0, Edge.DOWN)
    bench.ask(EdgeAck(A, edge.boot_id + 1, edge.event_id))
    bench.ask(EdgeAck(A, edge.boot_id, edge.event_id + 1))
    assert bench.heartbeat().queued == 1


def test_a_press_takes_8_ms_to_be_certain_and_not_much_more_to_be_told(bench: Bench) -> None:
    bench.hello()
    bench.peer.run(0.1)
    start_s = bench.peer.now_s
    bench.peer.pin(0, is_down=True)
    bench.peer.run(0.04)
    ((at_s, _, _),) = bench.peer.drain_packets()
    assert 0.0079 <= at_s - start_s <= 0.013


@pytest.mark.parametrize("bounce_ms", [1, 3, 7])
def test_however_much_a_button_bounces_a_press_is_two_edges(bench: Bench, bounce_ms: int) -> None:
    bench.hello()
    for level in (True, False):
        for is_down in (level, not level, level, not level, level):
            bench.peer.pin(0, is_down=is_down)
            bench.peer.run(bounce_ms / 1000)
        bench.peer.run(0.05)
    assert bench.heartbeat().queued == 2


def test_a_spike_is_no_press(bench: Bench) -> None:
    bench.hello()
    bench.peer.pin(0, is_down=True)
    bench.peer.run(0.006)
    bench.peer.pin(0, is_down=False)
    assert bench.edges_within(0.1) == []


def test_a_full_queue_loses_the_newest_edges_and_counts_them(bench: Bench) -> None:
    for number in range(EVENT_QUEUE_SIZE + 4):
        bench.move(0, Edge.UP if number % 2 else Edge.DOWN)
    reply = bench.hello()
    assert reply.lost_overflow == 4
    beat = bench.heartbeat()
    assert (beat.queued, beat.lost_overflow) == (EVENT_QUEUE_SIZE, 4)
    event_ids = []
    (edge,) = [m for m in bench.ask(Hello(A, 1, 1)) if isinstance(m, ButtonEdge)][:1]
    for _ in range(EVENT_QUEUE_SIZE):
        event_ids.append(edge.event_id)
        following = [m for m in bench.acknowledge(edge) if isinstance(m, ButtonEdge)]
        edge = max([edge, *following], key=lambda later: later.event_id)
    assert event_ids == list(range(1, EVENT_QUEUE_SIZE + 1))
    assert bench.heartbeat().queued == 0


# --- whatever else comes ---------------------------------------------------------------------


BAD = {name: vector for name, vector in vectors().items() if name.startswith(("packet_", "body_"))}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_packet_is_counted_and_the_next_good_one_is_understood(
    bench: Bench, name: str
) -> None:
    vector = BAD[name]
    bench.hello()
    answers = bench.send(vector.wire)
    if vector.verdict.startswith("body"):
        unknown = name in {"body_unknown_type", "body_wrong_direction"}
        code = ErrorCode.UNKNOWN_TYPE if unknown else ErrorCode.BODY
        assert answers == [ErrorReply(code, 0)]
    else:
        assert answers == []
    assert bench.heartbeat().bad_packets == 1


def test_a_bad_body_is_not_answered_before_hello(bench: Bench) -> None:
    assert bench.send(CobsCarrier().encode(Packet(0x03, 1, b"\x90"))) == []


def test_a_packet_in_pieces_is_understood(bench: Bench) -> None:
    bench.hello()
    data = CobsCarrier().encode(Packet.carrying(ShowFrame(A, 1, 15, PICTURE.packed()), 4))
    for byte in data[:-1]:
        assert bench.send(bytes((byte,))) == []
    assert bench.send(data[-1:]) == [FrameAck(A, 1)]


def test_garbage_ends_at_a_zero(bench: Bench) -> None:
    bench.hello()
    bench.send(bytes(range(1, 256)) * 8)
    bench.peer.run(0.1)  # 2 KB take that long at 250000 baud
    flushed = CobsCarrier().encode(Packet.carrying(Heartbeat(A), 5), flush=True)
    (reply,) = bench.send(flushed)
    assert isinstance(reply, HeartbeatReply)
    assert reply.bad_packets == 1


# --- resets ----------------------------------------------------------------------------------


def test_a_reset_is_another_boot_that_asks_to_be_greeted(bench: Bench) -> None:
    before = bench.hello()
    bench.ask(ShowFrame(A, 5, 15, PICTURE.packed()))
    bench.peer.reset()
    assert bench.ask(Heartbeat(A)) == [ErrorReply(ErrorCode.NO_SESSION, A)]
    after = bench.hello()
    assert after.boot_id != before.boot_id
    assert after.shown_version == 0
    assert bench.shows(stale_frame())


def test_presses_that_a_reset_took_are_counted(bench: Bench) -> None:
    bench.hello()
    bench.move(0, Edge.DOWN)
    bench.move(0, Edge.UP)
    bench.peer.reset()
    assert bench.hello().lost_reset == (2 if bench.peer.counts_presses_lost_to_a_reset else 0)
    bench.move(0, Edge.DOWN)
    assert [edge.event_id for edge in bench.edges_within(0.1)][:1] == [1]


@pytest.mark.parametrize("cut", [1, 3, 20, 60, 67])
def test_a_reset_in_the_middle_of_a_packet_is_survived(bench: Bench, cut: int) -> None:
    bench.hello()
    data = CobsCarrier().encode(Packet.carrying(ShowFrame(A, 2, 15, BRIGHT), 4))
    bench.peer.send(data[:cut])
    bench.peer.run(cut * 0.00005)
    bench.peer.reset()
    bench.send(data[cut:])
    bench.hello()
    assert bench.ask(ShowFrame(A, 3, 15, PICTURE.packed())) == [FrameAck(A, 3)]
    assert bench.shows(PICTURE)


@pytest.mark.parametrize("after_ms", [0.2, 1, 2, 3, 5, 8])
def test_a_reset_in_the_middle_of_an_answer_is_survived(bench: Bench, after_ms: float) -> None:
    bench.hello()
    bench.peer.pin(0, is_down=True)
    bench.peer.run(0.009)
    bench.peer.pin(0, is_down=False)
    bench.peer.send(CobsCarrier().encode(Packet.carrying(ShowFrame(A, 2, 15, BRIGHT), 4)))
    bench.peer.run(after_ms / 1000)
    bench.peer.reset()
    bench.send(b"\x00")
    bench.hello()
    assert bench.ask(ShowFrame(A, 1, 15, PICTURE.packed())) == [FrameAck(A, 1)]
    assert bench.shows(PICTURE)
