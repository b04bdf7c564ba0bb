"""The evening comes by a clock that may be set: what is sent to the board, and when."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from firmware_bridge.matrix import Frame
from host.appliance.night_dimmer import NightDimmer
from host.appliance.screen import Screen
from host.display.compositor import AWAKE_S
from host.display.faults import Fault
from host.display.lighting import Light
from host.home.config.device_settings import DisplayTable, NightLight


class Evening:
    """A daemon's screen with a clock that the test sets."""

    def __init__(self, night: Light) -> None:
        self.now = datetime(2026, 10, 24, 19, 59, 30, tzinfo=UTC)  # 21:59:30 in Berlin
        self.sent: list[tuple[Frame, int]] = []
        self.screen = Screen(self._show)
        self.screen.update(self.screen.state.with_link(is_linked=True))
        display = DisplayTable(
            brightness=12,
            night=NightLight(night.value),
            night_brightness=3,
            time_zone="Europe/Berlin",
        )
        self.dimmer = NightDimmer(display, self.screen, lambda: self.now)

    def _show(self, frame: Frame, brightness: int) -> int:
        self.sent.append((frame, brightness))
        return len(self.sent)

    @property
    def brightness(self) -> int:
        return self.sent[-1][1]

    def update(self, **later: float) -> float:
        self.now += timedelta(**later)
        return self.dimmer.update()


def test_the_board_is_dimmed_at_the_minute_and_lit_in_the_morning_after_the_clocks_change() -> None:
    async def scenario() -> None:
        evening = Evening(Light.DIM)
        assert evening.update() == 30.0
        assert evening.brightness == 12
        assert evening.update(seconds=30) == 60.0
        assert evening.brightness == 3
        evening.update(hours=9, minutes=59)  # a night of ten hours: 06:59 of winter time
        assert evening.brightness == 3
        evening.update(minutes=1)
        assert evening.brightness == 12
        evening.screen.close()

    asyncio.run(scenario())


def test_a_clock_that_is_set_is_noticed_at_the_next_update() -> None:
    async def scenario() -> None:
        evening = Evening(Light.DIM)
        evening.now = datetime(1970, 1, 1, 0, 0, tzinfo=UTC)  # a board without a clock of its own
        evening.update()
        assert evening.brightness == 3
        evening.now = datetime(2026, 6, 10, 10, 0, tzinfo=UTC)
        evening.update()
        assert evening.brightness == 12
        evening.screen.close()

    asyncio.run(scenario())


def test_a_dark_night_lets_a_fault_through_and_nothing_else() -> None:
    async def scenario() -> None:
        evening = Evening(Light.OFF_BUT_FAULTS)
        evening.update(minutes=1)
        assert evening.sent[-1] == (Frame.blank(), 0)
        evening.screen.add_fault(Fault.CANNOT_WRITE)
        frame, brightness = evening.sent[-1]
        assert brightness == 3
        assert frame != Frame.blank()
        evening.screen.clear_faults(Fault.CANNOT_WRITE)
        assert evening.sent[-1] == (Frame.blank(), 0)
        evening.screen.close()

    asyncio.run(scenario())


def test_a_press_lights_a_dark_night_for_a_while() -> None:
    async def scenario() -> None:
        evening = Evening(Light.OFF)
        evening.update(minutes=1)
        state = evening.screen.state
        evening.screen.update(state.with_touch(evening.screen.now_s()))
        assert evening.brightness == 3
        evening.screen.update(state.with_touch(evening.screen.now_s() - AWAKE_S))
        assert evening.brightness == 0
        evening.screen.close()

    asyncio.run(scenario())


def test_nothing_is_sent_while_the_light_stays_the_same() -> None:
    async def scenario() -> None:
        evening = Evening(Light.FULL)
        evening.update()
        before = len(evening.sent)
        for _ in range(24):
            evening.update(hours=1)
        assert len(evening.sent) == before
        evening.screen.close()

    asyncio.run(scenario())
