"""Conformance of every kind of board: hosts and display."""

from __future__ import annotations

import pytest

from firmware_bridge.board_frames import incompatible_frame, stale_frame
from firmware_bridge.matrix import Frame
from firmware_bridge.messages import (
    PACKED_SIZE,
    ButtonEdge,
    Edge,
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
)
from firmware_bridge.wire import CobsCarrier, Packet
from tests.firmware_bridge.conformance_bench import BRIGHT, DARK, PICTURE, A, B, Bench

# --- greeting --------------------------------------------------------------------------------


def test_hello_is_answered_with_what_the_board_is_under_the_same_packet_id(bench: Bench) -> None:
    hello = CobsCarrier().encode(Packet.carrying(Hello(A, 1, 1), 77))
    ((packet_id, reply),) = bench.packets(hello)
    assert packet_id == 77
    assert isinstance(reply, HelloReply)
    assert (reply.session_id, reply.protocol_min, reply.protocol_max) == (A, 1, 1)
    assert (reply.rows, reply.columns, reply.levels, reply.max_payload) == (8, 13, 8, 120)
    assert (reply.shown_version, reply.lost_overflow, reply.lost_reset) == (0, 0, 0)


def test_a_host_of_another_version_gets_an_answer_but_no_session(bench: Bench) -> None:
    (reply,) = bench.ask(Hello(A, 2, 3))
    assert isinstance(reply, HelloReply)
    assert (reply.protocol_min, reply.protocol_max) == (1, 1)
    assert bench.ask(Heartbeat(A)) == [ErrorReply(ErrorCode.NO_SESSION, A)]
    assert bench.shows(incompatible_frame())
    assert bench.hello().protocol_max == 1
    assert bench.shows(stale_frame())


def test_a_host_of_another_version_does_not_disturb_the_one_that_is_served(bench: Bench) -> None:
    bench.hello()
    bench.ask(ShowFrame(A, 1, 15, PICTURE.packed()))
    bench.ask(Hello(B, 2, 3))
    assert bench.shows(PICTURE)
    assert bench.heartbeat(A).session_id == A


def test_a_host_that_speaks_several_versions_is_accepted(bench: Bench) -> None:
    assert isinstance(bench.ask(Hello(A, 1, 9))[0], HelloReply)
    assert isinstance(bench.ask(Heartbeat(A))[0], HeartbeatReply)


# --- silence ---------------------------------------------------------------------------------


def test_a_board_says_nothing_before_hello_even_with_a_press_waiting(bench: Bench) -> None:
    assert bench.move(0, Edge.DOWN) == []
    bench.peer.send(b"garbage\x00" * 20)
    bench.peer.run(8.0)
    assert bench.peer.fetch() == b""


@pytest.mark.parametrize(
    "message", [Heartbeat(A), ShowFrame(A, 1, 15, DARK), EdgeAck(A, 1, 1)], ids=type
)
def test_a_valid_packet_without_hello_is_answered_with_no_session(
    bench: Bench, message: Message
) -> None:
    assert bench.ask(message) == [ErrorReply(ErrorCode.NO_SESSION, A)]


def test_after_5_s_without_a_host_nothing_is_sent_unasked_until_hello(bench: Bench) -> None:
    bench.hello()
    start_s = bench.peer.now_s
    bench.move(0, Edge.DOWN)
    bench.peer.run(7.0)
    last_s = bench.peer.drain_packets()[-1][0]
    assert 4.8 <= last_s - start_s <= 5.05
    assert bench.ask(Heartbeat(A)) == [ErrorReply(ErrorCode.NO_SESSION, A)]
    answers = bench.ask(Hello(A, 1, 1))
    assert len(answers) == 2
    assert {type(m) for m in answers} == {HelloReply, ButtonEdge}


# --- the display -----------------------------------------------------------------------------


def test_a_frame_is_shown_and_acknowledged(bench: Bench) -> None:
    bench.hello()
    assert bench.ask(ShowFrame(A, 7, 9, PICTURE.packed())) == [FrameAck(A, 7)]
    assert bench.shows(PICTURE)
    assert bench.peer.shown().brightness == 9


@pytest.mark.parametrize("at", range(0, PACKED_SIZE, 17))
def test_each_pixel_has_its_place(bench: Bench, at: int) -> None:
    levels = bytes(0x70 if index == at else 0x07 if index == at + 1 else 0 for index in range(52))
    bench.hello()
    bench.ask(ShowFrame(A, 1, 15, levels))
    assert bench.shows(Frame.from_packed(levels))


def test_brightness_0_is_dark(bench: Bench) -> None:
    bench.hello()
    bench.ask(ShowFrame(A, 1, 0, BRIGHT))
    assert bench.peer.shown().brightness == 0


