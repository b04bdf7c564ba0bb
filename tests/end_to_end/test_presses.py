"""A press in the whole appliance, with plans that take as long as the test needs."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from host.home.home import create_home
from host.simulation.appliance import Simulation
from tests.end_to_end.promises import (
    TAMPERED,
    assert_promises,
    kill_worker,
    kill_worker_twice,
    of_type,
    quick,
    small_home,
    trader,
    wait_until,
)
from tools.chaos.promises import journal, plan_files

QUICK_HOLDS = "[buttons]\nhold_ms = 300\nlong_hold_ms = 1000\n"


def test_a_press_during_a_plan_joins_it_with_one_answer_and_one_trace_id(tmp_path: Path) -> None:
    home = small_home(tmp_path)
    with quick(home, plan_s=2.0) as appliance:
        appliance.press()
        appliance.wait_for("daemon", "PlanRequested")
        appliance.press()
        joined = appliance.wait_for("daemon", "PressJoined")
        appliance.wait_for("daemon", "FrameShown")
        appliance.stop_daemon()
    assert_promises(home)
    (plan,) = plan_files(home)
    assert plan.stem.endswith(joined.record["trace_id"])
    assert joined.record["data"]["press_trace_id"] != joined.record["trace_id"]


def test_a_press_that_arrives_late_is_recorded_and_not_executed(tmp_path: Path) -> None:
    home = small_home(tmp_path, "[limits]\npress_age_s = 1\n")
    with quick(home) as appliance:
        appliance.command_board("unplug", ms=2000)
        appliance.wait_for("daemon", "PortMissing")
        appliance.press()
        appliance.wait_for("daemon", "PressExpired")
        appliance.press()
        appliance.wait_for("daemon", "PlanStored")
        appliance.stop_daemon()
    assert_promises(home)
    assert len(plan_files(home)) == 1
    assert len(of_type(home, "ButtonEdge")) == 4


def test_a_press_whose_release_waits_on_the_board_is_a_press_and_not_a_hold(
    tmp_path: Path,
) -> None:
    home = small_home(tmp_path, QUICK_HOLDS)
    with quick(home) as appliance:
        appliance.command_board("down")
        appliance.wait_for("board", "edge_acked")
        appliance.command_board("unplug", ms=1800)
        appliance.command_board("up")
        appliance.wait_for("daemon", "PlanStored")
        appliance.stop_daemon()
    assert_promises(home)
    assert [r.data["gesture"] for r in of_type(home, "PlanRequested")] == ["short"]


def test_a_long_hold_cancels_the_plan_under_way(tmp_path: Path) -> None:
    home = small_home(tmp_path, QUICK_HOLDS)
    with quick(home, plan_s=60) as appliance:
        appliance.press()
        appliance.wait_for("daemon", "PlanRequested")
        appliance.press(ms=1500)
        appliance.wait_for("daemon", "PlanCancelled")
        appliance.stop_daemon()
    assert_promises(home)
    assert plan_files(home) == []


def test_a_hold_changes_the_bucket_and_a_restart_keeps_it(tmp_path: Path) -> None:
    home = small_home(tmp_path, QUICK_HOLDS)
    with quick(home) as appliance:
        appliance.press(ms=500)
        appliance.wait_for("daemon", "BucketSelected", where=lambda r: r["bucket_id"] == "other")
        appliance.stop_daemon()
        assert (home / "state" / "selected_bucket").read_text(encoding="utf-8") == "other\n"
        appliance.restart_daemon(trader())
        appliance.wait_until_ready()
        appliance.press()
        appliance.wait_for("daemon", "PlanStored")
        appliance.stop_daemon()
    assert_promises(home)
    assert plan_files(home)[0].parent.name == "other"


def test_the_next_page_is_shown_after_a_double_press(tmp_path: Path) -> None:
    home = small_home(tmp_path)
    with quick(home) as appliance:
        appliance.press()
        summary = appliance.wait_for_answer().frame
        appliance.press_twice()
        appliance.wait_for("daemon", "PageTurned")
        wait_until(lambda: appliance.levels != summary, appliance)
        appliance.stop_daemon()
    assert len(of_type(home, "PlanRequested")) == 1


def test_a_port_may_be_missing_at_the_start_vanish_and_come_back(tmp_path: Path) -> None:
    home = small_home(tmp_path)
    appliance = quick(home)
    try:
        appliance.start_daemon()
        appliance.wait_for("daemon", "PortMissing")
        appliance.start_board()
        appliance.wait_for("daemon", "BoardConnected")
        appliance.command_board("unplug", ms=500)
        appliance.wait_for("daemon", "PortMissing")
        appliance.wait_for("daemon", "BoardConnected")
        appliance.press()
        assert appliance.wait_for_answer().plan["outcome"] == "PLANNED"
        appliance.stop_daemon()
    finally:
        appliance.close()
    assert_promises(home)


def test_garbage_and_a_reset_of_the_board_cost_no_press(tmp_path: Path) -> None:
    home = small_home(tmp_path)
    with quick(home) as appliance:
        appliance.command_board("garbage", bytes=400)
        appliance.press()
        first = appliance.wait_for_answer()
        appliance.command_board("reset")
        appliance.wait_for("daemon", "BoardConnected")
        appliance.press()
        second = appliance.wait_for_answer()
        appliance.stop_daemon()
    assert_promises(home)
    assert first.trace_id != second.trace_id
    assert len(plan_files(home)) == 2


def test_a_reset_while_the_button_is_down_gives_the_press_up_and_says_so(tmp_path: Path) -> None:
    home = small_home(tmp_path)
    with quick(home) as appliance:
        appliance.command_board("down")
        appliance.wait_for("board", "edge_acked")
        appliance.command_board("reset")
        appliance.wait_for("daemon", "PressDropped")
        appliance.command_board("up")
        appliance.press()
        appliance.wait_for_answer()
        appliance.stop_daemon()
    assert_promises(home)
    assert len(plan_files(home)) == 1


def test_the_board_itself_shows_that_the_daemon_is_silent(tmp_path: Path) -> None:
    home = small_home(tmp_path)
    with quick(home) as appliance:
        appliance.press()
        appliance.wait_for_answer()
        appliance.stop_daemon(kill=True)
        stale = appliance.wait_for("board", "stale").record["levels"]
        assert appliance.levels == stale
        appliance.restart_daemon(trader())
        appliance.wait_for("board", "frame")
        assert appliance.levels != stale


def test_a_plan_in_flight_does_not_keep_the_daemon_from_stopping(tmp_path: Path) -> None:
    home = small_home(tmp_path)
    with quick(home, plan_s=600) as appliance:
        appliance.press()
        appliance.wait_for("daemon", "PlanRequested")
        assert appliance.daemon is not None
        appliance.daemon.terminate()
        assert appliance.wait_for_daemon_end(timeout_s=20) == 0
        types = [record.event_type for record in journal(home)]
        assert types[-2:] == ["PlanRequested", "DaemonStopped"], "it is open, for the next start"


def test_a_second_daemon_in_the_same_home_is_refused_with_a_clear_message(tmp_path: Path) -> None:
    home = small_home(tmp_path)
    with quick(home) as appliance:
        assert appliance.daemon is not None
        command = (*trader(), "--home", str(home), "run", "--port", appliance.port)
        second = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert second.returncode == 1
        assert f"process {appliance.daemon.pid}" in second.stderr
        assert len(second.stderr.strip().splitlines()) == 1


def test_a_worker_that_dies_twice_costs_one_plan_and_is_replaced(tmp_path: Path) -> None:
    home = small_home(tmp_path)
    with quick(home, plan_s=60) as appliance:
        assert appliance.daemon is not None
        appliance.press()
        appliance.wait_for("daemon", "PlanRequested")
        kill_worker_twice(appliance)
        failed = appliance.wait_for("daemon", "PlanFailed")
        appliance.wait_for("daemon", "WorkerReady")
        appliance.stop_daemon()
    assert_promises(home)
    assert failed.record["data"]["code"] == "worker_died"


def test_a_worker_that_is_killed_once_costs_nothing_but_time(tmp_path: Path) -> None:
    home = small_home(tmp_path)
    with quick(home, plan_s=1.0) as appliance:
        appliance.press()
        requested = appliance.wait_for("daemon", "PlanRequested")
        kill_worker(appliance)
        answer = appliance.wait_for_answer()
        appliance.stop_daemon()
    assert_promises(home)
    assert answer.trace_id == requested.record["trace_id"]
    assert of_type(home, "PlanFailed", "BreakerChanged") == []


def test_an_unexpected_error_ends_the_plan_and_nothing_else(tmp_path: Path) -> None:
    home = small_home(tmp_path)
    command = (sys.executable, TAMPERED, json.dumps({"fails_to_save": True}))
    with Simulation(home, daemon=command) as appliance:
        for _ in range(2):
            appliance.press()
            failed = appliance.wait_for("daemon", "PlanFailed")
            assert failed.record["data"]["code"] == "internal"
            assert "out of order" in failed.record["data"]["lines"][0]
            appliance.pump_for(1.5)  # it would be tried again after a second
        appliance.stop_daemon()
    assert_promises(home)
    assert len(of_type(home, "PlanFailed")) == 2


def test_a_plan_beyond_its_deadline_is_stopped_and_said_to_be(tmp_path: Path) -> None:
    home = small_home(tmp_path, "[limits]\nplan_deadline_s = 1\n")
    with quick(home, plan_s=600) as appliance:
        appliance.press()
        failed = appliance.wait_for("daemon", "PlanFailed")
        appliance.wait_for("daemon", "WorkerReady")
        appliance.stop_daemon()
    assert_promises(home)
    assert failed.record["data"]["code"] == "overrun"


def test_the_real_worker_does_not_outlive_its_daemon(tmp_path: Path) -> None:
    with Simulation(create_home(tmp_path / "home", demo=True).home.root) as appliance:
        assert appliance.daemon is not None
        children = Path(f"/proc/{appliance.daemon.pid}/task/{appliance.daemon.pid}/children")
        workers = [Path(f"/proc/{pid}") for pid in children.read_text(encoding="ascii").split()]
        assert workers
        appliance.stop_daemon(kill=True)
        deadline_s = time.monotonic() + 20
        while any(is_running(worker) for worker in workers):
            assert time.monotonic() < deadline_s
            time.sleep(0.05)


def is_running(process: Path) -> bool:
    """Return whether the process of a folder in /proc runs; a dead one may wait for its parent.

    That parent is pytest itself, where another test has made it adopt orphans.
    """
    try:
        status = (process / "stat").read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return False
    # The state stands behind the name, which is in parentheses.
    return status.rpartition(")")[2].split()[0] != "Z"


def test_a_double_press_leaves_no_trace_of_the_plan_that_was_begun_for_its_first_press(
    tmp_path: Path,
) -> None:
    home = small_home(tmp_path)
    with quick(home, plan_s=0.05) as appliance:
        appliance.press_twice()
        appliance.wait_for("daemon", "PageTurned")
        appliance.pump_for(1.0)
        assert of_type(home, "PlanRequested", "PlanStored", "PlanCancelled", "PlanFailed") == []
        assert plan_files(home) == []
        appliance.press()
        answer = appliance.wait_for_answer()
        appliance.stop_daemon()
    assert_promises(home)
    (stored,) = of_type(home, "PlanStored")
    assert stored.trace_id == answer.trace_id


def test_a_second_button_does_not_take_the_plan_of_the_first(tmp_path: Path) -> None:
    home = small_home(tmp_path)
    with quick(home, plan_s=0.3) as appliance:
        appliance.press()
        appliance.pump_for(0.2)
        appliance.command_board("press", button=1, ms=100)
        first = appliance.wait_for("daemon", "PlanRequested")
        stored = appliance.wait_for("daemon", "PlanStored")
        appliance.wait_for("daemon", "FrameShown")
        appliance.stop_daemon()
    assert_promises(home)
    assert stored.record["trace_id"] == first.record["trace_id"]
    assert of_type(home, "PlanCancelled", "PlanFailed") == []


def test_a_worker_that_dies_on_a_guess_costs_the_press_nothing(tmp_path: Path) -> None:
    home = small_home(tmp_path, "[buttons]\ndouble_window_ms = 1400\nhold_ms = 1500\n")
    with quick(home, plan_s=0.5) as appliance:
        assert appliance.daemon is not None
        appliance.press()
        wait_until(lambda: len(of_type(home, "ButtonEdge")) == 2, appliance)
        kill_worker(appliance)
        appliance.wait_for("daemon", "PlanStored")
        appliance.stop_daemon()
    assert_promises(home)
    assert of_type(home, "PlanFailed") == []
