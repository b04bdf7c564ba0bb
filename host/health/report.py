"""The health report: findings in all and per bucket, and what follows from them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from host.health.finding import Blocks, HealthFinding, Level, Status, status_of

if TYPE_CHECKING:
    from host.health.probe import HealthProbe

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class HealthReport:
    """The result of all checks; `findings` has the worst first."""

    probe: HealthProbe
    findings: tuple[HealthFinding, ...]

    @property
    def status(self) -> Status:
        """Status of the whole appliance."""
        return status_of(list(self.findings))

    @property
    def is_live(self) -> bool:
        """True while a daemon's loop turns."""
        return self.probe.is_live

    def of_bucket(self, bucket_id: str) -> list[HealthFinding]:
        """Return the findings of a bucket."""
        return [finding for finding in self.findings if finding.bucket_id == bucket_id]

    def not_ready(self, bucket_id: str | None = None) -> list[HealthFinding]:
        """Return why a press would give no plan of a bucket; by default of the selected one."""
        concerned = ("", bucket_id or self._selected())
        return [
            finding
            for finding in self.findings
            if finding.blocks is not Blocks.NOTHING and finding.bucket_id in concerned
        ]

    def cannot_plan(self, bucket_id: str) -> list[HealthFinding]:
        """Return why no command can make a plan of a bucket."""
        return [finding for finding in self.not_ready(bucket_id) if finding.blocks is Blocks.PLAN]

    def to_json(self) -> dict[str, object]:
        """Return the report as plain data, as in docs/health.md."""
        probe, state, live = self.probe, self.probe.monitor_state, self.probe.daemon_state
        liveness = probe.liveness if probe.is_locked else None
        return {
            "schema_version": SCHEMA_VERSION,
            "status": self.status.value,
            "live": self.is_live,
            "ready": not self.not_ready(),
            "checked_at": probe.now.isoformat(timespec="seconds"),
            "home": str(probe.home.root),
            "daemon": {
                "running": probe.is_locked,
                "pid": None if liveness is None else liveness.pid,
                "started_at": _time(state.started_at if state and probe.is_locked else None),
                "linked": None if live is None else live.is_linked,
                "planner_running": None if live is None else live.is_worker_running,
                "selected_bucket": None if state is None else state.bucket_id or None,
                "faults": [] if live is None else sorted(live.faults),
            },
            "findings": [finding.to_json() for finding in self.findings],
            "buckets": {name: self._bucket(name) for name in probe.bucket_ids},
        }

    def bucket_to_json(self, bucket_id: str) -> dict[str, object]:
        """Return the health of one bucket as plain data, with the findings of the appliance."""
        own = [finding for finding in self.findings if not finding.bucket_id]
        status = status_of([*own, *self.of_bucket(bucket_id)])
        return {
            "schema_version": SCHEMA_VERSION,
            "bucket_id": bucket_id,
            **self._bucket(bucket_id),
            "status": status.value,
            "live": self.is_live,
            "checked_at": self.probe.now.isoformat(timespec="seconds"),
            "appliance": [finding.to_json() for finding in own],
        }

    def _bucket(self, bucket_id: str) -> dict[str, object]:
        bucket = self.probe.bucket(bucket_id)
        findings = self.of_bucket(bucket_id)
        return {
            "status": status_of(findings).value,
            "ready": not self.not_ready(bucket_id),
            "can_plan": not self.cannot_plan(bucket_id),
            "config_version": bucket.config_version,
            "config_in_force": bucket.config_in_force,
            "prices_until": bucket.prices_until,
            "last_success": _time(bucket.last_success),
            "last_attempt": _time(bucket.last_attempt),
            "outcome": bucket.outcome,
            "valid_until": bucket.valid_until,
            "modules": bucket.modules,
            "errors": [row.to_json() for row in findings if row.severity is Level.ERROR],
            "warnings": [row.to_json() for row in findings if row.severity is Level.WARNING],
        }

    def _selected(self) -> str:
        state, bucket_ids = self.probe.monitor_state, self.probe.bucket_ids
        if state is not None and state.bucket_id in bucket_ids:
            return state.bucket_id
        return bucket_ids[0] if bucket_ids else ""


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="seconds")
