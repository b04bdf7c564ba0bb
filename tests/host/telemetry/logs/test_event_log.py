"""Every event is logged under the name of its bucket, ranked by its severity."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime

from host.telemetry.events import DaemonStopped, PlanFailed
from host.telemetry.logs.event_log import log_event
from host.telemetry.logs.logs import LogLevels, logging_to
from planner_core.events import StageCompleted

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
FAILED = PlanFailed(
    timestamp=NOON, trace_id="ab" * 16, bucket_id="core", code="overrun", lines=("one", "two")
)
STAGE = StageCompleted(timestamp=NOON, bucket_id="core", trace_id="t", stage="value", elapsed_s=1.0)


def test_an_event_is_logged_in_the_names_of_opentelemetry() -> None:
    stream = io.StringIO()
    with logging_to(stream, as_json=True):
        log_event(FAILED)
    found = json.loads(stream.getvalue())
    assert found["Timestamp"] == "2026-11-22T12:00:00.000000+00:00"
    assert (found["SeverityText"], found["SeverityNumber"]) == ("ERROR", 17)
    assert found["EventName"] == "PlanFailed"
    assert found["TraceId"] == "ab" * 16
    assert found["Attributes"] == {"bucket_id": "core", "code": "overrun", "lines": ["one", "two"]}
    assert found["Body"] == "PlanFailed code=overrun lines=one; two"
    assert found["Resource"]["service.name"] == "arduino-trader"
    assert found["InstrumentationScope"] == {"Name": "trader.bucket.core"}


def test_a_line_for_people_has_what_matters() -> None:
    stream = io.StringIO()
    with logging_to(stream, as_json=False):
        log_event(FAILED)
    assert stream.getvalue().endswith(
        " ERROR core PlanFailed code=overrun lines=one; two [abababab]\n"
    )


def test_a_bucket_may_tell_more_or_less_than_the_rest() -> None:
    stream = io.StringIO()
    levels = LogLevels("WARN", {"core": "DEBUG", "other": "ERROR"})
    with logging_to(stream, as_json=False, levels=levels):
        log_event(DaemonStopped(timestamp=NOON))
        log_event(STAGE)
        log_event(FAILED)
    assert "StageCompleted" in stream.getvalue()
    assert "DaemonStopped" not in stream.getvalue()
