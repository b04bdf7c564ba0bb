"""Dims the matrix for the night: looks at the clock at every whole minute, and no more often.

A board's clock may be set while the daemon runs, by the network at the latest; a timer for the
evening would not notice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from host.display.daylight import lighting_at, next_look_s

if TYPE_CHECKING:
    from host.configuration.device import DisplayTable
    from host.daemon.screen import Screen


class NightWatch:
    """Keeps the screen's lighting as `device.toml` wants it at this time of day."""

    def __init__(self, display: DisplayTable, screen: Screen, now: Callable[[], datetime]) -> None:
        self._display = display
        self._night = display.hours()
        self._screen = screen
        self._now = now

    async def serve(self) -> None:
        """Look at the clock for ever."""
        # The clock on the wall tells nobody that it is evening.
        while True:  # noqa: ASYNC110 - time passes; there is no event to wait for
            await asyncio.sleep(self.look())

    def look(self) -> float:
        """Set the light that holds now; return the seconds until the next look."""
        now, display = self._now(), self._display
        lighting = lighting_at(now, display.brightness, display.night_brightness, self._night)
        if lighting != self._screen.state.lighting:
            self._screen.update(self._screen.state.with_lighting(lighting))
        return next_look_s(now)
