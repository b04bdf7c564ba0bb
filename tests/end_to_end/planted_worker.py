"""The real worker with bad modules planted in it: `planted_worker.py MISDEED[,MISDEED] ...`.

The other arguments are those of the worker. Each misdeed is a calculator of its name. Everything
else is the planner's process as it is shipped.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from host.planning.worker.main import main
from planner_core.market.state import PlanningState
from planner_core.modules.builtin import builtin_registries
from tests.builders import stub_calculator


def segfault(_state: PlanningState) -> list[Any]:
    ctypes.string_at(0)
    raise AssertionError("not reached")


def leave(_state: PlanningState) -> list[Any]:
    os._exit(0)


def leave_politely(_state: PlanningState) -> list[Any]:
    sys.exit(0)


def hang(_state: PlanningState) -> list[Any]:
    time.sleep(600)
    return []


def be_killed(_state: PlanningState) -> list[Any]:
    """End as if the kernel needed the memory of this process."""
    os.kill(os.getpid(), signal.SIGKILL)
    return []


def be_killed_once(state: PlanningState) -> list[Any]:
    """Run when the process is killed from outside, but only the first time."""
    mark = Path(sys.argv[sys.argv.index("--home") + 1]) / "was_killed"
    if not mark.exists():
        mark.touch()
        be_killed(state)
    return []


def hide_a_child_and_die(_state: PlanningState) -> list[Any]:
    """Leave a child in a session of its own, and end before the worker can look for it."""
    subprocess.Popen(["sleep", "4711"], start_new_session=True)
    os._exit(0)


def hang_in_c(_state: PlanningState) -> list[Any]:
    """Hold Python's lock, so that no other thread of the process can run."""
    ctypes.PyDLL(None).sleep(600)
    return []


def eat_memory(_state: PlanningState) -> list[Any]:
    blocks = []
    while True:
        blocks.append(bytearray(10_000_000))


def fork_and_stay(_state: PlanningState) -> list[Any]:
    """Leave a child behind that is not in the group of the worker."""
    if os.fork() == 0:
        os.setsid()
        time.sleep(600)
    return []


def orphan_a_grandchild(_state: PlanningState) -> list[Any]:
    subprocess.run(["sh", "-c", "setsid sleep 600 &"], check=True)
    return []


def fork_and_return(_state: PlanningState) -> list[Any]:
    """Let two processes plan; both would send a response."""
    os.fork()
    return []


def print_a_lot(_state: PlanningState) -> list[Any]:
    sys.stdout.write('{"planned": {"trace_id": "mine"}}\n' * 5_000)
    return []


def leave_a_thread(_state: PlanningState) -> list[Any]:
    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
    return []


def close_everything(_state: PlanningState) -> list[Any]:
    os.closerange(3, 100)
    return []


def write_garbage(_state: PlanningState) -> list[Any]:
    """Write garbage into every open file."""
    for descriptor in range(3, 30):
        try:
            os.write(descriptor, b'{"planned": 7}\n')
        except OSError:
            continue
    return []


MISDEEDS: dict[str, Callable[[PlanningState], list[Any]]] = {
    "segfault": segfault,
    "leave": leave,
    "leave_politely": leave_politely,
    "hang": hang,
    "be_killed": be_killed,
    "be_killed_once": be_killed_once,
    "hide_a_child_and_die": hide_a_child_and_die,
    "hang_in_c": hang_in_c,
    "eat_memory": eat_memory,
    "fork_and_stay": fork_and_stay,
    "orphan_a_grandchild": orphan_a_grandchild,
    "fork_and_return": fork_and_return,
    "print_a_lot": print_a_lot,
    "close_everything": close_everything,
    "leave_a_thread": leave_a_thread,
    "write_garbage": write_garbage,
}


if __name__ == "__main__":
    registries = builtin_registries().copy()
    for name in sys.argv.pop(1).split(","):
        registries.register(stub_calculator(MISDEEDS[name], name))
    main(registries)
