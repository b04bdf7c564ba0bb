"""The host's end of the link, one rule at a time, on a fake clock."""

from __future__ import annotations

import pytest

from firmware_bridge import messages
from firmware_bridge.board_session import BoardIdentity, BoardSession
from firmware_bridge.errors import MessageError
from firmware_bridge.events import (
    BoardConnected,
    BoardDisconnected,
    BoardRefused,
    ButtonEdge,
    EdgeId,
    FirmwareIncompatible,
    FrameAcknowledged,
    PressesLost,
    Reason,
)
from firmware_bridge.host_session import Arrival, EdgeInbox, HostSession, LossCounter
from firmware_bridge.messages import (
    EVENT_QUEUE_SIZE,
    PACKED_SIZE,
    Direction,
    Edge,
    ErrorCode,
    ErrorReply,
    Heartbeat,
    Hello,
    Message,
    ShowFrame,
)
from firmware_bridge.session import HOST_TRANSITIONS, HostInput, HostState
from firmware_bridge.wire import CobsCarrier, Packet
from tests.firmware_bridge.simulation import Simulation, Weather

DARK, BRIGHT = bytes(PACKED_SIZE), b"\x77" * PACKED_SIZE
ALL_LOST = Weather(loss=1.0)


def connected() -> Simulation:
    sim = Simulation()
    sim.run(0.1)
    assert sim.host.state is HostState.READY
    return sim


def events_of(sim: Simulation, kind: type[object]) -> list[object]:
    return [event for event in sim.host_events if isinstance(event, kind)]


def sending(session: HostSession, seconds: float, start_s: float) -> list[tuple[int, Message]]:
    """Run a host alone and return what it sends: milliseconds since the start, and message."""
    sent = []
    now_s = start_s
    while now_s <= start_s + seconds:
        for packet in CobsCarrier().feed(session.tick(now_s)):
            message = packet.message(Direction.TO_BOARD)
            sent.append((round((now_s - start_s) * 1000), message))
        deadline_s = session.next_deadline()
        if deadline_s is None:
            break
        assert deadline_s > now_s
        now_s = deadline_s
    return sent


def test_every_state_can_be_reached_and_every_input_matters() -> None:
    reached = {after for row in HOST_TRANSITIONS.values() for after in row.values()}
    assert reached == set(HostState)
    assert {what for row in HOST_TRANSITIONS.values() for what in row} == set(HostInput)


def test_nothing_is_sent_before_the_port_is_open() -> None:
    session = HostSession(7)
    session.show(DARK)
    assert session.next_deadline() is None
    assert session.tick(1.0) == b""


def test_hello_is_sent_every_500_ms_until_it_is_answered() -> None:
    session = HostSession(7)
    session.on_port_opened(10.0)
    sent = sending(session, 1.7, 10.0)
    assert sent == [(at_ms, Hello(7, 1, 1)) for at_ms in (0, 500, 1000, 1500)]


def test_an_unanswered_request_is_sent_nine_times_and_then_hello_begins() -> None:
    sim = connected()
    sim.to_board.weather = ALL_LOST
    sim.host.show(BRIGHT)
    sent = sending(sim.host, 1.6, sim.now_s)
    frame = ShowFrame(1, 1, 15, BRIGHT)
    assert sent[:9] == [(100 * number, frame) for number in range(9)]
    assert sent[9:] == [(900, Hello(1, 1, 1)), (1400, Hello(1, 1, 1))]
    assert BoardDisconnected(Reason.NO_ANSWER) in sim.host.take_events()


def test_a_retransmission_carries_the_newest_picture() -> None:
    sim = connected()
    sim.host.show(DARK)
    sim.host.tick(sim.now_s)
    sim.host.show(BRIGHT)
    sent = sending(sim.host, 0.15, sim.now_s + 0.1)
    assert sent == [(0, ShowFrame(1, 2, 15, BRIGHT)), (100, ShowFrame(1, 2, 15, BRIGHT))]


