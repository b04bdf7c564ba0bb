"""Bad modules in the real planner's process: there is a plan, without them."""

# ruff: noqa: ANN401 - what a test asks of a supervisor may be anything
from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from host.home.home import Home, create_home
from host.planning.breaker_store import BreakerStore
from host.planning.worker.client import WorkerCallbacks, WorkerClient
from host.planning.worker.errors import (
    CANCELLED,
    DIED,
    LEFT_PROCESSES,
    OVERRAN,
    PlanFailedError,
)
from host.planning.worker.supervisor import PlanSupervisor
from host.telemetry.metrics.metrics import MetricsStore
from planner_core.model.circuit_breaker import BreakerState

PLANTED = str(Path(__file__).parents[3] / "end_to_end" / "planted_worker.py")
TRACE = "c" * 32
DEADLINE_S = 60.0
HUNG_S = 8.0
"""A deadline that is waited for, and that a plan on a busy machine still keeps."""


@dataclass
class Bench:
    """A supervisor over a worker with planted modules, and its events."""

    home: Home
    worker: WorkerClient
    supervisor: PlanSupervisor
    events: list[dict[str, Any]] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)

    async def plan(self, deadline_s: float = DEADLINE_S) -> dict[str, Any]:
        reply = await self.supervisor.plan(TRACE, "core", deadline_s, self.events.append)
        assert reply.trace_id == TRACE
        return reply.record

    def data_of(self, event_type: str) -> list[Any]:
        return [event["data"] for event in self.events if event["event_type"] == event_type]


def with_planted(
    home: Home, misdeeds: str, use: Callable[[Bench], Awaitable[Any]], memory_mb: int = 1024
) -> Any:
    """Run `use` on a supervisor whose planner has these modules in it."""

    async def run() -> Any:
        options = ("--home", str(home.root), "--memory-mb", str(memory_mb))
        command = (sys.executable, PLANTED, misdeeds, *options)
        ended: list[str] = []
        async with WorkerClient(home, WorkerCallbacks(on_end=ended.append), command) as worker:
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


def test_a_thread_that_a_module_leaves_costs_the_process_after_the_plan(home: Home) -> None:
    async def use(bench: Bench) -> None:
        first = await bench.plan()
        second = await bench.plan()
        assert (first["outcome"], second["outcome"]) == ("PLANNED", "PLANNED")
        assert bench.data_of("PlanRepeated") == []
        while len(bench.ended) < 2:  # noqa: ASYNC110 - the process ends when it ends
            await asyncio.sleep(0.01)
        assert bench.ended == ["ended with code 4"] * 2

    with_planted(home, "leave_a_thread", use)


def fate(record: dict[str, Any], name: str) -> tuple[str, str]:
    key = f"opportunity_calculators.{name}"
    module = next(module for module in record["modules"] if module["key"] == key)
    return module["status"], module["message"] or ""


