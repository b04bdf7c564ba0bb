"""The dead man's switch, the clock, and what is remembered of both; all clocks are the test's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from host.configuration.device import LimitsTable
from host.daemon import health_desk
from host.daemon.health_desk import REMIND_S, HealthDesk
from host.daemon.notify import SILENT
from host.daemon.plan_desk import MENDED_BY_A_PLAN
from host.daemon.screen import Screen
from host.display.faults import Fault
from host.files.home import Home
from host.files.plan_store import PlanStore
from host.health.memory import Memory, read_memory, write_memory
from host.health.plan_checks import last_success_of

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY_S = 86_400.0


class Worker:
    """A worker that runs, or does not."""

    pid: int | None = 5
    restarts = 0


class Bench:
    """A health desk whose clocks stand still until they are moved."""

    def __init__(
        self, home: Home, monkeypatch: pytest.MonkeyPatch, silence_h: float = 24.0
    ) -> None:
        self.home, self.passed_s, self.set_by_s = home, 0.0, 0.0
        self.screen = Screen(lambda _frame, _brightness: 0)
        self.screen.update(self.screen.state.with_bucket("core", 0.0))
        monkeypatch.setattr(health_desk, "boot_time_s", lambda: self.passed_s)
        monkeypatch.setattr(self.screen, "now_s", lambda: self.passed_s)
        self.told: list[str] = []
        self.desk = HealthDesk(
            home,
            self.screen,
            Worker(),  # type: ignore[arg-type]
            lambda event: self.told.append(event.event_type),
            SILENT,
            self.now,
            "/dev/board",
            LimitsTable(plan_silence_h=silence_h),
        )
        self.desk._recall()

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.passed_s + self.set_by_s)

    async def after(self, seconds: float) -> tuple[Fault, ...]:
        """Let time pass; return what the matrix shows then."""
        self.passed_s += seconds
        await self.desk.tick()
        return self.screen.state.faults

    def store(self, outcome: str, bucket_id: str = "core") -> None:
        """Keep a plan of now."""
        trace_id = f"{int(self.passed_s):032d}"
        record = {"bucket_id": bucket_id, "trace_id": trace_id, "outcome": outcome}
        PlanStore(self.home).save(record, self.now())

    @property
    def memory(self) -> Memory:
        found = read_memory(self.home.state_dir)
        assert found is not None
        return found


Scene = Callable[[Bench], Coroutine[object, object, None]]


@pytest.fixture
def act(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Run a scene with a desk, within a loop."""
    home = Home(tmp_path)
    for bucket_id in ("core", "other"):
        home.portfolio_file(bucket_id).parent.mkdir(exist_ok=True)
        home.portfolio_file(bucket_id).write_text("# empty\n", "utf-8")

    def run(scene: Scene, silence_h: float = 24.0) -> None:
        async def play() -> None:
            await scene(Bench(home, monkeypatch, silence_h))

        asyncio.run(play())

    return run


def test_the_switch_falls_when_no_plan_succeeded_for_too_long_and_rises_with_one(
    act: Callable[..., None],
) -> None:
    async def scene(bench: Bench) -> None:
        bench.store("PLANNED")
        assert await bench.after(DAY_S - 1) == ()
        assert await bench.after(2) == (Fault.NO_PLAN,)
        assert list(bench.memory.faults) == [Fault.NO_PLAN]
        bench.store("HELD")
        assert await bench.after(2) == (Fault.NO_PLAN,)
        bench.store("NOTHING_TO_DO")
        assert await bench.after(2) == ()
        assert await bench.after(DAY_S + 1) == (Fault.NO_PLAN,)

    act(scene)


