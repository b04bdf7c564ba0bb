"""Lines of a log: JSON in the names of OpenTelemetry's log data model, or words for people.

A line is a line whatever is in it: control characters, line feeds and escape sequences of a
terminal are written as escapes, secrets are left out, and what is long is cut.
"""

from __future__ import annotations

import json
import logging
import os
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

from host.telemetry.journal.record import JournalRecord, plain, redacted, redacted_text
from host.text import printable

EVENT: Final = "trader_event"
"""The attribute of a log record that holds the event it is about."""
ROOT: Final = "trader"
BUCKET_PREFIX: Final = f"{ROOT}.bucket."
SERVICE: Final = "arduino-trader"
TRACE_SHOWN: Final = 8
VALUE_LENGTH_MAX: Final = 200
TEXT_LENGTH_MAX: Final = 4_000
LINE_BYTES_MAX: Final = 16 * 1024
SEVERITIES: Final[Mapping[str, int]] = {
    "DEBUG": 5,
    "INFO": 9,
    "WARN": 13,
    "ERROR": 17,
    "FATAL": 21,
}
"""OpenTelemetry's numbers of the severities that we use."""
LEVELS: Final[Mapping[str, int]] = {
    "DEBUG": logging.DEBUG,
    "INFO": logging.INFO,
    "WARN": logging.WARNING,
    "ERROR": logging.ERROR,
}


def severity_of(level: int) -> str:
    """Return OpenTelemetry's name for a level of Python's logging."""
    for name, floor in (
        ("FATAL", logging.CRITICAL),
        ("ERROR", logging.ERROR),
        ("WARN", logging.WARNING),
        ("INFO", logging.INFO),
    ):
        if level >= floor:
            return name
    return "DEBUG"


def otel_line(record: logging.LogRecord) -> str:
    """Return a log record as one JSON object, without the line feed."""
    found = otel_record(record)
    line = _dumped(found)
    if len(line) > LINE_BYTES_MAX:
        kept = {key: value for key, value in found["Attributes"].items() if key == "bucket_id"}
        found["Body"] = found["Body"][:VALUE_LENGTH_MAX]
        found["Attributes"] = {**kept, "cut_bytes": len(line)}
        line = _dumped(found)
    return line


def otel_record(record: logging.LogRecord) -> dict[str, Any]:
    """Return a log record as OpenTelemetry names its parts."""
    event = getattr(record, EVENT, None)
    severity = severity_of(record.levelno)
    when = datetime.fromtimestamp(record.created, UTC)
    found: dict[str, Any] = {
        "Timestamp": when.isoformat(timespec="microseconds"),
        "SeverityText": severity,
        "SeverityNumber": SEVERITIES[severity],
    }
    attributes: dict[str, object]
    if isinstance(event, JournalRecord):
        data = redacted(event.data)
        found["Timestamp"] = event.timestamp.astimezone(UTC).isoformat(timespec="microseconds")
        found["EventName"] = event.event_type
        found["Body"] = " ".join([event.event_type, *details(data)])[:TEXT_LENGTH_MAX]
        if event.trace_id:
            found["TraceId"] = event.trace_id
        attributes = {"bucket_id": event.bucket_id} if event.bucket_id else {}
        attributes |= {key: _clipped(plain(value)) for key, value in data.items()}
    else:
        found["Body"] = _message(record)
        attributes = _exception(record)
    found["Attributes"] = attributes
    found["Resource"] = resource()
    found["InstrumentationScope"] = {"Name": record.name}
    return found


def event_of_line(found: Mapping[str, object]) -> dict[str, object]:
    """Return the record that an event's line was made from; KeyError for any other line."""
    attributes = found["Attributes"]
    data = dict(attributes) if isinstance(attributes, Mapping) else {}
    return {
        "timestamp": found["Timestamp"],
        "event_type": found["EventName"],
        "bucket_id": data.pop("bucket_id", ""),
        "trace_id": found.get("TraceId", ""),
        "severity": found["SeverityText"],
        "data": data,
    }


def human_log_line(record: logging.LogRecord) -> str:
    """Return a log record as a line for people."""
    event = getattr(record, EVENT, None)
    severity = severity_of(record.levelno)
    if isinstance(event, JournalRecord):
        return printable(human_line(severity, event))
    when = datetime.fromtimestamp(record.created, UTC).astimezone()
    shown = "" if severity == "INFO" else f"{severity} "
    failure = " ".join(str(value) for value in list(_exception(record).values())[:2])
    line = f"{when:%H:%M:%S} {shown}{record.name}: {_message(record)} {failure}".rstrip()
    return printable(line)


def human_line(severity: str, record: JournalRecord, *, with_day: bool = False) -> str:
    """Return a line such as `18:32:01 core PlanStored outcome=PLANNED n_steps=5 [3fa2c1d0]`.

    It is not printable yet: what is in it may hold anything.
    """
    when = record.timestamp.astimezone()
    words = [f"{when:%Y-%m-%d %H:%M:%S}" if with_day else f"{when:%H:%M:%S}"]
    if severity != "INFO":
        words.append(severity)
    if record.bucket_id:
        words.append(record.bucket_id)
    words.append(record.event_type)
    words += details(redacted(record.data))
    if record.trace_id:
        words.append(f"[{record.trace_id[:TRACE_SHOWN]}]")
    return " ".join(words)


def details(data: Mapping[str, object]) -> list[str]:
    """Return `key=value` for what is plain enough for a line."""
    shown = []
    for key, value in data.items():
        if isinstance(value, float):
            shown.append(f"{key}={value:.4g}")
        elif isinstance(value, list | tuple) and value:
            shown.append(f"{key}={'; '.join(str(item) for item in value)}"[:VALUE_LENGTH_MAX])
        elif value is not None and not isinstance(value, Mapping | list | tuple):
            text = str(value)
            shown.append(f"{key}={text}"[:VALUE_LENGTH_MAX])
    return shown


@cache
def resource() -> dict[str, object]:
    """Return who is talking."""
    from host.version import version

    return {"service.name": SERVICE, "service.version": version(), "process.pid": os.getpid()}


def _dumped(found: Mapping[str, object]) -> str:
    # ASCII alone: what reverses text or looks like something else is an escape, too.
    return json.dumps(found, separators=(",", ":"), ensure_ascii=True).replace("\x7f", "\\u007f")


def _message(record: logging.LogRecord) -> str:
    try:
        message = record.getMessage()
    except (TypeError, ValueError, KeyError, AttributeError):
        message = f"{record.msg} (its arguments do not fit: {record.args!r})"
    return redacted_text(message[:TEXT_LENGTH_MAX])


def _exception(record: logging.LogRecord) -> dict[str, object]:
    if not record.exc_info or record.exc_info[0] is None:
        return {}
    kind, error, trace = record.exc_info
    text = "".join(traceback.format_exception(kind, error, trace))
    return {
        "exception.type": kind.__name__,
        "exception.message": redacted_text(str(error)[:TEXT_LENGTH_MAX]),
        "exception.stacktrace": redacted_text(text[-TEXT_LENGTH_MAX:]),
    }


def _clipped(value: object) -> object:
    if isinstance(value, str) and len(value) > TEXT_LENGTH_MAX:
        return value[:TEXT_LENGTH_MAX] + "..."
    return value
