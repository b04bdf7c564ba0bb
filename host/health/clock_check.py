"""Check of the clock. A board without a battery starts in the past.

The evidence is the times of plans, journal records and prices on disk; `host.clock` judges it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from host.clock import BEHIND_MAX, clock_problem
from host.home.storage.atomic_file import open_file

if TYPE_CHECKING:
    from host.health.probe import Findings, HealthProbe
    from host.home.home import Home

JUMP_SHOWN: Final = timedelta(days=1)
TAIL_BYTES: Final = 4096
PLANNED_AT: Final = "a stored plan"


def check_clock(probe: HealthProbe) -> Findings:
    """Find a clock that is behind, and a clock that was set."""
    last_close = last_close_day(probe.home)
    evidence = dict(probe.evidence)
    if last_close is not None:
        evidence[str(probe.home.prices_file)] = last_close
    problem = clock_problem(probe.now, evidence)
    if problem:
        yield probe.finding("clock_in_past", problem)
    jump = None if probe.monitor_state is None else probe.monitor_state.clock_jump
    if jump is not None and probe.now - JUMP_SHOWN < jump.at <= probe.now + BEHIND_MAX:
        word = "forward" if jump.by_s > 0 else "back"
        what = f"the clock was set {word} by {abs(jump.by_s):,.0f} s"
        yield probe.finding("clock_jumped", what, since=jump.at)


def last_close_day(home: Home) -> datetime | None:
    """Return the beginning of the day of the last price row; None when it cannot be read."""
    try:
        with open_file(home.prices_file) as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - TAIL_BYTES))
            lines = file.read(TAIL_BYTES).split(b"\n")
        day = next((line for line in reversed(lines) if line.strip()), b"")[:10].decode("ascii")
        return datetime.fromisoformat(day).replace(tzinfo=UTC)
    except (OSError, ValueError):
        return None
