"""What all checks of one look share: the home, the time, and what the daemon remembers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from host.health.catalogue import make_finding
from host.health.finding import HealthFinding

if TYPE_CHECKING:
    from host.health.heartbeat import Beat
    from host.health.monitor_state import Memory
    from host.home.home import Home


@dataclass(slots=True)
class BucketLook:
    """What is found out about a bucket besides its findings; unknown is None."""

    config_version: int | None = None
    config_in_force: bool = False
    last_success: datetime | None = None
    last_attempt: datetime | None = None
    outcome: str | None = None
    valid_until: str | None = None
    prices_until: str | None = None
    modules: dict[str, dict[str, object]] = field(default_factory=dict)


@dataclass(slots=True)
class Look:
    """One look at a home.

    Parameters
    ----------
    home : Home
    now : datetime
    bucket_ids : sequence of str
        Those that are looked at.
    memory : Memory, optional
        None: no daemon ever wrote one, or it cannot be read.
    is_locked : bool
        Whether a daemon holds the home.
    beat : Beat, optional
        Its last sign of life.
    plan_silence_h : float
        Of `device.toml`; 0: nobody waits for plans.
    port : str
        Of `device.toml`.
    """

    home: Home
    now: datetime
    bucket_ids: tuple[str, ...] = ()
    memory: Memory | None = None
    is_locked: bool = False
    beat: Beat | None = None
    plan_silence_h: float = 0.0
    port: str = ""
    buckets: dict[str, BucketLook] = field(default_factory=dict)
    evidence: dict[str, datetime] = field(default_factory=dict)
    """What has been already, by what says so: no clock may be behind it."""

    @property
    def is_live(self) -> bool:
        """Whether a daemon serves the home and its loop turns."""
        return self.is_locked and self.beat is not None and self.beat.is_fresh

    @property
    def told(self) -> Memory | None:
        """What the daemon says of now; None when no living daemon says anything."""
        return self.memory if self.is_live else None

    def bucket(self, bucket_id: str) -> BucketLook:
        """Return what is known of a bucket."""
        return self.buckets.setdefault(bucket_id, BucketLook())

    def found(
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


Findings = Iterator[HealthFinding]
