"""The daemon starts whatever it lacks, and says on the matrix, in log and health what."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from host.display.faults import Fault
from host.display.screens import fault_frame
from host.simulation.appliance import Simulation
from tests.end_to_end.hard_places import (
    FILL,
    READ_ONLY,
    WaitingSimulation,
    copy_of,
    health,
    ids,
    on_small_disk,
    without_network,
)
from tests.end_to_end.promises import (
    assert_promises,
    kill_worker_twice,
    of_type,
    quick,
    small_home,
    trader,
    wait_until,
)
from tools.chaos.promises import plan_files

FREE_LATER = '(until [ -e "$2"/free ]; do sleep 0.2; done; rm "$1"/ballast) & '
DAY_S = 86_400.0


def wait_for_fault(appliance: Simulation, fault: Fault) -> None:
    """Wait until the matrix shows the number of a fault."""
    shown = fault_frame(fault).rows()
    appliance.wait_for("board", "frame", where=lambda record: record["levels"] == shown)


def test_without_a_home_it_waits_says_so_and_serves_the_one_that_comes(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with WaitingSimulation(home) as appliance:
        wait_for_fault(appliance, Fault.HOME_MISSING)
        waiting = appliance.wait_for("daemon", "WaitingForHome")
        assert "no trader home found here" in waiting.record["data"]["problem"]
        assert ids(health(home)) >= {"home_missing"}
        appliance.press()
        small_home(home)
        # The press waited on the board; it is younger than 10 s or it is reported as too old.
        appliance.wait_for_any("daemon", {"PlanStored", "PressExpired"})
        appliance.stop_daemon()
    assert_promises(home)


def test_a_daemon_that_waits_can_be_stopped(tmp_path: Path) -> None:
    with WaitingSimulation(tmp_path / "home") as appliance:
        appliance.wait_for("daemon", "WaitingForHome")
        assert appliance.stop_daemon() == 0
        appliance.wait_for("daemon", "DaemonStopped")
    assert not (tmp_path / "home").exists()


def test_on_a_read_only_home_it_shows_that_nothing_can_be_kept(tmp_path: Path) -> None:
    home = small_home(tmp_path / "home")
    with WaitingSimulation(home, on_small_disk(READ_ONLY, home, trader())) as appliance:
        wait_for_fault(appliance, Fault.CANNOT_WRITE)
        waiting = appliance.wait_for("daemon", "WaitingForHome")
        assert "read-only" in waiting.record["data"]["problem"]
        appliance.press()
        appliance.pump_for(1.0)
        assert not [e for e in appliance.events if e.kind == "edge_acked"]
        assert appliance.stop_daemon() == 0
    report = health(home, within=on_small_disk(READ_ONLY, home, ()))
    assert "cannot_write" in ids(report)
    assert report["ready"] is False


def test_on_a_full_disk_it_starts_degraded_and_recovers_by_itself(tmp_path: Path) -> None:
    home = small_home(tmp_path / "home")
    with WaitingSimulation(home, on_small_disk(FILL + FREE_LATER, home, trader())) as appliance:
        wait_for_fault(appliance, Fault.CANNOT_WRITE)
        appliance.press()
        copy_of(home).joinpath("free").touch()
        appliance.wait_for("daemon", "JournalMended")
        appliance.wait_for("daemon", "PlanStored")
        assert appliance.stop_daemon() == 0


def test_a_full_disk_stands_in_the_health(tmp_path: Path) -> None:
    home = small_home(tmp_path / "home")
    report = health(home, within=on_small_disk(FILL, home, ()))
    assert "cannot_write" in ids(report)
    assert report["status"] == "failed"


def test_without_a_board_it_runs_and_says_which_port_it_looks_at(tmp_path: Path) -> None:
    home = small_home(tmp_path / "home")
    appliance = WaitingSimulation(home)
    try:
        appliance.start_daemon()
        missing = appliance.wait_for("daemon", "PortMissing")
        assert appliance.port in missing.record["data"]["port"]
        wait_until((home / "state" / "health.json").exists, appliance)
        report = health(home)
        assert report["live"] is True
        assert "board_missing" in ids(report)
        assert report["ready"] is False
    finally:
        appliance.close()


def test_without_any_network_it_plans(tmp_path: Path) -> None:
    home = small_home(tmp_path / "home")
    with Simulation(home, daemon=without_network(trader())) as appliance:
        appliance.press()
        appliance.wait_for("daemon", "PlanStored")
        assert appliance.stop_daemon() == 0
    assert len(plan_files(home)) == 1


def test_with_a_clock_far_in_the_past_it_shows_that_and_clears_it_when_it_is_right(
    tmp_path: Path,
) -> None:
    home = small_home(tmp_path / "home")
    with Simulation(home, daemon=trader(clock_s=-10_000 * DAY_S)) as appliance:
        wait_for_fault(appliance, Fault.CLOCK_IN_PAST)
        wait_until(lambda: "clock_in_past" in ids(health(home)), appliance)
        report = health(home)
        assert Fault.CLOCK_IN_PAST.value in report["daemon"]["faults"]
        appliance.stop_daemon()
        appliance.restart_daemon(trader())
        appliance.wait_for("daemon", "BoardConnected")
        wait_until(lambda: health(home)["daemon"]["faults"] == [], appliance)
        assert appliance.stop_daemon() == 0


@pytest.mark.parametrize(
    ("plan_s", "deadline_s", "fault"),
    [(600.0, 1, Fault.PLAN_OVERRAN), (600.0, 60, Fault.WORKER_DIED)],
)
def test_a_fault_is_on_the_matrix_and_in_the_health_until_a_plan_mends_it(
    tmp_path: Path, plan_s: float, deadline_s: int, fault: Fault
) -> None:
    home = small_home(tmp_path / "home", f"[limits]\nplan_deadline_s = {deadline_s}\n")
    with quick(home, plan_s=plan_s) as appliance:
        appliance.press()
        requested = appliance.wait_for("daemon", "PlanRequested")
        if fault is Fault.WORKER_DIED:
            kill_worker_twice(appliance)
        appliance.wait_for("daemon", "PlanFailed")
        wait_for_fault(appliance, fault)
        wait_until(lambda: fault.value in health(home)["daemon"]["faults"], appliance)
        findings = [f for f in health(home)["findings"] if f["fault"] == fault.value]
        assert len(findings) == 1
        assert findings[0]["since"] >= requested.record["timestamp"][:19]
        appliance.stop_daemon()
        appliance.restart_daemon(trader())
        wait_for_fault(appliance, fault)
        appliance.press()
        appliance.wait_for("daemon", "PlanStored")
        wait_until(lambda: health(home)["daemon"]["faults"] == [], appliance)
        appliance.stop_daemon()
    assert len(of_type(home, "PlanFailed")) == 1


def test_the_tools_that_make_a_hard_place_are_here() -> None:
    assert shutil.which("unshare")
