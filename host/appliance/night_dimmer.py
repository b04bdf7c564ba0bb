"""Dim the matrix for the night: compare the time of day with the night at every whole minute.

The clock of a board may be set while the daemon runs, for example by a time server. A timer for the
evening would not notice that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, time
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from host.display.lighting import Light, Night, lighting_at, next_check_s

if TYPE_CHECKING:
    from host.appliance.screen import Screen
    from host.home.config.device_settings import DisplayTable


def night_of(display: DisplayTable) -> Night:
    """Return the night of `device.toml` in the display's terms."""
    zone = ZoneInfo(display.time_zone) if display.time_zone else None
    begins, ends = (time.fromisoformat(at) for at in (display.night_from, display.night_to))
    return Night(Light(display.night.value), begins, ends, zone)


class NightDimmer:
    """Sets the screen's lighting to that of `device.toml` for the time of day."""

    def __init__(self, display: DisplayTable, screen: Screen, now: Callable[[], datetime]) -> None:
        self._display = display
        self._night = night_of(display)
        self._screen = screen
        self._now = now

    async def serve(self) -> None:
        """Update the lighting forever."""
        while True:  # noqa: ASYNC110 - time passes; there is no event to wait for
            await asyncio.sleep(self.update())

    def update(self) -> float:
        """Set the lighting for now; return the seconds until the next update."""
        now, display = self._now(), self._display
        lighting = lighting_at(now, display.brightness, display.night_brightness, self._night)
        if lighting != self._screen.state.lighting:
            self._screen.update(self._screen.state.with_lighting(lighting))
        return next_check_s(now)
