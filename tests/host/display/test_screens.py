"""The pictures of the states: tellable apart, also on a board that knows only on and off."""

from __future__ import annotations

from itertools import combinations

import pytest

from firmware_bridge.board_frames import incompatible_frame, stale_frame
from firmware_bridge.matrix import Canvas, Frame
from host.display.screens import (
    config_rejected_frame,
    degraded_frame,
    fault_frame,
    heartbeat_frame,
    planning_frame,
    result_screen,
    with_degraded_mark,
)

PICTURES = {
    "stale": stale_frame(),
    "incompatible": incompatible_frame(),
    "fault": fault_frame(12),
    "fault of one digit": fault_frame(7),
    "config rejected": config_rejected_frame(),
    "degraded": degraded_frame(),
    "planning": planning_frame(0.5, 0),
    "heartbeat": heartbeat_frame(5),
    "dark": Frame.blank(),
}


def on_a_yun(frame: Frame) -> list[bool]:
    return [level >= 4 for level in frame.levels]


@pytest.mark.parametrize(("one", "other"), list(combinations(PICTURES, 2)))
def test_no_two_states_look_alike_on_a_board_without_grey(one: str, other: str) -> None:
    pairs = zip(on_a_yun(PICTURES[one]), on_a_yun(PICTURES[other]), strict=True)
    assert sum(a is not b for a, b in pairs) >= 10


def test_every_fault_code_has_a_picture_of_its_own() -> None:
    assert len({fault_frame(code) for code in range(100)}) == 100


def test_planning_moves_and_progresses() -> None:
    assert len({planning_frame(0.3, step) for step in range(5)}) == 5
    assert planning_frame(0.3, 0) == planning_frame(0.3, 5)
    assert planning_frame(0.3, 0) != planning_frame(0.4, 0)


def test_the_heart_beats() -> None:
    assert len({heartbeat_frame(step) for step in range(10)}) == 6
    assert heartbeat_frame(0) == heartbeat_frame(10)


def test_the_degraded_mark_stands_apart_from_what_it_marks() -> None:
    canvas = Canvas()
    canvas.box(0, 0, 13, 8)
    marked = with_degraded_mark(canvas.frame())
    assert [marked.level(12, y) for y in range(5)] == [7, 7, 0, 7, 0]
    assert [marked.level(11, y) for y in range(6)] == [0, 0, 0, 0, 0, 7]


@pytest.mark.parametrize("n_steps", [0, 3, 12])
def test_a_proven_plan_has_one_dot_more_on_a_board_without_grey(n_steps: int) -> None:
    steps = [{"side": side, "security": "KO", "quantity": 1.0, "value": 100.0}
             for side in ("buy", "sell") * (n_steps // 2 + 1)][:n_steps]  # fmt: skip
    record = {"outcome": "PLANNED" if steps else "NOTHING_TO_DO", "steps": steps}
    lit = {
        answer: sum(
            sum(on_a_yun(shot.draw(0)))
            for shot in result_screen({**record, "certificate": {"answer": answer}}, 0).shots
        )
        for answer in ("proven", "within", "open")
    }
    assert lit["proven"] == lit["within"] + 1
    assert lit["within"] == lit["open"]
