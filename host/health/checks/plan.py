"""The stored plans of a bucket: the last success, the last attempt, and what it did without.

Files are read and never set aside: looking changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from host.health.clock_check import PLANNED_AT
from host.health.finding import HealthFinding, Level
from host.home.plan_store import PlanFile, PlanStore
from host.home.storage.safe_open import open_file
from host.limits import PLAN_BYTES_MAX

if TYPE_CHECKING:
    from pathlib import Path

    from host.health.probe import Findings, Look

SUCCESSES: Final = frozenset({"PLANNED", "NOTHING_TO_DO"})
LEFT_OUT: Final[Mapping[str, str]] = {
    "failed": "failed",
    "timed_out": "took too long",
    "skipped_open": "left out",
}
"""What became of a module that a plan did without, in words."""
LIMIT_VIOLATED: Final = "limit_violated"
"""Of what a plan says of itself, this alone is about the state of the portfolio."""
PLANS_READ_MAX: Final = 50
"""So many failures in a row are looked through for a success before them."""


def check_plans(look: Look, bucket_id: str) -> Findings:
    """Find how the latest attempts went."""
    known = look.bucket(bucket_id)
    damaged: list[Path] = []
    latest: Mapping[str, Any] | None = None
    for file, record in newest_first(look, bucket_id, damaged):
        if latest is None:
            latest = record
            known.last_attempt = file.created_at
            look.evidence[PLANNED_AT] = max(
                file.created_at, look.evidence.get(PLANNED_AT, file.created_at)
            )
        if record.get("outcome") in SUCCESSES:
            known.last_success = file.created_at
            break
    for path in damaged:
        yield look.found("plan_file_damaged", f"{path}: cannot be read", bucket_id=bucket_id)
    yield from _silence(look, bucket_id)
    if latest is not None:
        yield from _latest(look, bucket_id, latest)


def newest_first(
    look: Look, bucket_id: str, damaged: list[Path]
) -> Iterator[tuple[PlanFile, Mapping[str, Any]]]:
    """Yield the plans that can be read; note the others."""
    for file in PlanStore(look.home).list(bucket_id)[:PLANS_READ_MAX]:
        record = read_plan(file)
        if record is None:
            damaged.append(file.path)
        else:
            yield file, record


def read_plan(file: PlanFile) -> Mapping[str, Any] | None:
    """Return a stored plan; None when it is damaged."""
    try:
        with open_file(file.path) as stream:
            data = stream.read(PLAN_BYTES_MAX + 1)
        record = json.loads(data) if len(data) <= PLAN_BYTES_MAX else None
    except (OSError, ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def overdue(
    now: datetime, last_success: datetime | None, watched: datetime | None, silence_h: float
) -> datetime | None:
    """Return since when a success is overdue; None while none is.

    Parameters
    ----------
    now : datetime
    last_success : datetime, optional
        None: there was none yet.
    watched : datetime, optional
        Since when one is waited for, if there was none; None: nobody waits.
    silence_h : float, hours
        0: nobody waits.
    """
    begin = last_success or watched
    if begin is None or silence_h <= 0:
        return None
    due = begin + timedelta(hours=silence_h)
    return due if now > due else None


def _silence(look: Look, bucket_id: str) -> Findings:
    known, memory = look.bucket(bucket_id), look.memory
    watched = None if memory is None else memory.watched.get(bucket_id)
    since = overdue(look.now, known.last_success, watched, look.plan_silence_h)
    if since is not None:
        last = f"{known.last_success:%Y-%m-%d %H:%M} UTC" if known.last_success else "never"
        allowed = f"{look.plan_silence_h:g} h are allowed"
        what = f"the last plan that succeeded: {last} ({allowed})"
        yield look.found("no_plan_for_long", what, bucket_id=bucket_id, since=since)
    elif known.last_attempt is None:
        yield look.found("no_plan_yet", bucket_id=bucket_id)


def _latest(look: Look, bucket_id: str, record: Mapping[str, Any]) -> Findings:
    known = look.bucket(bucket_id)
    known.outcome = str(record.get("outcome"))
    since = known.last_attempt
    if known.outcome not in SUCCESSES:
        reason = str(record.get("reason") or "no plan could be made")
        yield look.found("plan_held", reason, bucket_id=bucket_id, since=since)
    until = record.get("valid_until")
    if isinstance(until, str):
        known.valid_until = until
        if until < look.now.date().isoformat() and known.outcome == "PLANNED":
            what = f"the latest plan was valid until {until}"
            yield look.found("plan_past_its_day", what, bucket_id=bucket_id)
    for doubt in _dicts(record.get("findings")):
        if doubt.get("id") == LIMIT_VIOLATED:
            yield HealthFinding(
                id=LIMIT_VIOLATED,
                severity=Level.WARNING,
                what=str(doubt.get("message")),
                action=str(doubt.get("action") or "See what the plan rejected, and why."),
                bucket_id=bucket_id,
                since=since,
            )
    for module in _dicts(record.get("modules")):
        key, status = str(module.get("key")), str(module.get("status"))
        message = module.get("message")
        known.modules[key] = {"status": status, "message": message}
        if status in LEFT_OUT:
            what = f"{key}: {LEFT_OUT[status]}"
            what += f": {message}" if message else ""
            yield look.found("module_left_out", what, bucket_id=bucket_id, subject=key, since=since)


def last_success_of(look: Look, bucket_id: str) -> datetime | None:
    """Return when a plan of a bucket succeeded last; None when none is on disk."""
    for file, record in newest_first(look, bucket_id, []):
        if record.get("outcome") in SUCCESSES:
            return file.created_at
    return None


def _dicts(found: object) -> list[dict[str, Any]]:
    items = found if isinstance(found, list) else []
    return [item for item in items if isinstance(item, dict)]
