"""State of the daemon's health monitor: `state/health.json`, or its fallback on a full disk.

Only the daemon writes it. `trader health` reads it for what only the daemon can know: the link, its
faults, and since when a finding holds. A value that makes no sense is read as unknown.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from host.display.faults import FAULTS_BY_RECORD_NAME, Fault
from host.errors import StorageError
from host.health.preallocated_file import (
    read_preallocated,
    replace_preallocated,
    write_preallocated,
)
from host.home.storage.atomic_file import open_file, write_atomic
from host.limits import BUCKET_ID, HEALTH_BYTES_MAX, HEALTH_ENTRIES_MAX

MONITOR_STATE_NAME: Final = "health.json"
SCHEMA_VERSION: Final = 1
SECONDS_MAX: Final = 1e12
"""Thirty thousand years. More makes no sense, and infinity is not valid JSON."""


@dataclass(frozen=True, slots=True)
class ClockJump:
    """The clock was set while the daemon ran."""

    at: datetime
    by_s: float


@dataclass(frozen=True, slots=True)
class MonitorState:
    """State that outlives the daemon; times are UTC.

    Parameters
    ----------
    saved_at, started_at, stopped_at : datetime, optional
        `stopped_at` is None while the daemon runs, and after a crash.
    pid : int
    bucket_id : str
        The selected one.
    is_linked : bool
    link_since : datetime, optional
        When the link last connected or disconnected.
    port : str
    is_worker_running : bool
    worker_restarts : int
    faults : mapping of Fault to datetime
        Faults on the matrix, and since when.
    watched : mapping of bucket id to datetime
        Buckets without a successful plan yet, and since when one is expected.
    clock_jump : ClockJump, optional
        The last one.
    findings : mapping of finding key to datetime
        Since when each finding of the last full check holds.
    incidents : mapping of finding id to datetime
        Problems that are over, and when each last happened.
    web_problem : str
        Why the HTTP API is not served; empty while it is, or when it is off.
    boot_id : str
        Of the computer's boot in which this was written.
    clock_offset_s : float
        The time of day less the time since that boot: it changes when the clock is set.
    """

    saved_at: datetime | None = None
    started_at: datetime | None = None
    stopped_at: datetime | None = None
    pid: int = 0
    bucket_id: str = ""
    is_linked: bool = False
    link_since: datetime | None = None
    port: str = ""
    is_worker_running: bool = False
    worker_restarts: int = 0
    faults: Mapping[Fault, datetime] = field(default_factory=dict)
    watched: Mapping[str, datetime] = field(default_factory=dict)
    clock_jump: ClockJump | None = None
    findings: Mapping[str, datetime] = field(default_factory=dict)
    incidents: Mapping[str, datetime] = field(default_factory=dict)
    web_problem: str = ""
    boot_id: str = ""
    clock_offset_s: float = 0.0

    def to_json(self) -> dict[str, object]:
        """Return the state as plain data."""
        jump = self.clock_jump
        return {
            "schema_version": SCHEMA_VERSION,
            "saved_at": _text(self.saved_at),
            "started_at": _text(self.started_at),
            "stopped_at": _text(self.stopped_at),
            "pid": self.pid,
            "bucket_id": self.bucket_id,
            "is_linked": self.is_linked,
            "link_since": _text(self.link_since),
            "port": self.port,
            "is_worker_running": self.is_worker_running,
            "worker_restarts": self.worker_restarts,
            "faults": {fault.record_name.upper(): _text(at) for fault, at in self.faults.items()},
            "watched": {name: _text(at) for name, at in self.watched.items()},
            "clock_jump": None if jump is None else {"at": _text(jump.at), "by_s": jump.by_s},
            "findings": {key: _text(at) for key, at in self.findings.items()},
            "incidents": {name: _text(at) for name, at in self.incidents.items()},
            "web_problem": self.web_problem,
            "boot_id": self.boot_id,
            "clock_offset_s": self.clock_offset_s,
        }


def write_monitor_state(state_dir: Path, state: MonitorState) -> None:
    """Save a state; StorageError when only the fallback holds it, or nothing does."""
    text = json.dumps(state.to_json(), indent=1, ensure_ascii=False, allow_nan=False)
    try:
        write_atomic(state_dir / MONITOR_STATE_NAME, f"{text}\n".encode())
    except StorageError:
        # Without the findings of the last check: the fallback is small, and they matter least.
        short = {**state.to_json(), "findings": {}}
        write_preallocated(state_dir, json.dumps(short, allow_nan=False).encode())
        raise
    if read_preallocated(state_dir) is not None and not write_preallocated(state_dir, b""):
        replace_preallocated(state_dir)  # readers take the fallback first, and it is older now


def read_monitor_state(state_dir: Path) -> MonitorState | None:
    """Return the last state; None when there is no file.

    Raises
    ------
    ValueError
        When the file is damaged.
    OSError
        When it cannot be read.
    """
    data = read_preallocated(state_dir)  # newer than health.json, where there is an entry
    try:
        if data is None:
            with open_file(state_dir / MONITOR_STATE_NAME) as file:
                data = file.read(HEALTH_BYTES_MAX + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if len(data) > HEALTH_BYTES_MAX:
        raise ValueError(f"larger than {HEALTH_BYTES_MAX:,} bytes")
    try:
        content = json.loads(data)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(content, dict) or content.get("schema_version") != SCHEMA_VERSION:
        raise ValueError("not of this version")
    return _parse(content)


def _parse(content: Mapping[str, object]) -> MonitorState:
    jump, by_s, at = content.get("clock_jump"), None, None
    if isinstance(jump, dict):
        at, by_s = time_or_none(jump.get("at")), jump.get("by_s")
    faults = {
        FAULTS_BY_RECORD_NAME[name.lower()]: since
        for name, since in _times(content.get("faults"))
        if name.lower() in FAULTS_BY_RECORD_NAME
    }
    watched = _times(content.get("watched"))
    return MonitorState(
        saved_at=time_or_none(content.get("saved_at")),
        started_at=time_or_none(content.get("started_at")),
        stopped_at=time_or_none(content.get("stopped_at")),
        pid=_count(content.get("pid")),
        bucket_id=_text_or_empty(content.get("bucket_id")),
        is_linked=content.get("is_linked") is True,
        link_since=time_or_none(content.get("link_since")),
        port=_text_or_empty(content.get("port")),
        is_worker_running=content.get("is_worker_running") is True,
        worker_restarts=_count(content.get("worker_restarts")),
        faults=faults,
        watched={name: since for name, since in watched if BUCKET_ID.fullmatch(name)},
        clock_jump=ClockJump(at, _seconds(by_s)) if at and isinstance(by_s, int | float) else None,
        findings=dict(_times(content.get("findings"))),
        incidents=dict(_times(content.get("incidents"))),
        web_problem=_text_or_empty(content.get("web_problem")),
        boot_id=_text_or_empty(content.get("boot_id")),
        clock_offset_s=_seconds(content.get("clock_offset_s")),
    )


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat(timespec="milliseconds")


def time_or_none(value: object) -> datetime | None:
    """Return the time of a text in UTC; None when it is not a time."""
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(value)
        return None if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _times(value: object) -> list[tuple[str, datetime]]:
    if not isinstance(value, dict):
        return []
    times = [(str(name), time_or_none(at)) for name, at in value.items()]
    return [(name, at) for name, at in times if at is not None][:HEALTH_ENTRIES_MAX]


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0


def _seconds(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return 0.0
    return float(value) if abs(value) <= SECONDS_MAX else 0.0


def _text_or_empty(value: object) -> str:
    return value if isinstance(value, str) else ""
