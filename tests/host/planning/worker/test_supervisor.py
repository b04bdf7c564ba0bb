"""Bad modules in the real planner's process: the plan comes all the same, without them."""

# ruff: noqa: ANN401 - what a test asks of a supervisor may be anything
from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from host.home.home import Home, create_home
from host.planning.breaker_store import BreakerStore
from host.planning.worker import errors as worker_failure
from host.planning.worker.client import WorkerClient, WorkerNews
from host.planning.worker.errors import PlanFailedError
from host.planning.worker.supervisor import PlanSupervisor
from host.telemetry.metrics.store import MetricsStore
from planner_core.model.circuit_breaker import BreakerState

PLANTED = str(Path(__file__).parents[3] / "end_to_end" / "planted_worker.py")
TRACE = "c" * 32
DEADLINE_S = 60.0
HUNG_S = 8.0
"""A deadline that is waited for, and that a plan on a busy machine still keeps."""


@dataclass
class Bench:
    """A supervisor over a worker with planted modules, and what it told."""

    home: Home
    worker: WorkerClient
    supervisor: PlanSupervisor
    events: list[dict[str, Any]] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)

    async def plan(self, deadline_s: float = DEADLINE_S) -> dict[str, Any]:
        reply = await self.supervisor.plan(TRACE, "core", deadline_s, self.events.append)
        assert reply.trace_id == TRACE
        return reply.record

    def told(self, event_type: str) -> list[Any]:
        return [event["data"] for event in self.events if event["event_type"] == event_type]

    def on_disk(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.home.state_dir / name).read_text("utf-8"))
        return found


def with_planted(
    home: Home, misdeeds: str, use: Callable[[Bench], Awaitable[Any]], memory_mb: int = 1024
) -> Any:
    """Run `use` on a supervisor whose planner has these modules in it."""

    async def run() -> Any:
        options = ("--home", str(home.root), "--memory-mb", str(memory_mb))
        command = (sys.executable, PLANTED, misdeeds, *options)
        ended: list[str] = []
        async with WorkerClient(home, WorkerNews(ended=ended.append), command) as worker:
            supervisor = PlanSupervisor(worker, BreakerStore(home), MetricsStore(home))
            bench = Bench(home, worker, supervisor, ended=ended)
            try:
                return await use(bench)
            finally:
                await supervisor.close()

    return asyncio.run(run())


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return create_home(tmp_path / "home", demo=True).home


def fate(record: dict[str, Any], name: str) -> tuple[str, str]:
    key = f"opportunity_calculators.{name}"
    module = next(found for found in record["modules"] if found["key"] == key)
    return module["status"], module["message"] or ""


@pytest.mark.parametrize(
    ("misdeed", "failure", "ending"),
    [
        ("segfault", worker_failure.DIED, "ended by SIGSEGV"),
        ("leave", worker_failure.DIED, "ended with code 0"),
        ("hang", worker_failure.OVERRAN, "ended by SIGKILL"),
        ("hang_in_c", worker_failure.OVERRAN, "ended by SIGKILL"),
        ("close_everything", worker_failure.DIED, "ended with code 3, or ended by SIGKILL"),
        ("hide_a_child_and_die", worker_failure.DIED, "ended with code 0"),
        ("fork_and_stay", worker_failure.LEFT_PROCESSES, "ended by SIGKILL"),
        ("orphan_a_grandchild", worker_failure.LEFT_PROCESSES, "ended by SIGKILL"),
    ],
)
def test_the_same_request_is_planned_once_more_without_the_module_that_was_to_blame(
    home: Home, misdeed: str, failure: str, ending: str
) -> None:
    async def use(bench: Bench) -> None:
        record = await bench.plan(HUNG_S if misdeed.startswith("hang") else DEADLINE_S)
        assert (record["outcome"], record["trace_id"]) == ("PLANNED", TRACE)
        status, message = fate(record, misdeed)
        assert status == "skipped_open"
        assert f"opportunity_calculators.{misdeed}" in message
        (ended,) = bench.ended
        assert ended in ending.split(", or ")  # it ends itself, or is ended: who is first may win
        (repeated,) = bench.told("PlanRepeated")
        assert repeated["without"] == f"opportunity_calculators.{misdeed}"
        assert repeated["failure"] == failure
        (changed,) = bench.told("BreakerChanged")
        assert (changed["before"], changed["after"]) == ("closed", "open")
        assert {event["trace_id"] for event in bench.events} == {TRACE}

        bench.events.clear()
        again = await bench.plan()
        assert again["outcome"] == "PLANNED"
        assert fate(again, misdeed)[0] == "skipped_open"
        assert bench.worker.restarts == 1, "its breaker is open: nothing happens to it any more"
        assert bench.told("PlanRepeated") == []

    with_planted(home, misdeed, use)
    store = BreakerStore(home)
    store.refresh()
    breaker = store.breakers.of(f"opportunity_calculators.{misdeed}")
    assert breaker.state is BreakerState.OPEN
    kept = MetricsStore(home).read().metrics
    assert kept.of("core").counters["plans_repeated"] == 1
    assert kept.counters["worker_restarts"] == 1
    assert kept.gauges["planner_rss_bytes"] > 10_000_000


@pytest.mark.parametrize("misdeed", ["be_killed", "answer_in_our_name"])
def test_a_module_is_blamed_for_an_end_from_outside_only_when_it_comes_again(
    home: Home, misdeed: str
) -> None:
    async def use(bench: Bench) -> None:
        record = await bench.plan()
        assert record["outcome"] == "PLANNED"
        assert fate(record, misdeed)[0] == "skipped_open"
        assert bench.ended == ["ended by SIGKILL"] * 2
        repeated = [event["without"] for event in bench.told("PlanRepeated")]
        assert repeated == ["", f"opportunity_calculators.{misdeed}"]
        (changed,) = bench.told("BreakerChanged")
        assert changed["key"] == f"opportunity_calculators.{misdeed}"

    with_planted(home, misdeed, use)


