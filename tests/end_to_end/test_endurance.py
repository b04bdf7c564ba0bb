"""Many presses on the Yun's firmware and one daemon: nothing is lost, and nothing grows."""

from __future__ import annotations

from pathlib import Path

import pytest

from host.simulation.appliance import AVR_COMMAND
from tools.endurance import Endured, press_often

GROWTH_MAX_KB = 64.0
"""Per 100 presses: a leak of one plan, 60 KB as JSON, would be a hundred times as much."""


@pytest.mark.usefixtures("avr")
def test_twelve_presses_in_a_row_give_twelve_plans(tmp_path: Path) -> None:
    result = press_often(tmp_path, 12, AVR_COMMAND, look_every=3)
    assert result.broken == []
    assert (result.presses, result.plans) == (12, 12)
    assert len(result.daemon_mb) == len(result.worker_mb) == 3


@pytest.mark.soak
@pytest.mark.usefixtures("avr")
def test_a_thousand_presses_lose_nothing_and_nothing_grows(tmp_path: Path) -> None:
    result = press_often(tmp_path, 1_000, AVR_COMMAND)
    assert result.broken == []
    assert result.plans == 1_000
    assert Endured.growth_kb(result.daemon_mb) < GROWTH_MAX_KB, result.daemon_mb
    assert Endured.growth_kb(result.worker_mb) < GROWTH_MAX_KB, result.worker_mb


@pytest.mark.parametrize(
    ("memory_mb", "growth_kb"),
    [([40.0, 40.0, 40.0], 0.0), ([40.0, 41.0, 42.0], 1024.0), ([40.0, 48.0, 40.0, 40.0], 0.0)],
)
def test_growth_is_what_comes_again_and_again_not_what_comes_once(
    memory_mb: list[float], growth_kb: float
) -> None:
    assert Endured.growth_kb(memory_mb) == pytest.approx(growth_kb)
