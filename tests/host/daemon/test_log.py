"""The daemon's log: one line per event, for people or for programs."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime

from host.daemon.log import DaemonLog

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def told(*, as_json: bool, **data: object) -> str:
    stream = io.StringIO()
    log = DaemonLog(stream, as_json=as_json, now=lambda: NOON)
    log.tell("PlanFailed", severity="ERROR", trace_id="ab" * 16, bucket_id="core", **data)
    return stream.getvalue()


def test_a_line_for_people_has_what_matters() -> None:
    line = told(as_json=False, code="overrun", elapsed_s=1.23456789, lines=["one", "two"])
    assert line.endswith(
        " ERROR core PlanFailed code=overrun elapsed_s=1.235 lines=one; two [abababab]\n"
    )


def test_a_line_for_programs_has_everything() -> None:
    found = json.loads(told(as_json=True, code="overrun"))
    assert found["severity"] == "ERROR"
    assert found["data"] == {"code": "overrun"}
    assert found["timestamp"] == NOON.isoformat()


def test_no_text_can_forge_a_line_or_move_the_cursor() -> None:
    for as_json in (True, False):
        line = told(as_json=as_json, why="a\n12:00:00 core PlanStored\x1b[2J")
        assert line.count("\n") == 1
        assert "\x1b" not in line


def test_a_closed_stream_stops_nothing() -> None:
    stream = io.StringIO()
    log = DaemonLog(stream, as_json=True, now=lambda: NOON)
    stream.close()
    log.tell("DaemonStopped")
