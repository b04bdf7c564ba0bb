"""Every type of event there is, by name; and an event from plain data, as a process sends it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import ModuleType
from typing import Any, Final

from host.telemetry.events import daemon_events, press_events
from planner_core import events as planner_events
from planner_core.events import Event, payload_names

ABSTRACT: Final = frozenset({"Event", "HostEvent", "Verdict"})
ENVELOPE: Final = ("timestamp", "bucket_id", "trace_id")


def _types_of(module: ModuleType) -> dict[str, type[Event]]:
    return {
        name: found
        for name, found in vars(module).items()
        if isinstance(found, type) and issubclass(found, Event) and name not in ABSTRACT
    }


PLANNER_EVENTS: Final = _types_of(planner_events)
PRESS_EVENTS: Final = _types_of(press_events)
DAEMON_EVENTS: Final = _types_of(daemon_events)
EVENT_TYPES: Final[Mapping[str, type[Event]]] = {
    **PLANNER_EVENTS,
    **PRESS_EVENTS,
    **DAEMON_EVENTS,
}
assert len(EVENT_TYPES) == sum(map(len, (PLANNER_EVENTS, PRESS_EVENTS, DAEMON_EVENTS)))


def event_of(record: Mapping[str, object]) -> Event | None:
    """Return the event of a record; None when it is of no type that is known, or not whole.

    A field more is left out, so that a younger process can talk to an older one.
    """
    event_type = EVENT_TYPES.get(str(record.get("event_type")))
    data = record.get("data")
    if event_type is None or not isinstance(data, Mapping):
        return None
    known: dict[str, Any] = {
        name: _frozen(data[name]) for name in payload_names(event_type) if name in data
    }
    try:
        timestamp = datetime.fromisoformat(str(record.get("timestamp")))
        if timestamp.tzinfo is None:
            return None
        bucket_id, trace_id = (str(record.get(name, "")) for name in ENVELOPE[1:])
        return event_type(timestamp=timestamp, bucket_id=bucket_id, trace_id=trace_id, **known)
    except (ValueError, TypeError):
        return None


def _frozen(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value