def test_an_older_picture_changes_nothing_and_is_answered_with_the_newer_version(
    bench: Bench,
) -> None:
    bench.hello()
    bench.ask(ShowFrame(A, 5, 15, PICTURE.packed()))
    assert bench.ask(ShowFrame(A, 4, 3, BRIGHT)) == [FrameAck(A, 5)]
    assert bench.shows(PICTURE)
    assert bench.peer.shown().brightness == 15


def test_a_board_that_was_switched_on_says_that_it_is_alone(bench: Bench) -> None:
    bench.peer.run(0.1)
    assert bench.shows(stale_frame())


def test_link_loss_makes_the_display_stale_after_3_s_and_the_next_packet_brings_it_back(
    bench: Bench,
) -> None:
    bench.hello()
    bench.ask(ShowFrame(A, 1, 4, PICTURE.packed()))
    bench.peer.run(2.9)
    assert bench.shows(PICTURE)
    bench.peer.run(0.2)
    assert bench.shows(stale_frame())
    assert bench.peer.shown().brightness == 15
    assert isinstance(bench.ask(Heartbeat(A))[0], HeartbeatReply)
    assert bench.shows(PICTURE)
    assert bench.peer.shown().brightness == 4


def test_a_long_outage_ends_with_hello_and_the_picture_is_still_there(bench: Bench) -> None:
    bench.hello()
    bench.ask(ShowFrame(A, 3, 15, PICTURE.packed()))
    bench.peer.run(10.0)
    assert bench.hello().shown_version == 3
    assert bench.shows(PICTURE)


def test_packets_of_nobody_in_particular_do_not_keep_the_display_fresh(bench: Bench) -> None:
    bench.hello()
    bench.ask(ShowFrame(A, 1, 15, PICTURE.packed()))
    bench.peer.run(2.0)
    bench.ask(Heartbeat(B))
    bench.send(CobsCarrier().encode(Packet(0x03, 1, b"\x90")))
    bench.peer.run(1.1)
    assert bench.shows(stale_frame())


# --- duplicates ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message", [Hello(A, 1, 1), Heartbeat(A), ShowFrame(A, 1, 15, BRIGHT)], ids=type
)
def test_a_duplicate_is_answered_again(bench: Bench, message: Message) -> None:
    bench.hello()
    first = bench.ask(message)
    assert len(first) == 1
    again = bench.ask(message)
    assert [type(m) for m in again] == [type(m) for m in first]
    if not isinstance(message, Heartbeat):  # its answer tells the time
        assert again[0] == first[0] or isinstance(message, Hello)


def test_the_same_session_resets_nothing_and_a_new_one_resets_the_versions(bench: Bench) -> None:
    bench.hello()
    bench.ask(ShowFrame(A, 5, 15, PICTURE.packed()))
    assert bench.hello(A).shown_version == 5
    assert bench.shows(PICTURE)
    assert bench.hello(B).shown_version == 0
    assert bench.shows(stale_frame())
    assert bench.ask(ShowFrame(B, 1, 15, BRIGHT)) == [FrameAck(B, 1)]


# --- two hosts -------------------------------------------------------------------------------


def test_the_newest_hello_owns_the_board_and_an_older_host_is_told(bench: Bench) -> None:
    bench.hello(A)
    bench.hello(B)
    refusal = [ErrorReply(ErrorCode.SESSION, A)]
    assert bench.ask(Heartbeat(A)) == refusal
    assert bench.ask(ShowFrame(A, 9, 15, PICTURE.packed())) == refusal
    assert bench.ask(Hello(A, 1, 1)) == refusal
    assert bench.heartbeat(B).session_id == B


def test_four_older_hosts_are_remembered(bench: Bench) -> None:
    for session_id in range(1, 6):
        bench.hello(session_id)
    for session_id in range(1, 5):
        assert bench.ask(Heartbeat(session_id)) == [ErrorReply(ErrorCode.SESSION, session_id)]
    bench.hello(6)
    assert isinstance(bench.ask(Hello(1, 1, 1))[0], HelloReply)


def test_a_session_that_was_never_seen_is_asked_to_greet(bench: Bench) -> None:
    bench.hello(A)
    assert bench.ask(Heartbeat(B)) == [ErrorReply(ErrorCode.NO_SESSION, B)]


def test_a_host_that_restarted_gets_the_presses_that_its_predecessor_did_not_confirm(
    bench: Bench,
) -> None:
    bench.hello(A)
    first = bench.move(0, Edge.DOWN)[0]
    (edge,) = [m for m in bench.ask(Hello(B, 1, 1)) if isinstance(m, ButtonEdge)]
    assert (edge.boot_id, edge.event_id, edge.t_ms) == (first.boot_id, first.event_id, first.t_ms)
    assert ErrorReply(ErrorCode.SESSION, A) in bench.acknowledge(edge, A)
    assert bench.heartbeat(B).queued == 1
    bench.acknowledge(edge, B)
    assert bench.edges_within(0.3) == []
