"""The bus: whatever a subscriber does, it does to itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from host.telemetry.event_bus import EventBus, of_types
from host.telemetry.events import (
    DaemonStopped,
    EventsDropped,
    SubscriberFailed,
    WorkerReady,
)
from planner_core.events import Event

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def on_a_bus(work: Callable[[EventBus], Awaitable[None]]) -> None:
    async def run() -> None:
        bus = EventBus(lambda: NOON)
        await work(bus)
        await bus.close()

    asyncio.run(run())


def pids(events: list[Event]) -> list[int]:
    return [event.pid for event in events if isinstance(event, WorkerReady)]


def test_every_subscriber_hears_everything_in_order_and_with_the_time() -> None:
    one: list[Event] = []
    two: list[Event] = []

    async def slowly(event: Event) -> None:
        await asyncio.sleep(0)
        two.append(event)

    async def work(bus: EventBus) -> None:
        bus.subscribe("one", one.append)
        bus.subscribe("two", slowly)
        for pid in range(200):
            bus.tell(WorkerReady(pid=pid))
        await bus.flush()

    on_a_bus(work)
    assert pids(one) == pids(two) == list(range(200))
    assert {event.timestamp for event in one} == {NOON}


def test_a_subscriber_that_raises_costs_only_itself_and_is_told() -> None:
    heard: list[Event] = []

    def broken(event: Event) -> None:
        if event.event_type == "WorkerReady":
            raise RuntimeError("no\nidea")

    async def work(bus: EventBus) -> None:
        bus.subscribe("broken", broken)
        bus.subscribe("fine", heard.append)
        for pid in range(5):
            bus.tell(WorkerReady(pid=pid))
        await bus.flush()

    on_a_bus(work)
    assert pids(heard) == list(range(5))
    failures = [event for event in heard if isinstance(event, SubscriberFailed)]
    assert [event.n_failures for event in failures] == [1, 2, 4]
    assert failures[0].subscriber == "broken"
    assert failures[0].problem == "RuntimeError: no idea"


def test_a_subscriber_that_raises_at_everything_does_not_feed_on_its_own_failures() -> None:
    heard: list[Event] = []

    def broken(_event: Event) -> None:
        raise RuntimeError

    async def work(bus: EventBus) -> None:
        bus.subscribe("broken", broken)
        bus.subscribe("fine", heard.append)
        bus.tell(DaemonStopped())
        await asyncio.sleep(0.02)

    on_a_bus(work)
    assert len(heard) < 20


def test_a_filter_that_raises_costs_only_its_subscriber() -> None:
    heard: list[Event] = []

    def broken(event: Event) -> bool:
        return event.nothing_like_that  # type: ignore[attr-defined, no-any-return]

    async def work(bus: EventBus) -> None:
        bus.subscribe("broken", heard.clear, wants=broken)  # type: ignore[arg-type]
        bus.subscribe("fine", heard.append, wants=of_types("WorkerReady"))
        bus.tell(WorkerReady(pid=1))
        bus.tell(DaemonStopped())
        await bus.flush()

    on_a_bus(work)
    assert pids(heard) == [1]
    assert len(heard) == 1


def test_a_slow_subscriber_loses_events_which_are_counted_and_told_to_it_and_to_others() -> None:
    slow: list[Event] = []
    quick: list[Event] = []
    gate = asyncio.Event()

    async def wait(event: Event) -> None:
        await gate.wait()
        slow.append(event)

    async def work(bus: EventBus) -> None:
        subscription = bus.subscribe("slow", wait, queue_max=10)
        bus.subscribe("quick", quick.append)
        for pid in range(50):
            bus.tell(WorkerReady(pid=pid))
            await asyncio.sleep(0)
        assert pids(quick) == list(range(50)), "nobody waits for the slow one"
        gate.set()
        await asyncio.sleep(0.01)
        assert subscription.dropped == 50 - len(pids(slow)) == 39

    on_a_bus(work)
    assert pids(slow) == list(range(11)), "the one at work, and those that fit the queue"
    for heard in (slow, quick):
        (dropped,) = (event for event in heard if isinstance(event, EventsDropped))
        assert (dropped.subscriber, dropped.n_dropped) == ("slow", 39)


def test_a_subscriber_that_hangs_does_not_keep_a_daemon_from_ending() -> None:
    async def hang(_event: Event) -> None:
        await asyncio.Event().wait()

    async def run() -> None:
        bus = EventBus(lambda: NOON)
        bus.subscribe("hangs", hang)
        bus.tell(DaemonStopped())
        await bus.close(within_s=0.01)

    asyncio.run(run())


def test_a_reader_that_comes_and_goes_hears_what_happens_meanwhile() -> None:
    async def work(bus: EventBus) -> None:
        bus.tell(WorkerReady(pid=1))
        async with bus.listening("web") as queue:
            bus.tell(WorkerReady(pid=2))
            assert pids([await queue.get()]) == [2]
        assert bus.subscriptions == ()
        bus.tell(WorkerReady(pid=3))

    on_a_bus(work)
