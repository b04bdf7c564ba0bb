"""What keeps a module from harming more than one plan: memory, processes, and who is to blame.

A module that takes more memory than it may gets a MemoryError, which costs only itself. One that
starts processes and leaves them behind is found out after the plan: whatever it started is a child
of this process, however it hid, because the kernel hands us its orphans.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

PR_SET_PDEATHSIG: Final = 1
PR_SET_CHILD_SUBREAPER: Final = 36
OOM_SCORE: Final = "500"
"""When the kernel has to choose, the planner's process goes before the daemon."""
SPAWNING: Final = frozenset(
    {
        "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system", "subprocess.Popen",
        "_posixsubprocess.fork_exec",
    }
)  # fmt: skip
"""Python's audit events of starting a process."""
MEGABYTE: Final = 1024 * 1024
KILL_ROUNDS: Final = 20
"""A child may start another one while it is being killed."""


def call_prctl(option: int, value: int) -> None:
    """Ask the kernel for something; Linux alone knows how, elsewhere nothing happens."""
    libc = ctypes.CDLL(None, use_errno=True)
    if hasattr(libc, "prctl"):
        libc.prctl(option, value, 0, 0, 0)


def limit_memory(megabytes: int) -> None:
    """Allow so much address space more than the process has now."""
    with suppress(OSError, ValueError):
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
        limit = pages * resource.getpagesize() + megabytes * MEGABYTE
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        if hard != resource.RLIM_INFINITY:
            limit = min(limit, hard)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash must not fill the disk


def volunteer_for_oom() -> None:
    """Be the first to go when memory runs out."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(OOM_SCORE, "ascii")


class Nursery:
    """Knows which module runs, and which ones started processes.

    Parameters
    ----------
    mute : callable
        Called in a forked child: it must not speak in our name.
    """

    def __init__(self, mute: Callable[[], None]) -> None:
        self.running = ""
        self._spawned: list[str] = []
        os.register_at_fork(after_in_child=mute)
        sys.addaudithook(self._hear)
        call_prctl(PR_SET_CHILD_SUBREAPER, 1)

    def begin(self) -> None:
        """Forget who started what: a new plan begins."""
        self.running = ""
        self._spawned.clear()

    def clear(self) -> tuple[int, str]:
        """End what was left behind; return how many processes, and the module to blame or ""."""
        ended: set[int] = set()
        for _ in range(KILL_ROUNDS):
            reap()
            found = children()
            if not found:
                break
            for pid in found:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
                with suppress(ChildProcessError):
                    os.waitpid(pid, 0)
            ended |= found
        return len(ended), (self._spawned[0] if ended and self._spawned else "")

    def _hear(self, event: str, _arguments: object) -> None:
        if event in SPAWNING and self.running and len(self._spawned) < KILL_ROUNDS:
            self._spawned.append(self.running)


def reap() -> None:
    """Take leave of children that have ended."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def children() -> set[int]:
    """Return our children; none where the kernel does not tell."""
    found: set[int] = set()
    with suppress(OSError, ValueError):
        for task in Path("/proc/self/task").iterdir():
            with suppress(FileNotFoundError):
                found.update(int(pid) for pid in (task / "children").read_text("ascii").split())
    return found
