"""The screen: sends what changed, sleeps in between, and knows which frame answers which press."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from firmware_bridge.matrix import Frame
from host.appliance.screen import Screen
from host.display.compositor import Fault
from host.planning.plan_json import plan_to_json
from tests.host.sample_plans import planned

PLANNED_RECORD = plan_to_json(planned(), 0, None)


def on_screen(use: Callable[[Screen, list[Frame]], None]) -> list[Frame]:
    """Run `use` on a screen that is linked, and return the frames it sent."""
    sent: list[Frame] = []

    def show(frame: Frame, _brightness: int) -> int:
        sent.append(frame)
        return len(sent)

    async def run() -> None:
        screen = Screen(show)
        screen.update(screen.state.with_link(is_linked=True))
        use(screen, sent)
        screen.close()

    asyncio.run(run())
    return sent


def test_nothing_is_sent_while_there_is_no_link() -> None:
    def use(screen: Screen, sent: list[Frame]) -> None:
        screen.update(screen.state.with_link(is_linked=False))
        before = len(sent)
        screen.add_fault(Fault.DATA_UNUSABLE)
        assert len(sent) == before
        screen.update(screen.state.with_link(is_linked=True))
        assert len(sent) == before + 1

    on_screen(use)


def test_the_same_picture_is_sent_once() -> None:
    def use(screen: Screen, sent: list[Frame]) -> None:
        screen.add_fault(Fault.DATA_UNUSABLE)
        before = len(sent)
        screen.add_fault(Fault.DATA_UNUSABLE)
        assert len(sent) == before

    on_screen(use)


def test_a_plan_counts_as_shown_once_and_only_with_its_own_frame() -> None:
    def use(screen: Screen, sent: list[Frame]) -> None:
        now_s = screen.now_s()
        screen.update(screen.state.with_planning(now_s))
        planning = len(sent)
        screen.expect_answer(str(PLANNED_RECORD["trace_id"]))
        screen.update(screen.state.with_result(PLANNED_RECORD, now_s))
        answer = len(sent)
        assert answer > planning
        assert screen.acknowledge(planning) is None
        assert screen.acknowledge(answer) == PLANNED_RECORD["trace_id"]
        assert screen.acknowledge(answer) is None

    on_screen(use)


def test_an_answer_that_looks_like_the_last_one_is_sent_again() -> None:
    def use(screen: Screen, sent: list[Frame]) -> None:
        now_s = screen.now_s()
        for trace_id in ("1" * 32, "2" * 32):
            screen.expect_answer(trace_id)
            screen.update(screen.state.with_result({**PLANNED_RECORD, "trace_id": trace_id}, now_s))
            assert screen.acknowledge(len(sent)) == trace_id

    on_screen(use)
