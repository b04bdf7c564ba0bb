"""The planner's process with a module planted in it: `_planted_worker.py MISDEED --home DIR`."""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from host.planning.worker.main import main
from planner_core.modules.builtin import builtin_registries
from planner_core.modules.module import ModuleMetadata, ModuleParameters, OpportunityCalculator

if TYPE_CHECKING:
    from planner_core.market.state import PlanningState
    from planner_core.model.plan import Opportunity

EATEN_BYTES = 500_000_000


def nothing() -> None:
    """Do no harm."""


def hang() -> None:
    """Never come back."""
    time.sleep(600)


def die() -> None:
    """Take the process down, with a lot of memory that the kernel has to take back."""
    eaten = bytearray(EATEN_BYTES)
    eaten[::4096] = b"x" * len(eaten[::4096])
    ctypes.string_at(0)


MISDEEDS: dict[str, Callable[[], None]] = {"plan": nothing, "hang": hang, "die": die}


class Planted(OpportunityCalculator[ModuleParameters]):
    """A calculator without opportunities that first commits a misdeed."""

    metadata = ModuleMetadata(name="planted", version="1.0.0", description="For a benchmark")
    parameters_model = ModuleParameters

    def __init__(self, misdeed: str) -> None:
        self._misdeed = MISDEEDS[misdeed]

    def calculate(self, state: PlanningState, parameters: ModuleParameters) -> list[Opportunity]:
        """Find nothing."""
        del state, parameters
        self._misdeed()
        return []


if __name__ == "__main__":
    registries = builtin_registries().copy()
    registries.register(Planted(sys.argv.pop(1)))
    main(registries)
