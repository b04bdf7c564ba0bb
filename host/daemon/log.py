"""What the daemon says on standard error: lines for people, or JSON objects for programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final, TextIO

from host.files.journal import JournalRecord
from host.files.problems import printable

TRACE_SHOWN: Final = 8
VALUE_LENGTH_MAX: Final = 200


class DaemonLog:
    """Writes one line per event.

    Parameters
    ----------
    stream : TextIO
    as_json : bool
    now : callable returning an aware datetime
    """

    def __init__(self, stream: TextIO, *, as_json: bool, now: Callable[[], datetime]) -> None:
        self._stream = stream
        self._as_json = as_json
        self._now = now

    def record(self, record: JournalRecord) -> None:
        """Tell what was written to the journal."""
        self._write("INFO", record)

    def tell(
        self,
        event_type: str,
        *,
        severity: str = "INFO",
        trace_id: str = "",
        bucket_id: str = "",
        **data: object,
    ) -> None:
        """Tell something that the journal does not keep."""
        self._write(severity, JournalRecord(event_type, self._now(), trace_id, bucket_id, data))

    def _write(self, severity: str, record: JournalRecord) -> None:
        if self._as_json:
            line = json.dumps({"severity": severity, **record.to_json()}, ensure_ascii=True)
        else:
            line = printable(human_line(severity, record))
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            return  # nobody reads us: the journal does


def human_line(severity: str, record: JournalRecord) -> str:
    """Return a line such as `18:32:01 core PlanStored outcome=PLANNED n_steps=5 [3fa2c1d0]`."""
    words = [f"{record.timestamp.astimezone():%H:%M:%S}"]
    if severity != "INFO":
        words.append(severity)
    if record.bucket_id:
        words.append(record.bucket_id)
    words.append(record.event_type)
    words += details(record.data)
    if record.trace_id:
        words.append(f"[{record.trace_id[:TRACE_SHOWN]}]")
    return " ".join(words)


def details(data: Mapping[str, object]) -> list[str]:
    """Return `key=value` for what is plain enough for a line."""
    shown = []
    for key, value in data.items():
        if isinstance(value, float):
            shown.append(f"{key}={value:.4g}")
        elif isinstance(value, list):
            shown.append(f"{key}={'; '.join(str(item) for item in value)}"[:VALUE_LENGTH_MAX])
        elif value is not None:
            text = str(value)
            shown.append(f"{key}={text}"[:VALUE_LENGTH_MAX])
    return shown
