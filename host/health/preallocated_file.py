"""Preallocated fallback for `health.json` when the disk is full: `state/health.reserve`.

The file has a fixed size. It is created while there is space and overwritten in place, which needs
none. A hash tells a complete entry from a torn one. It is blank while `health.json` can be written.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from host.errors import StorageError
from host.home.storage.atomic_file import open_file, write_new

PREALLOCATED_NAME: Final = "health.reserve"
PREALLOCATED_BYTES: Final = 32 * 1024
HASH_LENGTH: Final = 64


def preallocate(state_dir: Path) -> None:
    """Create the file if it is missing; on a full disk there will be no fallback."""
    with suppress(StorageError):
        write_new(state_dir / PREALLOCATED_NAME, b" " * PREALLOCATED_BYTES)


def write_preallocated(state_dir: Path, data: bytes) -> bool:
    """Overwrite the file in place; return whether that worked. Empty data blanks it."""
    entry = hashlib.sha256(data).hexdigest().encode() + data if data else b""
    if len(entry) > PREALLOCATED_BYTES:
        return False
    try:
        flags = os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        descriptor = os.open(state_dir / PREALLOCATED_NAME, flags)
        try:
            padded = entry.ljust(PREALLOCATED_BYTES)
            return os.pwrite(descriptor, padded, 0) == PREALLOCATED_BYTES
        finally:
            os.close(descriptor)
    except OSError:
        return False


def replace_preallocated(state_dir: Path) -> None:
    """Create a new file in place of one that cannot be overwritten any more."""
    with suppress(OSError):
        (state_dir / PREALLOCATED_NAME).unlink()
    preallocate(state_dir)


def read_preallocated(state_dir: Path) -> bytes | None:
    """Return the last entry; None when the file is missing, blank or torn."""
    try:
        with open_file(state_dir / PREALLOCATED_NAME) as file:
            entry = file.read(PREALLOCATED_BYTES).rstrip(b" ")
    except OSError:
        return None
    digest, data = entry[:HASH_LENGTH], entry[HASH_LENGTH:]
    is_whole = bool(data) and hashlib.sha256(data).hexdigest().encode() == digest
    return data if is_whole else None
