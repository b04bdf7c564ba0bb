"""Clock, disk, line and processes: events, faults and the state of the monitor."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from host import clock
from host.appliance import health_monitor
from host.appliance.health_monitor import WINDOW_S
from host.display.faults import Fault
from host.health.monitor_state import write_monitor_state
from tests.host.appliance.health_bench import DAY_S, NOON, Act, Bench


def test_a_clock_that_is_set_is_noticed_and_moves_no_deadline(act: Act) -> None:
    async def scene(bench: Bench) -> None:
        await bench.after(1)
        bench.set_by_s = 20 * 365 * DAY_S
        assert await bench.after(1) == ()
        jump = bench.saved_state.clock_jump
        assert jump is not None
        assert jump.by_s == pytest.approx(bench.set_by_s)
        assert "ClockJumped" in bench.event_types

    act(scene)


def test_a_clock_that_drifts_a_little_has_not_jumped(act: Act) -> None:
    async def scene(bench: Bench) -> None:
        bench.set_by_s = 59.0
        await bench.after(1)
        assert bench.saved_state.clock_jump is None

    act(scene)


def test_a_clock_behind_the_last_plan_is_a_fault_until_it_is_right(
    act: Act,
) -> None:
    async def scene(bench: Bench) -> None:
        bench.store("PLANNED")
        bench.set_by_s = -3 * DAY_S
        assert await bench.after(1) == (Fault.CLOCK_IN_PAST,)
        bench.set_by_s = 0.0
        assert await bench.after(1) == ()

    act(scene)


def test_a_clock_that_is_set_back_by_a_day_before_the_first_plan_is_a_fault_too(
    act: Act,
) -> None:
    async def scene(bench: Bench) -> None:
        await bench.after(1)
        bench.set_by_s = -DAY_S
        assert await bench.after(1) == (Fault.CLOCK_IN_PAST,)

    act(scene)


def test_a_clock_that_a_time_server_keeps_is_believed_whatever_stands_on_the_disk(
    act: Act, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(bench: Bench) -> None:
        bench.store("PLANNED")
        bench.set_by_s = -3 * DAY_S
        monkeypatch.setattr(clock, "is_synchronised", lambda: True)
        assert await bench.after(1) == ()
        bench.set_by_s = -20 * 365 * DAY_S
        assert await bench.after(1) == (Fault.CLOCK_IN_PAST,), (
            "no clock is right before the program"
        )

    act(scene)


def test_a_clock_that_was_set_while_no_daemon_ran_is_noticed_by_the_next_one(
    act: Act,
) -> None:
    async def before(bench: Bench) -> None:
        await bench.after(1)

    async def after(bench: Bench) -> None:
        bench.set_by_s = 2 * DAY_S
        await bench.after(1)
        jump = bench.saved_state.clock_jump
        assert jump is not None
        assert jump.by_s == pytest.approx(2 * DAY_S)

    async def after_a_boot(bench: Bench) -> None:
        bench.set_by_s = 9 * DAY_S
        await bench.after(1)
        jump = bench.saved_state.clock_jump
        assert jump is None or jump.by_s != pytest.approx(7 * DAY_S), "that clock began anew"

    act(before)
    act(after)
    other = Path(__file__)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(health_monitor, "boot_id", lambda: str(other))
        act(after_a_boot)


def test_a_disk_that_is_full_shows_before_a_press_and_until_it_has_room(
    act: Act, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_root: Path) -> str:
        raise OSError("no answer")

    async def scene(bench: Bench) -> None:
        assert await bench.after(1) == ()
        for trouble in (lambda _root: "0.0 MB and 9 files are free", fail):
            monkeypatch.setattr(health_monitor, "find_write_problem", trouble)
            assert await bench.after(1) == (Fault.CANNOT_WRITE,)
            bench.screen.clear_faults(Fault.CANNOT_WRITE)
            assert await bench.after(1) == (), "seen, and acknowledged"
            bench.screen.add_fault(Fault.CANNOT_WRITE)
            monkeypatch.setattr(health_monitor, "find_write_problem", lambda _root: None)
            assert await bench.after(1) == ()

    act(scene)


def test_what_happened_a_moment_ago_did_so_by_a_clock_that_is_set_then_too(act: Act) -> None:
    async def scene(bench: Bench) -> None:
        await bench.after(1)
        bench.worker.restarts = 1
        await bench.after(1)
        bench.set_by_s = DAY_S
        await bench.after(3)
        at = bench.saved_state.incidents["worker_restarted"]
        assert bench.now() - at == timedelta(seconds=3)

    act(scene)


def test_a_restart_after_the_clock_was_set_is_noted_by_the_new_time(act: Act) -> None:
    async def before(bench: Bench) -> None:
        await bench.after(1)

    async def after(bench: Bench) -> None:
        bench.set_by_s = 9 * DAY_S  # it was set while no daemon ran
        bench.monitor._restore(bench.monitor._read_previous())
        await bench.after(1)
        at = bench.saved_state.incidents["daemon_restarted"]
        assert abs(bench.now() - at) <= timedelta(seconds=1)

    act(before)
    act(after, has_restored=False)


def test_a_problem_that_passed_by_itself_is_remembered(act: Act) -> None:
    async def scene(bench: Bench) -> None:
        await bench.after(1)
        assert bench.saved_state.incidents == {}
        bench.worker.restarts = 1
        await bench.after(1)
        assert list(bench.saved_state.incidents) == ["worker_restarted"]
        bench.screen.update(bench.screen.state.with_link(is_linked=True))
        await bench.after(1)
        bench.screen.update(bench.screen.state.with_link(is_linked=False))
        await bench.after(1)
        assert sorted(bench.saved_state.incidents) == ["link_unsteady", "worker_restarted"]

    async def next_daemon(bench: Bench) -> None:
        await bench.after(5)
        at = bench.saved_state.incidents
        assert sorted(at) == ["daemon_restarted", "link_unsteady", "worker_restarted"]
        bench.monitor.record_end()

    async def after_an_end_in_order(bench: Bench) -> None:
        restarted = bench.saved_state.incidents["daemon_restarted"]
        await bench.after(600)
        assert bench.saved_state.incidents["daemon_restarted"] == restarted

    act(scene)
    act(next_daemon)
    act(after_an_end_in_order)


def test_a_line_that_damages_packets_is_an_incident_and_one_that_does_so_rarely_is_not(
    act: Act,
) -> None:
    async def scene(bench: Bench) -> None:
        await bench.after(1)
        bench.damaged, bench.received = 3, 200
        await bench.after(1)
        assert bench.saved_state.incidents == {}
        bench.damaged, bench.received = 4, 100
        await bench.after(1)
        assert list(bench.saved_state.incidents) == ["link_unsteady"]
        since = bench.saved_state.incidents["link_unsteady"]
        bench.received = 150
        await bench.after(WINDOW_S + 1)
        await bench.after(1)
        assert bench.saved_state.incidents["link_unsteady"] == since

    act(scene)


def test_a_lasting_fault_is_shown_by_the_next_daemon_too(
    act: Act,
) -> None:
    async def before(bench: Bench) -> None:
        for fault in (Fault.PRESS_LOST, Fault.PLAN_OVERRAN, Fault.CANNOT_WRITE):
            bench.screen.add_fault(fault)
        await bench.after(1)

    async def after(bench: Bench) -> None:
        assert await bench.after(60) == (Fault.PLAN_OVERRAN, Fault.PRESS_LOST)
        assert bench.saved_state.faults[Fault.PLAN_OVERRAN] == NOON + timedelta(seconds=1)

    act(before)
    act(after)


def test_the_screen_is_touched_by_the_loop_alone_when_a_fault_comes_back(
    act: Act, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The display is replaced piece by piece: two threads would undo each other."""
    touched_by: list[threading.Thread] = []

    async def before(bench: Bench) -> None:
        bench.screen.add_fault(Fault.PRESS_LOST)
        await bench.after(1)

    async def after(bench: Bench) -> None:
        def add_fault(fault: Fault) -> None:
            assert fault is Fault.PRESS_LOST
            touched_by.append(threading.current_thread())

        monkeypatch.setattr(bench.screen, "add_fault", add_fault)
        serving = asyncio.create_task(bench.monitor.serve())
        async with asyncio.timeout(30):
            while not touched_by:  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(0.01)
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving

    act(before)
    act(after, has_restored=False)
    assert touched_by == [threading.main_thread()]


def test_a_monitor_that_goes_on_after_a_failure_has_not_ended_in_order(act: Act) -> None:
    async def scene(bench: Bench) -> None:
        await bench.after(1)
        bench.monitor.record_end()
        assert bench.saved_state.stopped_at is not None
        await bench.after(2)
        assert bench.saved_state.stopped_at is None

    act(scene)


def test_a_clock_that_is_set_moves_no_time_out_of_the_calendar(act: Act) -> None:
    async def before(bench: Bench) -> None:
        await bench.after(1)
        odd = {"core": datetime(9999, 12, 31, tzinfo=UTC)}
        write_monitor_state(bench.home.state_dir, replace(bench.saved_state, watched=odd))

    async def after(bench: Bench) -> None:
        bench.set_by_s = 2 * DAY_S
        await bench.after(1)
        assert bench.saved_state.watched == {"core": bench.now()}

    act(before)
    act(after)
