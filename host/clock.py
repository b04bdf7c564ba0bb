"""The clocks of the host: the time of day, clocks that no one can set, and whether to believe them.

A function that needs only the time of day takes a `now`, which is `utc_now` by default. One that
needs several clocks takes a `Clock`. Tests pass clocks of their own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

EARLIEST: Final = datetime(2025, 1, 1, tzinfo=UTC)
"""An earlier time is wrong: this program did not exist."""
BEHIND_MAX: Final = timedelta(hours=1)
"""A clock that ran a little fast and was then set right is fine."""
TIMEX_BYTES: Final = 512
"""More than `struct timex` has on any machine."""
TIME_ERROR: Final = 5
"""Return value of `adjtimex` when no time server keeps the clock."""
BOOT_ID_FILE: Final = Path("/proc/sys/kernel/random/boot_id")


def utc_now() -> datetime:
    """Return the time of day, in UTC."""
    return datetime.now(UTC)


def boot_time_s() -> float:
    """Return the seconds since the boot, sleep included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def boot_id() -> str:
    """Return a name for this boot of the computer; "" where the kernel gives none."""
    try:
        return BOOT_ID_FILE.read_text("ascii").strip()
    except OSError:
        return ""


@dataclass(frozen=True, slots=True)
class Clock:
    """The clocks of a computer.

    Parameters
    ----------
    now : callable returning an aware datetime
        The time of day. It may jump.
    monotonic : callable returning float, s
        For durations within a process. It stops while the computer sleeps.
    boot_time_s : callable returning float
        Seconds since the boot, also while the computer sleeps. It is the same for all processes.
    """

    now: Callable[[], datetime] = utc_now
    monotonic: Callable[[], float] = time.monotonic
    boot_time_s: Callable[[], float] = boot_time_s


SYSTEM_CLOCK: Final = Clock()


def is_synchronised() -> bool:
    """Return whether the kernel reports that a time server keeps the clock.

    Then the clock is right, and times on disk that lie ahead of it were wrong.
    """
    import ctypes  # `trader health --live` needs the rest of this module only, and fast

    libc = ctypes.CDLL(None)
    if not hasattr(libc, "adjtimex"):
        return False
    timex = ctypes.create_string_buffer(TIMEX_BYTES)  # all zero: read, change nothing
    state: int = libc.adjtimex(timex)
    return 0 <= state < TIME_ERROR


def clock_problem(now: datetime, evidence: Mapping[str, datetime]) -> str | None:
    """Return why a time of day cannot be right; None: it may be right.

    A clock is behind when it shows a time earlier than this program, or than a time on disk.
    Whether it is ahead cannot be known without a network. When a time server keeps the clock, the
    clock is believed and the times on disk are not.

    Parameters
    ----------
    now : datetime
    evidence : mapping of str to datetime
        Times that have passed, by their source.
    """
    if now < EARLIEST:
        return f"the clock says {now:%Y-%m-%d %H:%M} UTC, before this program was written"
    if not evidence or is_synchronised():
        return None
    source, at = max(evidence.items(), key=lambda item: item[1])
    if now >= at - BEHIND_MAX:
        return None
    return f"the clock says {now:%Y-%m-%d %H:%M} UTC, but {source} is of {at:%Y-%m-%d %H:%M}"
