"""A sign of life of the daemon's loop: a line in `state/heartbeat`, written over in place.

    PID SECONDS_SINCE_BOOT

In place, because that needs no room on a full disk, and without fsync: a heartbeat from before a
power cut is worth nothing. Seconds since the boot, because a clock that is set must neither revive
a dead daemon nor bury a living one; after another boot nobody holds the lock that goes with it.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from host.clock import boot_time_s
from host.home.storage.atomic_file import FILE_MODE
from host.home.storage.instance_lock import LOCK_NAME
from host.home.storage.safe_open import open_file

HEARTBEAT_NAME: Final = "heartbeat"
BEAT_S: Final = 15.0
SILENT_S: Final = 60.0
"""A loop that says nothing for so long does not turn."""
LINE_BYTES: Final = 40


@dataclass(frozen=True, slots=True)
class Beat:
    """A sign of life, and how long ago it was; None: that cannot be."""

    pid: int
    age_s: float | None

    @property
    def is_fresh(self) -> bool:
        """Whether the loop turns."""
        return self.age_s is not None and self.age_s <= SILENT_S


class Heartbeat:
    """The daemon's side. It never fails: where nothing can be written, nothing is said."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / HEARTBEAT_NAME

    def beat(self) -> None:
        """Say that the loop turns; it may wait for a disk, so call it in a thread."""
        line = f"{os.getpid()} {int(boot_time_s())}"  # rounded down: a time to come is no sign
        with suppress(OSError):
            flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            descriptor = os.open(self._path, flags, FILE_MODE)
            try:
                os.pwrite(descriptor, f"{line:<{LINE_BYTES - 1}}\n".encode(), 0)
            finally:
                os.close(descriptor)


def read_beat(state_dir: Path) -> Beat | None:
    """Return the last sign of life; None where there is none that can be read."""
    try:
        with open_file(state_dir / HEARTBEAT_NAME) as file:
            pid, at_s = file.read(LINE_BYTES).decode("ascii").split()
        age_s = boot_time_s() - float(at_s)
        return Beat(int(pid), age_s if age_s >= 0 else None)
    except (OSError, ValueError):
        return None


def is_locked(state_dir: Path) -> bool:
    """Tell whether a daemon holds the home, without writing and without keeping one out.

    The lock is asked for, shared, and given back at once; a daemon that starts in that moment asks
    again (see `InstanceLock`).

    Raises
    ------
    OSError
        When nobody but the owner may know.
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