@pytest.mark.parametrize(
    ("misdeed", "failure", "ending"),
    [
        ("segfault", DIED, "ended by SIGSEGV"),
        ("leave", DIED, "ended with code 0"),
        ("hang", OVERRAN, "ended by SIGKILL"),
        ("hang_in_c", OVERRAN, "ended by SIGKILL"),
        ("close_everything", DIED, "ended with code 3, or ended by SIGKILL"),
        ("hide_a_child_and_die", DIED, "ended with code 0"),
        ("fork_and_stay", LEFT_PROCESSES, "ended by SIGKILL"),
        ("orphan_a_grandchild", LEFT_PROCESSES, "ended by SIGKILL"),
    ],
)
def test_the_same_request_is_planned_once_more_without_the_suspect(
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
        (repeated,) = bench.data_of("PlanRepeated")
        assert repeated["without"] == f"opportunity_calculators.{misdeed}"
        assert repeated["failure"] == failure
        (changed,) = bench.data_of("BreakerChanged")
        assert (changed["before"], changed["after"]) == ("closed", "open")
        assert {event["trace_id"] for event in bench.events} == {TRACE}

        bench.events.clear()
        again = await bench.plan()
        assert again["outcome"] == "PLANNED"
        assert fate(again, misdeed)[0] == "skipped_open"
        assert bench.worker.restarts == 1, "its breaker is open: nothing happens to it any more"
        assert bench.data_of("PlanRepeated") == []

    with_planted(home, misdeed, use)
    store = BreakerStore(home)
    store.refresh()
    breaker = store.breakers.of(f"opportunity_calculators.{misdeed}")
    assert breaker.state is BreakerState.OPEN
    metrics = MetricsStore(home).read().metrics
    assert metrics.of("core").counters["plans_repeated"] == 1
    assert metrics.counters["worker_restarts"] == 1
    assert metrics.gauges["planner_rss_bytes"] > 10_000_000


@pytest.mark.parametrize("misdeed", ["be_killed", "write_garbage"])
def test_a_module_is_left_out_after_an_end_from_outside_only_when_it_happens_again(
    home: Home, misdeed: str
) -> None:
    async def use(bench: Bench) -> None:
        record = await bench.plan()
        assert record["outcome"] == "PLANNED"
        assert fate(record, misdeed)[0] == "skipped_open"
        assert bench.ended == ["ended by SIGKILL"] * 2
        repeated = [event["without"] for event in bench.data_of("PlanRepeated")]
        assert repeated == ["", f"opportunity_calculators.{misdeed}"]
        (changed,) = bench.data_of("BreakerChanged")
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
        assert [event["without"] for event in bench.data_of("PlanRepeated")] == [""]
        assert bench.data_of("BreakerChanged") == []
        assert {event["trace_id"] for event in bench.events} == {TRACE}

    with_planted(home, "be_killed_once", use)


def test_memory_beyond_the_limit_costs_the_module_and_not_the_process(home: Home) -> None:
    async def use(bench: Bench) -> None:
        record = await bench.plan()
        assert record["outcome"] == "PLANNED"
        assert fate(record, "eat_memory") == ("failed", "MemoryError:")
        assert bench.worker.restarts == 0

    with_planted(home, "eat_memory", use, memory_mb=300)


def test_a_module_that_exits_forks_or_prints_responses_costs_only_itself(home: Home) -> None:
    async def use(bench: Bench) -> None:
        record = await bench.plan()
        assert record["outcome"] == "PLANNED"
        assert fate(record, "leave_politely") == ("failed", "SystemExit: 0")
        assert fate(record, "print_a_lot")[0] == "ok"
        assert len(bench.data_of("PlanningCompleted")) == 1, "a forked planner does not answer too"
        assert bench.worker.restarts == 0

    with_planted(home, "leave_politely,fork_and_return,print_a_lot", use)


def test_two_bad_modules_cost_one_press_and_the_next_one_works(home: Home) -> None:
    async def use(bench: Bench) -> None:
        with pytest.raises(PlanFailedError) as caught:
            await bench.plan()
        assert caught.value.failure == DIED
        assert [e["after"] for e in bench.data_of("BreakerChanged")] == ["open", "open"]
        assert len(bench.data_of("PlanRepeated")) == 1, "once, not until it works"
        record = await bench.plan()
        assert record["outcome"] == "PLANNED"
        assert {fate(record, name)[0] for name in ("segfault", "leave")} == {"skipped_open"}

    with_planted(home, "segfault,leave", use)


class Killed:
    """A worker whose process dies by one module, and is then killed while another one runs."""

    restarts = 0

    def __init__(self) -> None:
        self.failures = [
            PlanFailedError(DIED, ["ended by SIGSEGV"], "kind.bad"),
            PlanFailedError(DIED, ["ended by SIGKILL"], "kind.good", cause_uncertain=True),
        ]

    async def plan(self, *_request: object, isolate: bool = False) -> None:
        assert not isolate
        raise self.failures.pop(0)


def test_an_end_from_outside_during_the_repeated_request_opens_no_breaker(home: Home) -> None:
    breakers, events = BreakerStore(home), list[dict[str, Any]]()

    async def use() -> None:
        worker: Any = Killed()
        supervisor = PlanSupervisor(worker, breakers, MetricsStore(home))
        with pytest.raises(PlanFailedError, match="SIGKILL"):
            await supervisor.plan(TRACE, "core", DEADLINE_S, events.append)
        await supervisor.close()

    asyncio.run(use())
    changed = [e["data"]["key"] for e in events if e["event_type"] == "BreakerChanged"]
    assert changed == ["kind.bad"]
    assert breakers.breakers.of("kind.good").state is BreakerState.CLOSED


def test_three_failures_in_a_row_open_a_breaker_and_the_plan_names_it(home: Home) -> None:
    async def use(bench: Bench) -> list[str]:
        return [fate(await bench.plan(), "leave_politely")[0] for _ in range(4)]

    fates = with_planted(home, "leave_politely", use)
    assert fates == ["failed", "failed", "failed", "skipped_open"]


def is_hanging(worker: WorkerClient) -> bool:
    return worker._process is not None and worker._process.current_module().key.endswith(".hang")


def test_a_cancel_works_while_a_module_hangs_and_opens_no_breaker(home: Home) -> None:
    async def use(bench: Bench) -> None:
        request = asyncio.ensure_future(bench.plan())
        async with asyncio.timeout(50):
            while not is_hanging(bench.worker):  # noqa: ASYNC110 - it sends no event
                await asyncio.sleep(0.01)
        bench.supervisor.cancel(TRACE)
        with pytest.raises(PlanFailedError) as caught:
            await request
        assert caught.value.failure == CANCELLED
        assert bench.data_of("BreakerChanged") == []

    with_planted(home, "hang", use)


def test_breakers_that_cannot_be_saved_still_count(
    home: Home,
) -> None:
    (home.state_dir / "breakers.lock").mkdir(parents=True)  # nothing can be locked there
    problems: list[str] = []

    async def use(bench: Bench) -> None:
        bench.supervisor._on_problem = problems.append
        record = await bench.plan()
        assert record["outcome"] == "PLANNED"
        assert fate(record, "leave")[0] == "skipped_open"
        again = await bench.plan()
        assert fate(again, "leave")[0] == "skipped_open"
        assert bench.worker.restarts == 1, "the daemon remembers what no file says"

    with_planted(home, "leave", use)
    assert any("breakers" in line for line in problems)
