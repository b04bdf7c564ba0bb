"""The client of the worker: its replies, and the end of a process that does not answer."""

# ruff: noqa: ANN401 - what a test asks of a client may be anything
from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from host.home.home import Home, create_home
from host.limits import WORKER_LINE_BYTES_MAX
from host.planning.worker import client as worker_client
from host.planning.worker.client import WorkerCallbacks, WorkerClient
from host.planning.worker.errors import CANCELLED, DIED, OVERRAN, PlanFailedError

PREAMBLE = """
import json, os, sys, time
def send(kind, **content):
    print(json.dumps({kind: content}), flush=True)
def requests():
    for line in sys.stdin:
        yield json.loads(line)
def planned(request):
    trace_id = request["trace_id"]
    send("planned", trace_id=trace_id, created_at="2026-11-22T12:00:00+00:00", elapsed_s=0.1,
         plan={"trace_id": trace_id, "bucket_id": request["bucket_id"], "pid": os.getpid()})
"""
ANSWERS = (
    PREAMBLE
    + """
send("ready", pid=os.getpid())
for request in requests():
    planned(request)
"""
)
HANGS = (
    PREAMBLE
    + """
send("ready", pid=os.getpid())
for request in requests():
    if request["do"] == "plan":
        if request["trace_id"].startswith("hang"):
            time.sleep(600)
        planned(request)
"""
)
LEAVES_A_CHILD = (
    PREAMBLE
    + """
import subprocess
send("ready", pid=os.getpid())
next(requests())
child = subprocess.Popen(["sleep", "60"])
print(child.pid, file=sys.stderr, flush=True)
os._exit(7)
"""
)
SENDS_A_CHANGED_PLAN = (
    PREAMBLE
    + """
send("ready", pid=os.getpid())
request = next(requests())
ours = {"trace_id": request["trace_id"], "bucket_id": request["bucket_id"]}
plan = {**ours, **json.loads(sys.argv[1])}
send("planned", trace_id=request["trace_id"], created_at="2026-11-22T12:00:00+00:00",
     elapsed_s=0.1, plan=plan)
time.sleep(600)
"""
)
SENDS_GARBAGE = (
    PREAMBLE
    + """
send("ready", pid=os.getpid())
next(requests())
print(sys.argv[1] * int(sys.argv[2]), flush=True)
time.sleep(600)
"""
)
NEVER_READY = PREAMBLE + "time.sleep(600)\n"
CANNOT_START = PREAMBLE + "sys.exit(5)\n"

Use = Callable[[WorkerClient], Awaitable[Any]]


def is_busy(client: WorkerClient) -> bool:
    return client._is_ready.is_set() and client._request is not None


def with_worker(
    script: str, use: Use, *arguments: str, callbacks: WorkerCallbacks | None = None
) -> Any:
    """Run a client on a script and return what `use` returns."""

    async def run() -> Any:
        command = (sys.executable, "-c", script, *arguments)
        async with WorkerClient(Home(Path("/nowhere")), callbacks, command) as client:
            return await use(client)

    return asyncio.run(run())


def ignore(_event: dict[str, Any]) -> None:
    """Take an event and do nothing."""


async def failure(client: WorkerClient, trace_id: str = "t1", deadline_s: float = 60) -> str:
    with pytest.raises(PlanFailedError) as caught:
        await client.plan(trace_id, "core", deadline_s, ignore)
    return caught.value.failure


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - seen from outside, as a person does
            await asyncio.sleep(0.01)


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def wait_until_dead(pid: int) -> None:
    deadline_s = time.monotonic() + 20
    while is_alive(pid):
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


def test_one_process_answers_one_request_after_the_other() -> None:
    async def use(client: WorkerClient) -> list[object]:
        replies = [await client.plan(f"t{n}", "core", 60, ignore) for n in range(3)]
        assert [reply.trace_id for reply in replies] == ["t0", "t1", "t2"]
        return [reply.record["pid"] for reply in replies]

    assert len(set(with_worker(ANSWERS, use))) == 1


