"""The press_log: what the journal says is still to be done."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.events import ButtonEdge, EdgeId
from firmware_bridge.messages import Edge
from host.appliance.presses.press_log import (
    ANSWERS,
    OpenRequest,
    PressEvent,
    PressLog,
    RecoveryAction,
    decide_recovery,
    edge_event,
    edges_field,
    is_fresh,
)
from host.telemetry.events import HOST_EVENTS, stamped
from host.telemetry.journal.record import JournalRecord

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
DOWN, UP = EdgeId(7, 1), EdgeId(7, 2)


def changed(edge_id: EdgeId, edge: Edge, age_ms: int = 0) -> ButtonEdge:
    return ButtonEdge(edge_id, 0, edge, 1000, age_ms)


def edge_record(edge: ButtonEdge, at: datetime, trace_id: str) -> JournalRecord:
    return JournalRecord.of(stamped(edge_event(edge, trace_id), at))


def edges(*, trace_id: str = "t1", age_ms: int = 0) -> list[JournalRecord]:
    return [
        edge_record(changed(DOWN, Edge.DOWN, age_ms), NOON, trace_id),
        edge_record(changed(UP, Edge.UP, age_ms), NOON, trace_id),
    ]


def verdict(what: PressEvent, trace_id: str = "t1", **data: object) -> JournalRecord:
    named = {"edges": edges_field((DOWN, UP)), **data}
    return JournalRecord(what, NOON + timedelta(seconds=1), trace_id, "core", named)


def log_of(records: Sequence[JournalRecord]) -> PressLog:
    press_log = PressLog()
    for record in records:
        press_log.note(record)
    return press_log


def test_edges_are_open_until_a_verdict_names_them() -> None:
    press_log = log_of(edges())
    assert [edge.edge_id for edge in press_log.open_edges] == [DOWN, UP]
    assert press_log.last_edge == UP
    press_log.note(verdict(PressEvent.PAGE_TURNED))
    assert press_log.open_edges == ()
    assert press_log.last_edge == UP


def test_a_release_has_the_trace_id_of_its_press() -> None:
    press_log = log_of(edges()[:1])
    assert press_log.trace_of(changed(UP, Edge.UP)) == "t1"
    assert press_log.trace_of(changed(EdgeId(7, 3), Edge.DOWN)) is None


def test_the_release_after_a_long_hold_waits_for_nothing() -> None:
    down, up = edges()
    held = verdict(PressEvent.CANCEL_REQUESTED, edges=edges_field((DOWN,)))
    assert log_of([down, held, up]).open_edges == ()


@pytest.mark.parametrize("answer", sorted(ANSWERS))
def test_a_request_is_open_until_its_answer(answer: str) -> None:
    press_log = log_of([*edges(), verdict(PressEvent.PLAN_REQUESTED)])
    assert [r.trace_id for r in press_log.open_requests] == ["t1"]
    press_log.note(JournalRecord(answer, NOON, "t1", "core"))
    assert press_log.open_requests == ()


def test_a_request_is_as_old_as_its_press_was_and_not_as_its_record() -> None:
    press_log = log_of([*edges(age_ms=4000), verdict(PressEvent.PLAN_REQUESTED)])
    assert press_log.open_requests[0].pressed_at == NOON - timedelta(seconds=4)


def test_a_press_that_joined_keeps_the_request_fresh() -> None:
    later = NOON + timedelta(seconds=8)
    second = EdgeId(7, 3)
    press_log = log_of(
        [
            *edges(),
            verdict(PressEvent.PLAN_REQUESTED),
            edge_record(changed(second, Edge.DOWN), later, "t2"),
            JournalRecord(
                PressEvent.PRESS_JOINED, later, "t1", "core", {"edges": edges_field((second,))}
            ),
        ]
    )
    assert press_log.open_requests == (OpenRequest("t1", "core", later),)
    assert press_log.open_edges == ()


def test_the_last_selection_counts() -> None:
    selected = [
        JournalRecord(PressEvent.BUCKET_SELECTED, NOON, "t", name) for name in ("core", "b", "core")
    ]
    assert log_of(selected).selected_bucket == "core"


def test_lost_edges_are_recorded_once_across_restarts() -> None:
    press_log = PressLog()
    assert press_log.newly_lost(7, 3) == 3
    lost = JournalRecord(PressEvent.PRESSES_LOST, NOON, data={"boot_id": 7, "edges_lost": 3})
    press_log.note(lost)
    assert press_log.newly_lost(7, 0) == 0
    assert press_log.newly_lost(7, 2) == 2
    restarted = log_of([lost])
    assert restarted.newly_lost(7, 3) == 0, "a new link tells all of the boot again"
    assert restarted.newly_lost(7, 1) == 1
    assert restarted.newly_lost(8, 3) == 3


@pytest.mark.parametrize(
    ("age_s", "cancelled", "has_plan", "expected"),
    [
        (3.0, False, False, RecoveryAction.RUN),
        (10.0, False, False, RecoveryAction.RUN),
        (10.1, False, False, RecoveryAction.EXPIRE),
        (-0.1, False, False, RecoveryAction.EXPIRE),
        (3.0, True, False, RecoveryAction.CANCEL),
        (3.0, False, True, RecoveryAction.STORED),
        (99.0, False, True, RecoveryAction.STORED),
        (3.0, True, True, RecoveryAction.STORED),
    ],
)
def test_what_a_start_does_with_a_request_without_an_answer(
    age_s: float, cancelled: bool, has_plan: bool, expected: RecoveryAction
) -> None:
    request = OpenRequest("t1", "core", NOON - timedelta(seconds=age_s), is_cancelled=cancelled)
    assert decide_recovery(request, NOON, 10.0, has_plan=has_plan) is expected


def test_a_press_from_the_future_is_not_fresh() -> None:
    assert is_fresh(NOON, NOON, 10)
    assert not is_fresh(NOON + timedelta(microseconds=1), NOON, 10)


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"edges": "x"},
        {"edges": [[1], ["a", 2], [1, 2, 3], 5, [1.0, 2]]},
        {"boot_id": 1, "event_id": "x", "button": 0, "edge": "down", "t_ms": 0, "age_ms": 0},
        {"boot_id": 1, "event_id": 1, "button": 0, "edge": "sideways", "t_ms": 0, "age_ms": 0},
    ],
)
@pytest.mark.parametrize("event_type", PressEvent)
def test_a_record_that_was_edited_into_nonsense_is_survived(
    event_type: PressEvent, data: dict[str, object]
) -> None:
    press_log = log_of([*edges(), JournalRecord(event_type, NOON, "x", "core", data)])
    assert [edge.edge_id for edge in press_log.open_edges] == [DOWN, UP]


# Edges, verdicts and answers in any order that a journal, whole or damaged, may hold them.
RECORDS = st.lists(
    st.one_of(
        st.builds(
            lambda n, down, at_s: edge_record(
                ButtonEdge(EdgeId(7, n), n % 2, Edge.DOWN if down else Edge.UP, n, 0),
                NOON + timedelta(seconds=at_s),
                f"t{n}",
            ),
            st.integers(1, 6),
            st.booleans(),
            st.integers(0, 9),
        ),
        st.builds(
            lambda what, n, bucket, edge: JournalRecord(
                what,
                NOON,
                f"t{n}",
                bucket,
                {
                    "edges": [[7, edge]],
                    "cancels": "t1",
                    "version": n,
                    "boot_id": 7,
                    "edges_lost": n,
                },
            ),
            st.sampled_from([*map(str, PressEvent), "ConfigurationChanged", "DaemonStarted"]),
            st.integers(1, 6),
            st.sampled_from(["core", "other"]),
            st.integers(1, 6),
        ),
    ),
    max_size=30,
)


@given(records=RECORDS, at=st.integers(0, 30))
def test_a_file_that_begins_with_the_state_says_what_all_files_before_it_say(
    records: list[JournalRecord], at: int
) -> None:
    at = min(at, len(records))
    before = log_of(records[:at])
    state = json.loads(json.dumps(before.state()))
    continued = JournalRecord("JournalContinued", NOON, data={"previous": "x", "state": state})
    assert log_of([continued, *records[at:]]).state() == log_of(records).state()


@pytest.mark.parametrize("state", [None, {}, {"last_edge": 3}, [], "x", {"last_edge": None}])
def test_a_state_that_makes_no_sense_changes_nothing(state: object) -> None:
    press_log = log_of(edges())
    press_log.note(JournalRecord("JournalContinued", NOON, data={"state": state}))
    assert len(press_log.open_edges) == 2


def test_every_record_about_presses_is_an_event_that_is_declared() -> None:
    assert {str(name) for name in PressEvent} <= set(HOST_EVENTS)
