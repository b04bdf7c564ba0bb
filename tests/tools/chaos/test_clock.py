"""The wall clock of an appliance is set, and no other."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tools.chaos.clock import WallClock

SAY = """
import datetime, sys, time
for _ in sys.stdin:
    now = datetime.datetime.now(datetime.UTC).isoformat()
    print(now, time.time(), time.monotonic(), flush=True)
"""
DAY_S = 86_400


@pytest.mark.parametrize("by_s", [DAY_S, -18_250 * DAY_S])
def test_a_process_that_runs_sees_its_wall_clock_jump_and_its_other_clocks_go_on(
    tmp_path: Path, by_s: int
) -> None:
    clock = WallClock(tmp_path)
    command = ("env", *clock.environment, sys.executable, "-c", SAY)
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def answer() -> tuple[datetime, float, float]:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write("?\n")
            process.stdin.flush()
            now, seconds, monotonic_s = process.stdout.readline().split()
            return datetime.fromisoformat(now), float(seconds), float(monotonic_s)

        right, _, before_s = answer()
        assert abs(right - datetime.now(UTC)) < timedelta(minutes=1)
        clock.set(by_s)
        wrong, seconds, after_s = answer()
        assert abs(wrong - right - timedelta(seconds=by_s)) < timedelta(minutes=1)
        assert abs(seconds - wrong.timestamp()) < 60
        assert 0 <= after_s - before_s < 60
        assert abs(clock.now() - wrong) < timedelta(minutes=1)
