"""Check of the stored plans of a bucket: last success, last attempt, and modules left out.

Damaged files are reported and not set aside, because a check changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from host.health.clock_check import PLANNED_AT
from host.health.finding import HealthFinding, Level
from host.home.plan_store import SUCCESSES, PlanStore, overdue_since

if TYPE_CHECKING:
    from pathlib import Path

    from host.health.probe import Findings, HealthProbe

LEFT_OUT: Final[Mapping[str, str]] = {
    "failed": "failed",
    "timed_out": "took too long",
    "skipped_open": "left out",
}
"""Statuses of modules that a plan was made without, in words."""
LIMIT_VIOLATED: Final = "limit_violated"
"""The only finding of a plan that is about the state of the portfolio."""


def check_plans(probe: HealthProbe, bucket_id: str) -> Findings:
    """Find problems of the latest plans."""
    bucket = probe.bucket(bucket_id)
    damaged: list[Path] = []
    latest: Mapping[str, Any] | None = None
    for file, record in PlanStore(probe.home).peek_newest_first(bucket_id):
        if record is None:
            damaged.append(file.path)
            continue
        if latest is None:
            latest = record
            bucket.last_attempt = file.created_at
            probe.evidence[PLANNED_AT] = max(
                file.created_at, probe.evidence.get(PLANNED_AT, file.created_at)
            )
        if record.get("outcome") in SUCCESSES:
            bucket.last_success = file.created_at
            break
    for path in damaged:
        yield probe.finding("plan_file_damaged", f"{path}: cannot be read", bucket_id=bucket_id)
    yield from _check_overdue(probe, bucket_id)
    if latest is not None:
        yield from _check_latest(probe, bucket_id, latest)


def _check_overdue(probe: HealthProbe, bucket_id: str) -> Findings:
    bucket, state = probe.bucket(bucket_id), probe.monitor_state
    watched = None if state is None else state.watched.get(bucket_id)
    since = overdue_since(probe.now, bucket.last_success, watched, probe.plan_silence_h)
    if since is not None:
        last = f"{bucket.last_success:%Y-%m-%d %H:%M} UTC" if bucket.last_success else "never"
        allowed = f"{probe.plan_silence_h:g} h are allowed"
        what = f"the last plan that succeeded: {last} ({allowed})"
        yield probe.finding("no_plan_for_long", what, bucket_id=bucket_id, since=since)
    elif bucket.last_attempt is None:
        yield probe.finding("no_plan_yet", bucket_id=bucket_id)


def _check_latest(probe: HealthProbe, bucket_id: str, record: Mapping[str, Any]) -> Findings:
    bucket = probe.bucket(bucket_id)
    bucket.outcome = str(record.get("outcome"))
    since = bucket.last_attempt
    if bucket.outcome not in SUCCESSES:
        reason = str(record.get("reason") or "no plan could be made")
        yield probe.finding("plan_held", reason, bucket_id=bucket_id, since=since)
    until = record.get("valid_until")
    if isinstance(until, str):
        bucket.valid_until = until
        if until < probe.now.date().isoformat() and bucket.outcome == "PLANNED":
            what = f"the latest plan was valid until {until}"
            yield probe.finding("plan_past_its_day", what, bucket_id=bucket_id)
    for finding in _dicts(record.get("findings")):
        if finding.get("id") == LIMIT_VIOLATED:
            yield HealthFinding(
                id=LIMIT_VIOLATED,
                severity=Level.WARNING,
                what=str(finding.get("message")),
                action=str(finding.get("action") or "See what the plan rejected, and why."),
                bucket_id=bucket_id,
                since=since,
            )
    for module in _dicts(record.get("modules")):
        key, status = str(module.get("key")), str(module.get("status"))
        message = module.get("message")
        bucket.modules[key] = {"status": status, "message": message}
        if status in LEFT_OUT:
            what = f"{key}: {LEFT_OUT[status]}"
            what += f": {message}" if message else ""
            yield probe.finding(
                "module_left_out", what, bucket_id=bucket_id, subject=key, since=since
            )


def _dicts(value: object) -> list[dict[str, Any]]:
    items = value if isinstance(value, list) else []
    return [item for item in items if isinstance(item, dict)]
