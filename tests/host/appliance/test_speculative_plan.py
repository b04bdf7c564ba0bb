"""A speculative plan is used for the press that it was begun for, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from host.appliance import plan_service
from host.appliance.plan_service import SpeculativePlanner
from host.appliance.presses.press_log import OpenRequest
from host.planning.worker.client import PlanReply
from host.planning.worker.errors import CANCELLED, PlanFailedError

NOW = datetime(2026, 6, 10, tzinfo=UTC)


class Planner:
    """A worker that answers when the test lets it, one plan at a time."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.cancelled: list[str] = []
        self.is_slow_to_end = False
        self.on_event: Callable[[dict[str, Any]], None] = lambda _event: None
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
        self.requests.append(f"{trace_id} {bucket_id}")
        self.on_event = on_event
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


def request(trace_id: str, bucket_id: str = "core") -> OpenRequest:
    return OpenRequest(trace_id, bucket_id, NOW)


def play(scenario: Callable[[Planner, SpeculativePlanner], Awaitable[None]]) -> Planner:
    planner = Planner()

    async def run() -> None:
        await scenario(planner, SpeculativePlanner(planner, 30.0))  # type: ignore[arg-type]  # stands in

    asyncio.run(run())
    return planner


async def turn() -> None:
    """Let every task go as far as it can."""
    for _ in range(5):
        await asyncio.sleep(0)


def nothing(_event: dict[str, Any]) -> None:
    """Ignore an event."""


def test_a_speculative_plan_becomes_the_plan_of_its_press_with_all_its_events() -> None:
    async def scenario(planner: Planner, speculative: SpeculativePlanner) -> None:
        events: list[dict[str, Any]] = []
        speculative.begin("a", "core")
        await turn()
        planner.on_event({"stage": 1})
        assert events == [], "there is no request yet"
        speculative.confirm("a")
        plan = asyncio.create_task(speculative.plan(request("a"), events.append))
        await turn()
        assert events == [{"stage": 1}]
        planner.on_event({"stage": 2})
        assert events == [{"stage": 1}, {"stage": 2}]
        reply = planner.finish()
        assert await plan is reply

    assert play(scenario).requests == ["a core"]


def test_a_finished_speculative_plan_is_used_as_it_is() -> None:
    async def scenario(planner: Planner, speculative: SpeculativePlanner) -> None:
        speculative.begin("a", "core")
        await turn()
        reply = planner.finish()
        await turn()
        speculative.confirm("a")
        assert await speculative.plan(request("a"), nothing) is reply

    assert play(scenario).requests == ["a core"]


@pytest.mark.parametrize(
    ("confirmed_id", "other_request"),
    [("a", request("b")), ("a", request("a", "other")), ("b", request("a"))],
    ids=["another press", "another bucket", "not confirmed"],
)
def test_a_speculative_plan_for_anything_else_is_stopped_first(
    confirmed_id: str, other_request: OpenRequest
) -> None:
    async def scenario(planner: Planner, speculative: SpeculativePlanner) -> None:
        speculative.begin("a", "core")
        await turn()
        speculative.confirm(confirmed_id)
        plan = asyncio.create_task(speculative.plan(other_request, nothing))
        await turn()
        assert planner.cancelled == ["a"]
        reply = planner.finish()
        assert await plan is reply

    names = f"{other_request.trace_id} {other_request.bucket_id}"
    assert play(scenario).requests == ["a core", names]


def test_a_discarded_plan_is_not_used_even_if_its_press_is_a_request_after_all() -> None:
    async def scenario(planner: Planner, speculative: SpeculativePlanner) -> None:
        speculative.begin("a", "core")
        await turn()
        planner.is_slow_to_end = True
        speculative.discard()
        speculative.confirm("a")
        plan = asyncio.create_task(speculative.plan(request("a"), nothing))
        await turn()
        planner.fail(CANCELLED)
        await turn()
        reply = planner.finish()
        assert await plan is reply

    assert play(scenario).requests == ["a core", "a core"]


def test_a_confirmed_plan_is_not_discarded_by_a_later_press() -> None:
    async def scenario(planner: Planner, speculative: SpeculativePlanner) -> None:
        speculative.begin("a", "core")
        await turn()
        speculative.confirm("a")
        speculative.discard()
        plan = asyncio.create_task(speculative.plan(request("a"), nothing))
        await turn()
        planner.finish()
        await plan

    planner = play(scenario)
    assert (planner.requests, planner.cancelled) == (["a core"], [])


def test_a_speculative_plan_that_failed_before_its_request_is_tried_again() -> None:
    async def scenario(planner: Planner, speculative: SpeculativePlanner) -> None:
        speculative.begin("a", "core")
        await turn()
        planner.fail("worker_died")
        await turn()
        speculative.confirm("a")
        plan = asyncio.create_task(speculative.plan(request("a"), nothing))
        await turn()
        planner.finish()
        await plan

    assert play(scenario).requests == ["a core", "a core"]


def test_a_plan_that_fails_after_its_request_has_failed() -> None:
    async def scenario(planner: Planner, speculative: SpeculativePlanner) -> None:
        speculative.begin("a", "core")
        await turn()
        speculative.confirm("a")
        plan = asyncio.create_task(speculative.plan(request("a"), nothing))
        await turn()
        planner.fail("overrun")
        with pytest.raises(PlanFailedError, match="why"):
            await plan

    assert play(scenario).requests == ["a core"]


def test_an_old_speculative_plan_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_service, "SPECULATION_AGE_MAX_S", -1.0)

    async def scenario(planner: Planner, speculative: SpeculativePlanner) -> None:
        speculative.begin("a", "core")
        await turn()
        planner.finish()
        await turn()
        speculative.confirm("a")
        plan = asyncio.create_task(speculative.plan(request("a"), nothing))
        await turn()
        planner.finish()
        await plan

    assert play(scenario).requests == ["a core", "a core"]


def test_no_speculative_plan_begins_while_the_planner_is_at_work() -> None:
    async def scenario(planner: Planner, speculative: SpeculativePlanner) -> None:
        plan = asyncio.create_task(speculative.plan(request("a"), nothing))
        await turn()
        speculative.begin("b", "core")
        await turn()
        planner.finish()
        await plan
        speculative.begin("c", "core")
        await turn()
        speculative.begin("d", "core")
        await turn()
        planner.finish()

    assert play(scenario).requests == ["a core", "c core"]
