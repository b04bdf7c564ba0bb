"""kill -9 at every step between a press and its plan: nothing acknowledged is lost or doubled."""

from __future__ import annotations

import random
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.promises import (
    acked_edges,
    assert_promises,
    of_type,
    quick,
    small_home,
    trader,
    wait_until,
)
from tools.chaos.promises import journal, plan_files, presses_without_verdict

PLACES: list[dict[str, Any]] = [
    {"at": "torn_record", "type": "ButtonEdge", "n": 1},
    {"at": "after_record", "type": "ButtonEdge", "n": 1},
    {"at": "before_confirm", "n": 1},
    {"at": "after_record", "type": "ButtonEdge", "n": 2},
    {"at": "after_confirm", "n": 2},
    {"at": "before_record", "type": "PlanRequested"},
    {"at": "after_record", "type": "PlanRequested"},
    {"at": "after_ask", "n": 1},
    {"at": "before_save", "n": 1},
    {"at": "after_save", "n": 1},
    {"at": "after_record", "type": "PlanStored"},
]
BETWEEN: list[dict[str, Any]] = [
    {"at": "before_record", "type": "ButtonEdge", "n": 1},
    {"at": "after_confirm", "n": 1},
    {"at": "before_record", "type": "ButtonEdge", "n": 2},
    {"at": "torn_record", "type": "ButtonEdge", "n": 2},
    {"at": "before_confirm", "n": 2},
    {"at": "torn_record", "type": "PlanRequested"},
    {"at": "before_record", "type": "PlanStored"},
    {"at": "torn_record", "type": "PlanStored"},
    {"at": "before_show", "n": 4},
]
"""Places that lie so near to another one that they are left to `make soak`."""


def place(kill: dict[str, Any]) -> str:
    return "-".join(map(str, kill.values()))


@pytest.mark.parametrize(
    "kill",
    [
        *(pytest.param(kill, id=place(kill)) for kill in PLACES),
        *(pytest.param(kill, id=place(kill), marks=pytest.mark.soak) for kill in BETWEEN),
    ],
)
def test_a_press_is_executed_once_wherever_the_daemon_is_killed(
    tmp_path: Path, kill: dict[str, Any]
) -> None:
    home = small_home(tmp_path)
    with quick(home, kill=kill) as appliance:
        appliance.press()
        assert appliance.wait_for_daemon_end() == -signal.SIGKILL
        appliance.restart_daemon(trader())
        wait_until(lambda: bool(of_type(home, "PlanStored")), appliance)
        wait_until(lambda: acked_edges(appliance) == 2, appliance)
        appliance.stop_daemon()
    assert_promises(home)
    assert len(plan_files(home)) == 1
    traces = {r.trace_id for r in of_type(home, "ButtonEdge", "PlanRequested", "PlanStored")}
    assert len(traces) == 1, "one trace id, across the kill"
    assert traces == {plan_files(home)[0].stem.rpartition("-")[2]}


@pytest.mark.parametrize("moment", ["before_record", "after_record"])
def test_a_hold_selects_the_next_bucket_once_wherever_the_daemon_is_killed(
    tmp_path: Path, moment: str
) -> None:
    home = small_home(tmp_path)
    # The first selection is the one at the start.
    kill = {"at": moment, "type": "BucketSelected", "n": 2}
    with quick(home, kill=kill) as appliance:
        appliance.hold()
        assert appliance.wait_for_daemon_end() == -signal.SIGKILL
        appliance.restart_daemon(trader())
        appliance.wait_for("daemon", "BoardConnected")
        wait_until(lambda: len(of_type(home, "BucketSelected")) == 2, appliance)
        appliance.stop_daemon()
    assert_promises(home)
    assert [r.bucket_id for r in of_type(home, "BucketSelected")] == ["core", "other"]


def test_a_request_that_waited_too_long_for_a_new_daemon_expires_visibly(tmp_path: Path) -> None:
    home = small_home(tmp_path, "[limits]\npress_age_s = 1\n")
    with quick(home, kill={"at": "after_record", "type": "PlanRequested"}) as appliance:
        appliance.press()
        appliance.wait_for_daemon_end()
        appliance.pump_for(1.5)
        appliance.restart_daemon(trader())
        expired = appliance.wait_for("daemon", "PlanExpired")
        appliance.stop_daemon()
    assert_promises(home)
    assert plan_files(home) == []
    assert expired.record["trace_id"] == of_type(home, "PlanRequested")[0].trace_id


def test_a_press_that_waited_too_long_for_a_new_daemon_is_recorded_not_executed(
    tmp_path: Path,
) -> None:
    home = small_home(tmp_path, "[limits]\npress_age_s = 1\n")
    with quick(home, kill={"at": "after_record", "type": "ButtonEdge", "n": 2}) as appliance:
        appliance.press()
        appliance.wait_for_daemon_end()
        appliance.pump_for(1.5)
        appliance.restart_daemon(trader())
        appliance.wait_for("daemon", "PressExpired")
        appliance.stop_daemon()
    assert_promises(home)
    assert plan_files(home) == []


def test_a_cancel_holds_across_a_kill(tmp_path: Path) -> None:
    home = small_home(tmp_path, "[buttons]\nhold_ms = 300\nlong_hold_ms = 1000\n")
    kill = {"at": "after_record", "type": "CancelRequested"}
    with quick(home, plan_s=60, kill=kill) as appliance:
        appliance.press()
        appliance.wait_for("daemon", "PlanRequested")
        appliance.press(ms=1500)
        assert appliance.wait_for_daemon_end() == -signal.SIGKILL
        appliance.restart_daemon(trader())
        appliance.wait_for("daemon", "PlanCancelled")
        appliance.stop_daemon()
    assert_promises(home)
    assert plan_files(home) == []


def kill_at_random(home: Path, seed: int, presses: int) -> None:
    """Press and kill at random moments, then let it settle."""
    rng = random.Random(seed)  # noqa: S311 - not for secrets
    counts: Counter[str] = Counter()
    with quick(home, plan_s=0.1) as appliance:
        appliance.follow(lambda event: counts.update([event.kind]))
        for _ in range(presses):
            appliance.press(ms=rng.choice([40, 100, 200]))
            appliance.pump_for(rng.uniform(0.0, 0.9))
            appliance.stop_daemon(kill=True)
            appliance.restart_daemon(trader(0.1))
        # Presses that overlap are one, and the board may drop what does not fit its queue: what
        # counts is what it queued.
        appliance.wait_until_ready()
        appliance.pump_for(0.5)
        wait_until(lambda: counts["edge_acked"] == counts["edge"], appliance)
        wait_until(lambda: is_settled(home), appliance)
        appliance.stop_daemon()
    assert_promises(home)
    assert len(of_type(home, "ButtonEdge")) == counts["edge"] > 0


def is_settled(home: Path) -> bool:
    """Return whether every press has its verdict, and every request its answer."""
    requested = {r.trace_id for r in of_type(home, "PlanRequested")}
    answered = {r.trace_id for r in of_type(home, "PlanStored", "PlanExpired")}
    return requested == answered and not presses_without_verdict(journal(home))


def test_nothing_is_lost_or_doubled_when_the_daemon_is_killed_at_random(tmp_path: Path) -> None:
    kill_at_random(small_home(tmp_path), seed=1, presses=5)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(10))
def test_nothing_is_lost_or_doubled_in_many_random_kills(tmp_path: Path, seed: int) -> None:
    kill_at_random(small_home(tmp_path), seed=seed, presses=40)
