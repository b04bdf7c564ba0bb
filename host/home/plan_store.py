"""Plans on disk: one file each, `plans/<bucket>/<UTC time>-<trace id>.json`; old ones are removed.

A plan that was acknowledged survives a power cut. A damaged file is set aside under another name
and reported; the other plans can still be read. The health peeks at plans and changes nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from host.clock import utc_now
from host.home.storage.atomic_file import open_file, storage_error, write_atomic
from host.limits import PLAN_BYTES_MAX
from planner_core.model.records import Finding, Severity

if TYPE_CHECKING:
    from host.home.home import Home

PLANS_MAX = 200
CORRUPT_FILES_MAX = 10
TIME_FORMAT = "%Y%m%dT%H%M%S.%fZ"
"""File names sort by time. They have milliseconds, in UTC."""
SUCCESSES = frozenset({"PLANNED", "NOTHING_TO_DO"})
"""Outcomes of plans that answer the question of what to trade."""
PEEKS_MAX = 50
"""How far back to search for a success."""

PLAN_NAME = re.compile(r"(\d{8}T\d{6}\.\d{3}Z)-([0-9a-z]{8,64})\.json")
CORRUPT_NAME = re.compile(r".+\.json\.corrupt\..+")

PlanRecord = dict[str, object]


@dataclass(frozen=True, slots=True)
class PlanFile:
    """A stored plan that was not read: what its name says."""

    bucket_id: str
    created_at: datetime
    trace_id: str
    path: Path


@dataclass(frozen=True, slots=True)
class StoredPlan:
    """A plan read from disk, in the form of `docs/plan-json.md`."""

    file: PlanFile
    record: PlanRecord


class PlanStore:
    """The plans of a home.

    Parameters
    ----------
    home : Home
        A bucket's folder is created when its first plan is saved.
    plans_max : int
        Plans per bucket; older ones are removed.

    Attributes
    ----------
    findings : list of Finding
        Damaged files that were set aside while reading.
    """

    def __init__(self, home: Home, plans_max: int = PLANS_MAX) -> None:
        assert plans_max > 0, "the plan that was just saved has to stay"
        self.home = home
        self.plans_max = plans_max
        self.findings: list[Finding] = []

    def save(self, record: Mapping[str, object], created_at: datetime) -> PlanFile:
        """Write a plan; it is on disk when this returns.

        Raises
        ------
        StorageError
            When it could not be written; the other plans are untouched.
        """
        bucket_id, trace_id = str(record["bucket_id"]), str(record["trace_id"])
        path = self.home.plans_dir(bucket_id) / plan_name(created_at, trace_id)
        text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False)
        write_atomic(path, f"{text}\n".encode())
        self._remove_old(path.parent)
        return PlanFile(bucket_id, created_at, trace_id, path)

    def list(self, bucket_id: str) -> tuple[PlanFile, ...]:
        """Return the bucket's plans, newest first, without reading them."""
        folder = self.home.plans_dir(bucket_id)
        entries = [_parse_name(bucket_id, path) for path in _list_folder(folder)]
        plans = [entry for entry in entries if entry is not None]
        return tuple(sorted(plans, key=lambda plan: plan.path.name, reverse=True))

    def latest(self, bucket_id: str) -> StoredPlan | None:
        """Return the newest plan that can be read; None when there is none."""
        for file in self.list(bucket_id):
            stored = self._read(file)
            if stored is not None:
                return stored
        return None

    def load(self, bucket_id: str, trace_id: str) -> StoredPlan | None:
        """Return the plan of a trace id; None when it is missing or damaged."""
        for file in self.list(bucket_id):
            if file.trace_id == trace_id:
                return self._read(file)
        return None

    def last_success(self, bucket_id: str) -> datetime | None:
        """Return when the last successful plan was made; None when none is on disk."""
        for file, record in self.peek_newest_first(bucket_id):
            if record is not None and record.get("outcome") in SUCCESSES:
                return file.created_at
        return None

    def peek_newest_first(
        self, bucket_id: str, until: date | None = None
    ) -> Iterator[tuple[PlanFile, PlanRecord | None]]:
        """Yield the newest plans, of a day or earlier, None for a damaged one; only reads."""
        # A plan is dated in the owner's time zone, its file in UTC.
        last = None if until is None else until + timedelta(days=1)
        files = [f for f in self.list(bucket_id) if last is None or f.created_at.date() <= last]
        for file in files[:PEEKS_MAX]:
            yield file, _peek(file)

    def _read(self, file: PlanFile) -> StoredPlan | None:
        """Read a plan; set it aside when it is damaged."""
        try:
            with open_file(file.path) as stream:
                data = stream.read(PLAN_BYTES_MAX + 1)
        except FileNotFoundError:
            return None  # removed meanwhile, because it was old
        except OSError as error:
            raise storage_error(file.path, "cannot be read", error) from error
        try:
            return StoredPlan(file, _parse_plan(data, file))
        except ValueError as error:
            self._set_aside(file.path, str(error))
            return None

    def _set_aside(self, path: Path, damage: str) -> None:
        backup = path.with_name(f"{path.name}.corrupt.{utc_now():%Y%m%dT%H%M%SZ}")
        with suppress(OSError):  # a read-only disk: the file stays, and is skipped
            path.rename(backup)
        self.findings.append(
            Finding(
                "plan_file_corrupt",
                Severity.WARNING,
                f"{path.name}: {damage}; it is skipped",
                f"plan again; the damaged file is {backup}",
            )
        )

    def _remove_old(self, folder: Path) -> None:
        """Remove all but the newest files; ignore errors, because the plan is saved already."""
        names = sorted(path.name for path in _list_folder(folder))
        plans = [name for name in names if PLAN_NAME.fullmatch(name)]
        corrupt = [name for name in names if CORRUPT_NAME.fullmatch(name)]
        for name in (*plans[: -self.plans_max], *corrupt[:-CORRUPT_FILES_MAX]):
            with suppress(OSError):
                (folder / name).unlink()


