"""The log: Python's `logging`, with a sink that never blocks its caller and never raises.

    logger "trader"                 the whole appliance
    logger "trader.bucket.core"     a bucket; each may have a level of its own
    any other logger                libraries: warnings and errors

A caller puts a record into a queue of bounded length. A thread writes it to the terminal or pipe,
and to the log's files. A pipe without a reader, or a full or slow disk, loses lines; their number
is logged when writing works again.

A line is JSON in the names of OpenTelemetry's log data model, or words for people. It stays one
harmless line whatever it contains: control characters, line feeds and escape sequences of a
terminal are escaped, secrets are left out, and long values are cut.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TextIO

from host.json_record import SCHEMA_VERSION, SCHEMA_VERSION_KEY
from host.telemetry.journal.record import JournalRecord, plain, redacted, redacted_text
from host.text import printable
from host.version import version

if TYPE_CHECKING:
    from pathlib import Path

    from planner_core.events import Event

ROOT: Final = "trader"
BUCKET_PREFIX: Final = f"{ROOT}.bucket."
EVENT: Final = "trader_event"
"""The attribute of a log record that holds its event."""
SERVICE: Final = "arduino-trader"
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
TRACE_LENGTH: Final = 8
"""How much of a trace id a line for people has."""
VALUE_LENGTH_MAX: Final = 200
TEXT_LENGTH_MAX: Final = 4_000
LINE_BYTES_MAX: Final = 16 * 1024

LOG_NAME: Final = "trader.jsonl"
FILES: Final = 4
"""The file that is written, and those set aside: `trader.jsonl.1` is the newest of these."""
FILE_MODE: Final = 0o600
FOLDER_MODE: Final = 0o700
PAUSE_S: Final = 1.0
"""Time without a write after the disk refused one."""

QUEUE_MAX: Final = 2_000
STOP_S: Final = 1.0
Formatter = Callable[[logging.LogRecord], str]


# --- events -------------------------------------------------------------------------------------


def is_logged(event: Event) -> bool:
    """Return whether the log takes an event; most events of a plan are at level debug."""
    return is_logged_type(type(event), event.bucket_id)


def is_logged_type(event_type: type[Event], bucket_id: str) -> bool:
    """Return whether the log takes a type of event of a bucket."""
    return _logger_of(bucket_id).isEnabledFor(_level_of(event_type))


def log_event(event: Event) -> None:
    """Log an event, under the name of its bucket; a subscriber of the bus."""
    logger, level = _logger_of(event.bucket_id), _level_of(type(event))
    if logger.isEnabledFor(level):
        # Built here, because `logger.log` would search the stack for the caller, which is no use.
        record = logging.LogRecord(logger.name, level, "", 0, event.event_type, None, None)
        setattr(record, EVENT, JournalRecord.of(event))
        logger.handle(record)


def _logger_of(bucket_id: str) -> logging.Logger:
    return logging.getLogger(BUCKET_PREFIX + bucket_id if bucket_id else ROOT)


def _level_of(event_type: type[Event]) -> int:
    return LEVELS.get(event_type.severity, logging.INFO)


# --- lines --------------------------------------------------------------------------------------


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
    content = otel_record(record)
    line = _dump(content)
    if len(line) > LINE_BYTES_MAX:
        bucket = {key: value for key, value in content["Attributes"].items() if key == "bucket_id"}
        content["Body"] = content["Body"][:VALUE_LENGTH_MAX]
        content["Attributes"] = {**bucket, "cut_bytes": len(line)}
        line = _dump(content)
    return line


def otel_record(record: logging.LogRecord) -> dict[str, Any]:
    """Return a log record with OpenTelemetry's names."""
    event = getattr(record, EVENT, None)
    severity = severity_of(record.levelno)
    when = datetime.fromtimestamp(record.created, UTC)
    content: dict[str, Any] = {
        "Timestamp": when.isoformat(timespec="microseconds"),
        "SeverityText": severity,
        "SeverityNumber": SEVERITIES[severity],
    }
    attributes: dict[str, object]
    if isinstance(event, JournalRecord):
        data = redacted(event.data)
        content["Timestamp"] = event.timestamp.astimezone(UTC).isoformat(timespec="microseconds")
        content["EventName"] = event.event_type
        content["Body"] = " ".join([event.event_type, *details(data)])[:TEXT_LENGTH_MAX]
        if event.trace_id:
            content["TraceId"] = event.trace_id
        attributes = {"bucket_id": event.bucket_id} if event.bucket_id else {}
        attributes |= {key: _cut(plain(value)) for key, value in data.items()}
    else:
        content["Body"] = _message(record)
        attributes = _exception(record)
    content["Attributes"] = attributes
    content["Resource"] = resource()
    content["InstrumentationScope"] = {"Name": record.name}
    content[SCHEMA_VERSION_KEY] = SCHEMA_VERSION
    return content


