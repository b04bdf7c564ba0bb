"""The planner's process as it is shipped, with one more module whose behaviour a file chooses.

Called as `worker.py FILE worker-arguments`. The file holds the name of a misdeed, or nothing. It is
read again for each plan.
"""

from __future__ import annotations

import ctypes
import math
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from host.planning.worker.main import main
from planner_core.model.plan import Opportunity
from planner_core.model.records import Side
from planner_core.modules.builtin import builtin_registries
from planner_core.modules.module import (
    ModuleMetadata,
    ModuleParameters,
    OpportunityCalculator,
)

if TYPE_CHECKING:
    from planner_core.market.state import PlanningState

NAME: Final = "chaotic"
KEY: Final = f"opportunity_calculators.{NAME}"


def opportunity(notional: float) -> Opportunity:
    """Return an opportunity of this size."""
    return Opportunity(0, Side.SELL, notional, "chaos")


def fail() -> list[Any]:
    """Raise."""
    raise RuntimeError("out of order")


def hang() -> list[Any]:
    """Never return, and let no other thread run."""
    ctypes.PyDLL(None).sleep(600)
    return []


def crash() -> list[Any]:
    """End the process with a crash."""
    ctypes.string_at(0)
    return []


def leave() -> list[Any]:
    """End the process with exit code 0."""
    os._exit(0)


def eat() -> list[Any]:
    """Take memory until there is none."""
    blocks = []
    while True:
        blocks.append(bytearray(10_000_000))


def fork() -> list[Any]:
    """Leave a process behind, in a session of its own."""
    if os.fork() == 0:
        os.setsid()
        time.sleep(600)
        os._exit(0)
    return []


MISDEEDS: Final[dict[str, Callable[[], Any]]] = {
    "raise": fail,
    "no_list": lambda: 7,
    "nan": lambda: [opportunity(math.nan)],
    "infinite": lambda: [opportunity(math.inf)],
    "million": lambda: [opportunity(1_000.0)] * 1_000_000,
    "hang": hang,
    "crash": crash,
    "leave": leave,
    "eat": eat,
    "fork": fork,
}


class Chaotic(OpportunityCalculator[ModuleParameters]):
    """A calculator without opportunities, or with the misdeed named in a file.

    It is not cacheable: an earlier result must not hide what it does now.
    """

    metadata = ModuleMetadata(name=NAME, version="1.0.0", description="Does harm on demand")
    parameters_model = ModuleParameters

    def __init__(self, file: Path) -> None:
        self._file = file

    def calculate(self, state: PlanningState, parameters: ModuleParameters) -> list[Opportunity]:
        """Commit the misdeed, if there is one."""
        del state, parameters
        misdeed = MISDEEDS.get(self._file.read_text("ascii"))
        opportunities: list[Opportunity] = [] if misdeed is None else misdeed()
        return opportunities


if __name__ == "__main__":
    registries = builtin_registries().copy()
    registries.register(Chaotic(Path(sys.argv.pop(1))))
    main(registries)
