"""All health checks of a home. Each runs on its own, within a time limit, and writes nothing.

A check that fails is a finding, and the others go on. When the time is over, the checks that have
not run are findings too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Final

from host.clock import utc_now
from host.errors import HostError
from host.health.checks.access import check_certificate, check_openness, check_secrets
from host.health.checks.config import check_config
from host.health.checks.daemon import (
    check_daemon,
    check_faults,
    check_incidents,
    check_link,
    check_web,
    check_worker,
)
from host.health.checks.data import check_data
from host.health.checks.home import check_disk, check_home, check_memory, check_permissions
from host.health.checks.plan import check_plans
from host.health.checks.plugins import check_plugins
from host.health.checks.record import check_breakers, check_journal
from host.health.clock_check import check_clock
from host.health.finding import HealthFinding, in_order
from host.health.monitor_state import read_monitor_state
from host.health.probe import Findings, HealthProbe, read_daemon_liveness
from host.health.report import HealthReport
from host.home.config.device_settings import DeviceConfig, load_device_config
from host.home.storage.problems import ConfigFileError
from planner_core.errors import PlannerError

if TYPE_CHECKING:
    from host.home.home import Home

BUDGET_S: Final = 20.0

Check = Callable[[HealthProbe], Findings]


def check_health(
    home: Home,
    bucket_ids: Sequence[str] | None = None,
    *,
    now: datetime | None = None,
    monotonic: Callable[[], float] = time.monotonic,
    budget_s: float = BUDGET_S,
) -> HealthReport:
    """Run all checks of a home, with its daemon running or not.

    Parameters
    ----------
    home : Home
    bucket_ids : sequence of str, optional
        By default all.
    now : datetime, optional
    monotonic : callable returning seconds
    budget_s : float
        No check starts after that.
    """
    at = now or utc_now()
    probe = HealthProbe(home, at, tuple(home.bucket_ids() if bucket_ids is None else bucket_ids))
    findings = list(_prepare(probe))
    until_s = monotonic() + budget_s
    for name, check in _checks(probe):
        if monotonic() >= until_s:
            what = f"{name}: not checked, the time limit of {budget_s:g} s was reached"
            findings.append(probe.finding("check_failed", what, subject=name))
            continue
        findings += _run(name, check, probe)
    dated = [_with_since(finding, probe) for finding in findings]
    return HealthReport(probe, tuple(in_order(dated)))


def _prepare(probe: HealthProbe) -> Iterator[HealthFinding]:
    """Read what several checks need."""
    yield from _run("device.toml", _read_device, probe)
    yield from _run("daemon", read_daemon_liveness, probe)
    try:
        probe.monitor_state = read_monitor_state(probe.home.state_dir)
    except (OSError, ValueError) as error:
        yield probe.finding("state_unreadable", f"{probe.home.state_dir}/health.json: {error}")


def _read_device(probe: HealthProbe) -> Findings:
    config = DeviceConfig()
    try:
        config = load_device_config(probe.home)
    except ConfigFileError as error:
        yield probe.finding("device_file_refused", error.lines[0])
    probe.plan_silence_h = config.limits.plan_silence_h
    probe.port = config.link.port
    probe.web = config.web


def _checks(probe: HealthProbe) -> Iterator[tuple[str, Check]]:
    """Yield each check with its name, the cheap ones first."""
    yield "home", check_home
    yield "rights", check_permissions
    yield "secrets", check_secrets
    yield "certificate", check_certificate
    yield "openness", check_openness
    yield "disk", check_disk
    yield "memory", check_memory
    yield "daemon", check_daemon
    yield "faults", check_faults
    yield "link", check_link
    yield "worker", check_worker
    yield "api", check_web
    yield "incidents", check_incidents
    yield "journal", check_journal
    yield "breakers", check_breakers
    yield "plugins", check_plugins
    for bucket_id in probe.bucket_ids:
        yield f"plans of {bucket_id}", partial(check_plans, bucket_id=bucket_id)
        yield f"configuration of {bucket_id}", partial(check_config, bucket_id=bucket_id)
        yield f"data of {bucket_id}", partial(check_data, bucket_id=bucket_id)
    yield "clock", check_clock


def _run(name: str, check: Check, probe: HealthProbe) -> list[HealthFinding]:
    """Run a check; an error is a finding, and those before it stay."""
    findings: list[HealthFinding] = []
    try:
        findings.extend(check(probe))
    except (HostError, PlannerError, OSError, ValueError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        if isinstance(error, OSError) and error.filename is not None:
            first = f"{error.filename}: {error.strerror}"
        findings.append(probe.finding("check_failed", f"{name}: {first}", subject=name))
    return findings


def _with_since(finding: HealthFinding, probe: HealthProbe) -> HealthFinding:
    """Add since when the daemon knows the finding; never a time in the future."""
    if finding.since is None and probe.monitor_state is not None:
        finding = replace(finding, since=probe.monitor_state.findings.get(finding.key))
    if finding.since is not None and finding.since > probe.now:
        finding = replace(finding, since=probe.now)
    return finding
