"""The module that runs, in a few bytes of memory that the worker and the daemon share.

The worker writes a module's key before it calls the module, and clears it when the module returns.
That costs a microsecond and wakes no other process. The daemon reads the memory only when the
worker has died or was killed. So it knows which module to suspect, even if the worker could not
say anything any more.

A module may write anywhere, so the memory may hold anything. The daemon accepts only a printable
name of limited length. It reads with `pread`, which cannot fault if the file was truncated.
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

VARIABLE: Final = "TRADER_CURRENT_MODULE_FD"
"""Environment variable of the worker: the descriptor of the memory."""
MODULE_END_EVENTS: Final = frozenset({"ModuleCompleted", "ModuleFailed", "ModuleOverran"})
"""Events of the planner after which no module runs."""
SIZE: Final = mmap.PAGESIZE
KEY_BYTES_MAX: Final = 200
HEADER: Final = struct.Struct("=dH")
"""Start time on the monotonic clock, which all processes share, and the length of the key."""
EMPTY: Final = HEADER.pack(0.0, 0)
F_ADD_SEALS: Final = 1033
SEAL_SHRINK: Final = 0x2
SEAL_GROW: Final = 0x4
SEAL_FUTURE_WRITE: Final = 0x10
"""From now on, only memory that is mapped already can be written."""


@dataclass(frozen=True, slots=True)
class CurrentModule:
    """The key of the module that runs, "" for none, and when it began (monotonic, s)."""

    key: str = ""
    start_s: float = 0.0


def create_memory() -> int:
    """Return the descriptor of new shared memory; OSError if the kernel has none."""
    descriptor = os.memfd_create("current_module", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, SIZE)
    fcntl.fcntl(descriptor, F_ADD_SEALS, SEAL_SHRINK | SEAL_GROW)
    return descriptor


def read_current_module(descriptor: int) -> CurrentModule:
    """Return the module in the memory; an empty one if the content is invalid."""
    try:
        data = os.pread(descriptor, HEADER.size + KEY_BYTES_MAX, 0)
        start_s, length = HEADER.unpack_from(data)
        key = data[HEADER.size : HEADER.size + length].decode("ascii")
    except (OSError, ValueError, struct.error):
        return CurrentModule()
    is_valid = 0 < length <= KEY_BYTES_MAX and len(key) == length and key.isprintable()
    return CurrentModule(key, start_s) if is_valid else CurrentModule()


class CurrentModuleWriter:
    """The worker's side of the memory.

    Parameters
    ----------
    descriptor : int, optional
        None: there is no shared memory, and nothing is written.
    """

    def __init__(self, descriptor: int | None = None) -> None:
        self._memory: mmap.mmap | None = None
        if descriptor is not None:
            self._memory = mmap.mmap(descriptor, SIZE)
            with suppress(OSError):  # an old kernel has no such seal: the memory stays writable
                fcntl.fcntl(descriptor, F_ADD_SEALS, SEAL_FUTURE_WRITE)

    def write(self, key: str) -> None:
        """Write that this module is about to run."""
        if self._memory is not None:
            name = key.encode("ascii", "replace")[:KEY_BYTES_MAX]
            header = HEADER.pack(time.monotonic(), len(name))
            self._memory[: HEADER.size + len(name)] = header + name

    def clear(self) -> None:
        """Write that no module runs."""
        if self._memory is not None:
            self._memory[: HEADER.size] = EMPTY

    def close(self) -> None:
        """Ignore all later writes."""
        self._memory = None


def inherit_writer(environment: MutableMapping[str, str]) -> CurrentModuleWriter:
    """Return the writer for the daemon's memory, and remove its variable from the environment."""
    value = environment.pop(VARIABLE, "")
    if not value.isdecimal():
        return CurrentModuleWriter()
    descriptor = int(value)
    writer = CurrentModuleWriter(descriptor)
    os.close(descriptor)
    return writer
