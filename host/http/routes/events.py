"""Events of the journal: a list, and a stream that can be resumed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Query
from fastapi.responses import JSONResponse, StreamingResponse

from host.http.api import TheApi, answer
from host.http.documentation import answers, problem_answers
from host.http.event_feed import EventFeed
from host.http.problems import RequestError
from host.json_record import versioned
from host.operations.events import choose_records, events_after, last_events
from host.telemetry.journal.export import json_line
from host.telemetry.journal.follower import RecordFilter
from host.telemetry.journal.record import JournalLine
from host.text import printable

router = APIRouter(prefix="/events", tags=["events"])

EVENTS_SHOWN: Final = 20
EVENTS_SHOWN_MAX: Final = 1_000
NAMES_MAX: Final = 50
EVENT_STREAM: Final = "text/event-stream"
GAP: Final = "gap"
CHUNK_CHARACTERS: Final = 64 * 1024
"""Of events that are sent at once: more would wait in memory for a slow client."""
RETRY_MS: Final = 2_000
"""A browser that lost the stream connects again after this time."""
ALIVE_S: Final = 15.0
"""A line without content: proxies and clients give up a silent stream after a minute or so."""
NUMBER_MAX: Final = 2**53 - 1
"""The largest number that every JSON reader holds exactly."""

EVENT: Final = {
    "n": 4711,
    "timestamp": "2026-11-22T18:32:01.123456+00:00",
    "event_type": "PlanStored",
    "bucket_id": "core",
    "trace_id": "3fa2c1d09f4e4a5c8a7be0d1c2f3a4b5",
    "schema_version": 1,
    "data": {"outcome": "PLANNED", "n_steps": 5},
}
EVENTS: Final = {"schema_version": 1, "events": [EVENT], "damaged": []}
STREAM_EXAMPLE: Final = """\
retry: 2000

id: 4711
event: PlanStored
data: {"n":4711,"event_type":"PlanStored","bucket_id":"core","data":{"n_steps":5}}

"""


def _names(description: str, alias: str | None = None) -> Any:  # noqa: ANN401 - FastAPI's own type
    """Return a query parameter that may be repeated."""
    text = f"only events {description}; may be repeated"
    return Query(default_factory=list, max_length=NAMES_MAX, description=text, alias=alias)


def record_filter(
    bucket: Annotated[list[str], _names("of this bucket")],
    event_type: Annotated[list[str], _names("of this type", alias="type")],
    trace: Annotated[
        str | None, Query(max_length=64, description="only events of this press")
    ] = None,
) -> RecordFilter:
    """Return the events that a request asks for; `bucket` and `type` may be repeated."""
    return choose_records(bucket, event_type, trace)


Filter = Annotated[RecordFilter, Depends(record_filter)]


@router.get("", responses=answers(EVENTS, 404, 503))
async def list_events(
    api: TheApi,
    chosen: Filter,
    n: Annotated[int, Query(ge=1, le=EVENTS_SHOWN_MAX, description="at most")] = EVENTS_SHOWN,
    after: Annotated[
        int | None, Query(ge=0, le=NUMBER_MAX, description="among the next n after this number")
    ] = None,
) -> JSONResponse:
    """List the last events, oldest first; with `after` the next ones after a number."""
    if after is None:
        return answer(await api.run(last_events, api.home, chosen, n))
    return answer(await api.run(events_after, api.home, chosen, after, n))


@router.get(
    "/stream",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "Server-sent events.",
            "content": {EVENT_STREAM: {"schema": {"type": "string"}, "example": STREAM_EXAMPLE}},
        },
        **problem_answers(400, 404, 429, 503),
    },
)
async def stream_events(
    api: TheApi,
    chosen: Filter,
    last_event_id: Annotated[
        str | None, Header(max_length=16, description="resume after this number")
    ] = None,
    after: Annotated[
        int | None, Query(ge=0, le=NUMBER_MAX, description="the same, where headers cannot be set")
    ] = None,
) -> StreamingResponse:
    """Stream new events as they are written; with `Last-Event-ID` first those that were missed.

    A client that is too slow misses nothing: what it has not read is read from the journal. Only
    what the journal has no more is left out, and an event `gap` says how many: `missing` events
    `after` one number and `before` another.
    """
    await api.run(api.home.require_home)
    if api.feed.is_full:
        message = "too many event streams are open (close some, or try again later)"
        raise RequestError(429, "busy", message, {"Retry-After": "60"})
    number = _parse_event_id(last_event_id) if last_event_id else after
    position = await api.feed.position(number)
    return StreamingResponse(
        _stream(api.feed, chosen, position),
        media_type=EVENT_STREAM,
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


def _parse_event_id(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise RequestError(400, "request", f"Last-Event-ID is {text!r:.40}, not a number")
    return int(text)


async def _stream(feed: EventFeed, chosen: RecordFilter, position: int) -> AsyncIterator[str]:
    """Yield the events after a position in the form of server-sent events."""
    yield f"retry: {RETRY_MS}\n\n"
    async for batch in feed.batches(position, ALIVE_S):
        if not batch:
            yield ": alive\n\n"
        frames: list[str] = []
        for line in batch:
            if line.entry.n > position + 1:
                frames.append(_gap_frame(position, line.entry.n))
            position = line.entry.n
            if chosen(line.record):
                frames.append(_frame(line))
            if sum(map(len, frames)) >= CHUNK_CHARACTERS:
                yield "".join(frames)
                frames.clear()
        yield "".join(frames)


def _frame(line: JournalLine) -> str:
    event_type = printable(line.record.event_type)
    return f"id: {line.entry.n}\nevent: {event_type}\ndata: {json_line(line)}\n\n"


def _gap_frame(after: int, before: int) -> str:
    """Return what a stream sends for events that are damaged, or that the journal has no more.

    It has no id: a client that connects again resumes after the last event that it had.
    """
    content = versioned({"after": after, "before": before, "missing": before - after - 1})
    return f"event: {GAP}\ndata: {json.dumps(content, separators=(',', ':'))}\n\n"
