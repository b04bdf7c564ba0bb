"""The time of day, and when it is not believed."""

from __future__ import annotations

import ctypes
from datetime import UTC, datetime, timedelta

import pytest

from host import clock
from host.clock import EARLIEST, clock_problem

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _without_time_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "is_synchronised", lambda: False)


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


def test_the_disk_does_not_count_where_a_time_server_keeps_the_clock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clock, "is_synchronised", lambda: True)
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
    assert clock.is_synchronised() is is_kept


def test_without_adjtimex_the_clock_is_not_synchronised(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: object())
    assert clock.is_synchronised() is False
