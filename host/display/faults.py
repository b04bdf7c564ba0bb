"""The faults that the matrix shows by a number, and what to do about each.

A number never changes its meaning: users know it by heart, and have it on stickers.
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
    """The texts of a fault: a few words that scroll, and two sentences for the legend."""

    words: str
    meaning: str
    remedy: str


FAULT_TEXTS: Final[Mapping[Fault, FaultText]] = {
    Fault.WORKER: FaultText(
        "planner died",
        "The planner's process crashed and was started again.",
        "Press again; if it happens again, see which module the log names.",
    ),
    Fault.OVERRUN: FaultText(
        "too slow",
        "Planning took longer than its limit and was stopped.",
        "Lower `max_plan_depth` or the search's limits, or allow it more time.",
    ),
    Fault.STORAGE: FaultText(
        "cannot write",
        "A press, a plan or a configuration could not be saved: the disk is full or broken.",
        "Free some space in the home's file system; `df -h ~/.arduino-trader` shows it.",
    ),
    Fault.HOME: FaultText(
        "no home",
        "The home folder is missing, cannot be read, or contains no portfolio.",
        "Run `trader init`, or fix the owner of the folder.",
    ),
    Fault.CONFIG: FaultText(
        "no config",
        "The bucket has no valid configuration, not even an older one.",
        "Run `trader config check`: it shows file, line and the allowed values.",
    ),
    Fault.DATA: FaultText(
        "bad data",
        "The portfolio or the market data of the bucket cannot be used.",
        "Run `trader plan BUCKET`: it shows file, line and the error.",
    ),
    Fault.PRESS_LOST: FaultText(
        "press lost",
        "The board counted presses that never reached the host.",
        "Press again; if it happens again, test the cable with `trader board info`.",
    ),
    Fault.NO_PLAN: FaultText(
        "plan overdue",
        "No plan succeeded for longer than `device.toml` allows.",
        "Run `trader plan BUCKET` and fix the reported problems.",
    ),
    Fault.INTERNAL: FaultText(
        "internal",
        "An unexpected error in the daemon; the part that failed was restarted.",
        "Read the details: `trader events tail --type InternalError --json`.",
    ),
    Fault.FIRMWARE: FaultText(
        "firmware",
        "The board's firmware uses another version of the link's protocol.",
        "Install the firmware that came with this version of the host: `trader board flash`.",
    ),
    Fault.CLOCK: FaultText(
        "wrong clock",
        "The clock is behind a time that was already recorded, so today's date is unknown.",
        "Set it: `timedatectl set-ntp true`, or `date -s`; then restart the daemon.",
    ),
}
