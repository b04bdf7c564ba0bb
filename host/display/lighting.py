"""The brightness of the matrix at each time of day; the time is passed in, no clock is read.

Hours are wall clock times in a time zone: a night from 22:00 to 07:00 begins at 22:00 in summer
time, too. Only times of day are compared, so a skipped or repeated hour needs no special case.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, tzinfo
from enum import StrEnum

from firmware_bridge.matrix import Frame
from firmware_bridge.messages import BRIGHTNESS_MAX

CHECK_EVERY_S = 60
"""Hours are whole minutes, and a clock that was set is noticed within one."""


class Light(StrEnum):
    """The light of the matrix: bright, dimmed or dark; a dark one may still show faults."""

    FULL = "full"
    DIM = "dim"
    OFF = "off"
    OFF_BUT_FAULTS = "off_but_faults"


@dataclass(frozen=True, slots=True)
class Lighting:
    """The brightness of the matrix.

    Parameters
    ----------
    brightness : int, 0 to 15
        By day.
    dim_brightness : int, 0 to 15
        When it is dimmed.
    light : Light
        Which of them applies now; the daemon knows the hours.
    """

    brightness: int = BRIGHTNESS_MAX
    dim_brightness: int = 2
    light: Light = Light.FULL


@dataclass(frozen=True, slots=True)
class Night:
    """The light from one time of day to another; twice the same time is all day.

    Parameters
    ----------
    light : Light
    begins, ends : datetime.time
        Over midnight if it begins later than it ends. The minute of `ends` is day.
    zone : tzinfo, optional
        Of these times; None: the time zone of this computer.
    """

    light: Light
    begins: time
    ends: time
    zone: tzinfo | None = None

    def covers(self, now: datetime) -> bool:
        """Return whether it is night; `now` is aware."""
        at = now.astimezone(self.zone).time()
        if self.begins < self.ends:
            return self.begins <= at < self.ends
        return at >= self.begins or at < self.ends


def lighting_at(now: datetime, by_day: int, dimmed: int, night: Night) -> Lighting:
    """Return the brightness at a time.

    Parameters
    ----------
    now : datetime, aware
    by_day, dimmed : int, 0 to 15
    night : Night
    """
    return Lighting(by_day, dimmed, night.light if night.covers(now) else Light.FULL)


def next_check_s(now: datetime) -> float:
    """Return the seconds until the next whole minute, always more than 0."""
    return CHECK_EVERY_S - now.second - now.microsecond / 1e6


def dimmed_frame(frame: Frame, brightness: int) -> Frame:
    """Return a frame with its levels scaled by a brightness, to draw it on a screen."""
    if brightness == 0:
        return Frame.blank()
    share = (brightness + 1) / (BRIGHTNESS_MAX + 1)
    # A lit LED stays visible on the screen, however dim it is.
    return Frame(bytes(level and max(1, round(level * share)) for level in frame.levels))
