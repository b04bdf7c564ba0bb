"""The outcome of a look: what is wrong, per bucket and in all, and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from host.health.finding import Blocks, HealthFinding, Level, Status, status_of

if TYPE_CHECKING:
    from host.health.probe import BucketLook, Look

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class HealthReport:
    """What was found; `findings` has the worst first."""

    look: Look
    findings: tuple[HealthFinding, ...]

    @property
    def status(self) -> Status:
        """How the appliance is, all in all."""
        return status_of(list(self.findings))

    @property
    def is_live(self) -> bool:
        """Whether a daemon's loop turns."""
        return self.look.is_live

    def of_bucket(self, bucket_id: str) -> list[HealthFinding]:
        """Return what concerns a bucket."""
        return [found for found in self.findings if found.bucket_id == bucket_id]

    def not_ready(self, bucket_id: str | None = None) -> list[HealthFinding]:
        """Return why a press would give no plan of a bucket; by default of the selected one."""
        asked = bucket_id or self._selected()
        return [
            found
            for found in self.findings
            if found.blocks is not Blocks.NOTHING and found.bucket_id in ("", asked)
        ]

    def cannot_plan(self, bucket_id: str) -> list[HealthFinding]:
        """Return why no plan of a bucket can be made, by whatever command."""
        return [found for found in self.not_ready(bucket_id) if found.blocks is Blocks.PLAN]

    def to_json(self) -> dict[str, object]:
        """Return the report as plain data, as in docs/health.md."""
        look, memory = self.look, self.look.memory
        return {
            "schema_version": SCHEMA_VERSION,
            "status": self.status.value,
            "live": self.is_live,
            "ready": not self.not_ready(),
            "checked_at": look.now.isoformat(timespec="seconds"),
            "home": str(look.home.root),
            "daemon": {
                "running": look.is_locked,
                "pid": None if look.beat is None or not look.is_locked else look.beat.pid,
                "started_at": _time(memory.started_at if memory and look.is_locked else None),
                "linked": None if look.told is None else look.told.is_linked,
                "planner_running": None if look.told is None else look.told.is_worker_running,
                "selected_bucket": None if memory is None else memory.bucket_id or None,
                "faults": [] if look.told is None else sorted(look.told.faults),
            },
            "findings": [found.to_json() for found in self.findings],
            "buckets": {name: self._bucket(name) for name in look.bucket_ids},
        }

    def _bucket(self, bucket_id: str) -> dict[str, object]:
        known: BucketLook = self.look.bucket(bucket_id)
        findings = self.of_bucket(bucket_id)
        return {
            "status": status_of(findings).value,
            "ready": not self.not_ready(bucket_id),
            "can_plan": not self.cannot_plan(bucket_id),
            "config_version": known.config_version,
            "config_in_force": known.config_in_force,
            "prices_until": known.prices_until,
            "last_success": _time(known.last_success),
            "last_attempt": _time(known.last_attempt),
            "outcome": known.outcome,
            "valid_until": known.valid_until,
            "modules": known.modules,
            "errors": [found.to_json() for found in findings if found.severity is Level.ERROR],
            "warnings": [found.to_json() for found in findings if found.severity is Level.WARNING],
        }

    def _selected(self) -> str:
        memory, known = self.look.memory, self.look.bucket_ids
        if memory is not None and memory.bucket_id in known:
            return memory.bucket_id
        return known[0] if known else ""


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="seconds")