def test_retransmissions_are_counted_across_a_change_of_the_picture() -> None:
    sim = connected()
    sim.to_board.weather = ALL_LOST
    for _ in range(20):
        sim.show(DARK)
        sim.run(0.06)
    assert sim.host.state is HostState.GREETING


def test_only_the_newest_of_several_pictures_is_sent() -> None:
    sim = connected()
    for levels in (DARK, BRIGHT, DARK):
        sim.show(levels)
    sim.run(0.1)
    assert [version for _, _, version in sim.shown] == [3]
    assert events_of(sim, FrameAcknowledged) == [FrameAcknowledged(3)]


def test_a_picture_from_before_the_connection_is_shown_after_it() -> None:
    sim = Simulation()
    sim.show(BRIGHT)
    sim.run(0.1)
    assert events_of(sim, FrameAcknowledged) == [FrameAcknowledged(1)]


def test_heartbeats_are_not_starved_by_pictures() -> None:
    sim = connected()
    for _ in range(300):
        sim.show(BRIGHT)
        sim.run(0.01)
    assert sim.host.counters.packets_sent > 300
    beats = [
        message
        for _, message in sending(sim.host, 1.0, sim.now_s)
        if isinstance(message, Heartbeat)
    ]
    assert beats


def test_an_edge_is_acknowledged_only_after_the_application_confirmed_it() -> None:
    sim = connected()
    sim.journal.delay_s = 0.5
    edge_id = sim.press(Edge.DOWN)
    sim.run(0.4)
    assert [event.edge_id for event in sim.journal.edges] == [edge_id]
    assert sim.acknowledged == []
    assert sim.host.counters.duplicate_edges >= 6
    sim.run(0.2)
    assert sim.acknowledged == [edge_id]


def test_an_edge_in_the_journal_is_acknowledged_again_and_not_told_again() -> None:
    sim = connected()
    sim.journal.delay_s = 60.0
    edge_id = sim.press(Edge.DOWN)
    sim.run(0.1)
    sim.kill_host()  # after the journal was written, before it was confirmed
    sim.run(1.0)
    assert [event.edge_id for event in sim.journal.edges] == [edge_id]
    assert sim.acknowledged == [edge_id]


def test_a_late_copy_of_an_edge_from_before_a_reset_is_neither_told_nor_acknowledged() -> None:
    sim = connected()
    sim.press(Edge.DOWN)
    sim.run(0.02)
    sim.reset_board()
    sim.run(1.5)
    edge_id = sim.press(Edge.DOWN)
    sim.run(0.1)
    late = Packet.carrying(messages.ButtonEdge(1, 1, 0, Edge.DOWN, 0, 0), 1)
    sim.host.receive(CobsCarrier().encode(late), sim.now_s)
    assert sim.host.take_events() == []
    assert sim.host.tick(sim.now_s) == b""
    assert [event.edge_id for event in sim.journal.edges] == [EdgeId(1, 1), edge_id]


def test_an_edge_tells_its_age() -> None:
    sim = connected()
    sim.to_host.weather = ALL_LOST
    sim.press(Edge.DOWN)
    sim.run(2.0)
    sim.to_host.weather = Weather()
    sim.run(2.0)
    (changed,) = events_of(sim, ButtonEdge)
    assert isinstance(changed, ButtonEdge)
    assert 1900 <= changed.age_ms <= 3000


def test_confirming_what_was_not_told_is_a_mistake_of_ours() -> None:
    with pytest.raises(MessageError):
        connected().host.confirm(EdgeId(1, 1))


def test_a_picture_of_the_wrong_size_is_refused_where_it_is_made() -> None:
    session = HostSession(7)
    with pytest.raises(MessageError):
        session.show(b"123")
    with pytest.raises(MessageError):
        session.show(DARK, brightness=16)
    assert session.show(DARK) == 1


