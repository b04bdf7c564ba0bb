"""The check of the API's load finds what it is for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from host.telemetry.journal.export import line_to_json
from host.telemetry.journal.record import ChainEntry, JournalLine, JournalRecord
from tools.benchmarks._api_check import check_streams, check_triggers, lost_presses, spans_of
from tools.benchmarks._api_clients import digest_of
from tools.benchmarks.api import percentile

NOON_S = datetime(2026, 11, 30, 12, 0, tzinfo=UTC).timestamp()


def record(event_type: str, at_s: float, trace_id: str = "a", **data: object) -> JournalRecord:
    timestamp = datetime.fromtimestamp(NOON_S + at_s, UTC)
    return JournalRecord(event_type, timestamp, trace_id, "core", data)


RECORDS = (
    record("DaemonStarted", 0.0, ""),
    record("PlanRequested", 1.0, "a", via="api"),
    record("PlanStored", 2.0, "a", via="api"),
    record("PlanRequested", 3.0, "b", via="press"),
    record("PressJoined", 3.5, "b"),
    record("PlanStored", 4.0, "b", via="press"),
)
LINES = [JournalLine(ChainEntry(n, ""), each, "") for n, each in enumerate(RECORDS, 1)]


def report_of(*numbers: int, **contents: str) -> dict[str, Any]:
    """Return the report of a stream that had these events, and of one that had them all."""
    of_lines = {str(line.entry.n): [digest_of(line_to_json(line))] for line in LINES}
    changed = {n.removeprefix("n"): [digest] for n, digest in contents.items()}
    streams = [{"numbers": list(numbers)}, {"numbers": [2, 3, 4, 5, 6]}]
    return {"streams": streams, "contents": of_lines | changed}


@pytest.mark.parametrize(
    ("report", "lost", "doubled", "out_of_order", "wrong"),
    [
        (report_of(2, 3, 4, 5, 6), 0, 0, 0, 0),
        (report_of(1, 2, 3, 4, 5, 6), 0, 0, 0, 0),
        (report_of(2, 3, 6), 2, 0, 0, 0),
        (report_of(2, 3, 4, 4, 5, 6), 0, 1, 1, 0),
        (report_of(2, 4, 3, 5, 6), 0, 0, 1, 0),
        (report_of(2, 3, 4, 5, 6, n4="another"), 0, 0, 0, 1),
        (report_of(2, 3, 4, 5, 6, n9="invented"), 0, 0, 0, 1),
    ],
)
def test_a_stream_is_compared_with_the_journal(
    report: dict[str, Any], lost: int, doubled: int, out_of_order: int, wrong: int
) -> None:
    errors = check_streams(report, LINES, after=1)
    assert (errors.lost, errors.doubled) == (lost, doubled)
    assert (errors.out_of_order, errors.wrong) == (out_of_order, wrong)


def call(sent_s: float, trace_id: str = "a", **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Return a trigger that was answered after 0.2 s; by default that its plan is a new one."""
    return {
        "sent_s": NOON_S + sent_s,
        "received_s": NOON_S + sent_s + 0.2,
        "status": 202,
        "error": "",
        "record": {"trace_id": trace_id, "joined": more.pop("joined", False)},
        **more,
    }


NEW = call(0.9)


@pytest.mark.parametrize(
    ("calls", "errors"),
    [
        ([NEW, call(1.5, joined=True), call(3.2, "b", joined=True)], []),
        ([call(0.9, status=503)], ["503", "no answer says so"]),
        ([call(0.9, status=0, error="TimeoutError")], ["TimeoutError", "no answer says so"]),
        ([NEW, call(1.5)], ["requested before", "began 2 times"]),
        ([NEW, call(2.05, joined=True)], []),
        ([NEW, call(2.15, joined=True)], ["had ended before"]),
        ([NEW, call(0.5, joined=True)], ["requested later"]),
        ([NEW, call(1.5, "c", joined=True)], ["never requested"]),
        ([NEW, call(2.9, "b")], ["requested before"]),
        ([call(1.5, joined=True)], ["no answer says so"]),
    ],
)
def test_an_answer_names_the_plan_that_runs_then(
    calls: list[dict[str, Any]], errors: list[str]
) -> None:
    spans, overlaps = spans_of(LINES, {"3": NOON_S + 2.1})
    assert overlaps == []
    problems = check_triggers(calls, spans)
    assert len(problems) == len(errors), problems
    assert all(part in problem for part, problem in zip(errors, problems, strict=True)), problems


def test_two_plans_of_a_bucket_at_a_time_are_an_error() -> None:
    _, errors = spans_of([LINES[1], LINES[3], LINES[5]], {})
    assert errors == ["b was requested while a ran"]


@pytest.mark.parametrize(
    ("lines", "pressed", "lost"),
    [(LINES, 2, 0), (LINES, 3, 1), (LINES[:5], 2, 2), (LINES[:4], 2, 2)],
)
def test_a_press_without_a_stored_plan_is_lost(
    lines: list[JournalLine], pressed: int, lost: int
) -> None:
    assert lost_presses(lines, pressed) == lost


def test_a_percentile_is_one_of_the_values_and_never_too_small() -> None:
    assert percentile([4.0, 1.0, 3.0, 2.0], 50) == 2.0
    assert percentile([4.0, 1.0, 3.0, 2.0], 99) == 4.0
    assert percentile(list(map(float, range(1, 601))), 99) == 594.0
