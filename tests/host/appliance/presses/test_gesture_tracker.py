"""Gestures across outages, with a clock of the test's own."""

from __future__ import annotations

import pytest

from firmware_bridge.buttons import Gesture, GestureKind, GestureTiming, Sign
from firmware_bridge.edges import EdgeId
from firmware_bridge.events import ButtonEdge
from firmware_bridge.messages import Edge
from host.appliance.presses.gesture_tracker import SETTLE_S, PressReader

BOOT = 7


def edge(number: int, what: Edge, t_ms: int, age_ms: int = 0, boot_id: int = BOOT) -> ButtonEdge:
    return ButtonEdge(EdgeId(boot_id, number), 0, what, t_ms, age_ms)


def kinds(signs: list[Sign]) -> list[GestureKind]:
    return [sign.kind for sign in signs if isinstance(sign, Gesture)]


@pytest.fixture
def reader() -> PressReader:
    reader = PressReader(GestureTiming())
    reader.linked(-10.0)
    return reader


def test_a_short_press_acts_when_no_second_one_came(reader: PressReader) -> None:
    reader.feed(edge(1, Edge.DOWN, 0), 0.0)
    assert kinds(reader.feed(edge(2, Edge.UP, 100), 0.1)) == []
    assert reader.next_deadline() == pytest.approx(0.4)
    assert kinds(reader.tick(0.41)) == [GestureKind.SHORT]
    assert reader.is_idle


def test_a_button_that_is_down_becomes_no_hold_while_the_link_is_away(reader: PressReader) -> None:
    reader.feed(edge(1, Edge.DOWN, 0), 0.0)
    reader.unlinked()
    assert reader.next_deadline() is None
    assert reader.tick(60.0) == []
    reader.linked(60.0)
    assert reader.tick(60.0 + SETTLE_S / 2) == []
    assert reader.next_deadline() == pytest.approx(60.0 + SETTLE_S)
    assert kinds(reader.feed(edge(2, Edge.UP, 100, age_ms=59_900), 60.1)) == []
    signs = reader.tick(60.5)
    assert kinds(signs) == [GestureKind.SHORT]


def test_a_button_that_is_still_down_after_an_outage_acts(reader: PressReader) -> None:
    reader.feed(edge(1, Edge.DOWN, 0), 0.0)
    reader.unlinked()
    reader.linked(6.0)
    assert kinds(reader.tick(6.0 + SETTLE_S)) == [GestureKind.LONG_HOLD]


def test_the_age_of_a_gesture_is_that_of_its_last_edge(reader: PressReader) -> None:
    reader.feed(edge(1, Edge.DOWN, 0, age_ms=12_000), 20.0)
    reader.feed(edge(2, Edge.UP, 100, age_ms=11_900), 20.0)
    (gesture,) = reader.tick(20.4)
    assert isinstance(gesture, Gesture)
    assert reader.age_s(gesture, 20.4) == pytest.approx(12.3)


def test_giving_up_lets_a_complete_press_act_and_forgets_an_incomplete_one(
    reader: PressReader,
) -> None:
    reader.feed(edge(1, Edge.DOWN, 0), 0.0)
    reader.feed(edge(2, Edge.UP, 100), 0.1)
    assert kinds(reader.give_up(0.1)) == [GestureKind.SHORT]
    reader.feed(edge(3, Edge.DOWN, 5000), 5.0)
    assert reader.give_up(5.1) == []
    assert reader.is_idle
    assert reader.next_deadline() is None