def test_a_reset_of_the_board_is_noticed_and_the_picture_comes_back() -> None:
    sim = connected()
    sim.show(BRIGHT)
    sim.run(0.1)
    sim.reset_board()
    sim.run(1.2)
    assert BoardDisconnected(Reason.BOARD_FORGOT) in sim.host_events
    again = events_of(sim, BoardConnected)[-1]
    assert isinstance(again, BoardConnected)
    assert again.new_boot
    assert again.board.boot_id == 2
    assert sim.shown == [(1, 1, 1), (2, 1, 1)]


def test_a_reset_between_two_answers_to_one_hello_is_noticed_by_the_heartbeat() -> None:
    sim = Simulation()
    sim.board.receive(sim.host.tick(sim.now_s), sim.now_s)
    old_answer = sim.board.tick(sim.now_s)
    sim.reset_board()
    hello = CobsCarrier().encode(Packet.carrying(Hello(1, 1, 1), 0))
    sim.board.receive(hello, sim.now_s)  # a copy of it arrives after the reset
    sim.host.receive(old_answer, sim.now_s)
    sim.run(0.5)
    assert sim.host.board is not None
    assert sim.host.board.boot_id == 1
    sim.run(1.0)
    assert sim.host.board.boot_id == 2
    assert sim.host.state is HostState.READY


def test_lost_edges_are_told_whether_the_queue_was_full_or_the_board_reset() -> None:
    sim = Simulation()
    sim.board = BoardSession(BoardIdentity(1, lost_reset=2))
    for _ in range(EVENT_QUEUE_SIZE + 3):
        sim.press(Edge.DOWN)
    sim.run(0.2)
    assert events_of(sim, PressesLost) == [PressesLost(1, overflow=3, reset=2)]
    sim.run(3.0)
    assert len(events_of(sim, PressesLost)) == 1


def test_edges_lost_while_connected_are_told_with_the_next_heartbeat() -> None:
    sim = connected()
    sim.journal.delay_s = 60.0
    for _ in range(EVENT_QUEUE_SIZE + 5):
        sim.press(Edge.DOWN)
    sim.run(1.5)
    assert events_of(sim, PressesLost) == [PressesLost(1, overflow=5, reset=0)]


def test_firmware_of_another_version_is_told_once_and_asked_again_every_5_s() -> None:
    sim = Simulation()
    sim.board = BoardSession(BoardIdentity(1, protocol=(2, 3)))
    sim.run(11.0)
    assert len(events_of(sim, FirmwareIncompatible)) == 1
    assert sim.host.counters.hellos == 3
    sim.reset_board()  # flashed
    sim.run(5.0)
    assert sim.host.state is HostState.READY


def test_the_newest_of_two_hosts_owns_the_board_and_the_older_one_stops() -> None:
    sim = connected()
    other = HostSession(99)
    other.on_port_opened(sim.now_s)
    sim.board.receive(other.tick(sim.now_s), sim.now_s)
    other.receive(sim.board.tick(sim.now_s), sim.now_s)
    assert other.state is HostState.READY
    sim.run(1.5)
    assert sim.host.state is HostState.REPLACED
    assert BoardDisconnected(Reason.REPLACED) in sim.host_events
    assert sim.host.next_deadline() is None
    sim.host.on_port_lost(sim.now_s)
    sim.host.on_port_opened(sim.now_s)
    assert sim.host.tick(sim.now_s) == b""


def test_a_refusal_that_names_another_session_is_not_ours() -> None:
    sim = connected()
    sim.host.show(DARK)
    (packet,) = CobsCarrier().feed(sim.host.tick(sim.now_s))
    for code in (ErrorCode.SESSION, ErrorCode.NO_SESSION):
        refusal = Packet.carrying(ErrorReply(code, 5), packet.packet_id)
        sim.host.receive(CobsCarrier().encode(refusal), sim.now_s)
    assert sim.host.state is HostState.READY


