"""Liveness of the daemon's loop: a line in `state/heartbeat`, overwritten in place.

    PID SECONDS_SINCE_BOOT

In place, because that needs no space on a full disk. Without fsync, because a line from before a
power cut is worthless. Seconds since boot, because setting the clock must neither make a dead
daemon look alive nor a live one dead. After a reboot no process holds the lock that goes with it.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from host.clock import boot_time_s
from host.home.storage.atomic_file import open_file, write_in_place
from host.home.storage.instance_lock import LOCK_NAME

LIVENESS_NAME: Final = "heartbeat"
LIVENESS_EVERY_S: Final = 15.0
SILENT_S: Final = 60.0
"""A loop that has not written for so long does not turn."""
LINE_BYTES: Final = 40


@dataclass(frozen=True, slots=True)
class Liveness:
    """The last line of a daemon, and its age; None: the line is not of this boot."""

    pid: int
    age_s: float | None

    @property
    def is_fresh(self) -> bool:
        """True when the line is recent: the loop turns."""
        return self.age_s is not None and self.age_s <= SILENT_S


class LivenessFile:
    """The daemon's side. It never raises: where nothing can be written, the line gets old."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / LIVENESS_NAME

    def write(self) -> None:
        """Write that the loop turns; this may wait for a disk, so call it in a thread."""
        line = f"{os.getpid()} {int(boot_time_s())}"  # rounded down: never in the future
        with suppress(OSError):
            write_in_place(self._path, f"{line:<{LINE_BYTES - 1}}\n".encode())


def read_liveness(state_dir: Path) -> Liveness | None:
    """Return the last line; None when there is none or it cannot be read."""
    try:
        with open_file(state_dir / LIVENESS_NAME) as file:
            pid, at_s = file.read(LINE_BYTES).decode("ascii").split()
        age_s = boot_time_s() - float(at_s)
        return Liveness(int(pid), age_s if age_s >= 0 else None)
    except (OSError, ValueError):
        return None


def is_locked(state_dir: Path) -> bool:
    """Return whether a daemon holds the home, without writing and without keeping one out.

    This takes the lock, shared, and gives it back at once. A daemon that starts in that moment
    tries again (see `InstanceLock`).

    Raises
    ------
    OSError
        When this user may not open the lock file.
    """
    try:
        descriptor = os.open(state_dir / LOCK_NAME, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
