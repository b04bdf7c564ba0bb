"""The log: Python's `logging`, with a sink that never makes anybody wait and never raises.

    logger "trader"                 what concerns the whole appliance
    logger "trader.bucket.core"     what concerns a bucket; each may have a level of its own
    any other logger                libraries: warnings and errors

Whoever logs puts a record into a queue of bounded length; a thread writes it to the terminal or
pipe, and to the log's files. A pipe that nobody reads, or a disk that is full or slow, loses lines:
how many is the first thing that is told when it goes on.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TextIO

from host.telemetry.logs.log_format import (
    BUCKET_PREFIX,
    LEVELS,
    ROOT,
    human_log_line,
    otel_line,
)

if TYPE_CHECKING:
    from host.telemetry.logs.log_file import LogFile

QUEUE_MAX: Final = 2_000
STOP_S: Final = 1.0
Formatter = Callable[[logging.LogRecord], str]


@dataclass(frozen=True, slots=True)
class LogLevels:
    """What is told: the least severity, for the appliance and for single buckets."""

    level: str = "INFO"
    buckets: Mapping[str, str] = field(default_factory=dict)


class StreamLines:
    """Writes lines to a terminal or a pipe; it never raises."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.lost = 0

    def write(self, line: str) -> bool:
        """Write a line; tell whether it was taken."""
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            self.lost += 1  # nobody reads us: the journal does
            return False
        return True

    def close(self) -> None:
        """Leave the stream to whoever lent it."""


@dataclass(slots=True)
class Outlet:
    """Where lines go, and in which form."""

    lines: StreamLines | LogFile
    form: Formatter
    failed: int = 0
    """Records that could not even be put into words."""
    told: int = 0
    """How many lost lines are told already."""


class LogSink(logging.Handler):
    """Takes records at once and writes them in a thread of its own."""

    def __init__(self, outlets: list[Outlet], queue_max: int = QUEUE_MAX) -> None:
        super().__init__()
        self.lost = 0
        self._outlets = outlets
        self._queue: queue.Queue[logging.LogRecord | None] = queue.Queue(queue_max)
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record; one too many is counted."""
        try:
            self._queue.put_nowait(record)
        except queue.Full:
            self.lost += 1

    def stop(self, within_s: float = STOP_S) -> None:
        """Write what is left, unless nobody takes it."""
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
        lost = self.lost + outlet.lines.lost + outlet.failed
        try:
            if outlet.lines.write(outlet.form(record)) and lost > outlet.told:
                self._tell_of_lost(outlet, lost)
        except Exception:  # noqa: BLE001 - a record may hold anything: it costs only its own line
            outlet.failed += 1

    def _tell_of_lost(self, outlet: Outlet, lost: int) -> None:
        message = "%d lines of the log were lost before this one"
        count = lost - outlet.told
        told = logging.LogRecord(ROOT, logging.WARNING, "", 0, message, (count,), None)
        if outlet.lines.write(outlet.form(told)):
            outlet.told = lost


def set_levels(levels: LogLevels) -> None:
    """Let these levels be in force, and no others."""
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
    """Send everything that is logged to a stream, and to a file if there is one, for a while."""
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
