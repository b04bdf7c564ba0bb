"""Late plans, and the saved state of the monitor; all clocks are the test's."""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from host.appliance import health_monitor
from host.appliance.health_monitor import REMIND_S
from host.appliance.plan_service import CLEARED_BY_A_PLAN
from host.display.faults import Fault
from host.health.monitor_state import MonitorState, write_monitor_state
from host.home.plan_store import PlanStore
from tests.host.appliance.health_bench import DAY_S, NOON, Act, Bench


def test_late_plans_are_a_fault_until_one_succeeds(
    act: Act,
) -> None:
    async def scene(bench: Bench) -> None:
        bench.store("PLANNED")
        assert await bench.after(DAY_S - 1) == ()
        assert await bench.after(2) == (Fault.NO_PLAN_FOR_LONG,)
        assert list(bench.saved_state.faults) == [Fault.NO_PLAN_FOR_LONG]
        bench.store("HELD")
        assert await bench.after(2) == (Fault.NO_PLAN_FOR_LONG,)
        bench.store("NOTHING_TO_DO")
        assert await bench.after(2) == ()
        assert await bench.after(DAY_S + 1) == (Fault.NO_PLAN_FOR_LONG,)

    act(scene)


def test_a_plan_of_the_selected_bucket_is_expected_from_the_first_start_on(
    act: Act,
) -> None:
    async def scene(bench: Bench) -> None:
        assert await bench.after(1) == ()
        assert list(bench.saved_state.watched) == ["core"]
        assert await bench.after(DAY_S + 1) == (Fault.NO_PLAN_FOR_LONG,)
        bench.store("PLANNED")
        assert await bench.after(1) == ()
        assert dict(bench.saved_state.watched) == {}

    act(scene)


def test_a_home_with_nothing_to_plan_is_a_fault_until_there_is_something(
    act: Act,
) -> None:
    async def scene(bench: Bench) -> None:
        core = bench.home.portfolio_file("core")
        for path in list(bench.home.portfolios_dir.iterdir()):
            path.unlink()
        assert await bench.after(1) == (Fault.HOME_MISSING,)
        core.write_text("# empty\n", "utf-8")
        assert await bench.after(1) == ()

    act(scene)


def test_faults_of_the_monitor_are_not_cleared_by_a_plan() -> None:
    """A held plan is an answer, and no success: it must not hide that plans are late."""
    assert CLEARED_BY_A_PLAN.isdisjoint(
        {Fault.NO_PLAN_FOR_LONG, Fault.CLOCK_IN_PAST, Fault.HOME_MISSING}
    )


def test_the_next_daemon_goes_on_waiting_where_the_last_one_was(act: Act) -> None:
    async def first(bench: Bench) -> None:
        await bench.after(1)

    async def second(bench: Bench) -> None:
        bench.passed_s = DAY_S + 60
        assert await bench.after(1) == (Fault.NO_PLAN_FOR_LONG,)

    act(first)
    act(second)


def test_no_plan_is_overdue_without_a_limit(act: Act) -> None:
    async def scene(bench: Bench) -> None:
        bench.store("PLANNED")
        assert await bench.after(400 * DAY_S) == ()

    act(scene, silence_h=0.0)


def test_an_acknowledged_fault_about_late_plans_comes_back_after_a_day(
    act: Act,
) -> None:
    async def scene(bench: Bench) -> None:
        bench.store("PLANNED")
        assert await bench.after(DAY_S + 1) == (Fault.NO_PLAN_FOR_LONG,)
        await bench.after(1)
        bench.screen.clear_faults(Fault.NO_PLAN_FOR_LONG)
        assert await bench.after(REMIND_S / 2) == ()
        assert await bench.after(REMIND_S / 2 + 1) == (Fault.NO_PLAN_FOR_LONG,)
        await bench.after(1)
        bench.screen.clear_faults(Fault.NO_PLAN_FOR_LONG)
        assert await bench.after(REMIND_S / 2) == ()

    act(scene)


def test_a_board_that_begins_in_1970_does_not_count_the_years_when_its_clock_is_set(
    act: Act,
) -> None:
    async def in_the_past(bench: Bench) -> None:
        bench.set_by_s = -NOON.timestamp()
        assert await bench.after(1) == (Fault.CLOCK_IN_PAST,)
        assert dict(bench.saved_state.watched) == {}

    async def set_right(bench: Bench) -> None:
        assert await bench.after(1) == ()

    act(in_the_past)
    act(set_right)


