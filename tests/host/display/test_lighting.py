"""Night by the clock on the wall: across midnight, across the changes of summer time."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from firmware_bridge.board_frames import stale_frame
from firmware_bridge.matrix import Frame
from host.display.lighting import Light, Night, dimmed_frame, lighting_at, next_check_s

BERLIN = ZoneInfo("Europe/Berlin")


def night(begins: str, ends: str, zone: ZoneInfo | None = BERLIN) -> Night:
    return Night(Light.DIM, time.fromisoformat(begins), time.fromisoformat(ends), zone)


def covered(hours: Night, begin: datetime, minutes: int) -> list[str]:
    """Return when night begins (+) and ends (-), minute by minute, in the zone's own words."""
    changes = []
    before = hours.covers(begin)
    for minute in range(1, minutes):
        at = begin + timedelta(minutes=minute)
        if hours.covers(at) is not before:
            before = not before
            changes.append(f"{'+' if before else '-'}{at.astimezone(BERLIN):%d %H:%M %z}")
    return changes


@pytest.mark.parametrize(
    ("begins", "ends", "expected"),
    [
        ("22:00", "07:00", ["-10 07:00 +0200", "+10 22:00 +0200"]),
        ("01:00", "05:30", ["+10 01:00 +0200", "-10 05:30 +0200"]),
        ("00:00", "06:00", ["-10 06:00 +0200"]),
        ("18:00", "00:00", ["+10 18:00 +0200"]),
        ("22:00", "22:00", []),
    ],
)
def test_a_night_begins_and_ends_at_its_minute_over_midnight_or_not(
    begins: str, ends: str, expected: list[str]
) -> None:
    midnight = datetime(2026, 6, 10, tzinfo=BERLIN)
    assert covered(night(begins, ends), midnight, 24 * 60) == expected


def test_the_same_time_twice_is_all_day() -> None:
    midnight = datetime(2026, 6, 10, tzinfo=BERLIN)
    assert all(night("22:00", "22:00").covers(midnight + timedelta(hours=h)) for h in range(24))


def test_a_night_keeps_its_hours_when_summer_time_begins_and_ends() -> None:
    two_days = 48 * 60
    spring = datetime(2026, 3, 28, 12, tzinfo=BERLIN).astimezone(UTC)
    assert covered(night("22:00", "07:00"), spring, two_days) == [
        *("+28 22:00 +0100", "-29 07:00 +0200", "+29 22:00 +0200", "-30 07:00 +0200"),
    ]
    autumn = datetime(2026, 10, 24, 12, tzinfo=BERLIN).astimezone(UTC)
    assert covered(night("22:00", "07:00"), autumn, two_days) == [
        *("+24 22:00 +0200", "-25 07:00 +0100", "+25 22:00 +0100", "-26 07:00 +0100"),
    ]


def test_an_hour_that_is_skipped_or_repeated_is_judged_by_what_the_wall_clock_shows() -> None:
    skipped = datetime(2026, 3, 28, 23, tzinfo=UTC)
    # 02:30 does not come: the clock goes from 02:00 to 03:00, which is night already.
    assert covered(night("02:30", "05:00"), skipped, 8 * 60) == [
        *("+29 03:00 +0200", "-29 05:00 +0200"),
    ]
    repeated = datetime(2026, 10, 24, 22, tzinfo=UTC)
    # 02:30 comes twice, and between the two it is 02:00 again.
    assert covered(night("02:30", "05:00"), repeated, 8 * 60) == [
        *("+25 02:30 +0200", "-25 02:00 +0100", "+25 02:30 +0100", "-25 05:00 +0100"),
    ]


def test_the_time_zone_decides_and_not_that_of_the_computer() -> None:
    at = datetime(2026, 6, 10, 20, 30, tzinfo=UTC)
    assert night("22:00", "07:00", BERLIN).covers(at)
    assert not night("22:00", "07:00", ZoneInfo("Europe/London")).covers(at)
    assert night("22:00", "07:00", ZoneInfo("Asia/Tokyo")).covers(at)


def test_by_night_the_light_is_what_was_asked_for_and_by_day_it_is_full() -> None:
    hours = Night(Light.OFF_BUT_FAULTS, time(22), time(7), BERLIN)
    evening = datetime(2026, 6, 10, 23, tzinfo=BERLIN)
    assert lighting_at(evening, 9, 1, hours).light is Light.OFF_BUT_FAULTS
    assert lighting_at(evening + timedelta(hours=9), 9, 1, hours).light is Light.FULL
    assert lighting_at(evening, 9, 1, hours).brightness == 9
    assert lighting_at(evening, 9, 1, hours).dim_brightness == 1


@pytest.mark.parametrize(("seconds", "left_s"), [(0, 60.0), (59.5, 0.5), (1, 59.0)])
def test_the_next_check_is_at_the_next_whole_minute(seconds: float, left_s: float) -> None:
    now = datetime(2026, 6, 10, 21, 59, tzinfo=UTC) + timedelta(seconds=seconds)
    assert next_check_s(now) == pytest.approx(left_s)


def test_a_picture_on_a_screen_is_darker_by_night_and_never_loses_what_is_lit() -> None:
    assert dimmed_frame(stale_frame(), 15) == stale_frame()
    assert dimmed_frame(stale_frame(), 0) == Frame.blank()
    full, dimmed = stale_frame().levels, dimmed_frame(stale_frame(), 2).levels
    assert all((a > 0) == (b > 0) and b <= a for a, b in zip(full, dimmed, strict=True))
    assert max(dimmed) < 4