def test_the_selected_bucket_is_waited_for_from_the_first_start_on_the_others_are_not(
    act: Callable[..., None],
) -> None:
    async def scene(bench: Bench) -> None:
        assert await bench.after(1) == ()
        assert list(bench.memory.watched) == ["core"]
        assert await bench.after(DAY_S + 1) == (Fault.NO_PLAN,)
        bench.store("PLANNED")
        assert await bench.after(1) == ()
        assert dict(bench.memory.watched) == {}

    act(scene)


def test_a_home_with_nothing_to_plan_is_a_fault_until_there_is_something(
    act: Callable[..., None],
) -> None:
    async def scene(bench: Bench) -> None:
        core = bench.home.portfolio_file("core")
        for path in list(bench.home.portfolios_dir.iterdir()):
            path.unlink()
        assert await bench.after(1) == (Fault.HOME,)
        core.write_text("# empty\n", "utf-8")
        assert await bench.after(1) == ()

    act(scene)


def test_faults_of_the_desk_are_cleared_by_nobody_else() -> None:
    """A held plan is an answer, and no success: it must not silence the dead man's switch."""
    assert MENDED_BY_A_PLAN.isdisjoint({Fault.NO_PLAN, Fault.CLOCK, Fault.HOME})


def test_the_next_daemon_goes_on_waiting_where_the_last_one_was(act: Callable[..., None]) -> None:
    async def first(bench: Bench) -> None:
        await bench.after(1)

    async def second(bench: Bench) -> None:
        bench.passed_s = DAY_S + 60
        assert await bench.after(1) == (Fault.NO_PLAN,)

    act(first)
    act(second)


def test_nobody_waits_when_the_switch_is_off(act: Callable[..., None]) -> None:
    async def scene(bench: Bench) -> None:
        bench.store("PLANNED")
        assert await bench.after(400 * DAY_S) == ()

    act(scene, silence_h=0.0)


def test_an_acknowledged_switch_stays_away_for_a_day_and_comes_back(
    act: Callable[..., None],
) -> None:
    async def scene(bench: Bench) -> None:
        bench.store("PLANNED")
        assert await bench.after(DAY_S + 1) == (Fault.NO_PLAN,)
        await bench.after(1)
        bench.screen.clear_faults(Fault.NO_PLAN)
        assert await bench.after(REMIND_S / 2) == ()
        assert await bench.after(REMIND_S / 2 + 1) == (Fault.NO_PLAN,)
        await bench.after(1)
        bench.screen.clear_faults(Fault.NO_PLAN)
        assert await bench.after(REMIND_S / 2) == ()

    act(scene)


def test_a_clock_that_is_set_is_noticed_and_moves_no_deadline(act: Callable[..., None]) -> None:
    async def scene(bench: Bench) -> None:
        await bench.after(1)
        bench.set_by_s = 20 * 365 * DAY_S
        assert await bench.after(1) == ()
        jump = bench.memory.clock_jump
        assert jump is not None
        assert jump.by_s == pytest.approx(bench.set_by_s)
        assert "ClockJumped" in bench.told

    act(scene)


def test_a_clock_that_drifts_a_little_has_not_jumped(act: Callable[..., None]) -> None:
    async def scene(bench: Bench) -> None:
        bench.set_by_s = 59.0
        await bench.after(1)
        assert bench.memory.clock_jump is None

    act(scene)


def test_a_clock_behind_the_last_plan_is_a_fault_until_it_is_right(
    act: Callable[..., None],
) -> None:
    async def scene(bench: Bench) -> None:
        bench.store("PLANNED")
        bench.set_by_s = -3 * DAY_S
        assert await bench.after(1) == (Fault.CLOCK,)
        bench.set_by_s = 0.0
        assert await bench.after(1) == ()

    act(scene)


def test_a_board_that_begins_in_1970_does_not_count_the_years_when_its_clock_is_set(
    act: Callable[..., None],
) -> None:
    async def in_the_past(bench: Bench) -> None:
        bench.set_by_s = -NOON.timestamp()
        assert await bench.after(1) == (Fault.CLOCK,)
        assert dict(bench.memory.watched) == {}

    async def set_right(bench: Bench) -> None:
        assert await bench.after(1) == ()

    act(in_the_past)
    act(set_right)