def overdue_since(
    now: datetime, last_success: datetime | None, watched: datetime | None, silence_h: float
) -> datetime | None:
    """Return since when a successful plan is overdue; None while none is.

    Parameters
    ----------
    now : datetime
    last_success : datetime, optional
        None: there was none yet.
    watched : datetime, optional
        Since when one is expected, if there was none; None: none is expected.
    silence_h : float, hours
        0: a plan is never overdue.
    """
    begin = last_success or watched
    if begin is None or silence_h <= 0:
        return None
    due = begin + timedelta(hours=silence_h)
    return due if now > due else None


def plan_name(created_at: datetime, trace_id: str) -> str:
    """Return the name of a plan's file."""
    second, _, rest = created_at.astimezone(UTC).strftime(TIME_FORMAT).partition(".")
    name = f"{second}.{rest[:3]}Z-{trace_id}.json"
    assert PLAN_NAME.fullmatch(name), f"{name!r} would not be listed"
    return name


def _peek(file: PlanFile) -> PlanRecord | None:
    try:
        with open_file(file.path) as stream:
            data = stream.read(PLAN_BYTES_MAX + 1)
        record = json.loads(data) if len(data) <= PLAN_BYTES_MAX else None
    except (OSError, ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def _list_folder(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise storage_error(folder, "cannot be read", error) from error


def _parse_name(bucket_id: str, path: Path) -> PlanFile | None:
    match = PLAN_NAME.fullmatch(path.name)
    if match is None:
        return None
    try:
        created_at = datetime.strptime(match[1], TIME_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        return None
    return PlanFile(bucket_id, created_at, match[2], path)


def _parse_plan(data: bytes, file: PlanFile) -> PlanRecord:
    """Parse a stored plan; ValueError when it is damaged or not the plan that its name says."""
    if len(data) > PLAN_BYTES_MAX:
        raise ValueError(f"larger than {PLAN_BYTES_MAX:,} bytes")
    if not data.strip():
        raise ValueError("empty, as after a write that was cut off")
    try:
        record = json.loads(data)
    except (ValueError, RecursionError):
        raise ValueError("not JSON, as after a write that was cut off") from None
    if not isinstance(record, dict):
        raise ValueError("not a plan")  # noqa: TRY004 - damaged content, whatever its type
    ids = (record.get("bucket_id"), record.get("trace_id"))
    if ids != (file.bucket_id, file.trace_id):
        raise ValueError("of another bucket or run than its name says")
    return record
