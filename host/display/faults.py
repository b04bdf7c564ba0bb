"""Faults that the matrix shows by a number.

A number keeps its meaning for good: it is on stickers and in the memory of users. A fault has the
name of its health finding; `host/health/catalogue.py` says what it means and what to do about it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Final


class Fault(IntEnum):
    """A fault; the lower number is shown first."""

    WORKER_DIED = 1
    PLAN_OVERRAN = 2
    CANNOT_WRITE = 3
    HOME_MISSING = 4
    CONFIG_MISSING = 5
    DATA_UNUSABLE = 6
    PRESS_LOST = 7
    NO_PLAN_FOR_LONG = 8
    INTERNAL_ERROR = 9
    FIRMWARE_INCOMPATIBLE = 10
    CLOCK_IN_PAST = 11

    @property
    def finding_id(self) -> str:
        """Id of the health finding for the same condition."""
        return self.name.lower()

    @property
    def record_name(self) -> str:
        """Name in the journal's records and in `state/health.json`; it never changes."""
        return RECORD_NAMES[self]


SCROLL_TEXTS: Final[Mapping[Fault, str]] = {
    Fault.WORKER_DIED: "planner died",
    Fault.PLAN_OVERRAN: "too slow",
    Fault.CANNOT_WRITE: "cannot write",
    Fault.HOME_MISSING: "no home",
    Fault.CONFIG_MISSING: "no config",
    Fault.DATA_UNUSABLE: "bad data",
    Fault.PRESS_LOST: "press lost",
    Fault.NO_PLAN_FOR_LONG: "plan overdue",
    Fault.INTERNAL_ERROR: "internal",
    Fault.FIRMWARE_INCOMPATIBLE: "firmware",
    Fault.CLOCK_IN_PAST: "wrong clock",
}
"""A few words that scroll over the matrix."""

RECORD_NAMES: Final[Mapping[Fault, str]] = {
    Fault.WORKER_DIED: "worker",
    Fault.PLAN_OVERRAN: "overrun",
    Fault.CANNOT_WRITE: "storage",
    Fault.HOME_MISSING: "home",
    Fault.CONFIG_MISSING: "config",
    Fault.DATA_UNUSABLE: "data",
    Fault.PRESS_LOST: "press_lost",
    Fault.NO_PLAN_FOR_LONG: "no_plan",
    Fault.INTERNAL_ERROR: "internal",
    Fault.FIRMWARE_INCOMPATIBLE: "firmware",
    Fault.CLOCK_IN_PAST: "clock",
}
"""Homes hold these names since before a fault had the name of its finding."""
FAULTS_BY_RECORD_NAME: Final = {name: fault for fault, name in RECORD_NAMES.items()}
