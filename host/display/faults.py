"""Faults that the matrix shows by a number, and what to do about each.

A number keeps its meaning for good: it stands on stickers and in the memory of users.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final


class Fault(IntEnum):
    """A fault; the lower number is shown first."""

    WORKER = 1
    OVERRUN = 2
    STORAGE = 3
    HOME = 4
    CONFIG = 5
    DATA = 6
    PRESS_LOST = 7
    NO_PLAN = 8
    INTERNAL = 9
    FIRMWARE = 10
    CLOCK = 11


@dataclass(frozen=True, slots=True)
class FaultText:
    """A fault in words: a few that scroll over the matrix, and two sentences for the legend."""

    words: str
    meaning: str
    remedy: str


FAULT_TEXTS: Final[Mapping[Fault, FaultText]] = {
    Fault.WORKER: FaultText(
        "planner died",
        "The planner's process ended by itself and was started again.",
        "Press again; if it returns, look for the module that is named in the log.",
    ),
    Fault.OVERRUN: FaultText(
        "too slow",
        "Planning took longer than its limit and was stopped.",
        "Lower `max_plan_depth` or the search's limits, or allow it more time.",
    ),
    Fault.STORAGE: FaultText(
        "cannot write",
        "A press, a plan or a configuration could not be kept: the disk is full or broken.",
        "Free some space in the home's file system; `df -h ~/.arduino-trader` shows it.",
    ),
    Fault.HOME: FaultText(
        "no home",
        "The home folder is missing, cannot be read, or has no portfolio in it.",
        "Run `trader init`, or correct the owner of the folder.",
    ),
    Fault.CONFIG: FaultText(
        "no config",
        "The bucket has no configuration that is valid, not even an older one.",
        "Run `trader config check`: it names file, line and what is allowed there.",
    ),
    Fault.DATA: FaultText(
        "bad data",
        "The portfolio or the market data of the bucket cannot be used.",
        "Run `trader plan BUCKET`: it names file, line and what is wrong.",
    ),
    Fault.PRESS_LOST: FaultText(
        "press lost",
        "The board counted presses that never reached the host.",
        "Press again; if it returns, look at the cable with `trader board info`.",
    ),
    Fault.NO_PLAN: FaultText(
        "plan overdue",
        "No plan succeeded for longer than `device.toml` allows.",
        "Run `trader plan BUCKET` and mend what it complains of.",
    ),
    Fault.INTERNAL: FaultText(
        "internal",
        "The daemon met an error of its own and went on without the part that failed.",
        "Look at the crash report that the log names, and send it to us.",
    ),
    Fault.FIRMWARE: FaultText(
        "firmware",
        "The board's firmware speaks another version of the link's protocol.",
        "Install the firmware that came with this version of the host: `trader board flash`.",
    ),
    Fault.CLOCK: FaultText(
        "wrong clock",
        "The clock shows a time that has been already: what is today cannot be known.",
        "Set it: `timedatectl set-ntp true`, or `date -s`; then restart the daemon.",
    ),
}