def event_of_line(content: Mapping[str, object]) -> dict[str, object]:
    """Return the record that an event's line was made from; KeyError for any other line."""
    attributes = content["Attributes"]
    data = dict(attributes) if isinstance(attributes, Mapping) else {}
    return {
        "timestamp": content["Timestamp"],
        "event_type": content["EventName"],
        "bucket_id": data.pop("bucket_id", ""),
        "trace_id": content.get("TraceId", ""),
        "severity": content["SeverityText"],
        "data": data,
    }


def human_log_line(record: logging.LogRecord) -> str:
    """Return a log record as a line for people."""
    event = getattr(record, EVENT, None)
    severity = severity_of(record.levelno)
    if isinstance(event, JournalRecord):
        return printable(human_line(severity, event))
    when = datetime.fromtimestamp(record.created, UTC).astimezone()
    prefix = "" if severity == "INFO" else f"{severity} "
    failure = " ".join(str(value) for value in list(_exception(record).values())[:2])
    line = f"{when:%H:%M:%S} {prefix}{record.name}: {_message(record)} {failure}".rstrip()
    return printable(line)


def human_line(severity: str, record: JournalRecord, *, with_day: bool = False) -> str:
    """Return a line such as `18:32:01 core PlanStored outcome=PLANNED n_steps=5 [3fa2c1d0]`.

    It is not yet printable: its values may contain anything.
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
        words.append(f"[{record.trace_id[:TRACE_LENGTH]}]")
    return " ".join(words)


def details(data: Mapping[str, object]) -> list[str]:
    """Return `key=value` for the values that fit on a line."""
    words = []
    for key, value in data.items():
        if isinstance(value, float):
            words.append(f"{key}={value:.4g}")
        elif isinstance(value, list | tuple) and value:
            words.append(f"{key}={'; '.join(str(item) for item in value)}"[:VALUE_LENGTH_MAX])
        elif value is not None and not isinstance(value, Mapping | list | tuple):
            words.append(f"{key}={value}"[:VALUE_LENGTH_MAX])
    return words


@cache
def resource() -> dict[str, object]:
    """Return OpenTelemetry's description of this process."""
    return {"service.name": SERVICE, "service.version": version(), "process.pid": os.getpid()}


def _dump(content: Mapping[str, object]) -> str:
    # ASCII only, so that text direction marks and look-alike characters are escapes, too.
    return json.dumps(content, separators=(",", ":"), ensure_ascii=True).replace("\x7f", "\\u007f")


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


def _cut(value: object) -> object:
    if isinstance(value, str) and len(value) > TEXT_LENGTH_MAX:
        return value[:TEXT_LENGTH_MAX] + "..."
    return value


# --- where lines go -----------------------------------------------------------------------------


