"""Events: typed, frozen, and plain data on the outside."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime

import pytest

from planner_core import events
from planner_core.events import Event, ModuleFailed, PlanningCompleted
from planner_core.planner import plan
from tests.builders import Recorder, make_config, make_context, make_runtime

TYPES = sorted(
    (
        thing
        for thing in vars(events).values()
        if isinstance(thing, type) and issubclass(thing, Event) and thing is not Event
    ),
    key=lambda event: event.__name__,
)
NOON = datetime(2024, 6, 28, 12, tzinfo=UTC)


def test_the_required_events_exist() -> None:
    assert {event.__name__ for event in TYPES} >= {
        "SequenceGenerationStarted",
        "SequenceGenerationCompleted",
        "SequenceEvaluationStarted",
        "SequenceEvaluationCompleted",
        "BestSequenceUpdated",
        "PlanningCompleted",
        "ModuleLoadFailed",
        "ModuleFailed",
        "ConfigurationChanged",
    }


@pytest.mark.parametrize("event", TYPES, ids=lambda event: event.__name__)
def test_every_event_carries_its_type(event: type[Event]) -> None:
    assert event.__doc__
    names = [field.name for field in dataclasses.fields(event)]
    assert names[:3] == ["timestamp", "bucket_id", "trace_id"]
    assert event.schema_version >= 1


def test_a_record_is_an_envelope_beside_its_data() -> None:
    event = ModuleFailed(
        timestamp=NOON,
        bucket_id="core",
        trace_id="t",
        key="filters.x",
        operation="reject",
        elapsed_s=0.5,
        error="ValueError: no",
    )
    assert event.to_record() == {
        "timestamp": "2024-06-28T12:00:00+00:00",
        "bucket_id": "core",
        "trace_id": "t",
        "event_type": "ModuleFailed",
        "schema_version": 1,
        "data": {
            "key": "filters.x",
            "operation": "reject",
            "elapsed_s": 0.5,
            "error": "ValueError: no",
        },
    }


def test_an_event_cannot_be_changed() -> None:
    event = PlanningCompleted(
        timestamp=NOON,
        bucket_id="b",
        trace_id="t",
        outcome="PLANNED",
        gain=0.1,
        n_steps=1,
        elapsed_s=0.0,
    )
    with pytest.raises(dataclasses.FrozenInstanceError):
        event.gain = 1.0  # type: ignore[misc]


def test_a_run_publishes_its_events_in_order_and_every_record_is_json() -> None:
    recorder = Recorder()
    plan(make_context(n_days=300), make_config(), make_runtime(recorder=recorder))
    types = recorder.types
    assert types[0] == "PlanningStarted"
    assert types[-1] == "PlanningCompleted"
    order = [
        "CandidatesPrepared",
        "SequenceGenerationStarted",
        "SequenceEvaluationStarted",
        "BestSequenceUpdated",
        "SequenceGenerationCompleted",
        "SequenceEvaluationCompleted",
        "PlanningCompleted",
    ]
    places = [types.index(name) for name in order]
    assert places == sorted(places)
    for event in recorder.events:
        record = json.loads(json.dumps(event.to_record(), allow_nan=False))
        assert record["trace_id"] == "trace-1"
        assert record["bucket_id"] == "core"