def test_a_fault_keeps_the_time_since_when_it_is_shown(act: Act) -> None:
    async def scene(bench: Bench) -> None:
        bench.screen.add_fault(Fault.CANNOT_WRITE)
        await bench.after(1)
        since = bench.saved_state.faults[Fault.CANNOT_WRITE]
        bench.screen.add_fault(Fault.WORKER_DIED)
        await bench.after(60)
        assert bench.saved_state.faults[Fault.CANNOT_WRITE] == since
        assert bench.saved_state.faults[Fault.WORKER_DIED] == since + timedelta(seconds=60)
        bench.screen.clear_faults(Fault.CANNOT_WRITE)
        await bench.after(1)
        assert list(bench.saved_state.faults) == [Fault.WORKER_DIED]

    act(scene)


def test_what_has_not_changed_is_not_written_again_at_once(act: Act) -> None:
    async def scene(bench: Bench) -> None:
        await bench.after(1)
        first = bench.saved_state.saved_at
        await bench.after(60)
        assert bench.saved_state.saved_at == first
        await bench.after(health_monitor.SAVE_S)
        assert bench.saved_state.saved_at != first

    act(scene)


def test_a_disk_that_refuses_is_reported_once_and_tried_again(act: Act, tmp_path: Path) -> None:
    async def scene(bench: Bench) -> None:
        shutil.rmtree(tmp_path / "state")
        (tmp_path / "state").write_text("in the way", "utf-8")
        await bench.after(1)
        await bench.after(1)
        assert bench.event_types.count("StateNotKept") == 1
        (tmp_path / "state").unlink()
        await bench.after(1)
        assert bench.saved_state.port == "/dev/board"

    act(scene)


def test_the_end_in_order_is_remembered_with_all_that_was_known(act: Act) -> None:
    async def scene(bench: Bench) -> None:
        write_monitor_state(bench.home.state_dir, MonitorState(findings={"a||": NOON}))
        bench.monitor._has_restored = False
        bench.passed_s = 9.0
        bench.monitor.record_end()
        assert bench.saved_state.stopped_at == NOON + timedelta(seconds=9)
        assert bench.saved_state.findings == {"a||": NOON}

    act(scene)


def test_a_finding_keeps_its_since_while_it_is_found_and_is_forgotten_after(
    act: Act,
) -> None:
    async def scene(bench: Bench) -> None:
        disk = {"id": "disk_low", "bucket_id": None, "subject": None}
        jump = {"id": "price_jump", "bucket_id": "core", "subject": "AAA"}
        bench.monitor.note_findings([disk])
        bench.passed_s = 60.0
        bench.monitor.note_findings([disk, jump])
        await bench.after(0)
        later = NOON + timedelta(seconds=60)
        assert bench.saved_state.findings == {"disk_low||": NOON, "price_jump|core|AAA": later}
        bench.monitor.note_findings([jump])
        await bench.after(1)
        assert bench.saved_state.findings == {"price_jump|core|AAA": later}

    act(scene)


def test_the_status_line_says_what_is_served_and_what_is_wrong(act: Act) -> None:
    async def scene(bench: Bench) -> None:
        await bench.after(1)
        assert bench.monitor.status() == (
            "degraded (no board): serving core, no board at /dev/board"
        )
        bench.screen.update(bench.screen.state.with_link(is_linked=True))
        assert bench.monitor.status() == "serving core, board linked"
        bench.screen.add_fault(Fault.CANNOT_WRITE)
        assert bench.monitor.status().startswith("degraded (fault 3 cannot write): serving core")

    act(scene)


def test_plans_are_read_again_only_when_one_came(act: Act, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    last_success = PlanStore.last_success

    def counted(store: PlanStore, bucket_id: str) -> datetime | None:
        read.append(bucket_id)
        return last_success(store, bucket_id)

    monkeypatch.setattr(PlanStore, "last_success", counted)

    async def scene(bench: Bench) -> None:
        bench.store("PLANNED")
        await bench.after(1)
        await bench.after(1)
        assert sorted(read) == ["core", "other"]
        bench.passed_s += 1
        bench.store("PLANNED")
        await bench.after(1)
        assert sorted(read) == ["core", "core", "other"]

    act(scene)
