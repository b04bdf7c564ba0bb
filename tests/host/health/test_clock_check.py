"""A clock that is behind what has been is found; one that may be right is left in peace."""

from __future__ import annotations

import ctypes
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from host.health import clock_check
from host.health.clock_check import EARLIEST, behind, last_close
from host.home.home import Home

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize("now", [datetime.fromtimestamp(0, UTC), EARLIEST - timedelta(seconds=1)])
def test_no_clock_is_right_that_is_before_this_program(now: datetime) -> None:
    assert "before this program" in str(behind(now, {}))


@pytest.mark.parametrize(
    ("late", "is_behind"),
    [
        (timedelta(hours=-9), False),
        (timedelta(minutes=59), False),
        (timedelta(minutes=61), True),
        (timedelta(days=400), True),
    ],
)
def test_a_clock_is_behind_when_something_on_disk_is_younger(
    late: timedelta, is_behind: bool
) -> None:
    found = behind(NOON, {"a plan": NOON + late, "a record": NOON - timedelta(days=9)})
    assert (found is not None) == is_behind
    assert not is_behind or "a plan" in str(found)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("date,AAA\n2026-11-19,1\n2026-11-20,2\n", "2026-11-20"),
        ("date,AAA\n2026-11-20,2\n\n \n", "2026-11-20"),
        ("date,AAA\n2026-11-20," + "2" * 5000 + "\n", None),
        ("date,AAA\n", None),
        ("", None),
        ("\xff\xff", None),
    ],
)
def test_the_last_close_is_read_from_the_end_of_the_file(
    tmp_path: Path, text: str, day: str | None
) -> None:
    home = Home(tmp_path)
    home.market_dir.mkdir()
    home.prices_file.write_bytes(text.encode("latin-1"))
    found = last_close(home)
    assert (None if found is None else f"{found:%Y-%m-%d}") == day


def test_a_home_without_prices_tells_nothing_of_the_time(tmp_path: Path) -> None:
    assert last_close(Home(tmp_path)) is None


def test_the_disk_is_not_asked_where_a_time_server_keeps_the_clock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clock_check, "is_synchronised", lambda: True)
    assert behind(NOON, {"a plan": NOON + timedelta(days=400)}) is None
    assert behind(EARLIEST - timedelta(seconds=1), {}) is not None


@pytest.mark.parametrize(("state", "is_kept"), [(0, True), (4, True), (5, False), (-1, False)])
def test_the_kernel_knows_whether_somebody_keeps_the_clock(
    monkeypatch: pytest.MonkeyPatch, state: int, is_kept: bool
) -> None:
    class Libc:
        @staticmethod
        def adjtimex(asked: ctypes.Array[ctypes.c_char]) -> int:
            assert asked.raw == bytes(len(asked)), "nothing is to be set"
            return state

    monkeypatch.undo()  # ask it after all
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: Libc)
    assert clock_check.is_synchronised() is is_kept


def test_where_the_kernel_cannot_be_asked_nobody_is_believed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: object())
    assert clock_check.is_synchronised() is False
