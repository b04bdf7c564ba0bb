"""Which module runs: a few bytes of memory that the planner's process and the daemon share.

The planner notes a module before it calls it, and takes the note back when the module returned. It
costs a microsecond and wakes nobody. The daemon looks at it only when the process has died or had
to be killed: then it says whom to blame, whatever the process could still say.

What stands there may be anything, since a module may write wherever it likes: the daemon takes it
for a name of limited length, and reads it in a way that a file cut short cannot hurt.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
import time
from collections.abc import MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

VARIABLE: Final = "TRADER_RUNNING_FD"
"""Names the descriptor of the memory in the environment of the planner's process."""
SIZE: Final = mmap.PAGESIZE
KEY_BYTES_MAX: Final = 200
NOTE: Final = struct.Struct("=dH")
"""Since when, on the monotonic clock, which is that of the whole machine; the length of the key."""
EMPTY: Final = NOTE.pack(0.0, 0)
F_ADD_SEALS: Final = 1033
SEAL_SHRINK: Final = 0x2
SEAL_GROW: Final = 0x4
SEAL_FUTURE_WRITE: Final = 0x10
"""No write from now on but through memory that is mapped already."""


@dataclass(frozen=True, slots=True)
class Running:
    """The module that runs, "" for none, and since when."""

    key: str = ""
    since_s: float = 0.0


def new_memory() -> int:
    """Return the descriptor of memory for a note; OSError where the kernel has none to give."""
    descriptor = os.memfd_create("running", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, SIZE)
    fcntl.fcntl(descriptor, F_ADD_SEALS, SEAL_SHRINK | SEAL_GROW)
    return descriptor


def read_note(descriptor: int) -> Running:
    """Return what stands in the memory; nothing when that makes no sense."""
    try:
        data = os.pread(descriptor, NOTE.size + KEY_BYTES_MAX, 0)
        since_s, length = NOTE.unpack_from(data)
        key = data[NOTE.size : NOTE.size + length].decode("ascii")
    except (OSError, ValueError, struct.error):
        return Running()
    is_whole = 0 < length <= KEY_BYTES_MAX and len(key) == length and key.isprintable()
    return Running(key, since_s) if is_whole else Running()


class RunningNote:
    """The planner's side: `note` before a module is called, `clear` when it returned."""

    def __init__(self, descriptor: int | None = None) -> None:
        self._memory: mmap.mmap | None = None
        if descriptor is not None:
            self._memory = mmap.mmap(descriptor, SIZE)
            with suppress(OSError):  # an old kernel: then a module can write there like anywhere
                fcntl.fcntl(descriptor, F_ADD_SEALS, SEAL_FUTURE_WRITE)

    def note(self, key: str) -> None:
        """Say that this module is about to run."""
        if self._memory is not None:
            name = key.encode("ascii", "replace")[:KEY_BYTES_MAX]
            self._memory[: NOTE.size + len(name)] = NOTE.pack(time.monotonic(), len(name)) + name

    def clear(self) -> None:
        """Say that no module runs."""
        if self._memory is not None:
            self._memory[: NOTE.size] = EMPTY

    def close(self) -> None:
        """Say nothing any more."""
        self._memory = None


def inherited_note(environment: MutableMapping[str, str]) -> RunningNote:
    """Return the note that the daemon left for this process; a mute one when it left none."""
    name = environment.pop(VARIABLE, "")
    if not name.isdecimal():
        return RunningNote()
    descriptor = int(name)
    note = RunningNote(descriptor)
    os.close(descriptor)
    return note
