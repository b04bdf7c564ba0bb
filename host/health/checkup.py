"""One look at everything: each check on its own, within a time, and nothing is ever written.

A check that fails costs only itself, and is told of. When the time is up, those that are left are
told of too: they never ran.
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
from host.health.checks.daemon import (
    check_daemon,
    check_faults,
    check_incidents,
    check_link,
    check_worker,
)
from host.health.checks.home import check_disk, check_home, check_memory, check_rights
from host.health.checks.record import check_breakers, check_journal
from host.health.clock_check import check_clock
from host.health.finding import HealthFinding, in_order
from host.health.liveness import find_daemon
from host.health.monitor_state import read_memory
from host.health.probe import Findings, Look
from host.health.report import HealthReport
from host.home.config.device_settings import DeviceConfig, load_device_config
from host.home.storage.problems import ConfigFileError
from planner_core.errors import PlannerError

if TYPE_CHECKING:
    from host.home.home import Home

BUDGET_S: Final = 20.0
"""No check begins after that."""

Check = Callable[[Look], Findings]


def check_health(
    home: Home,
    bucket_ids: Sequence[str] | None = None,
    *,
    now: datetime | None = None,
    monotonic: Callable[[], float] = time.monotonic,
    budget_s: float = BUDGET_S,
) -> HealthReport:
    """Look at a home, with its daemon running or not.

    Parameters
    ----------
    home : Home
    bucket_ids : sequence of str, optional
        By default all there are.
    now : datetime, optional
    monotonic : callable returning seconds
    budget_s : float
        No check begins after that.
    """
    at = now or utc_now()
    look = Look(home, at, tuple(home.bucket_ids() if bucket_ids is None else bucket_ids))
    findings = list(_prepare(look))
    until_s = monotonic() + budget_s
    for name, check in _checks(look):
        if monotonic() >= until_s:
            what = f"{name}: not looked at, {budget_s:g} s were over"
            findings.append(look.found("check_failed", what, subject=name))
            continue
        findings += _run(name, check, look)
    return HealthReport(look, tuple(in_order([_with_since(found, look) for found in findings])))


def _prepare(look: Look) -> Iterator[HealthFinding]:
    """Find out what the checks build on."""
    yield from _run("device.toml", _read_device, look)
    yield from _run("daemon", find_daemon, look)
    try:
        look.memory = read_memory(look.home.state_dir)
    except (OSError, ValueError) as error:
        yield look.found("state_unreadable", f"{look.home.state_dir}/health.json: {error}")


def _read_device(look: Look) -> Findings:
    config = DeviceConfig()
    try:
        config = load_device_config(look.home)
    except ConfigFileError as error:
        yield look.found("device_file_refused", error.lines[0])
    look.plan_silence_h = config.limits.plan_silence_h
    look.port = config.link.port


def _checks(look: Look) -> Iterator[tuple[str, Check]]:
    """Yield each check with its name, the cheap ones first; imports come with the first use."""
    yield "home", check_home
    yield "rights", check_rights
    yield "disk", check_disk
    yield "memory", check_memory
    yield "daemon", check_daemon
    yield "faults", check_faults
    yield "link", check_link
    yield "worker", check_worker
    yield "incidents", check_incidents
    yield "journal", check_journal
    yield "breakers", check_breakers
    if look.bucket_ids:
        from host.health.checks.config import check_config
        from host.health.checks.data import check_data
        from host.health.checks.plan import check_plans

        for bucket_id in look.bucket_ids:
            yield f"plans of {bucket_id}", partial(check_plans, bucket_id=bucket_id)
            yield f"configuration of {bucket_id}", partial(check_config, bucket_id=bucket_id)
            yield f"data of {bucket_id}", partial(check_data, bucket_id=bucket_id)
    yield "clock", check_clock


def _run(name: str, check: Check, look: Look) -> list[HealthFinding]:
    """Run a check; what it cannot do is a finding, and what it found before stays."""
    found: list[HealthFinding] = []
    try:
        found.extend(check(look))
    except (HostError, PlannerError, OSError, ValueError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        if isinstance(error, OSError) and error.filename is not None:
            first = f"{error.filename}: {error.strerror}"
        found.append(look.found("check_failed", f"{name}: {first}", subject=name))
    return found


def _with_since(found: HealthFinding, look: Look) -> HealthFinding:
    """Add since when it holds, if the daemon saw it begin; never a time to come."""
    if found.since is None and look.memory is not None:
        found = replace(found, since=look.memory.findings.get(found.key))
    if found.since is not None and found.since > look.now:
        found = replace(found, since=look.now)
    return found
