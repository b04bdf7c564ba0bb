"""What all events of the host share."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import ClassVar, Final, TypedDict, TypeVar

from planner_core.events import Event

EventT = TypeVar("EventT", bound=Event)

NOT_YET: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""The time of an event that nobody was told of; whoever tells it sets it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostEvent(Event):
    """An event of the host: about the whole appliance unless it names a bucket or a trace."""

    timestamp: datetime = NOT_YET
    bucket_id: str = ""
    trace_id: str = ""

    per_hour_max: ClassVar[int] = 10_000
    """How many the journal takes in an hour unless something depends on them; the rest is counted.

    A cable with a loose contact must not push a year of plans out of the journal.
    """


class Names(TypedDict):
    """What an event is about, to be handed to several."""

    trace_id: str
    bucket_id: str


def stamped(event: EventT, now: datetime) -> EventT:
    """Return the event with the time it was told, unless it brings its own."""
    return replace(event, timestamp=now) if event.timestamp == NOT_YET else event


def new_trace_id() -> str:
    """Return a trace id as OpenTelemetry has them: 32 hexadecimal digits."""
    return uuid.uuid4().hex
