"""`state/journal.head`: how far the journal has been safe on disk.

It is written in place after each durable append, and is not fsynced itself: it may be behind the
journal, which says nothing, and never before it, unless the end of the journal is lost.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from host.home.storage.atomic_file import make_folder, open_file
from host.telemetry.journal.record import HASH_LENGTH

HEAD_NAME: Final = "journal.head"
HEAD_BYTES: Final = 128
"""Always as long, so that writing it in place never leaves the end of an older one."""
FILE_MODE: Final = 0o600


@dataclass(frozen=True, slots=True)
class Head:
    """The last record that was safe."""

    count: int
    last_hash: str


def write_head(path: Path, head: Head) -> None:
    """Write the head; what cannot be written is only not noticed later."""
    text = json.dumps({"count": head.count, "hash": head.last_hash})
    assert len(text) < HEAD_BYTES
    with suppress(OSError):
        make_folder(path.parent)
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(path, flags, FILE_MODE)
        try:
            os.pwrite(descriptor, text.ljust(HEAD_BYTES - 1).encode() + b"\n", 0)
        finally:
            os.close(descriptor)


def read_head(path: Path) -> Head | None:
    """Return the head; None when there is none that can be read."""
    try:
        with open_file(path) as file:
            found = json.loads(file.read(HEAD_BYTES))
        count, last_hash = found["count"], found["hash"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    is_whole = type(count) is int and count >= 0 and isinstance(last_hash, str)
    return Head(count, last_hash) if is_whole and len(last_hash) == HASH_LENGTH else None
