"""kill -9 at random moments of every command that writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.crash.killed import ACTS, kill_loop
from tools.crash.writers import IN_PLACE

SLOWLY = IN_PLACE.replace("pause_s=0.0", "pause_s=0.01")


def test_a_writer_in_place_is_caught(tmp_path: Path) -> None:
    assert kill_loop(tmp_path, 20, acts=ACTS[:1], prelude=SLOWLY).torn > 0


def test_thirty_kills_cost_nothing(tmp_path: Path) -> None:
    report = kill_loop(tmp_path, 30)
    assert report.points == 30 > 2 * len(ACTS)
    assert report.is_clean, report.failures


@pytest.mark.soak
def test_three_hundred_kills_cost_nothing(tmp_path: Path) -> None:
    report = kill_loop(tmp_path, 300, seed=2)
    assert report.points == 300
    assert report.is_clean, report.failures
