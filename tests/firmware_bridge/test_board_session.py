"""The board's end of the link, one rule at a time; the firmware will have to pass the same."""

from __future__ import annotations

import pytest

from firmware_bridge.board_session import (
    COUNTER_MAX,
    REPLACED_MAX,
    BoardIdentity,
    BoardSession,
    EdgeQueue,
)
from firmware_bridge.events import (
    BoardEvent,
    EdgeAcknowledged,
    EdgeDropped,
    FrameDisplayed,
    HelloReceived,
    SilenceBegan,
    StaleDisplayed,
)
from firmware_bridge.messages import (
    EVENT_QUEUE_SIZE,
    PACKED_SIZE,
    ButtonEdge,
    Direction,
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
from firmware_bridge.session import BOARD_TRANSITIONS, BoardInput, BoardState
from firmware_bridge.wire import CobsCarrier, Packet

DARK, BRIGHT = bytes(PACKED_SIZE), b"\x77" * PACKED_SIZE
BOOT = 9
A, B = 100, 200


class Bench:
    """A board on a bench: send it a message, look at what it answers."""

    def __init__(self, **identity: object) -> None:
        self.board = BoardSession(BoardIdentity(BOOT, **identity))  # type: ignore[arg-type]
        self.now_s = 50.0

    def ask(self, message: Message, packet_id: int = 1) -> list[Message]:
        return self.send(CobsCarrier().encode(Packet.carrying(message, packet_id)))

    def send(self, data: bytes) -> list[Message]:
        self.board.receive(data, self.now_s)
        return self.hear()

    def hear(self) -> list[Message]:
        packets = CobsCarrier().feed(self.board.tick(self.now_s))
        return [packet.message(Direction.TO_HOST) for packet in packets]

    def wait(self, seconds: float) -> list[tuple[int, Message]]:
        """Let time pass and return what is sent unasked, with milliseconds since now."""
        start_s, packets = self.now_s, []
        while (due_s := self.board.next_deadline()) is not None and due_s <= start_s + seconds:
            assert due_s >= self.now_s
            self.now_s = due_s
            at_ms = round((due_s - start_s) * 1000)
            packets += [(at_ms, message) for message in self.hear()]
        self.now_s = start_s + seconds
        return packets

    def events(self, *kinds: type[BoardEvent]) -> list[BoardEvent]:
        return [event for event in self.board.take_events() if isinstance(event, kinds)]


def greeted(session_id: int = A) -> Bench:
    bench = Bench()
    bench.ask(Hello(session_id, 1, 1))
    bench.board.take_events()
    return bench


def test_every_state_can_be_reached_and_every_input_matters() -> None:
    reached = {after for row in BOARD_TRANSITIONS.values() for after in row.values()}
    assert reached == set(BoardState)
    assert {what for row in BOARD_TRANSITIONS.values() for what in row} == set(BoardInput)


def test_a_board_is_silent_until_hello_even_with_edges_waiting() -> None:
    bench = Bench()
    bench.board.change_button(0, Edge.DOWN, bench.now_s)
    assert bench.wait(60.0) == []
    assert bench.send(b"garbage\x00" * 5) == []


@pytest.mark.parametrize(
    "message", [Heartbeat(A), ShowFrame(A, 1, 15, DARK), EdgeAck(A, BOOT, 1)], ids=type
)
def test_a_silent_board_still_answers_a_valid_packet_with_no_session(message: Message) -> None:
    assert Bench().ask(message) == [ErrorReply(ErrorCode.NO_SESSION, A)]


def test_a_silent_board_does_not_answer_a_whole_packet_with_a_bad_body() -> None:
    assert Bench().send(CobsCarrier().encode(Packet(0x03, 1, b"\x90"))) == []


def test_hello_is_answered_with_what_the_board_is_under_the_same_packet_id() -> None:
    bench = Bench(lost_reset=3)
    bench.board.receive(CobsCarrier().encode(Packet.carrying(Hello(A, 1, 1), 77)), bench.now_s)
    (packet,) = CobsCarrier().feed(bench.board.tick(bench.now_s))
    reply = packet.message(Direction.TO_HOST)
    assert packet.packet_id == 77
    assert isinstance(reply, HelloReply)
    assert (reply.session_id, reply.boot_id, reply.lost_reset) == (A, BOOT, 3)
    assert (reply.rows, reply.columns, reply.levels) == (8, 13, 8)


@pytest.mark.parametrize("message", [Hello(A, 1, 1), Heartbeat(A), ShowFrame(A, 1, 15, BRIGHT)])
def test_a_duplicate_is_answered_again_and_does_nothing_twice(message: Message) -> None:
    bench = greeted()
    first = bench.ask(message)
    assert len(first) == 1
    bench.board.take_events()
    assert bench.ask(message) == first
    assert bench.events(FrameDisplayed, StaleDisplayed) == []


def test_an_older_picture_is_acknowledged_with_the_newer_version_and_not_shown() -> None:
    bench = greeted()
    bench.ask(ShowFrame(A, 5, 15, BRIGHT))
    assert bench.ask(ShowFrame(A, 4, 15, DARK)) == [FrameAck(A, 5)]
    assert bench.events(FrameDisplayed) == [FrameDisplayed(5, 15, BRIGHT)]


def test_the_same_session_resets_nothing_and_a_new_one_resets_the_versions() -> None:
    bench = greeted()
    bench.ask(ShowFrame(A, 5, 15, BRIGHT))
    (again,) = bench.ask(Hello(A, 1, 1))
    assert isinstance(again, HelloReply)
    assert again.shown_version == 5
    assert bench.events(StaleDisplayed) == []
    (other,) = bench.ask(Hello(B, 1, 1))
    assert isinstance(other, HelloReply)
    assert other.shown_version == 0
    assert bench.events(StaleDisplayed) == [StaleDisplayed()]  # until the new host shows something
    assert bench.ask(ShowFrame(B, 1, 15, DARK)) == [FrameAck(B, 1)]


def test_the_newest_hello_owns_the_board_and_a_late_one_of_the_older_host_fails() -> None:
    bench = greeted()
    bench.ask(Hello(B, 1, 1))
    refusal = [ErrorReply(ErrorCode.SESSION, A)]
    assert bench.ask(Heartbeat(A)) == refusal
    assert bench.ask(ShowFrame(A, 9, 15, BRIGHT)) == refusal
    assert bench.ask(Hello(A, 1, 1)) == refusal
    assert isinstance(bench.ask(Heartbeat(B))[0], HeartbeatReply)


def test_replaced_sessions_are_remembered_within_a_limit() -> None:
    bench = greeted()
    for session_id in range(1, REPLACED_MAX + 2):
        bench.ask(Hello(session_id, 1, 1))
    assert isinstance(bench.ask(Hello(A, 1, 1))[0], HelloReply)


def test_a_session_that_was_never_seen_is_asked_to_greet() -> None:
    assert greeted().ask(Heartbeat(B)) == [ErrorReply(ErrorCode.NO_SESSION, B)]


@pytest.mark.parametrize(
    ("oldest", "newest", "accepted"), [(1, 1, False), (1, 2, True), (3, 9, True), (4, 9, False)]
)
def test_hello_opens_a_session_only_if_a_version_is_shared(
    oldest: int, newest: int, accepted: bool
) -> None:
    bench = Bench(protocol=(2, 3))
    (reply,) = bench.ask(Hello(A, oldest, newest))
    assert isinstance(reply, HelloReply)
    assert (reply.protocol_min, reply.protocol_max) == (2, 3)
    assert bench.events(HelloReceived) == [HelloReceived(A, accepted)]
    assert (bench.board.state is BoardState.FRESH) is accepted


def test_the_display_is_stale_after_3_s_and_comes_back_with_the_next_packet() -> None:
    bench = greeted()
    bench.ask(ShowFrame(A, 1, 15, BRIGHT))
    bench.board.take_events()
    bench.wait(2.99)
    assert bench.events(StaleDisplayed) == []
    bench.wait(0.02)
    assert bench.events(StaleDisplayed) == [StaleDisplayed()]
    bench.ask(Heartbeat(A))
    assert bench.events(FrameDisplayed) == [FrameDisplayed(1, 15, BRIGHT)]


def test_packets_of_nobody_in_particular_do_not_keep_the_display_fresh() -> None:
    bench = greeted()
    bench.ask(ShowFrame(A, 1, 15, BRIGHT))
    bench.wait(2.0)
    bench.ask(Heartbeat(B))
    bench.send(CobsCarrier().encode(Packet(0x03, 1, b"\x90")))
    bench.wait(1.1)
    assert bench.board.is_stale


def test_after_5_s_the_board_sends_nothing_unasked_until_hello() -> None:
    bench = greeted()
    bench.board.change_button(0, Edge.DOWN, bench.now_s)
    packets = bench.wait(20.0)
    assert {type(message) for _, message in packets} == {ButtonEdge}
    assert 4900 <= packets[-1][0] <= 5000
    assert SilenceBegan() in bench.events(SilenceBegan)
    assert bench.ask(Heartbeat(A)) == [ErrorReply(ErrorCode.NO_SESSION, A)]
    reply, edge = bench.ask(Hello(A, 1, 1))
    assert isinstance(reply, HelloReply)
    assert isinstance(edge, ButtonEdge)


def test_an_edge_is_sent_every_50_ms_until_it_is_acknowledged() -> None:
    bench = greeted()
    bench.board.change_button(2, Edge.DOWN, bench.now_s)
    t_ms = round(bench.now_s * 1000)
    expected = [
        (at_ms, ButtonEdge(BOOT, 1, 2, Edge.DOWN, t_ms, t_ms + at_ms)) for at_ms in (0, 50, 100)
    ]
    assert bench.wait(0.12) == expected
    assert bench.ask(EdgeAck(A, BOOT, 1)) == []
    assert bench.events(EdgeAcknowledged) == [EdgeAcknowledged(1)]
    assert bench.wait(1.0) == []


def test_one_edge_is_on_its_way_at_a_time_and_the_next_follows_at_once() -> None:
    bench = greeted()
    bench.board.change_button(0, Edge.DOWN, bench.now_s)
    bench.board.change_button(0, Edge.UP, bench.now_s)
    assert [m.event_id for m in bench.hear() if isinstance(m, ButtonEdge)] == [1]
    (following,) = bench.ask(EdgeAck(A, BOOT, 1))
    assert isinstance(following, ButtonEdge)
    assert following.event_id == 2
    assert bench.ask(EdgeAck(A, BOOT, 1)) == []  # the same acknowledgement again


@pytest.mark.parametrize(
    "ack", [EdgeAck(A, BOOT, 2), EdgeAck(A, BOOT + 1, 1), EdgeAck(B, BOOT, 1)], ids=repr
)
def test_an_acknowledgement_of_anything_else_removes_nothing(ack: EdgeAck) -> None:
    bench = greeted()
    bench.board.change_button(0, Edge.DOWN, bench.now_s)
    bench.ask(ack)
    assert len(bench.board.edges) == 1


def test_a_full_queue_loses_edges_and_says_how_many() -> None:
    bench = greeted()
    for _ in range(EVENT_QUEUE_SIZE + 4):
        bench.board.change_button(1, Edge.DOWN, bench.now_s)
    assert bench.events(EdgeDropped) == [EdgeDropped(1)] * 4
    reply = next(m for m in bench.ask(Heartbeat(A)) if isinstance(m, HeartbeatReply))
    assert (reply.queued, reply.lost_overflow) == (EVENT_QUEUE_SIZE, 4)


@pytest.mark.parametrize(
    ("type_byte", "code"), [(0x55, ErrorCode.UNKNOWN_TYPE), (0x03, ErrorCode.BODY)]
)
def test_a_whole_packet_that_makes_no_sense_is_refused_and_counted(
    type_byte: int, code: ErrorCode
) -> None:
    bench = greeted()
    assert bench.send(CobsCarrier().encode(Packet(type_byte, 1, b"\x90"))) == [ErrorReply(code, 0)]
    bench.send(b"\x05\x05\x00")
    (reply,) = bench.ask(Heartbeat(A))
    assert isinstance(reply, HeartbeatReply)
    assert reply.bad_packets == 2


def test_the_clock_of_the_board_wraps() -> None:
    bench = Bench(clock_offset_ms=2**32 - 50_000 - 100)
    bench.ask(Hello(A, 1, 1))
    bench.board.change_button(0, Edge.DOWN, bench.now_s)
    bench.now_s += 0.2
    (edge,) = bench.hear()
    assert isinstance(edge, ButtonEdge)
    assert (edge.t_ms, edge.now_ms) == (2**32 - 100, 100)


# --- the queue of edges ---------------------------------------------------------------------


def full_queue() -> EdgeQueue:
    queue = EdgeQueue()
    for number in range(EVENT_QUEUE_SIZE):
        assert queue.push(0, Edge(number % 2), number) is not None
    return queue


def test_a_full_queue_keeps_the_oldest_and_counts_what_it_loses() -> None:
    queue = full_queue()
    assert queue.push(0, Edge.DOWN, 99) is None
    assert (len(queue), queue.lost) == (16, 1)
    assert queue.oldest is not None
    assert queue.oldest.event_id == 1


def test_the_count_of_lost_edges_stops_at_its_largest_value() -> None:
    queue = full_queue()
    queue.lost = COUNTER_MAX
    queue.push(0, Edge.DOWN, 99)
    assert queue.lost == COUNTER_MAX


def test_only_the_oldest_edge_can_be_acknowledged_and_only_once() -> None:
    queue = full_queue()
    assert not queue.acknowledge(2)
    assert queue.acknowledge(1)
    assert not queue.acknowledge(1)
    assert len(queue) == 15
