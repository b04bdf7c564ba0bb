"""The one mutable object of a run: clocks, registries, and where events go."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from planner_core.errors import PlanningCancelledError
from planner_core.events import StageCompleted
from planner_core.modules.builtin import builtin_registries
from planner_core.planner import plan
from planner_core.runtime import EPOCH, Runtime
from tests.builders import FakeClock, Recorder, make_config, make_context, make_runtime


def test_the_defaults_are_silent_and_timeless() -> None:
    runtime = Runtime()
    assert runtime.registries is builtin_registries()
    assert runtime.monotonic() == runtime.monotonic() == 0.0
    assert runtime.now() == EPOCH == datetime(1970, 1, 1, tzinfo=UTC)
    assert not runtime.out_of_time()
    runtime.check_cancelled()
    runtime.publish(StageCompleted, stage="x", elapsed_s=0.0)


def test_events_carry_time_bucket_and_trace() -> None:
    recorder = Recorder()
    runtime = make_runtime(recorder=recorder, bucket_id="core")
    runtime.publish(StageCompleted, stage="x", elapsed_s=1.0)
    (event,) = recorder.events
    assert (event.bucket_id, event.trace_id) == ("core", "trace-1")
    assert event.timestamp == datetime(2024, 6, 28, 12, tzinfo=UTC)


def test_a_stage_is_timed_whether_it_ends_well_or_not() -> None:
    clock, recorder = FakeClock(), Recorder()
    runtime = make_runtime(monotonic=clock, recorder=recorder)
    with runtime.stage("good"):
        clock.advance(2.0)

    def fail() -> None:
        clock.advance(3.0)
        raise ValueError("bad")

    with pytest.raises(ValueError, match="bad"), runtime.stage("bad"):
        fail()
    assert recorder.of("StageCompleted") == [
        {"stage": "good", "elapsed_s": 2.0},
        {"stage": "bad", "elapsed_s": 3.0},
    ]


@pytest.mark.parametrize(("now_s", "out"), [(0.99, False), (1.0, True), (1.01, True)])
def test_the_deadline_is_on_the_monotonic_clock(now_s: float, out: bool) -> None:
    clock = FakeClock()
    runtime = make_runtime(monotonic=clock, deadline_s=1.0)
    clock.advance(now_s)
    assert runtime.out_of_time() is out


@pytest.mark.parametrize("answers", [0, 1, 2, 5, 10])
def test_a_cancelled_run_ends_at_any_point(answers: int) -> None:
    answers_in_turn = iter([False] * answers)
    recorder = Recorder()
    runtime = make_runtime(recorder=recorder, is_cancelled=lambda: next(answers_in_turn, True))
    with pytest.raises(PlanningCancelledError, match="cancelled"):
        plan(make_context(n_days=300), make_config(), runtime)
    assert "PlanningCompleted" not in recorder.types