class StreamLines:
    """Writes lines to a terminal or a pipe; it never raises."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.n_lost = 0

    def write(self, line: str) -> bool:
        """Write a line; return whether that worked."""
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            self.n_lost += 1  # the reader is gone; the journal has the events
            return False
        return True

    def close(self) -> None:
        """Do nothing: the stream belongs to the caller."""


class LogFile:
    """Writes lines to a file of bounded size; it never raises, and counts lines that are lost.

    A full file is set aside, and the oldest one is removed.

    Parameters
    ----------
    folder : Path
        Made when it is missing.
    total_bytes : int
        Size limit of all its files together.
    """

    def __init__(self, folder: Path, total_bytes: int) -> None:
        assert total_bytes >= FILES
        self.path = folder / LOG_NAME
        self.n_lost = 0
        self._file_bytes = total_bytes // FILES
        self._descriptor: int | None = None
        self._inode = 0
        self._paused_until_s = 0.0

    def write(self, line: str) -> bool:
        """Write a line; return whether that worked."""
        data = line.encode("utf-8", "backslashreplace") + b"\n"
        if time.monotonic() < self._paused_until_s:
            self.n_lost += 1
            return False
        try:
            self._write(data[: self._file_bytes])
        except OSError:
            self.n_lost += 1
            self._paused_until_s = time.monotonic() + PAUSE_S
            self.close()
            return False
        return True

    def close(self) -> None:
        """Close the file; the next line opens it again."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with suppress(OSError):
                os.close(descriptor)

    def _write(self, data: bytes) -> None:
        size = self._open()
        if size and size + len(data) > self._file_bytes:
            self._set_aside()
            size = self._open()
        assert self._descriptor is not None
        remaining = memoryview(data)
        try:
            while remaining:
                remaining = remaining[os.write(self._descriptor, remaining) :]
        except OSError:
            with suppress(OSError):  # half a line would spoil the next one
                os.ftruncate(self._descriptor, size)
            raise

    def _open(self) -> int:
        """Open the file of that name, also when the last one was moved; return its size."""
        status = None
        with suppress(FileNotFoundError):
            status = self.path.stat()
        if self._descriptor is None or status is None or status.st_ino != self._inode:
            self.close()
            self.path.parent.mkdir(FOLDER_MODE, parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
            self._descriptor = os.open(self.path, flags, FILE_MODE)
            status = os.fstat(self._descriptor)
            self._inode = status.st_ino
        return status.st_size

    def _set_aside(self) -> None:
        self.close()
        for number in range(FILES - 1, 0, -1):
            newer = self.path if number == 1 else self.path.with_name(f"{LOG_NAME}.{number - 1}")
            with suppress(FileNotFoundError):
                newer.replace(self.path.with_name(f"{LOG_NAME}.{number}"))


@dataclass(slots=True)
class Outlet:
    """A destination of lines, and their format."""

    lines: StreamLines | LogFile
    format_line: Formatter
    n_failed: int = 0
    """Records that could not be formatted."""
    n_reported: int = 0
    """Lost lines that were logged as lost."""


# --- the sink -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LogLevels:
    """The least severity that is logged, for the appliance and for single buckets."""

    level: str = "INFO"
    buckets: Mapping[str, str] = field(default_factory=dict)


class LogSink(logging.Handler):
    """Takes records at once and writes them in a thread of its own."""

    def __init__(self, outlets: list[Outlet], queue_max: int = QUEUE_MAX) -> None:
        super().__init__()
        self.n_lost = 0
        self._outlets = outlets
        self._queue: queue.Queue[logging.LogRecord | None] = queue.Queue(queue_max)
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Queue a record; when the queue is full it is lost and counted."""
        try:
            self._queue.put_nowait(record)
        except queue.Full:
            self.n_lost += 1

    def stop(self, within_s: float = STOP_S) -> None:
        """Write the queued records, as far as time allows."""
        with suppress(queue.Full):
            self._queue.put(None, timeout=within_s)
        self._thread.join(within_s)

    def _run(self) -> None:
        while (record := self._queue.get()) is not None:
            for outlet in self._outlets:
                self._write(outlet, record)
        for outlet in self._outlets:
            outlet.lines.close()

    def _write(self, outlet: Outlet, record: logging.LogRecord) -> None:
        n_lost = self.n_lost + outlet.lines.n_lost + outlet.n_failed
        try:
            if outlet.lines.write(outlet.format_line(record)) and n_lost > outlet.n_reported:
                self._report_lost(outlet, n_lost)
        except Exception:  # noqa: BLE001 - a record may hold any object: only its line is lost
            outlet.n_failed += 1

    def _report_lost(self, outlet: Outlet, n_lost: int) -> None:
        message = "%d lines of the log were lost before this one"
        count = n_lost - outlet.n_reported
        record = logging.LogRecord(ROOT, logging.WARNING, "", 0, message, (count,), None)
        if outlet.lines.write(outlet.format_line(record)):
            outlet.n_reported = n_lost


def set_levels(levels: LogLevels) -> None:
    """Set these levels, and reset all others."""
    logging.getLogger(ROOT).setLevel(LEVELS[levels.level])
    for name in list(logging.Logger.manager.loggerDict):
        if name.startswith(BUCKET_PREFIX):
            logging.getLogger(name).setLevel(logging.NOTSET)
    for bucket_id, level in levels.buckets.items():
        logging.getLogger(BUCKET_PREFIX + bucket_id).setLevel(LEVELS[level])


@contextmanager
def logging_to(
    stream: TextIO, *, as_json: bool, file: LogFile | None = None, levels: LogLevels | None = None
) -> Iterator[LogSink]:
    """Send all log records to a stream, and to a file if there is one, until the block ends."""
    outlets = [Outlet(StreamLines(stream), otel_line if as_json else human_log_line)]
    if file is not None:
        outlets.append(Outlet(file, otel_line))
    sink = LogSink(outlets)
    root = logging.getLogger()
    root.addHandler(sink)
    logging.captureWarnings(True)
    set_levels(levels or LogLevels())
    try:
        yield sink
    finally:
        logging.captureWarnings(False)
        root.removeHandler(sink)
        set_levels(LogLevels())
        sink.stop()
