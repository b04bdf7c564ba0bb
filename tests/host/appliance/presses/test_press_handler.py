"""Gestures become commands, and commands decisions."""

from __future__ import annotations

import pytest

from firmware_bridge.buttons import GestureKind
from host.appliance.presses.press_handler import (
    AcknowledgeFaults,
    CancelPlan,
    ClosePairing,
    Controls,
    Decision,
    Expire,
    Ignore,
    JoinPlan,
    OpenPairing,
    SelectBucket,
    Situation,
    StartPlan,
    TurnPage,
)
from host.home.config.device_settings import ButtonCommand, ButtonsTable

NAMES = ("core", "satellite_a", "satellite_b")
QUIET = Situation("core", NAMES, {})
BUSY = Situation("core", NAMES, {"core": "t1"})
BUSY_ELSEWHERE = Situation("core", NAMES, {"satellite_a": "t2"})
FAULTY = Situation("core", NAMES, {}, has_faults=True)


@pytest.fixture
def controls() -> Controls:
    return Controls(ButtonsTable(), press_age_s=10.0)


@pytest.mark.parametrize(
    ("kind", "situation", "expected"),
    [
        (GestureKind.SHORT, QUIET, StartPlan("core")),
        (GestureKind.SHORT, BUSY, JoinPlan("core", "t1")),
        (GestureKind.SHORT, BUSY_ELSEWHERE, StartPlan("core")),
        (GestureKind.DOUBLE, QUIET, TurnPage()),
        (GestureKind.DOUBLE, BUSY, TurnPage()),
        (GestureKind.HOLD, QUIET, SelectBucket("satellite_a")),
        (GestureKind.HOLD, Situation("satellite_b", NAMES, {}), SelectBucket("core")),
        (GestureKind.HOLD, Situation("gone", NAMES, {}), SelectBucket("core")),
        (GestureKind.HOLD, Situation(None, NAMES, {}), SelectBucket("core")),
        (GestureKind.LONG_HOLD, BUSY, CancelPlan("t1")),
        (GestureKind.LONG_HOLD, BUSY_ELSEWHERE, CancelPlan("t2")),
        (GestureKind.LONG_HOLD, FAULTY, AcknowledgeFaults()),
    ],
)
def test_a_gesture_means_this_in_this_situation(
    controls: Controls, kind: GestureKind, situation: Situation, expected: Decision
) -> None:
    assert controls.decide(kind, 0.5, situation) == expected


@pytest.mark.parametrize(
    ("kind", "situation"),
    [
        (GestureKind.SHORT, Situation(None, (), {})),
        (GestureKind.HOLD, Situation("core", ("core",), {})),
        (GestureKind.HOLD, Situation(None, (), {})),
        (GestureKind.LONG_HOLD, QUIET),
    ],
)
def test_a_gesture_that_can_do_nothing_says_why(
    controls: Controls, kind: GestureKind, situation: Situation
) -> None:
    decision = controls.decide(kind, 0.0, situation)
    assert isinstance(decision, Ignore)
    assert decision.why


@pytest.mark.parametrize("kind", GestureKind)
def test_whatever_the_gesture_it_expires_beyond_the_age(
    controls: Controls, kind: GestureKind
) -> None:
    assert not isinstance(controls.decide(kind, 10.0, QUIET), Expire)
    assert controls.decide(kind, 10.001, QUIET) == Expire(10.001)


def test_gestures_can_be_set_to_other_commands() -> None:
    buttons = ButtonsTable(
        short=ButtonCommand.NEXT_PAGE, double=ButtonCommand.NOTHING, hold=ButtonCommand.PLAN
    )
    controls = Controls(buttons, press_age_s=10.0)
    assert controls.decide(GestureKind.SHORT, 0.0, QUIET) == TurnPage()
    assert isinstance(controls.decide(GestureKind.DOUBLE, 0.0, QUIET), Ignore)
    assert controls.decide(GestureKind.HOLD, 0.0, QUIET) == StartPlan("core")


PAIRING_OVER_ALL = Situation("core", NAMES, {"core": "t1"}, has_faults=True, is_pairing=True)


@pytest.mark.parametrize(
    ("situation", "expected"),
    [
        (QUIET, OpenPairing()),
        (BUSY, CancelPlan("t1")),
        (FAULTY, AcknowledgeFaults()),
        (PAIRING_OVER_ALL, ClosePairing()),
    ],
)
def test_a_long_hold_lets_a_device_pair_when_there_is_nothing_else_to_cancel(
    situation: Situation, expected: Decision
) -> None:
    controls = Controls(ButtonsTable(), press_age_s=10.0, serves_api=True)
    assert controls.decide(GestureKind.LONG_HOLD, 0.5, situation) == expected
    assert controls.decide(GestureKind.LONG_HOLD, 10.001, situation) == Expire(10.001)


def test_without_the_api_only_a_gesture_set_to_it_lets_a_device_pair() -> None:
    controls = Controls(ButtonsTable(double=ButtonCommand.PAIR), press_age_s=10.0)
    assert isinstance(controls.decide(GestureKind.LONG_HOLD, 0.0, QUIET), Ignore)
    assert controls.decide(GestureKind.DOUBLE, 0.0, QUIET) == OpenPairing()


@pytest.mark.parametrize("kind", [GestureKind.SHORT, GestureKind.DOUBLE, GestureKind.HOLD])
def test_no_other_gesture_opens_pairing_by_default(kind: GestureKind) -> None:
    controls = Controls(ButtonsTable(), press_age_s=10.0, serves_api=True)
    for situation in (QUIET, BUSY, FAULTY, PAIRING_OVER_ALL):
        assert controls.decide(kind, 0.0, situation) != OpenPairing()
