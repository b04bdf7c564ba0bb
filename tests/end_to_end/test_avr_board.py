"""The daemon with the Yun's firmware, executed: presses on its pin, pictures from its SPI bus."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from firmware_bridge.board_frames import stale_frame
from firmware_bridge.matrix import Frame
from firmware_bridge.max7219 import lit
from host.display.screens import result_screen
from host.simulation.appliance import AVR_COMMAND, Answer, Simulation
from tests.end_to_end.promises import assert_promises, of_type, small_home, trader, wait_until
from tools.chaos.promises import plan_files

pytestmark = pytest.mark.usefixtures("avr")

BUSY_MS = 1500
"""How long the tty is away: longer than the link goes on asking."""


def yun(home: Path, plan_s: float = 0.0) -> Simulation:
    return Simulation(home, board=AVR_COMMAND, daemon=trader(plan_s))


def shows_its_plan(answer: Answer) -> bool:
    """Return whether the LEDs are those of the plan's first page."""
    page = result_screen(answer.plan, 0).frame(0.0)
    return Frame.from_rows(answer.frame) == lit(page)


def test_a_press_on_the_pin_shows_the_plan_on_the_led_drivers(tmp_path: Path) -> None:
    home = small_home(tmp_path)
    with yun(home) as appliance:
        appliance.press()
        answer = appliance.wait_for_answer()
        appliance.stop_daemon()
        assert shows_its_plan(answer)
        stale = lit(stale_frame()).rows()
        wait_until(
            lambda: appliance.levels == stale and appliance.leds.get("alone", False), appliance
        )
    assert_promises(home)


def test_a_press_while_the_tty_is_gone_is_answered_when_it_is_there_again(tmp_path: Path) -> None:
    home = small_home(tmp_path)
    with yun(home) as appliance:
        appliance.command_board("unplug", ms=BUSY_MS)
        appliance.wait_for("daemon", "PortMissing")
        appliance.press()
        appliance.wait_for("daemon", "BoardConnected")
        assert shows_its_plan(appliance.wait_for_answer())
        appliance.stop_daemon()
    assert_promises(home)
    assert len(plan_files(home)) == 1
    assert of_type(home, "PressesLost", "PressDropped", "PressExpired") == []


def test_a_tty_that_vanishes_while_planning_costs_neither_the_plan_nor_its_picture(
    tmp_path: Path,
) -> None:
    home = small_home(tmp_path)
    with yun(home, plan_s=1.0) as appliance:
        appliance.press()
        appliance.wait_for("daemon", "PlanRequested")
        appliance.command_board("unplug", ms=BUSY_MS)
        appliance.wait_for("daemon", "PortMissing")
        assert shows_its_plan(appliance.wait_for_answer())
        appliance.stop_daemon()
    assert_promises(home)
    assert len(plan_files(home)) == 1


def test_a_reset_of_the_mcu_in_the_middle_of_planning_loses_nothing(tmp_path: Path) -> None:
    home = small_home(tmp_path)
    with yun(home, plan_s=1.0) as appliance:
        appliance.press()
        appliance.wait_for("daemon", "PlanRequested")
        appliance.command_board("reset")
        appliance.wait_for("daemon", "BoardConnected")
        first = appliance.wait_for_answer()
        assert shows_its_plan(first)
        appliance.press()
        second = appliance.wait_for_answer()
        appliance.stop_daemon()
    assert_promises(home)
    boots = [edge.data["boot_id"] for edge in of_type(home, "ButtonEdge")]
    assert len(set(boots)) == 2
    assert first.trace_id != second.trace_id


def test_presses_that_a_reset_took_are_counted_by_the_firmware_and_shown(tmp_path: Path) -> None:
    home = small_home(tmp_path)
    with yun(home) as appliance:
        appliance.command_board("unplug")
        appliance.wait_for("daemon", "PortMissing")
        appliance.press()
        wait_until(lambda: appliance.leds.get("event", False), appliance)
        appliance.pump_for(0.5)
        appliance.command_board("reset")
        appliance.wait_for("board", "reset")
        appliance.command_board("plug")
        lost = appliance.wait_for("daemon", "PressesLost")
        assert lost.record["data"]["edges_lost"] == 2
        appliance.stop_daemon()
    assert_promises(home)
    assert plan_files(home) == []


def test_noise_on_the_line_costs_time_and_no_press(tmp_path: Path) -> None:
    home = small_home(tmp_path)
    presses = 5
    with yun(home) as appliance:
        appliance.command_board("noise", rate=0.005, seed=7)
        for _ in range(presses):
            appliance.press()
            appliance.wait_for("daemon", "PlanStored")
        appliance.command_board("noise", rate=0)
        appliance.press()
        assert shows_its_plan(appliance.wait_for_answer())
        appliance.stop_daemon()
    assert_promises(home)
    assert len(plan_files(home)) == presses + 1


def test_a_dimmed_night_reaches_the_drivers(tmp_path: Path) -> None:
    all_day = 'night = "dim"\nnight_from = "00:00"\nnight_to = "00:00"\nnight_brightness = 1\n'
    home = small_home(tmp_path, f"[display]\nbrightness = 9\n{all_day}")
    with yun(home) as appliance:
        wait_until(lambda: appliance.brightness == 1, appliance)


def test_the_demo_executes_the_firmware_and_prints_its_leds() -> None:
    command = (sys.executable, "-P", "-m", "host.cli", "demo", "--board", "avr", "--once", "--json")
    completed = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert completed.returncode == 0, completed.stderr
    report = json.loads(completed.stdout)
    assert {level for row in report["frame"] for level in row} == {0, 7}
    page = result_screen(report["plan"], 0).frame(0.0)
    assert Frame.from_rows(report["frame"]) == lit(page)
