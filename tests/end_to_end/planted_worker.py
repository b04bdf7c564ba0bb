"""The real worker with bad modules planted in it: `planted_worker.py MISDEED[,MISDEED] ...`.

The rest of the arguments are the worker's own. Each misdeed is a calculator of its name; in every
other way it is the planner's process as it is shipped.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
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
    """End as the kernel ends a process that is in its way."""
    os.kill(os.getpid(), signal.SIGKILL)
    return []


def be_killed_once(state: PlanningState) -> list[Any]:
    """Be there when the process is killed; the next time nothing happens."""
    mark = Path(sys.argv[sys.argv.index("--home") + 1]) / "was_killed"
    if not mark.exists():
        mark.touch()
        be_killed(state)
    return []


def hide_a_child_and_die(_state: PlanningState) -> list[Any]:
    """Leave a child in a session of its own, and end before anybody can look for it."""
    subprocess.Popen(["sleep", "4711"], start_new_session=True)
    os._exit(0)


def hang_in_c(_state: PlanningState) -> list[Any]:
    """Hold Python's lock: no other thread of the process runs any more."""
    ctypes.PyDLL(None).sleep(600)
    return []


def eat_memory(_state: PlanningState) -> list[Any]:
    eaten = []
    while True:
        eaten.append(bytearray(10_000_000))


def fork_and_stay(_state: PlanningState) -> list[Any]:
    """Leave a child behind that does not even belong to the group any more."""
    if os.fork() == 0:
        os.setsid()
        time.sleep(600)
    return []


def orphan_a_grandchild(_state: PlanningState) -> list[Any]:
    subprocess.run(["sh", "-c", "setsid sleep 600 &"], check=True)
    return []


def fork_and_return(_state: PlanningState) -> list[Any]:
    """Both go on planning, and both would answer."""
    os.fork()
    return []


def print_a_lot(_state: PlanningState) -> list[Any]:
    sys.stdout.write('{"planned": {"trace_id": "mine"}}\n' * 5_000)
    return []


def close_everything(_state: PlanningState) -> list[Any]:
    os.closerange(3, 100)
    return []


def answer_in_our_name(_state: PlanningState) -> list[Any]:
    """Write nonsense into whatever is open."""
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
    "answer_in_our_name": answer_in_our_name,
}


if __name__ == "__main__":
    registries = builtin_registries().copy()
    for name in sys.argv.pop(1).split(","):
        registries.register(stub_calculator(MISDEEDS[name], name))
    main(registries)
