"""Plans on request without a daemon: one at a time, each with an answer on disk."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from host.home.home import Home
from host.home.plan_store import PlanStore
from host.planning import plan_queue
from host.planning.plan_queue import PlanQueue
from host.planning.progress import PlanState
from tests.end_to_end.promises import of_type, small_home

QUICK_WORKER = Path(__file__).parents[2] / "end_to_end" / "quick_worker.py"
PATIENCE_S = 30.0

Scene = Callable[[PlanQueue], Awaitable[None]]


def play(home: Home, scene: Scene, plan_s: float = 0.0) -> None:
    """Run a scene with a queue whose plans take so long."""

    async def run() -> None:
        command = (sys.executable, str(QUICK_WORKER), str(plan_s), "--home", str(home.root))
        queue = PlanQueue(home, 20.0, 256, command)
        try:
            await scene(queue)
        finally:
            await queue.close()

    asyncio.run(run())


async def ended(queue: PlanQueue, trace_id: str) -> PlanState:
    """Wait for the end of a plan."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            progress = queue.progress.get(trace_id)
            assert progress is not None
            if not progress.state.is_open:
                return progress.state
            await asyncio.sleep(0.01)


@pytest.fixture(autouse=True)
def _no_adoption(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the orphans of other tests to their own parents."""
    monkeypatch.setattr("host.planning.worker.client.adopt_orphans", lambda: None)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(small_home(tmp_path))


def test_a_request_gives_a_plan_on_disk_and_its_record(home: Home) -> None:
    async def scene(queue: PlanQueue) -> None:
        trace_id, is_joined = queue.request("core")
        assert not is_joined
        assert await ended(queue, trace_id) is PlanState.STORED
        stored = PlanStore(home).load("core", trace_id)
        assert stored is not None
        assert stored.record["outcome"] == "PLANNED"

    play(home, scene)
    requested, answer = of_type(home.root, "PlanRequested", "PlanStored")
    assert requested.trace_id == answer.trace_id
    assert requested.data["via"] == answer.data["via"] == "api"


def test_requests_of_a_bucket_join_and_those_of_another_wait(home: Home) -> None:
    async def scene(queue: PlanQueue) -> None:
        first = queue.request("core")[0]
        assert queue.request("core") == (first, True)
        other = queue.request("other")[0]
        assert await ended(queue, first) is PlanState.STORED
        assert await ended(queue, other) is PlanState.STORED
        again, is_joined = queue.request("core")
        assert again != first
        assert not is_joined

    play(home, scene, plan_s=0.2)
    assert len(PlanStore(home).list("core")) == 1


def test_a_cancelled_plan_stores_nothing_whether_it_runs_or_waits(home: Home) -> None:
    async def scene(queue: PlanQueue) -> None:
        running, waiting = queue.request("core")[0], queue.request("other")[0]
        while True:
            progress = queue.progress.get(running)
            assert progress is not None
            if progress.state is PlanState.RUNNING:
                break
            await asyncio.sleep(0.01)
        queue.cancel(waiting)
        queue.cancel(running)
        next_one = queue.request("core")
        assert not next_one[1], "a request after a cancellation is a new one"
        queue.cancel(next_one[0])
        states = [await ended(queue, trace_id) for trace_id in (running, waiting, next_one[0])]
        assert states == [PlanState.CANCELLED] * 3

    play(home, scene, plan_s=60.0)
    assert PlanStore(home).list("core") == ()
    assert len(of_type(home.root, "PlanCancelled")) == 3


def test_a_plan_that_fails_says_why(home: Home, tmp_path: Path) -> None:
    async def scene(queue: PlanQueue) -> None:
        trace_id = queue.request("core")[0]
        assert await ended(queue, trace_id) is PlanState.FAILED
        progress = queue.progress.get(trace_id)
        assert progress is not None
        assert "plans" in progress.lines[0]

    (tmp_path / "plans").write_text("in the way")
    play(home, scene)
    (failed,) = of_type(home.root, "PlanFailed")
    assert failed.data["code"] == "storage"


def test_the_planner_ends_when_nobody_asks_and_comes_back(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_queue, "IDLE_S", 0.05)

    async def scene(queue: PlanQueue) -> None:
        for _ in range(2):
            assert await ended(queue, queue.request("core")[0]) is PlanState.STORED
            assert queue._serving is not None
            async with asyncio.timeout(PATIENCE_S):
                await queue._serving

    play(home, scene)
    assert len(PlanStore(home).list("core")) == 2
