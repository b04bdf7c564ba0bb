"""Checks of the daemon, its worker, its link, and the faults on its matrix."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from host.health.catalogue import finding_of_fault

if TYPE_CHECKING:
    from host.health.probe import Findings, HealthProbe

STARTING: Final = timedelta(minutes=2)
"""A slow computer needs so long to start a planner; until then it is not missing."""
LINKING: Final = timedelta(seconds=20)
"""A board's boot loader may wait for ten seconds before the firmware begins."""

INCIDENT_SHOWN: Final = timedelta(hours=1)
INCIDENTS: Final = frozenset({"daemon_restarted", "worker_restarted", "link_unsteady"})


def check_daemon(probe: HealthProbe) -> Findings:
    """Find a daemon that is gone or does not respond."""
    state, liveness = probe.monitor_state, probe.liveness
    if probe.is_locked:
        if not probe.is_live:
            age_s = None if liveness is None else liveness.age_s
            ago = "" if age_s is None else f" for {age_s:,.0f} s"
            pid = "?" if liveness is None else liveness.pid
            yield probe.finding("daemon_silent", f"the daemon (process {pid}) is silent{ago}")
    elif state is None or state.started_at is None or state.stopped_at is not None:
        since = None if state is None else state.stopped_at
        yield probe.finding("daemon_not_running", since=since)
    else:
        what = f"the daemon (process {state.pid}) ended without a shutdown"
        yield probe.finding("daemon_died", what, since=state.saved_at)


def check_faults(probe: HealthProbe) -> Findings:
    """Report every fault on the matrix."""
    state = probe.daemon_state
    if state is not None:
        for fault, since in state.faults.items():
            yield finding_of_fault(fault, since, probe.home.root, state.bucket_id)


def check_link(probe: HealthProbe) -> Findings:
    """Find a board that does not answer."""
    state = probe.daemon_state
    if state is None or state.is_linked or state.started_at is None:
        return
    port = state.port or probe.port
    was_linked = state.link_since is not None
    if not was_linked and probe.now - state.started_at < LINKING and Path(port).exists():
        return
    why = "" if Path(port).exists() else ": there is no such device"
    what = f"no board answers at {port}{why}"
    yield probe.finding("board_missing", what, since=state.link_since or state.started_at)


def check_incidents(probe: HealthProbe) -> Findings:
    """Report problems of the last hour that are over."""
    incidents = {} if probe.monitor_state is None else probe.monitor_state.incidents
    for kind_id, at in incidents.items():
        if kind_id in INCIDENTS and at - INCIDENT_SHOWN <= probe.now < at + INCIDENT_SHOWN:
            yield probe.finding(kind_id, since=at)


def check_web(probe: HealthProbe) -> Findings:
    """Find an HTTP API that is switched on and not served."""
    state = probe.daemon_state
    if state is not None and state.web_problem:
        yield probe.finding("api_not_served", f"the API is not served: {state.web_problem}")


def check_worker(probe: HealthProbe) -> Findings:
    """Find a planner's process that does not run."""
    state = probe.daemon_state
    if state is None or state.is_worker_running or state.started_at is None:
        return
    if probe.now - state.started_at >= STARTING:
        what = f"the planner's process does not run, after {state.worker_restarts} restarts"
        yield probe.finding("worker_missing", what)