def test_a_fault_keeps_the_time_since_when_it_is_shown(act: Callable[..., None]) -> None:
    async def scene(bench: Bench) -> None:
        bench.screen.add_fault(Fault.STORAGE)
        await bench.after(1)
        since = bench.memory.faults[Fault.STORAGE]
        bench.screen.add_fault(Fault.WORKER)
        await bench.after(60)
        assert bench.memory.faults[Fault.STORAGE] == since
        assert bench.memory.faults[Fault.WORKER] == since + timedelta(seconds=60)
        bench.screen.clear_faults(Fault.STORAGE)
        await bench.after(1)
        assert list(bench.memory.faults) == [Fault.WORKER]

    act(scene)


def test_what_has_not_changed_is_not_written_again_at_once(act: Callable[..., None]) -> None:
    async def scene(bench: Bench) -> None:
        await bench.after(1)
        first = bench.memory.saved_at
        await bench.after(60)
        assert bench.memory.saved_at == first
        await bench.after(health_desk.SAVE_S)
        assert bench.memory.saved_at != first

    act(scene)


def test_a_disk_that_refuses_is_told_once_and_asked_again(
    act: Callable[..., None], tmp_path: Path
) -> None:
    async def scene(bench: Bench) -> None:
        (tmp_path / "state").write_text("in the way", "utf-8")
        await bench.after(1)
        await bench.after(1)
        assert bench.told.count("StateNotKept") == 1
        (tmp_path / "state").unlink()
        await bench.after(1)
        assert bench.memory.port == "/dev/board"

    act(scene)


def test_the_end_in_order_is_remembered_with_all_that_was_known(act: Callable[..., None]) -> None:
    async def scene(bench: Bench) -> None:
        write_memory(bench.home.state_dir, Memory(findings={"a||": NOON}))
        bench.desk._has_recalled = False
        bench.passed_s = 9.0
        bench.desk.stopped()
        assert bench.memory.stopped_at == NOON + timedelta(seconds=9)
        assert bench.memory.findings == {"a||": NOON}

    act(scene)


def test_a_finding_keeps_its_since_while_it_is_found_and_is_forgotten_after(
    act: Callable[..., None],
) -> None:
    async def scene(bench: Bench) -> None:
        disk = {"id": "disk_low", "bucket_id": None, "subject": None}
        jump = {"id": "price_jump", "bucket_id": "core", "subject": "AAA"}
        bench.desk.note_findings([disk])
        bench.passed_s = 60.0
        bench.desk.note_findings([disk, jump])
        await bench.after(0)
        later = NOON + timedelta(seconds=60)
        assert bench.memory.findings == {"disk_low||": NOON, "price_jump|core|AAA": later}
        bench.desk.note_findings([jump])
        await bench.after(1)
        assert bench.memory.findings == {"price_jump|core|AAA": later}

    act(scene)


def test_the_status_line_says_what_is_served_and_what_is_wrong(act: Callable[..., None]) -> None:
    async def scene(bench: Bench) -> None:
        await bench.after(1)
        assert bench.desk.status() == ("degraded (no board): serving core, no board at /dev/board")
        bench.screen.update(bench.screen.state.with_link(is_linked=True))
        assert bench.desk.status() == "serving core, board linked"
        bench.screen.add_fault(Fault.STORAGE)
        assert bench.desk.status().startswith("degraded (fault 3 cannot write): serving core")

    act(scene)


def test_plans_are_read_again_only_when_one_came(
    act: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    known = last_success_of

    def counted(look: object, bucket_id: str) -> datetime | None:
        read.append(bucket_id)
        return known(look, bucket_id)  # type: ignore[arg-type]

    monkeypatch.setattr(health_desk, "last_success_of", counted)

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
