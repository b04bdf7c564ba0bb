"""The event stream: every event once, in order, also after a break; slow clients cost nothing."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from host.clock import utc_now
from host.home.home import Home
from host.http import event_feed
from host.http.event_feed import EventFeed
from host.telemetry.events import ClockJumped, stamped
from host.telemetry.journal.journal import Journal
from host.telemetry.journal.reader import HEAD_NAME, JOURNAL_NAME
from host.telemetry.journal.record import JournalRecord
from tests.host.conftest import Trader
from tests.host.http.conftest import served

STREAM = "/events/stream"


def write(home: Home, *numbers: int) -> None:
    """Append an event per number."""
    journal = Journal(home.journal_dir, home.state_dir / HEAD_NAME)
    records = [JournalRecord.of(stamped(ClockJumped(by_s=float(n)), utc_now())) for n in numbers]
    journal.append_now(*records, durable=True)
    journal.close()


def events_of(response: httpx.Response) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield id and data of every event of a stream."""
    fields: dict[str, str] = {}
    for line in response.iter_lines():
        if line:
            key, _, value = line.partition(": ")
            fields[key] = value
        elif "id" in fields:
            yield int(fields["id"]), json.loads(fields["data"])
            fields = {}


def raw_events(response: httpx.Response) -> Iterator[dict[str, str]]:
    """Yield the fields of everything that a stream sends."""
    fields: dict[str, str] = {}
    for line in response.iter_lines():
        if line:
            key, _, value = line.partition(": ")
            fields[key] = value
        elif "data" in fields:
            yield fields
            fields = {}
        else:
            fields = {}


def take(client: httpx.Client, count: int, **headers: str) -> list[tuple[int, float]]:
    """Return number and content of the first events of a stream."""
    with client.stream("GET", STREAM, headers=headers) as response:
        assert response.headers["Content-Type"].startswith("text/event-stream")
        events = events_of(response)
        return [(n, data["data"]["by_s"]) for n, data in (next(events) for _ in range(count))]


def test_a_new_event_arrives_and_old_ones_do_not(client: httpx.Client, own_home: Home) -> None:
    write(own_home, 1, 2)
    with client.stream("GET", STREAM) as response:
        write(own_home, 3)
        n, data = next(events_of(response))
    assert (n, data["data"]) == (3, {"by_s": 3.0})


def test_a_stream_goes_on_after_the_last_event_that_was_seen(
    client: httpx.Client, own_home: Home
) -> None:
    write(own_home, *range(1, 6))
    assert take(client, 3, **{"Last-Event-ID": "2"}) == [(3, 3.0), (4, 4.0), (5, 5.0)]
    with client.stream("GET", f"{STREAM}?after=4") as response:
        assert next(events_of(response))[0] == 5


def test_a_client_far_behind_gets_everything_from_the_journal(
    own_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_feed, "LINES_MAX", 3)
    monkeypatch.setattr(event_feed, "BATCH_MAX", 2)
    with served(own_home) as client:
        write(own_home, *range(1, 10))
        with client.stream("GET", f"{STREAM}?after=0") as response:
            events = events_of(response)
            numbers = [next(events)[0] for _ in range(9)]
            write(own_home, *range(10, 30))
            numbers += [next(events)[0] for _ in range(20)]
    assert numbers == list(range(1, 30))


def test_streams_that_open_at_the_same_moment_have_every_event_once(own_home: Home) -> None:
    write(own_home, 1)

    async def take_events(feed: EventFeed, count: int) -> list[int]:
        numbers: list[int] = []
        async for batch in feed.batches(1, 30.0):
            numbers += [line.entry.n for line in batch]
            if len(numbers) >= count:
                break
        return numbers

    async def open_ten() -> list[list[int]]:
        feed = EventFeed(own_home)
        streams = [asyncio.create_task(take_events(feed, 40)) for _ in range(10)]
        for n in range(2, 42, 4):
            await asyncio.to_thread(write, own_home, *range(n, n + 4))
            await asyncio.sleep(0.1)
        return await asyncio.gather(*streams)

    assert asyncio.run(open_ten()) == [list(range(2, 42))] * 10