def test_a_plan_beyond_its_deadline_costs_the_process_and_the_next_plan_works() -> None:
    async def use(client: WorkerClient) -> None:
        assert await failure(client, "hang", deadline_s=0.2) == OVERRAN
        reply = await client.plan("t2", "core", 60, ignore)
        assert reply.trace_id == "t2"
        assert client.restarts == 1

    with_worker(HANGS, use)


def test_a_process_that_dies_fails_its_plan_and_takes_its_children_along() -> None:
    lines: list[str] = []
    failed = with_worker(
        LEAVES_A_CHILD, failure, callbacks=WorkerCallbacks(on_stderr_line=lines.append)
    )
    assert failed == DIED
    (child,) = lines
    wait_until_dead(int(child))


def test_a_child_that_left_the_group_neither_hides_nor_outlives_the_end_of_its_parent() -> None:
    escapes = LEAVES_A_CHILD.replace('"60"]', '"60"], start_new_session=True')
    assert escapes != LEAVES_A_CHILD
    lines: list[str] = []
    failed = with_worker(escapes, failure, callbacks=WorkerCallbacks(on_stderr_line=lines.append))
    (child,) = lines
    assert not is_alive(int(child)), "it had a session of its own, and is the daemon's now"
    assert failed == DIED


@pytest.mark.parametrize(
    ("script", "deadline_s", "is_killed", "cause_uncertain"),
    [(HANGS, 60.0, True, True), (HANGS, 0.2, False, False), (CANNOT_START, 60.0, False, False)],
    ids=["killed from outside", "killed by us", "never ready"],
)
def test_only_the_cause_of_an_end_from_outside_is_uncertain(
    script: str, deadline_s: float, is_killed: bool, cause_uncertain: bool
) -> None:
    async def use(client: WorkerClient) -> bool:
        request = asyncio.ensure_future(client.plan("hang", "core", deadline_s, ignore))
        if is_killed:
            await until(lambda: is_busy(client))
            assert client.pid is not None
            os.kill(client.pid, signal.SIGKILL)
        with pytest.raises(PlanFailedError) as caught:
            await request
        assert caught.value.suspect == ""
        return caught.value.cause_uncertain

    assert with_worker(script, use) is cause_uncertain


def test_other_children_of_the_daemon_are_left_alone() -> None:
    async def use(client: WorkerClient) -> None:
        ours = await asyncio.create_subprocess_exec("sleep", "60")
        assert await failure(client) == DIED
        assert ours.returncode is None
        assert is_alive(ours.pid)
        ours.kill()
        await ours.wait()

    with_worker(LEAVES_A_CHILD, use)


def test_a_cancel_that_is_ignored_is_enforced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_client, "CANCEL_GRACE_S", 0.1)

    async def use(client: WorkerClient) -> str:
        request = asyncio.ensure_future(failure(client, "hang"))
        await until(lambda: is_busy(client))
        client.cancel("another")
        client.cancel("hang")
        return await request

    assert with_worker(HANGS, use) == CANCELLED


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("x", 1),
        ("[1]", 1),
        ("x", WORKER_LINE_BYTES_MAX + 10),
        pytest.param(
            '{"warm": {"elapsed_s": 1%s}}' % ("0" * 400), 1, id="a number beyond every float"
        ),
    ],
)
def test_a_process_that_sends_garbage_is_killed(text: str, times: int) -> None:
    assert with_worker(SENDS_GARBAGE, failure, text, str(times)) == DIED


@pytest.mark.parametrize("changed", ['{"bucket_id": "../.."}', '{"score": NaN}'])
def test_a_plan_that_could_not_be_stored_is_not_an_answer(changed: str) -> None:
    assert with_worker(SENDS_A_CHANGED_PLAN, failure, changed) == DIED


def test_a_process_that_cannot_start_fails_the_plan_and_is_retried_ever_more_slowly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(worker_client, "BACKOFF_MIN_S", 0.01)
    ends: list[str] = []

    async def use(client: WorkerClient) -> None:
        assert await failure(client) == DIED
        await until(lambda: client.restarts >= 4)

    with_worker(CANNOT_START, use, callbacks=WorkerCallbacks(on_end=ends.append))
    assert set(ends) == {"ended with code 5"}


