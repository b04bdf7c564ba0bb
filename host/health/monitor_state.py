"""What the daemon remembers of its health: `state/health.json`, or the reserve on a full disk.

The daemon alone writes it; `trader health` reads it, for what only the daemon can know (the link,
its faults) and for since when something holds. Whatever is odd in it counts as not known.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from host.display.faults import FAULTS_BY_RECORD_NAME, Fault
from host.errors import StorageError
from host.health.preallocated_file import read_reserve, renew_reserve, write_reserve
from host.home.storage.atomic_file import write_atomic
from host.home.storage.safe_open import open_file
from host.limits import BUCKET_ID, HEALTH_BYTES_MAX, HEALTH_ENTRIES_MAX

MEMORY_NAME: Final = "health.json"
SCHEMA_VERSION: Final = 1
SECONDS_MAX: Final = 1e12
"""Thirty thousand years: what is more makes no sense, and infinity would be written as no JSON."""


@dataclass(frozen=True, slots=True)
class ClockJump:
    """The clock was set while the daemon ran."""

    at: datetime
    by_s: float


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered; times are UTC.

    Parameters
    ----------
    saved_at, started_at, stopped_at : datetime, optional
        `stopped_at` is None while the daemon runs, and after it died.
    pid : int
    bucket_id : str
        The selected one.
    is_linked : bool
    link_since : datetime, optional
        When the link came or went last.
    port : str
    is_worker_running : bool
    worker_restarts : int
    faults : mapping of Fault to datetime
        What the matrix shows, each since when.
    watched : mapping of bucket id to datetime
        Since when a success is waited for, where there was none yet.
    clock_jump : ClockJump, optional
        The last one.
    findings : mapping of finding key to datetime
        Since when each finding of the last full check holds.
    incidents : mapping of finding id to datetime
        What went wrong and mended itself, and when it did so last.
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
    boot_id: str = ""
    clock_offset_s: float = 0.0

    def differs_from(self, other: Memory) -> bool:
        """Tell whether there is anything new but the time."""
        return replace(self, saved_at=None) != replace(other, saved_at=None)

    def to_json(self) -> dict[str, object]:
        """Return the memory as plain data."""
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
            "boot_id": self.boot_id,
            "clock_offset_s": self.clock_offset_s,
        }


def write_memory(state_dir: Path, memory: Memory) -> None:
    """Keep a memory; StorageError when it takes the reserve, or is not kept at all."""
    text = json.dumps(memory.to_json(), indent=1, ensure_ascii=False, allow_nan=False)
    try:
        write_atomic(state_dir / MEMORY_NAME, f"{text}\n".encode())
    except StorageError:
        # In short: what `trader health` found an hour ago matters least where room is scarce.
        short = {**memory.to_json(), "findings": {}}
        write_reserve(state_dir, json.dumps(short, allow_nan=False).encode())
        raise
    if read_reserve(state_dir) is not None and not write_reserve(state_dir, b""):
        renew_reserve(state_dir)  # it would hide what is younger


def read_memory(state_dir: Path) -> Memory | None:
    """Return what was remembered; None where there is no such file.

    Raises
    ------
    ValueError
        When the file is damaged.
    OSError
        When it cannot be read.
    """
    data = read_reserve(state_dir)  # younger, where there is one
    try:
        if data is None:
            with open_file(state_dir / MEMORY_NAME) as file:
                data = file.read(HEALTH_BYTES_MAX + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if len(data) > HEALTH_BYTES_MAX:
        raise ValueError(f"larger than {HEALTH_BYTES_MAX:,} bytes")
    try:
        found = json.loads(data)
    except RecursionError:
        raise ValueError("nested without end") from None
    if not isinstance(found, dict) or found.get("schema_version") != SCHEMA_VERSION:
        raise ValueError("not of this version")
    return _memory(found)


def _memory(found: Mapping[str, object]) -> Memory:
    jump, by_s, at = found.get("clock_jump"), None, None
    if isinstance(jump, dict):
        at, by_s = time_or_none(jump.get("at")), jump.get("by_s")
    faults = {
        FAULTS_BY_RECORD_NAME[name.lower()]: since
        for name, since in _times(found.get("faults"))
        if name.lower() in FAULTS_BY_RECORD_NAME
    }
    watched = _times(found.get("watched"))
    return Memory(
        saved_at=time_or_none(found.get("saved_at")),
        started_at=time_or_none(found.get("started_at")),
        stopped_at=time_or_none(found.get("stopped_at")),
        pid=_count(found.get("pid")),
        bucket_id=_word(found.get("bucket_id")),
        is_linked=found.get("is_linked") is True,
        link_since=time_or_none(found.get("link_since")),
        port=_word(found.get("port")),
        is_worker_running=found.get("is_worker_running") is True,
        worker_restarts=_count(found.get("worker_restarts")),
        faults=faults,
        watched={name: since for name, since in watched if BUCKET_ID.fullmatch(name)},
        clock_jump=ClockJump(at, _seconds(by_s)) if at and isinstance(by_s, int | float) else None,
        findings=dict(_times(found.get("findings"))),
        incidents=dict(_times(found.get("incidents"))),
        boot_id=_word(found.get("boot_id")),
        clock_offset_s=_seconds(found.get("clock_offset_s")),
    )


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat(timespec="milliseconds")


def time_or_none(found: object) -> datetime | None:
    """Return the time of a text in UTC; None where it is none."""
    if not isinstance(found, str):
        return None
    try:
        at = datetime.fromisoformat(found)
        return None if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _times(found: object) -> list[tuple[str, datetime]]:
    if not isinstance(found, dict):
        return []
    times = [(str(name), time_or_none(at)) for name, at in found.items()]
    return [(name, at) for name, at in times if at is not None][:HEALTH_ENTRIES_MAX]


def _count(found: object) -> int:
    return found if isinstance(found, int) and not isinstance(found, bool) and found >= 0 else 0


def _seconds(found: object) -> float:
    if not isinstance(found, int | float) or isinstance(found, bool):
        return 0.0
    return float(found) if abs(found) <= SECONDS_MAX else 0.0


def _word(found: object) -> str:
    return found if isinstance(found, str) else ""
