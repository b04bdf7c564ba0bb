"""The event bus: an error of one subscriber does not reach the others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from host.telemetry.event_bus import EventBus
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


def is_worker_ready(event: Event) -> bool:
    return event.event_type == "WorkerReady"


def pids(events: list[Event]) -> list[int]:
    return [event.pid for event in events if isinstance(event, WorkerReady)]


def test_every_subscriber_gets_every_event_in_order_and_with_the_time() -> None:
    one: list[Event] = []
    two: list[Event] = []

    async def slowly(event: Event) -> None:
        await asyncio.sleep(0)
        two.append(event)

    async def work(bus: EventBus) -> None:
        bus.subscribe("one", one.append)
        bus.subscribe("two", slowly)
        for pid in range(200):
            bus.publish(WorkerReady(pid=pid))
        await bus.flush()

    on_a_bus(work)
    assert pids(one) == pids(two) == list(range(200))
    assert {event.timestamp for event in one} == {NOON}


def test_a_subscriber_that_raises_does_not_affect_others_and_is_reported() -> None:
    published: list[Event] = []

    def broken(event: Event) -> None:
        if event.event_type == "WorkerReady":
            raise RuntimeError("no\nidea")

    async def work(bus: EventBus) -> None:
        bus.subscribe("broken", broken)
        bus.subscribe("fine", published.append)
        for pid in range(5):
            bus.publish(WorkerReady(pid=pid))
        await bus.flush()

    on_a_bus(work)
    assert pids(published) == list(range(5))
    failures = [event for event in published if isinstance(event, SubscriberFailed)]
    assert [event.n_failures for event in failures] == [1, 2, 4]
    assert failures[0].subscriber == "broken"
    assert failures[0].problem == "RuntimeError: no idea"


def test_a_subscriber_that_always_raises_does_not_multiply_its_failures() -> None:
    published: list[Event] = []

    def broken(_event: Event) -> None:
        raise RuntimeError

    async def work(bus: EventBus) -> None:
        bus.subscribe("broken", broken)
        bus.subscribe("fine", published.append)
        bus.publish(DaemonStopped())
        await asyncio.sleep(0.02)

    on_a_bus(work)
    assert len(published) < 20


def test_a_filter_that_raises_affects_only_its_subscriber() -> None:
    published: list[Event] = []

    def broken(event: Event) -> bool:
        return event.nothing_like_that  # type: ignore[attr-defined, no-any-return]

    async def work(bus: EventBus) -> None:
        bus.subscribe("broken", published.clear, wants=broken)  # type: ignore[arg-type]
        bus.subscribe("fine", published.append, wants=is_worker_ready)
        bus.publish(WorkerReady(pid=1))
        bus.publish(DaemonStopped())
        await bus.flush()

    on_a_bus(work)
    assert pids(published) == [1]
    assert len(published) == 1


def test_a_slow_subscriber_loses_events_and_their_number_is_published_to_all() -> None:
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
            bus.publish(WorkerReady(pid=pid))
            await asyncio.sleep(0)
        assert pids(quick) == list(range(50)), "no event waits for the slow one"
        gate.set()
        await asyncio.sleep(0.01)
        assert subscription.dropped == 50 - len(pids(slow)) == 39

    on_a_bus(work)
    assert pids(slow) == list(range(11)), "the one being delivered, and those that fit the queue"
    for events in (slow, quick):
        (dropped,) = (event for event in events if isinstance(event, EventsDropped))
        assert (dropped.subscriber, dropped.n_dropped) == ("slow", 39)


def test_a_subscriber_that_hangs_does_not_keep_a_daemon_from_ending() -> None:
    async def hang(_event: Event) -> None:
        await asyncio.Event().wait()

    async def run() -> None:
        bus = EventBus(lambda: NOON)
        bus.subscribe("hangs", hang)
        bus.publish(DaemonStopped())
        await bus.close(within_s=0.01)

    asyncio.run(run())


def test_a_subscriber_that_comes_and_goes_gets_the_events_in_between() -> None:
    async def work(bus: EventBus) -> None:
        bus.publish(WorkerReady(pid=1))
        queue: asyncio.Queue[Event] = asyncio.Queue()
        subscription = bus.subscribe("web", queue.put)
        bus.publish(WorkerReady(pid=2))
        assert pids([await queue.get()]) == [2]
        bus.unsubscribe(subscription)
        assert bus.subscriptions == ()
        bus.publish(WorkerReady(pid=3))
        assert queue.empty()

    on_a_bus(work)
