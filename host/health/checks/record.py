"""Checks of the journal's hash chain and of the circuit breakers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from host.health.monitor_state import time_or_none
from host.home.storage.atomic_file import open_file
from host.limits import HEALTH_BYTES_MAX, HEALTH_JOURNAL_BYTES_MAX
from host.telemetry.journal.reader import HEAD_NAME
from host.telemetry.journal.verifier import verify_journal

if TYPE_CHECKING:
    from host.health.finding import HealthFinding
    from host.health.probe import Findings, HealthProbe

JOURNALED: Final = "a record of the journal"
BREAKERS_NAME: Final = "breakers.json"
LEAVES_OUT: Final = frozenset({"open", "half_open", "disabled"})


def check_journal(probe: HealthProbe) -> Findings:
    """Find records that are gone or were changed."""
    folder = probe.home.journal_dir
    size = sum(path.stat().st_size for path in folder.glob("*.jsonl")) if folder.is_dir() else 0
    if size > HEALTH_JOURNAL_BYTES_MAX:
        what = f"{folder}: {size / 1024**2:.0f} MB are too long for a quick check"
        yield probe.finding("check_failed", what, subject="journal")
        return
    verification = verify_journal(folder, probe.home.state_dir / HEAD_NAME, is_quick=True)
    if verification.latest is not None:
        probe.evidence[JOURNALED] = verification.latest
    torn = [damage for damage in verification.damage if damage.kind == "unfinished"]
    other = [damage for damage in verification.damage if damage.kind != "unfinished"]
    if other:
        more = verification.n_damaged - len(torn) - 1
        what = f"{folder}/{other[0]}" + (f" (and {more} more)" if more > 0 else "")
        yield probe.finding("journal_damaged", what, subject="journal")
    elif torn and not probe.is_locked:  # a daemon may be writing that line
        yield probe.finding("journal_tail_torn", f"{folder}/{torn[0]}", subject="journal")


def check_breakers(probe: HealthProbe) -> Findings:
    """Find the modules that a breaker leaves out."""
    path = probe.home.state_dir / BREAKERS_NAME
    try:
        with open_file(path) as file:
            data = file.read(HEALTH_BYTES_MAX + 1)
        content = json.loads(data) if len(data) <= HEALTH_BYTES_MAX else {}
        breakers = list(content["breakers"])
    except (FileNotFoundError, NotADirectoryError):
        return
    except (ValueError, KeyError, TypeError, RecursionError):
        yield probe.finding(
            "check_failed", f"{path}: is not a list of breakers", subject="breakers"
        )
        return
    for breaker in breakers:
        if isinstance(breaker, dict) and breaker.get("state") in LEAVES_OUT:
            yield _breaker(probe, breaker)


def _breaker(probe: HealthProbe, breaker: Mapping[str, object]) -> HealthFinding:
    key, state = str(breaker.get("key")), str(breaker["state"]).replace("_", " ")
    words = [f"{key}: {state}"]
    retry_at = time_or_none(breaker.get("retry_at"))
    if retry_at is not None:
        words.append(f"tried again at {retry_at:%Y-%m-%d %H:%M} UTC")
    if breaker.get("reason"):
        words.append(str(breaker["reason"]))
    since = time_or_none(breaker.get("since"))
    finding = probe.finding("breaker_open", "; ".join(words), subject=key, since=since)
    if retry_at is None:  # switched off by hand, so the planner does not try it again
        return replace(finding, action=f"`trader breakers reset {key}` lets it run again.")
    return finding
