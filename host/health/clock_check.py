"""Check of the clock. A board without a battery starts in the past.

The clock is behind when it shows a time earlier than this program, or than a plan, a journal record
or a close on disk. Whether it is ahead cannot be known without a network. When a time server keeps
the clock, the clock is believed and the times on disk are not.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from host.home.storage.atomic_file import open_file

if TYPE_CHECKING:
    from host.health.probe import Findings, HealthProbe
    from host.home.home import Home

EARLIEST: Final = datetime(2025, 1, 1, tzinfo=UTC)
"""An earlier time is wrong: this program did not exist."""
BEHIND_MAX: Final = timedelta(hours=1)
"""A clock that ran a little fast and was then set right is fine."""
JUMP_S: Final = 60.0
JUMP_SHOWN: Final = timedelta(days=1)
TAIL_BYTES: Final = 4096
TIMEX_BYTES: Final = 512
"""More than `struct timex` has on any machine."""
TIME_ERROR: Final = 5
"""Return value of `adjtimex` when no time server keeps the clock."""
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


def is_synchronised() -> bool:
    """Tell whether the kernel reports that a time server keeps the clock.

    Then the clock is right, and times on disk that lie ahead of it were wrong.
    """
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "adjtimex"):
        return False
    timex = ctypes.create_string_buffer(TIMEX_BYTES)  # all zero: read, change nothing
    state: int = libc.adjtimex(timex)
    return 0 <= state < TIME_ERROR


def clock_problem(now: datetime, evidence: Mapping[str, datetime]) -> str | None:
    """Return why a time cannot be right, by the evidence; None: it may be right."""
    if now < EARLIEST:
        return f"the clock says {now:%Y-%m-%d %H:%M} UTC, before this program was written"
    if not evidence or is_synchronised():
        return None
    source, at = max(evidence.items(), key=lambda item: item[1])
    if now >= at - BEHIND_MAX:
        return None
    return f"the clock says {now:%Y-%m-%d %H:%M} UTC, but {source} is of {at:%Y-%m-%d %H:%M}"


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
