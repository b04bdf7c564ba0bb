"""A board whose firmware speaks another protocol: shown, reported and fixed."""

from __future__ import annotations

from pathlib import Path

from firmware_bridge.board_frames import incompatible_frame
from firmware_bridge.matrix import Frame
from host.simulation.appliance import BOARD_COMMAND, Simulation
from tests.end_to_end.promises import assert_promises, small_home, trader
from tools.chaos.promises import plan_files

OTHER = (*BOARD_COMMAND, "--protocol", "9")


def test_it_is_reported_once_with_its_remedy_and_the_board_shows_its_own_picture(
    tmp_path: Path,
) -> None:
    home = small_home(tmp_path)
    appliance = Simulation(home, board=OTHER, daemon=trader())
    try:
        appliance.start_board()
        appliance.start_daemon()
        event = appliance.wait_for("daemon", "FirmwareIncompatible").record
        assert event["severity"] == "ERROR"
        assert event["data"]["protocol"] == "9 to 9"
        assert event["data"]["protocol_of_host"] == "1 to 1"
        assert "trader board flash" in event["data"]["remedy"]
        shown = appliance.wait_for("board", "incompatible").record["levels"]
        assert Frame.from_rows(shown) == incompatible_frame()
        assert appliance.levels == shown
        appliance.pump_for(6.0)  # HELLO goes on, every 5 s
        repeats = [e for e in appliance.events if e.kind == "FirmwareIncompatible"]
        assert len(repeats) == 1
    finally:
        appliance.close()


def test_after_the_board_was_flashed_it_serves_without_a_restart_of_the_daemon(
    tmp_path: Path,
) -> None:
    home = small_home(tmp_path)
    appliance = Simulation(home, board=OTHER, daemon=trader())
    try:
        appliance.start_board()
        appliance.start_daemon()
        appliance.wait_for("daemon", "FirmwareIncompatible")
        appliance.restart_board(BOARD_COMMAND)
        appliance.wait_for("daemon", "BoardConnected")
        first = appliance.wait_for("board", "frame").record["levels"]
        assert Frame.from_rows(first) != incompatible_frame()
        appliance.press()
        assert appliance.wait_for_answer().plan["outcome"] == "PLANNED"
        appliance.stop_daemon()
    finally:
        appliance.close()
    assert_promises(home)
    assert len(plan_files(home)) == 1
