"""The board's queue and the host's inbox."""

from __future__ import annotations

import pytest

from firmware_bridge.edges import LOST_MAX, Arrival, EdgeId, EdgeInbox, EdgeQueue, LossLedger
from firmware_bridge.errors import MessageError
from firmware_bridge.messages import EVENT_QUEUE_SIZE, Edge


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
    queue.lost = LOST_MAX
    queue.push(0, Edge.DOWN, 99)
    assert queue.lost == LOST_MAX


def test_only_the_oldest_edge_can_be_acknowledged_and_only_once() -> None:
    queue = full_queue()
    assert not queue.acknowledge(2)
    assert queue.acknowledge(1)
    assert not queue.acknowledge(1)
    assert len(queue) == 15


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
    ledger = LossLedger()
    assert ledger.note(5, overflow=2, reset=3) == (2, 3)
    assert ledger.note(5, overflow=2, reset=3) == (0, 0)
    assert ledger.note(5, overflow=6, reset=0) == (4, 0)
    assert ledger.note(5, overflow=2, reset=0) == (0, 0)  # a late reply
    assert ledger.note(5, overflow=6, reset=0) == (0, 0)
    assert ledger.note(6, overflow=1, reset=0) == (1, 0)
