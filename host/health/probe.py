"""The shared input and results of all checks of one health report."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from host.clock import utc_now
from host.health.catalogue import make_finding
from host.health.finding import HealthFinding
from host.health.liveness import is_locked, read_liveness

if TYPE_CHECKING:
    from host.health.liveness import Liveness
    from host.health.monitor_state import MonitorState
    from host.home.config.device_settings import WebTable
    from host.home.home import Home

Findings = Iterator[HealthFinding]


@dataclass(slots=True)
class BucketProbe:
    """Facts about a bucket beside its findings; None: unknown."""

    config_version: int | None = None
    config_in_force: bool = False
    last_success: datetime | None = None
    last_attempt: datetime | None = None
    outcome: str | None = None
    valid_until: str | None = None
    prices_until: str | None = None
    modules: dict[str, dict[str, object]] = field(default_factory=dict)


@dataclass(slots=True)
class HealthProbe:
    """A home at one moment, as the checks see it.

    Parameters
    ----------
    home : Home
    now : datetime
    bucket_ids : sequence of str
        Buckets to check.
    monitor_state : MonitorState, optional
        None: no daemon ever wrote one, or it cannot be read.
    is_locked : bool
        Whether a daemon holds the home.
    liveness : Liveness, optional
        The daemon's last line in `state/heartbeat`.
    plan_silence_h : float
        Of `device.toml`; 0: plans are never overdue.
    port : str
        Of `device.toml`.
    web : WebTable, optional
        Of `device.toml`; None: it was not read, as for liveness, which loads nothing heavy.
    """

    home: Home
    now: datetime
    bucket_ids: tuple[str, ...] = ()
    monitor_state: MonitorState | None = None
    is_locked: bool = False
    liveness: Liveness | None = None
    plan_silence_h: float = 0.0
    port: str = ""
    web: WebTable | None = None
    buckets: dict[str, BucketProbe] = field(default_factory=dict)
    evidence: dict[str, datetime] = field(default_factory=dict)
    """Times in the past by their source: a right clock is behind none of them."""

    @property
    def is_live(self) -> bool:
        """True when a daemon serves the home and its loop turns."""
        return self.is_locked and self.liveness is not None and self.liveness.is_fresh

    @property
    def daemon_state(self) -> MonitorState | None:
        """State of a daemon that is live; None when none is."""
        return self.monitor_state if self.is_live else None

    def bucket(self, bucket_id: str) -> BucketProbe:
        """Return the facts about a bucket, to read and to add to."""
        return self.buckets.setdefault(bucket_id, BucketProbe())

    def finding(
        self,
        kind_id: str,
        what: str = "",
        *,
        bucket_id: str = "",
        subject: str = "",
        since: datetime | None = None,
    ) -> HealthFinding:
        """Return a finding of this home."""
        return make_finding(
            kind_id,
            what,
            home=self.home.root,
            bucket_id=bucket_id,
            subject=subject,
            since=since,
        )


def probe_daemon(home: Home) -> HealthProbe:
    """Return a probe that holds only whether a daemon is live.

    Raises
    ------
    OSError
        When this user may not open the lock file.
    """
    probe = HealthProbe(home, utc_now())
    list(read_daemon_liveness(probe))
    return probe


def read_daemon_liveness(probe: HealthProbe) -> Findings:
    """Read whether a daemon holds the home, and its last line; a check that finds nothing."""
    probe.is_locked = is_locked(probe.home.state_dir)
    probe.liveness = read_liveness(probe.home.state_dir)
    yield from ()
