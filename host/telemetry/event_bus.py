"""The event bus: every event is published here once, and delivered to all subscribers.

Publishing never waits and never raises. Each subscriber has a queue of bounded length and a task
that empties it. A slow subscriber loses events, and one that raises loses the event at which it
raised. Both are counted and published, and other subscribers are unaffected.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from host.telemetry.events import EventsDropped, EventT, SubscriberFailed, stamped
from planner_core.events import Event

QUEUE_MAX: Final = 1_000
BATCH: Final = 64
"""After this many events a subscriber lets others have a turn."""
FLUSH_S: Final = 1.0

Handler = Callable[[Event], Awaitable[None] | None]


def every_event(_event: Event) -> bool:
    """Return True: the subscriber takes every event."""
    return True


def every_type(_event_type: type[Event], _bucket_id: str) -> bool:
    """Return True: the subscriber takes every type of event, of every bucket."""
    return True


@dataclass(eq=False, slots=True)
class Subscription:
    """A subscriber, with its queue and its counters."""

    name: str
    handler: Handler
    wants: Callable[[Event], bool]
    queue_max: int
    wants_type: Callable[[type[Event], str], bool] = every_type
    queue: deque[Event] = field(default_factory=deque)
    failures: int = 0
    dropped: int = 0
    dropped_unreported: int = 0
    is_delivering: bool = False
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    @property
    def is_idle(self) -> bool:
        """True when all events so far are delivered."""
        return not self.queue and not self.is_delivering


class EventBus:
    """Delivers events to subscribers; one loop, one thread.

    Parameters
    ----------
    now : callable returning an aware datetime
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._subscriptions: list[Subscription] = []

    @property
    def subscriptions(self) -> tuple[Subscription, ...]:
        """All subscriptions."""
        return tuple(self._subscriptions)

    def subscribe(
        self,
        name: str,
        handler: Handler,
        *,
        wants: Callable[[Event], bool] = every_event,
        wants_type: Callable[[type[Event], str], bool] = every_type,
        queue_max: int = QUEUE_MAX,
    ) -> Subscription:
        """Call `handler` with every event that it wants, in order, from now on.

        Parameters
        ----------
        name : str
            For the events about its failures.
        handler : callable taking an Event
            May be a coroutine function. It is called in the loop, so it must not block.
        wants : callable returning bool
            Fast and without side effects; called while an event is published.
        wants_type : callable taking a type of event and a bucket's id, returning bool
            Events of a type that no subscriber wants are not even created.
        queue_max : int
            Events that may wait; when the queue is full, new ones are dropped.
        """
        assert queue_max > 0
        subscription = Subscription(name, handler, wants, queue_max, wants_type)
        self._subscriptions.append(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Stop calling a subscriber; events in its queue are dropped."""
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)
        if subscription.task is not None:
            subscription.task.cancel()

    def wants(self, event_type: type[Event], bucket_id: str) -> bool:
        """Return whether any subscriber wants a type of event of a bucket."""
        return any(each.wants_type(event_type, bucket_id) for each in self._subscriptions)

    def publish(self, event: EventT) -> EventT:
        """Publish an event; return it with the time of publication."""
        published = stamped(event, self._now())
        for subscription in self._subscriptions:
            self._offer(subscription, published)
        return published

    async def flush(self, within_s: float = FLUSH_S) -> None:
        """Wait until all events are delivered, or the time is over."""
        try:
            async with asyncio.timeout(within_s):
                # Rare: at the end of a daemon, and in tests.
                while not all(each.is_idle for each in self._subscriptions):  # noqa: ASYNC110
                    await asyncio.sleep(0.001)
        except TimeoutError:
            pass  # a slow subscriber loses the rest

    async def close(self, within_s: float = FLUSH_S) -> None:
        """Deliver the remaining events, as far as time allows, and end all subscriptions."""
        await self.flush(within_s)
        for subscription in self.subscriptions:
            self.unsubscribe(subscription)

    # --- inside ----------------------------------------------------------------------------

    def _offer(self, subscription: Subscription, event: Event) -> None:
        try:
            if not subscription.wants(event):
                return
        except Exception as error:  # noqa: BLE001 - an error of one subscriber stays its own
            self._count_failure(subscription, error)
            return
        if len(subscription.queue) >= subscription.queue_max:
            subscription.dropped += 1
            subscription.dropped_unreported += 1
            return
        subscription.queue.append(event)
        subscription.wake.set()
        if subscription.task is None:
            serving = self._serve(subscription)
            subscription.task = asyncio.get_running_loop().create_task(
                serving, name=f"subscriber {subscription.name}"
            )

    async def _serve(self, subscription: Subscription) -> None:
        """Deliver the events of a queue, forever."""
        while True:
            subscription.wake.clear()
            served = 0
            while subscription.queue:
                await self._deliver(subscription, subscription.queue.popleft())
                served += 1
                if served % BATCH == 0:
                    await asyncio.sleep(0)
            self._report_dropped(subscription)
            if not subscription.queue:
                await subscription.wake.wait()

    async def _deliver(self, subscription: Subscription, event: Event) -> None:
        subscription.is_delivering = True
        try:
            result = subscription.handler(event)
            if inspect.isawaitable(result):
                await result
        except Exception as error:  # noqa: BLE001 - an error of one subscriber stays its own
            self._count_failure(subscription, error)
        finally:
            subscription.is_delivering = False

    def _report_dropped(self, subscription: Subscription) -> None:
        """Publish how many events a subscriber missed, once it has caught up."""
        n_dropped, subscription.dropped_unreported = subscription.dropped_unreported, 0
        if n_dropped:
            self.publish(EventsDropped(subscriber=subscription.name, n_dropped=n_dropped))

    def _count_failure(self, subscription: Subscription, error: Exception) -> None:
        """Count a failure; publish the 1st, 2nd, 4th ..., so that failures do not multiply."""
        subscription.failures += 1
        if subscription.failures & (subscription.failures - 1):
            return
        problem = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        self.publish(
            SubscriberFailed(
                subscriber=subscription.name, n_failures=subscription.failures, problem=problem
            )
        )
