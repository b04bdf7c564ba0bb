"""What the daemon remembers, where a full disk takes no new file: `state/health.reserve`.

A file of a fixed size that is made while there is room, and written over in place, which needs
none. A hash tells a whole entry from a torn one. It is blank except while `health.json` cannot be
written.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from host.errors import StorageError
from host.home.storage.atomic_file import write_new
from host.home.storage.safe_open import open_file

RESERVE_NAME: Final = "health.reserve"
RESERVE_BYTES: Final = 32 * 1024
HASH_LENGTH: Final = 64


def make_reserve(state_dir: Path) -> None:
    """Take room while there is some; a disk that refuses has none to give."""
    with suppress(StorageError):
        write_new(state_dir / RESERVE_NAME, b" " * RESERVE_BYTES)


def write_reserve(state_dir: Path, data: bytes) -> bool:
    """Write over the reserve; tell whether it could be done. Nothing blanks it."""
    entry = hashlib.sha256(data).hexdigest().encode() + data if data else b""
    if len(entry) > RESERVE_BYTES:
        return False
    try:
        flags = os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        descriptor = os.open(state_dir / RESERVE_NAME, flags)
        try:
            return os.pwrite(descriptor, entry.ljust(RESERVE_BYTES), 0) == RESERVE_BYTES
        finally:
            os.close(descriptor)
    except OSError:
        return False


def renew_reserve(state_dir: Path) -> None:
    """Take another one in its place, where it cannot be written over any more."""
    with suppress(OSError):
        (state_dir / RESERVE_NAME).unlink()
    make_reserve(state_dir)


def read_reserve(state_dir: Path) -> bytes | None:
    """Return what was written over last; None where that is nothing, or not whole."""
    try:
        with open_file(state_dir / RESERVE_NAME) as file:
            entry = file.read(RESERVE_BYTES).rstrip(b" ")
    except OSError:
        return None
    digest, data = entry[:HASH_LENGTH], entry[HASH_LENGTH:]
    is_whole = bool(data) and hashlib.sha256(data).hexdigest().encode() == digest
    return data if is_whole else None
