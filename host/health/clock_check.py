"""Whether the clock can be believed. A board without a battery begins in the past.

A clock is behind when it shows a time that has been already: before this program was written, or
before a plan, a record of the journal or a close that is on disk. How far it is ahead, nobody can
tell without a network. Where a time server keeps the clock, it is believed, and not the disk.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from host.home.storage.safe_open import open_file

if TYPE_CHECKING:
    from host.health.probe import Findings, Look
    from host.home.home import Home

EARLIEST: Final = datetime(2025, 1, 1, tzinfo=UTC)
"""No clock is right that shows less: there was no such program."""
BEHIND_MAX: Final = timedelta(hours=1)
"""A clock that runs a little fast and is then set right is no trouble."""
JUMP_S: Final = 60.0
JUMP_TOLD: Final = timedelta(days=1)
TAIL_BYTES: Final = 4096
TIMEX_BYTES: Final = 512
"""More than `struct timex` has on any machine."""
TIME_ERROR: Final = 5
"""What `adjtimex` answers when nobody keeps the clock."""
PLANNED_AT: Final = "a stored plan"


def check_clock(look: Look) -> Findings:
    """Find a time that has been already, and a clock that was set."""
    prices_until = last_close(look.home)
    evidence = dict(look.evidence)
    if prices_until is not None:
        evidence[str(look.home.prices_file)] = prices_until
    complaint = behind(look.now, evidence)
    if complaint:
        yield look.found("clock_in_past", complaint)
    jump = None if look.memory is None else look.memory.clock_jump
    if jump is not None and look.now - JUMP_TOLD < jump.at <= look.now + BEHIND_MAX:
        word = "forward" if jump.by_s > 0 else "back"
        what = f"the clock was set {word} by {abs(jump.by_s):,.0f} s"
        yield look.found("clock_jumped", what, since=jump.at)


def is_synchronised() -> bool:
    """Tell whether the kernel says that the clock is kept right by a time server.

    Then it is right, and what is on disk from a time to come was made while it was wrong.
    """
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "adjtimex"):
        return False
    answer = ctypes.create_string_buffer(TIMEX_BYTES)  # zeros: only ask
    state: int = libc.adjtimex(answer)
    return 0 <= state < TIME_ERROR


def behind(now: datetime, evidence: Mapping[str, datetime]) -> str | None:
    """Return why a time cannot be right, as far as the evidence tells; None: it may be."""
    if now < EARLIEST:
        return f"the clock says {now:%Y-%m-%d %H:%M} UTC, before this program was written"
    if not evidence or is_synchronised():
        return None
    source, at = max(evidence.items(), key=lambda item: item[1])
    if now >= at - BEHIND_MAX:
        return None
    return f"the clock says {now:%Y-%m-%d %H:%M} UTC, but {source} is of {at:%Y-%m-%d %H:%M}"


def last_close(home: Home) -> datetime | None:
    """Return the day of the last row of prices, at its beginning; None when it is no row."""
    try:
        with open_file(home.prices_file) as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - TAIL_BYTES))
            last = file.read(TAIL_BYTES).split(b"\n")
        day = next((line for line in reversed(last) if line.strip()), b"")[:10].decode("ascii")
        return datetime.fromisoformat(day).replace(tzinfo=UTC)
    except (OSError, ValueError):
        return None
