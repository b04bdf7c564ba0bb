"""Ends what a dead planner's process left behind, however it hid.

A module may start a process with a session of its own, which outlives the group of its parent. The
daemon therefore asks the kernel for its orphans: when the planner's process is gone, whatever came
from it is a child of the daemon, and the only children in another session than the daemon's own.
"""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Final

from host.planning.worker.sandbox import PR_SET_CHILD_SUBREAPER, call_prctl, children

ROUNDS: Final = 20
"""One may start another one while it is being killed."""
ROUND_S: Final = 0.01
LIVING: Final[set[int]] = set()
"""Planner's processes that are in use: they have sessions of their own, too."""


def adopt_orphans() -> None:
    """Ask the kernel for the orphans among our descendants."""
    call_prctl(PR_SET_CHILD_SUBREAPER, 1)


async def end_strays() -> int:
    """Kill what is left of dead planners' processes; return how many there were."""
    ended: set[int] = set()
    for _ in range(ROUNDS):
        found = strays()
        if not found:
            break
        for pid in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        ended |= found
        await asyncio.sleep(ROUND_S)
        _reap(found)
    return len(ended)


def _reap(pids: set[int]) -> None:
    for pid in pids:
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def strays() -> set[int]:
    """Return children in other sessions than ours; process 1 has those of everybody."""
    if os.getpid() == 1:
        return set()
    ours = os.getsid(0)
    return {pid for pid in children() - LIVING if _session_of(pid) not in (ours, None)}


def _session_of(pid: int) -> int | None:
    """Return the session of a process, zombies too; None when it is gone."""
    with suppress(OSError, ValueError, IndexError):
        stat = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
        return int(stat.rpartition(")")[2].split()[3])
    return None
