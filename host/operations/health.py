"""Health of the appliance and of a bucket, liveness and readiness."""

from __future__ import annotations

from typing import TYPE_CHECKING

from host.health.probe import probe_daemon
from host.operations.buckets import require_bucket

if TYPE_CHECKING:
    from host.health.probe import HealthProbe
    from host.health.report import HealthReport
    from host.home.home import Home


def check_buckets(home: Home, bucket_id: str | None) -> HealthReport:
    """Check a bucket, or all; a home that is missing is a finding, not an error.

    Raises
    ------
    NotFoundError
        When there is no such bucket.
    """
    from host.health.checkup import check_health  # slow to import: not for liveness

    if bucket_id is not None and home.root.is_dir():
        require_bucket(home, bucket_id)
    return check_health(home, None if bucket_id is None else (bucket_id,))


def read_liveness(home: Home) -> HealthProbe:
    """Return what the daemon's last sign of life says; OSError when it cannot be read."""
    return probe_daemon(home)


def liveness_to_json(probe: HealthProbe) -> dict[str, object]:
    """Return whether the daemon's loop turns."""
    age_s = None if probe.liveness is None else probe.liveness.age_s
    return {"live": probe.is_live, "running": probe.is_locked, "beat_age_s": age_s}


def readiness_to_json(report: HealthReport, bucket_id: str | None) -> dict[str, object]:
    """Return whether a press would give a plan, and why not."""
    obstacles = report.not_ready(bucket_id)
    return {"ready": not obstacles, "because": [finding.to_json() for finding in obstacles]}
