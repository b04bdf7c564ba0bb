"""The clocks of the host: the time of day, and clocks that no one can set.

A function that needs only the time of day takes a `now`, which is `utc_now` by default. One that
needs several clocks takes a `Clock`. Tests pass clocks of their own.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

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
