"""A plan begun on a guess belongs to the press that it was made for, or to nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from host.appliance.presses import speculative_plan
from host.appliance.presses.press_log import OpenRequest
from host.appliance.presses.speculative_plan import HeadStart
from host.planning.worker.client import PlanReply
from host.planning.worker.errors import CANCELLED, PlanFailedError

NOW = datetime(2026, 6, 10, tzinfo=UTC)


class Planner:
    """A worker that answers when the test lets it, one plan at a time."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.cancelled: list[str] = []
        self.is_slow_to_end = False
        self.follow: Callable[[dict[str, Any]], None] = lambda _event: None
        self._reply: asyncio.Future[PlanReply] | None = None

    async def plan(
        self,
        trace_id: str,
        bucket_id: str,
        deadline_s: float,
        on_event: Callable[[dict[str, Any]], None],
    ) -> PlanReply:
        assert self._reply is None, "one plan at a time"
        assert deadline_s == 30.0
        self.asked.append(f"{trace_id} {bucket_id}")
        self.follow = on_event
        self._reply = asyncio.get_running_loop().create_future()
        try:
            return await self._reply
        finally:
            self._reply = None

    def cancel(self, trace_id: str) -> None:
        self.cancelled.append(trace_id)
        if not self.is_slow_to_end:
            self.fail(CANCELLED)

    def finish(self) -> PlanReply:
        reply = PlanReply("any", NOW, 0.1, {})
        assert self._reply is not None
        self._reply.set_result(reply)
        return reply

    def fail(self, how: str) -> None:
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(PlanFailedError(how, ["why"]))


def wish(trace_id: str, bucket_id: str = "core") -> OpenRequest:
    return OpenRequest(trace_id, bucket_id, NOW)


def play(scenario: Callable[[Planner, HeadStart], Awaitable[None]]) -> Planner:
    planner = Planner()

    async def run() -> None:
        await scenario(planner, HeadStart(planner, 30.0))  # type: ignore[arg-type]  # stands in

    asyncio.run(run())
    return planner


async def turn() -> None:
    """Let every task go as far as it can."""
    for _ in range(5):
        await asyncio.sleep(0)


def nothing(_event: dict[str, Any]) -> None:
    """Follow nothing."""


def test_a_guess_becomes_the_plan_of_its_press_with_all_that_the_planner_said() -> None:
    async def scenario(planner: Planner, ahead: HeadStart) -> None:
        seen: list[dict[str, Any]] = []
        ahead.begin("a", "core")
        await turn()
        planner.follow({"stage": 1})
        assert seen == [], "nobody asked yet"
        ahead.mean("a")
        plan = asyncio.create_task(ahead.plan(wish("a"), seen.append))
        await turn()
        assert seen == [{"stage": 1}]
        planner.follow({"stage": 2})
        assert seen == [{"stage": 1}, {"stage": 2}]
        reply = planner.finish()
        assert await plan is reply

    assert play(scenario).asked == ["a core"]


def test_a_guess_that_is_done_is_taken_as_it_is() -> None:
    async def scenario(planner: Planner, ahead: HeadStart) -> None:
        ahead.begin("a", "core")
        await turn()
        reply = planner.finish()
        await turn()
        ahead.mean("a")
        assert await ahead.plan(wish("a"), nothing) is reply

    assert play(scenario).asked == ["a core"]


@pytest.mark.parametrize(
    ("meant", "request_of"),
    [("a", wish("b")), ("a", wish("a", "other")), ("b", wish("a"))],
    ids=["another press", "another bucket", "never meant"],
)
def test_a_guess_for_anything_else_is_given_up_first(meant: str, request_of: OpenRequest) -> None:
    async def scenario(planner: Planner, ahead: HeadStart) -> None:
        ahead.begin("a", "core")
        await turn()
        ahead.mean(meant)
        plan = asyncio.create_task(ahead.plan(request_of, nothing))
        await turn()
        assert planner.cancelled == ["a"]
        reply = planner.finish()
        assert await plan is reply

    names = f"{request_of.trace_id} {request_of.bucket_id}"
    assert play(scenario).asked == ["a core", names]


def test_a_guess_that_was_dropped_is_nobodys_even_if_its_press_was_a_wish_after_all() -> None:
    async def scenario(planner: Planner, ahead: HeadStart) -> None:
        ahead.begin("a", "core")
        await turn()
        planner.is_slow_to_end = True
        ahead.drop()
        ahead.mean("a")
        plan = asyncio.create_task(ahead.plan(wish("a"), nothing))
        await turn()
        planner.fail(CANCELLED)
        await turn()
        reply = planner.finish()
        assert await plan is reply

    assert play(scenario).asked == ["a core", "a core"]


def test_a_guess_that_was_meant_is_not_dropped_by_a_later_press() -> None:
    async def scenario(planner: Planner, ahead: HeadStart) -> None:
        ahead.begin("a", "core")
        await turn()
        ahead.mean("a")
        ahead.drop()
        plan = asyncio.create_task(ahead.plan(wish("a"), nothing))
        await turn()
        planner.finish()
        await plan

    found = play(scenario)
    assert (found.asked, found.cancelled) == (["a core"], [])


def test_a_guess_that_failed_before_it_was_asked_for_is_tried_again() -> None:
    async def scenario(planner: Planner, ahead: HeadStart) -> None:
        ahead.begin("a", "core")
        await turn()
        planner.fail("worker_died")
        await turn()
        ahead.mean("a")
        plan = asyncio.create_task(ahead.plan(wish("a"), nothing))
        await turn()
        planner.finish()
        await plan

    assert play(scenario).asked == ["a core", "a core"]


def test_a_plan_that_fails_after_it_was_asked_for_has_failed() -> None:
    async def scenario(planner: Planner, ahead: HeadStart) -> None:
        ahead.begin("a", "core")
        await turn()
        ahead.mean("a")
        plan = asyncio.create_task(ahead.plan(wish("a"), nothing))
        await turn()
        planner.fail("overrun")
        with pytest.raises(PlanFailedError, match="why"):
            await plan

    assert play(scenario).asked == ["a core"]


def test_an_old_guess_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speculative_plan, "OLD_S", -1.0)

    async def scenario(planner: Planner, ahead: HeadStart) -> None:
        ahead.begin("a", "core")
        await turn()
        planner.finish()
        await turn()
        ahead.mean("a")
        plan = asyncio.create_task(ahead.plan(wish("a"), nothing))
        await turn()
        planner.finish()
        await plan

    assert play(scenario).asked == ["a core", "a core"]


def test_nothing_is_guessed_while_the_planner_is_at_work() -> None:
    async def scenario(planner: Planner, ahead: HeadStart) -> None:
        plan = asyncio.create_task(ahead.plan(wish("a"), nothing))
        await turn()
        ahead.begin("b", "core")
        await turn()
        planner.finish()
        await plan
        ahead.begin("c", "core")
        await turn()
        ahead.begin("d", "core")
        await turn()
        planner.finish()

    assert play(scenario).asked == ["a core", "c core"]