def test_a_module_that_ran_when_the_process_was_killed_from_outside_is_in_the_plan(
    home: Home,
) -> None:
    async def use(bench: Bench) -> None:
        record = await bench.plan()
        assert record["outcome"] == "PLANNED"
        assert fate(record, "be_killed_once")[0] == "ok"
        assert bench.ended == ["ended by SIGKILL"]
        assert [event["without"] for event in bench.told("PlanRepeated")] == [""]
        assert bench.told("BreakerChanged") == []
        assert {event["trace_id"] for event in bench.events} == {TRACE}

    with_planted(home, "be_killed_once", use)


def test_memory_beyond_the_limit_costs_the_module_and_not_the_process(home: Home) -> None:
    async def use(bench: Bench) -> None:
        record = await bench.plan()
        assert record["outcome"] == "PLANNED"
        assert fate(record, "eat_memory") == ("failed", "MemoryError:")
        assert bench.worker.restarts == 0

    with_planted(home, "eat_memory", use, memory_mb=300)


def test_a_module_that_exits_forks_or_prints_answers_costs_nothing_but_itself(home: Home) -> None:
    async def use(bench: Bench) -> None:
        record = await bench.plan()
        assert record["outcome"] == "PLANNED"
        assert fate(record, "leave_politely") == ("failed", "SystemExit: 0")
        assert fate(record, "print_a_lot")[0] == "ok"
        assert len(bench.told("PlanningCompleted")) == 1, "a forked planner does not answer too"
        assert bench.worker.restarts == 0

    with_planted(home, "leave_politely,fork_and_return,print_a_lot", use)


def test_two_bad_modules_cost_one_press_and_the_next_one_works(home: Home) -> None:
    async def use(bench: Bench) -> None:
        with pytest.raises(PlanFailedError) as caught:
            await bench.plan()
        assert caught.value.failure == worker_failure.DIED
        assert [e["after"] for e in bench.told("BreakerChanged")] == ["open", "open"]
        assert len(bench.told("PlanRepeated")) == 1, "once, not until it works"
        record = await bench.plan()
        assert record["outcome"] == "PLANNED"
        assert {fate(record, name)[0] for name in ("segfault", "leave")} == {"skipped_open"}

    with_planted(home, "segfault,leave", use)


class Killed:
    """A worker whose process dies by one module, and is then killed while another one runs."""

    restarts = 0

    def __init__(self) -> None:
        self.failures = [
            PlanFailedError(worker_failure.DIED, ["ended by SIGSEGV"], "kind.bad"),
            PlanFailedError(
                worker_failure.DIED, ["ended by SIGKILL"], "kind.good", is_doubtful=True
            ),
        ]

    async def plan(self, *_asked: object, is_careful: bool = False) -> None:
        assert not is_careful
        raise self.failures.pop(0)


def test_an_end_from_outside_of_the_repeated_request_blames_nobody_either(home: Home) -> None:
    breakers, told = BreakerStore(home), list[dict[str, Any]]()

    async def use() -> None:
        worker: Any = Killed()
        supervisor = PlanSupervisor(worker, breakers, MetricsStore(home))
        with pytest.raises(PlanFailedError, match="SIGKILL"):
            await supervisor.plan(TRACE, "core", DEADLINE_S, told.append)
        await supervisor.close()

    asyncio.run(use())
    changed = [e["data"]["key"] for e in told if e["event_type"] == "BreakerChanged"]
    assert changed == ["kind.bad"]
    assert breakers.breakers.of("kind.good").state is BreakerState.CLOSED


def test_three_failures_in_a_row_open_a_breaker_and_the_plan_names_it(home: Home) -> None:
    async def use(bench: Bench) -> list[str]:
        return [fate(await bench.plan(), "leave_politely")[0] for _ in range(4)]

    fates = with_planted(home, "leave_politely", use)
    assert fates == ["failed", "failed", "failed", "skipped_open"]


def is_hanging(worker: WorkerClient) -> bool:
    return worker._process is not None and worker._process.running().key.endswith(".hang")


def test_a_cancel_is_heard_while_a_module_hangs_and_nobody_is_blamed(home: Home) -> None:
    async def use(bench: Bench) -> None:
        asked = asyncio.ensure_future(bench.plan())
        async with asyncio.timeout(50):
            while not is_hanging(bench.worker):  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.01)
        bench.supervisor.cancel(TRACE)
        with pytest.raises(PlanFailedError) as caught:
            await asked
        assert caught.value.failure == worker_failure.CANCELLED
        assert bench.told("BreakerChanged") == []

    with_planted(home, "hang", use)


def test_a_full_disk_keeps_no_breaker_and_the_plan_is_repeated_all_the_same(
    home: Home,
) -> None:
    (home.state_dir / "breakers.lock").mkdir(parents=True)  # nothing can be locked there
    said: list[str] = []

    async def use(bench: Bench) -> None:
        bench.supervisor._complain = said.append
        record = await bench.plan()
        assert record["outcome"] == "PLANNED"
        assert fate(record, "leave")[0] == "skipped_open"
        again = await bench.plan()
        assert fate(again, "leave")[0] == "skipped_open"
        assert bench.worker.restarts == 1, "the daemon remembers what no file says"

    with_planted(home, "leave", use)
    assert any("breakers" in line for line in said)
