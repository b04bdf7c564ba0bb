"""Limits that keep a module from harming more than one plan: memory, crashes and child processes.

Two processes run the code of modules: the planner's worker, and the one that reads plugins.

A module that takes more memory than allowed gets a MemoryError, which costs only that module.

A module may also start processes and leave them behind. The kernel makes such orphans our children,
even those with a session of their own. After each plan every child is killed, and the module that
started it is reported.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Set
from contextlib import suppress
from pathlib import Path
from typing import Final

EXIT_ORPHANED: Final = 3
"""The daemon is gone, so there is no work to do."""
EXIT_LEFT_THREADS: Final = 4
"""A module left a thread running in the planner's process."""
JOIN_S: Final = 0.1
"""For threads that are just ending, such as those of a pool that was closed."""
PR_SET_PDEATHSIG: Final = 1
PR_SET_CHILD_SUBREAPER: Final = 36
OOM_SCORE: Final = "500"
"""The kernel ends the worker before the daemon when memory runs out."""
SPAWN_EVENTS: Final = frozenset(
    {
        "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system", "subprocess.Popen",
        "_posixsubprocess.fork_exec",
    }
)  # fmt: skip
"""Python's audit events for starting a process."""
MEGABYTE: Final = 1024 * 1024
ACTIVE_PIDS: Final[set[int]] = set()
"""Our processes for modules. They have sessions of their own, and are no orphans."""
STARTING: Final = threading.Lock()
"""Held from the start of such a process until it is in ACTIVE_PIDS."""
PROCESSES_MORE: Final = 64
"""Processes and threads that a plugin may start, with its libraries. Other programs of the user may
start some meanwhile."""
KILL_ROUNDS: Final = 20
"""A child may start another one while it is being killed."""


def adopt_orphans() -> None:
    """Become the parent of our descendants when their own parent ends."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent ends."""
    parent = os.getppid()
    _prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != parent:  # it ended before the kernel was asked
        os._exit(EXIT_ORPHANED)


def limit_memory(megabytes: int) -> None:
    """Allow that much address space beyond what the process has now, and no core dump."""
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash must not fill the disk
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    except (OSError, ValueError):
        return  # not Linux: the size of the process is unknown, and so is a sensible limit
    limit = pages * resource.getpagesize() + megabytes * MEGABYTE
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def limit_processes() -> None:
    """Allow this user a limited number of processes more than there are; root has no such limit."""
    try:
        pids = [path for path in Path("/proc").iterdir() if path.name.isdecimal()]
    except OSError:
        return  # not Linux
    count = 0
    for pid in pids:
        try:
            if pid.stat().st_uid == os.getuid():
                count += sum(1 for _ in (pid / "task").iterdir())
        except OSError:
            continue  # it has ended
    _, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    limit = count + PROCESSES_MORE
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NPROC, (limit, limit))


def prefer_for_oom_kill() -> None:
    """Let the kernel choose this process first when memory runs out."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(OOM_SCORE, "ascii")


class ChildProcesses:
    """Child processes of a plan, and the modules that started them.

    Parameters
    ----------
    in_child : callable
        Called in a forked child, which must not send anything to the daemon.
    """

    def __init__(self, in_child: Callable[[], None]) -> None:
        self.current_module = ""
        self._spawners: list[str] = []
        os.register_at_fork(after_in_child=in_child)
        sys.addaudithook(self._on_audit_event)
        adopt_orphans()

    def reset(self) -> None:
        """Forget the modules of the plan before."""
        self.current_module = ""
        self._spawners.clear()

    def kill_all(self) -> tuple[int, str]:
        """Kill every child; return their number, and the first module that started one or ""."""
        killed: set[int] = set()
        for _ in range(KILL_ROUNDS):
            reap_children()
            pids = child_pids()
            if not pids:
                break
            for pid in pids:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
                with suppress(ChildProcessError):
                    os.waitpid(pid, 0)
            killed |= pids
        return len(killed), (self._spawners[0] if killed and self._spawners else "")

    def _on_audit_event(self, event: str, _arguments: object) -> None:
        if event in SPAWN_EVENTS and self.current_module and len(self._spawners) < KILL_ROUNDS:
            self._spawners.append(self.current_module)


def left_threads(before: set[threading.Thread]) -> list[str]:
    """Return the names of the threads that were started since and do not end."""
    started = [thread for thread in threading.enumerate() if thread not in before]
    until_s = time.monotonic() + JOIN_S
    for thread in started:
        thread.join(max(0.0, until_s - time.monotonic()))
    return [thread.name for thread in started if thread.is_alive()]


def reap_children() -> None:
    """Remove children that have ended from the process table."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass  # there are no children


def child_pids() -> set[int]:
    """Return our children, zombies too; an empty set if the kernel does not list them."""
    pids: set[int] = set()
    try:
        tasks = list(Path("/proc/self/task").iterdir())
    except OSError:
        return pids
    for task in tasks:
        with suppress(OSError):  # the thread has ended, or the kernel has no such file
            pids.update(map(int, (task / "children").read_text("ascii").split()))
    return pids


def orphan_pids() -> set[int]:
    """Return children in other sessions than ours; none for process 1, which adopts everything."""
    if os.getpid() == 1:
        return set()
    our_session = os.getsid(0)
    with STARTING:
        pids = child_pids() - ACTIVE_PIDS
    return {pid for pid in pids if _session_of(pid) not in (our_session, None)}


def kill_orphans_now(other_pids: Set[int]) -> None:
    """Kill the descendants of processes for modules that have ended, and wait for their end.

    `other_pids` are our children from before: they belong to others.
    """
    for _ in range(KILL_ROUNDS):
        pids = orphan_pids() - other_pids
        if not pids:
            return
        for pid in pids:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)


def _session_of(pid: int) -> int | None:
    """Return the session of a process, even of a zombie; None if it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
        return int(stat.rpartition(")")[2].split()[3])  # the name, in brackets, may hold spaces
    except (OSError, ValueError, IndexError):
        return None


def _prctl(option: int, value: int) -> None:
    """Call Linux's prctl; do nothing on other systems."""
    libc = ctypes.CDLL(None, use_errno=True)
    if hasattr(libc, "prctl"):
        libc.prctl(option, value, 0, 0, 0)