def test_a_refused_body_is_told_and_the_request_goes_on() -> None:
    sim = connected()
    sim.host.show(DARK)
    (packet,) = CobsCarrier().feed(sim.host.tick(sim.now_s))
    refusal = Packet.carrying(ErrorReply(ErrorCode.BODY, 0), packet.packet_id)
    sim.host.receive(CobsCarrier().encode(refusal), sim.now_s)
    assert BoardRefused(ErrorCode.BODY) in sim.host.take_events()
    assert sending(sim.host, 0.15, sim.now_s)[-1][0] == 100


def test_whatever_the_board_sends_is_counted_and_never_raised() -> None:
    sim = connected()
    before = sim.host.state
    sim.host.receive(CobsCarrier().encode(Packet(0x55, 1, b"\x90")), sim.now_s)
    sim.host.receive(CobsCarrier().encode(Packet.carrying(Hello(1, 1, 1), 0)), sim.now_s)
    sim.host.receive(b"\x01\x02\x03\x00" * 10, sim.now_s)
    assert sim.host.counters.bad_bodies == 2
    assert sim.host.carrier.counters.bad_packets == 10
    assert sim.host.state is before


def test_a_pulled_cable_is_told_and_the_session_goes_on_where_it_was() -> None:
    sim = connected()
    sim.show(BRIGHT)
    sim.run(0.1)
    sim.unplug()
    sim.run(1.0)
    assert sim.host.next_deadline() is None
    sim.plug()
    sim.run(0.1)
    assert BoardDisconnected(Reason.PORT_LOST) in sim.host_events
    again = events_of(sim, BoardConnected)[-1]
    assert isinstance(again, BoardConnected)
    assert not again.new_boot
    assert [version for _, _, version in sim.shown] == [1]


# --- the inbox of edges ---------------------------------------------------------------------


def test_an_edge_is_new_then_waiting_then_journaled() -> None:
    inbox = EdgeInbox()
    assert inbox.arrive(EdgeId(5, 1)) is Arrival.NEW
    assert inbox.arrive(EdgeId(5, 1)) is Arrival.WAITING
    assert inbox.arrive(EdgeId(5, 2)) is Arrival.WAITING
    inbox.confirm(EdgeId(5, 1))
    assert inbox.arrive(EdgeId(5, 1)) is Arrival.JOURNALED
    assert inbox.arrive(EdgeId(5, 2)) is Arrival.NEW


@pytest.mark.parametrize(
    ("last", "arriving", "arrival"),
    [
        (EdgeId(5, 7), EdgeId(5, 6), Arrival.JOURNALED),
        (EdgeId(5, 7), EdgeId(5, 7), Arrival.JOURNALED),
        (EdgeId(5, 7), EdgeId(5, 8), Arrival.NEW),
        (EdgeId(5, 7), EdgeId(6, 1), Arrival.NEW),
        (EdgeId(5, 7), EdgeId(4, 1), Arrival.NEW),  # boot ids need not grow
        (None, EdgeId(0, 1), Arrival.NEW),
    ],
)
def test_the_journal_decides_what_is_a_duplicate(
    last: EdgeId | None, arriving: EdgeId, arrival: Arrival
) -> None:
    assert EdgeInbox(last).arrive(arriving) is arrival


def test_an_edge_that_was_not_told_cannot_be_confirmed() -> None:
    inbox = EdgeInbox(EdgeId(5, 7))
    inbox.confirm(EdgeId(5, 7))  # again: harmless
    with pytest.raises(MessageError) as caught:
        inbox.confirm(EdgeId(5, 8))
    assert caught.value.code == "not_pending"


def test_lost_edges_are_told_once_however_often_the_board_repeats_them() -> None:
    counter = LossCounter()
    assert counter.update(5, overflow=2, reset=3) == (2, 3)
    assert counter.update(5, overflow=2, reset=3) == (0, 0)
    assert counter.update(5, overflow=6, reset=0) == (4, 0)
    assert counter.update(5, overflow=2, reset=0) == (0, 0)  # a late reply
    assert counter.update(5, overflow=6, reset=0) == (0, 0)
    assert counter.update(6, overflow=1, reset=0) == (1, 0)
