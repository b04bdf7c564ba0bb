"""One daemon per home: a lock that the kernel releases however the daemon ends."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from typing import Final, Self

from host.errors import HostError
from host.home.storage.atomic_file import make_folder, storage_error

LOCK_NAME: Final = "daemon.lock"
FILE_MODE: Final = 0o600
TRIES: Final = 10
RETRY_S: Final = 0.05
"""`trader health` takes the lock for a moment to see whether it is free, so retry."""


class InstanceError(HostError):
    """Another daemon is running for this home."""

    code = "instance"


class InstanceLock:
    """The lock of a home, held from `__enter__` until the process ends or `__exit__`."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / LOCK_NAME
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        """Take the lock.

        Raises
        ------
        InstanceError
            Naming the process that holds it.
        StorageError
            When the file cannot be made.
        """
        make_folder(self.path.parent)
        try:
            # Not inherited: a child that outlives its daemon must not keep the home locked.
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            descriptor = os.open(self.path, flags, FILE_MODE)
        except OSError as error:
            raise storage_error(self.path, "cannot be opened", error) from error
        if not _try_to_lock(descriptor):
            holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise InstanceError(
                f"{self.path.parent.parent}: another trader serves this home (process {holder};"
                f" stop it with `kill {holder}`, or use another --home)"
            )
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        except OSError:
            pass  # a full disk: the lock works, only the process id is missing
        self._descriptor = descriptor
        return self

    def __exit__(self, *_: object) -> None:
        """Release the lock; the file stays, as removing it would race with the next holder."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _try_to_lock(descriptor: int) -> bool:
    """Try to take the lock; return whether it was free."""
    for tries_left in reversed(range(TRIES)):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if tries_left:
                time.sleep(RETRY_S)
        else:
            return True
    return False