def test_events_that_the_journal_has_no_more_are_counted(
    client: httpx.Client, own_home: Home
) -> None:
    write(own_home, *range(1, 8))
    file = own_home.journal_dir / JOURNAL_NAME
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([*lines[2:4], b"damaged\n", *lines[5:]]))
    with client.stream("GET", f"{STREAM}?after=1") as response:
        events = raw_events(response)
        received = [next(events) for _ in range(6)]
    gap = {"event": "gap", "data": '{"schema_version":1,"after":1,"before":3,"missing":1}'}
    assert received[0] == gap
    assert [event.get("id") for event in received] == [None, "3", "4", None, "6", "7"]
    assert '"after":4,"before":6,"missing":1' in received[3]["data"]


def test_a_filter_holds_for_list_and_stream(
    client: httpx.Client, own_home: Home, trader: Trader
) -> None:
    write(own_home, 1)
    trader("plan", "core", "--home", own_home.root)
    query = "bucket=core&type=PlanStored"
    listed = client.get(f"/events?{query}").json()["events"]
    printed = trader("events", "tail", "--type", "PlanStored", "--json", "--home", own_home.root)
    assert listed == [printed.json]
    with client.stream("GET", f"{STREAM}?{query}&after=0") as response:
        assert next(events_of(response))[1] == listed[0]


def test_events_are_read_page_by_page(client: httpx.Client, own_home: Home) -> None:
    write(own_home, *range(1, 8))
    page = client.get("/events?after=2&n=3").json()["events"]
    assert [event["n"] for event in page] == [3, 4, 5]


def test_a_restored_journal_does_not_silence_a_stream(client: httpx.Client, own_home: Home) -> None:
    write(own_home, 1)
    with client.stream("GET", STREAM, headers={"Last-Event-ID": "900"}) as response:
        write(own_home, 2)
        assert next(events_of(response))[0] == 2


@pytest.mark.parametrize("text", ["x", "-1", "٣", "1e3"])
def test_an_id_that_is_no_number_is_refused(client: httpx.Client, text: str) -> None:
    headers = [(b"Last-Event-ID", text.encode())]
    answer = client.get(STREAM, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["code"] == "request"


def test_an_unknown_type_is_a_problem_before_the_stream(client: httpx.Client) -> None:
    answer = client.get(f"{STREAM}?type=PlanStord")
    assert answer.status_code == 404
    assert "did you mean `PlanStored`?" in answer.json()["detail"]


def test_a_silent_stream_says_that_it_is_alive(
    own_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("host.http.routes.events.ALIVE_S", 0.05)
    with served(own_home) as client, client.stream("GET", STREAM) as response:
        lines = response.iter_lines()
        assert next(line for line in lines if line.startswith(":")) == ": alive"


def test_too_many_streams_are_answered_429_and_ended_ones_make_room(
    own_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_feed, "STREAMS_MAX", 1)
    write(own_home, 1)
    with served(own_home) as client:
        with client.stream("GET", f"{STREAM}?after=0") as response:
            events = events_of(response)  # a generator that is dropped closes its connection
            next(events)
            assert client.get(STREAM).status_code == 429
        statuses = []
        while 200 not in statuses:  # the server hears of a closed connection a little later
            with client.stream("GET", f"{STREAM}?after=0") as response:
                statuses.append(response.status_code)


def test_an_open_stream_does_not_keep_the_server_from_ending(own_home: Home) -> None:
    with socket.socket() as other:
        with served(own_home) as client:
            other.connect((client.base_url.host, client.base_url.port))
            other.sendall(f"GET {STREAM} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            assert b"200 OK" in other.recv(1000)
        # `served` asserts that the server has ended.
        while other.recv(1000):
            pass