def test_a_program_that_does_not_exist_fails_the_plan() -> None:
    async def run() -> None:
        command = ("/nowhere/python",)
        async with WorkerClient(Home(Path("/nowhere")), None, command) as client:
            async with asyncio.timeout(10):
                with pytest.raises(PlanFailedError, match="could not be started: No such file"):
                    await client.plan("t1", "core", 60, ignore)
            assert client.pid is None

    asyncio.run(run())


def test_stopping_kills_a_process_that_is_busy() -> None:
    async def use(client: WorkerClient) -> int:
        request = asyncio.ensure_future(client.plan("hang", "core", 600, ignore))
        await until(lambda: is_busy(client))
        request.cancel()
        assert client.pid is not None
        return client.pid

    assert not is_alive(with_worker(HANGS, use))


def test_a_request_that_is_abandoned_before_the_process_is_ready_leaves_no_task() -> None:
    def waiting() -> set[asyncio.Task[object]]:
        return {task for task in asyncio.all_tasks() if "Event.wait" in repr(task.get_coro())}

    async def use(client: WorkerClient) -> None:
        await until(lambda: len(waiting()) == 1)  # for the end of the process: it is connected
        before = waiting()
        for number in range(3):
            request = asyncio.ensure_future(client.plan(f"t{number}", "core", 600, ignore))
            await asyncio.sleep(0)
            request.cancel()
            await asyncio.gather(request, return_exceptions=True)
        await asyncio.sleep(0)
        assert waiting() <= before

    with_worker(NEVER_READY, use)


def test_the_real_worker_plans_sends_its_stages_and_ends_with_its_daemon(tmp_path: Path) -> None:
    home = create_home(tmp_path / "home", demo=True).home
    events: list[dict[str, Any]] = []

    async def run() -> int:
        async with WorkerClient(home) as client:
            reply = await client.plan("a" * 32, "core", 60, events.append)
            assert reply.record["outcome"] == "PLANNED"
            assert json.loads(json.dumps(reply.record)) == reply.record
            with pytest.raises(PlanFailedError) as caught:
                await client.plan("b" * 32, "no_such_bucket", 60, events.append)
            assert caught.value.failure == "home"
            assert "no_such_bucket" in caught.value.lines[0]
            assert client.pid is not None
            assert os.getpgid(client.pid) == client.pid != os.getpgid(0)
            return client.pid

    pid = asyncio.run(run())
    assert not is_alive(pid)
    assert {event["trace_id"] for event in events} == {"a" * 32}
    assert "search" in [e["data"]["stage"] for e in events if e["event_type"] == "StageCompleted"]
    assert list(home.root.glob("plans/*/*")) == [], "only the daemon keeps plans"


def test_the_real_worker_plans_with_new_money_and_without_sells(tmp_path: Path) -> None:
    home = create_home(tmp_path / "home", demo=True).home

    async def run() -> tuple[Any, Any]:
        async with WorkerClient(home) as client:
            plain = await client.plan("t1", "core", 60, lambda _event: None)
            invested = await client.plan(
                "t2", "core", 60, lambda _event: None, invest=5000.0, buy_only=True
            )
            return plain.record, invested.record

    plain, invested = asyncio.run(run())
    assert plain["new_money"] is None
    assert invested["new_money"]["amount"] == 5000.0
    assert invested["nav"] == pytest.approx(plain["nav"] + 5000.0)
    assert {step["side"] for step in plain["steps"]} == {"buy", "sell"}
    assert {step["side"] for step in invested["steps"]} == {"buy"}


def test_a_request_made_while_a_killed_process_ends_waits_for_the_next_one() -> None:
    async def use(client: WorkerClient) -> None:
        for n in range(5):
            first = await client.plan(f"a{n}", "core", 60, ignore)
            client.kill()
            second = await client.plan(f"b{n}", "core", 60, ignore)
            assert first.record["pid"] != second.record["pid"]

    with_worker(ANSWERS, use)
