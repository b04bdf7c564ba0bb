"""The daemon, its worker, its link, and what its matrix shows."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from host.health.catalogue import finding_of_fault

if TYPE_CHECKING:
    from host.health.probe import Findings, Look

STARTING: Final = timedelta(minutes=2)
"""A slow computer needs so long to bring up a planner; until then it is not missing."""
LINKING: Final = timedelta(seconds=20)
"""A board's boot loader may wait for ten seconds before the firmware begins."""

INCIDENT_TOLD: Final = timedelta(hours=1)
INCIDENTS: Final = frozenset({"daemon_restarted", "worker_restarted", "link_unsteady"})


def check_daemon(look: Look) -> Findings:
    """Find a daemon that is gone or silent."""
    memory = look.memory
    if look.is_locked:
        if not look.is_live:
            age_s = None if look.beat is None else look.beat.age_s
            ago = "" if age_s is None else f" for {age_s:,.0f} s"
            pid = "?" if look.beat is None else look.beat.pid
            yield look.found("daemon_silent", f"the daemon (process {pid}) is silent{ago}")
    elif memory is None or memory.started_at is None or memory.stopped_at is not None:
        since = None if memory is None else memory.stopped_at
        yield look.found("daemon_not_running", since=since)
    else:
        what = f"the daemon (process {memory.pid}) ended without saying so"
        yield look.found("daemon_died", what, since=memory.saved_at)


def check_faults(look: Look) -> Findings:
    """Tell every fault that the matrix shows."""
    told = look.told
    if told is not None:
        for fault, since in told.faults.items():
            yield finding_of_fault(fault, since, look.home.root, told.bucket_id)


def check_link(look: Look) -> Findings:
    """Find a board that is not there."""
    told = look.told
    if told is None or told.is_linked or told.started_at is None:
        return
    port = told.port or look.port
    was_linked = told.link_since is not None
    if not was_linked and look.now - told.started_at < LINKING and Path(port).exists():
        return
    why = "" if Path(port).exists() else ": there is no such device"
    what = f"no board answers at {port}{why}"
    yield look.found("board_missing", what, since=told.link_since or told.started_at)


def check_incidents(look: Look) -> Findings:
    """Tell what went wrong lately and mended itself."""
    incidents = {} if look.memory is None else look.memory.incidents
    for kind_id, at in incidents.items():
        if kind_id in INCIDENTS and at - INCIDENT_TOLD <= look.now < at + INCIDENT_TOLD:
            yield look.found(kind_id, since=at)


def check_worker(look: Look) -> Findings:
    """Find a planner's process that is not there."""
    told = look.told
    if told is None or told.is_worker_running or told.started_at is None:
        return
    if look.now - told.started_at >= STARTING:
        what = f"the planner's process does not run, after {told.worker_restarts} restarts"
        yield look.found("worker_missing", what)
