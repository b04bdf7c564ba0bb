"""The check of the clock."""

from __future__ import annotations

import ctypes
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from host.health import clock_check
from host.health.clock_check import EARLIEST, clock_problem, last_close_day
from host.home.home import Home

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize("now", [datetime.fromtimestamp(0, UTC), EARLIEST - timedelta(seconds=1)])
def test_a_clock_before_this_program_is_wrong(now: datetime) -> None:
    assert "before this program" in str(clock_problem(now, {}))


@pytest.mark.parametrize(
    ("late", "is_behind"),
    [
        (timedelta(hours=-9), False),
        (timedelta(minutes=59), False),
        (timedelta(minutes=61), True),
        (timedelta(days=400), True),
    ],
)
def test_a_clock_is_behind_when_something_on_disk_is_newer(
    late: timedelta, is_behind: bool
) -> None:
    problem = clock_problem(NOON, {"a plan": NOON + late, "a record": NOON - timedelta(days=9)})
    assert (problem is not None) == is_behind
    assert not is_behind or "a plan" in str(problem)


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
    close_day = last_close_day(home)
    assert (None if close_day is None else f"{close_day:%Y-%m-%d}") == day


def test_a_home_without_prices_is_no_evidence(tmp_path: Path) -> None:
    assert last_close_day(Home(tmp_path)) is None


def test_the_disk_does_not_count_where_a_time_server_keeps_the_clock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clock_check, "is_synchronised", lambda: True)
    assert clock_problem(NOON, {"a plan": NOON + timedelta(days=400)}) is None
    assert clock_problem(EARLIEST - timedelta(seconds=1), {}) is not None


@pytest.mark.parametrize(("state", "is_kept"), [(0, True), (4, True), (5, False), (-1, False)])
def test_the_kernel_reports_whether_a_time_server_keeps_the_clock(
    monkeypatch: pytest.MonkeyPatch, state: int, is_kept: bool
) -> None:
    class Libc:
        @staticmethod
        def adjtimex(timex: ctypes.Array[ctypes.c_char]) -> int:
            assert timex.raw == bytes(len(timex)), "read, set nothing"
            return state

    monkeypatch.undo()  # ask it after all
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: Libc)
    assert clock_check.is_synchronised() is is_kept


def test_without_adjtimex_the_clock_is_not_synchronised(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: object())
    assert clock_check.is_synchronised() is False
