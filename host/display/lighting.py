"""How bright the matrix is at which time of day; no clock, the time is given.

Hours are those of the clock on the wall, in a time zone: a night from 22:00 to 07:00 begins at
22:00 whatever summer time does to it. It is decided by comparing times of day, so an hour that is
skipped or repeated needs no case of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, tzinfo

from firmware_bridge.matrix import Frame
from firmware_bridge.messages import BRIGHTNESS_MAX
from host.display.state import Light, Lighting

LOOK_EVERY_S = 60
"""Hours are given in whole minutes, and whoever sets the clock is noticed within one."""


@dataclass(frozen=True, slots=True)
class Night:
    """Which light holds from one time of day to another; the same time twice is all day.

    Parameters
    ----------
    light : Light
    begins, ends : datetime.time
        Over midnight if it begins later than it ends. The minute of `ends` is day.
    zone : tzinfo, optional
        Of these times; None: the one that this computer is set to.
    """

    light: Light
    begins: time
    ends: time
    zone: tzinfo | None = None

    def covers(self, now: datetime) -> bool:
        """Tell whether it is night; `now` is aware."""
        at = now.astimezone(self.zone).time()
        if self.begins < self.ends:
            return self.begins <= at < self.ends
        return at >= self.begins or at < self.ends


def lighting_at(now: datetime, by_day: int, dimmed: int, night: Night) -> Lighting:
    """Return how bright the matrix is at a time.

    Parameters
    ----------
    now : datetime, aware
    by_day, dimmed : int, 0 to 15
    night : Night
    """
    return Lighting(by_day, dimmed, night.light if night.covers(now) else Light.FULL)


def next_look_s(now: datetime) -> float:
    """Return the seconds until the next whole minute, more than none."""
    return LOOK_EVERY_S - now.second - now.microsecond / 1e6


def seen(frame: Frame, brightness: int) -> Frame:
    """Return a frame as the eye sees it at a brightness, for pictures on a screen."""
    if brightness == 0:
        return Frame.blank()
    share = (brightness + 1) / (BRIGHTNESS_MAX + 1)
    return Frame(bytes(level and max(1, round(level * share)) for level in frame.levels))
