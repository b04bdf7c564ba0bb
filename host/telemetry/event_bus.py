"""The bus: everything that happens is told here once, and whoever wants to know subscribes.

Telling never waits and never raises. Each subscriber has a queue of its own, of a bounded length,
and a task of its own that empties it: one that is slow loses events and one that raises loses the
event it raised at, which is counted and told, and costs nobody else anything.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from host.telemetry.events import EventsDropped, EventT, SubscriberFailed, stamped
from planner_core.events import Event

QUEUE_MAX: Final = 1_000
BATCH: Final = 64
"""After so many events a subscriber lets others have a turn."""
FLUSH_S: Final = 1.0

Handler = Callable[[Event], Awaitable[None] | None]


def every_event(_event: Event) -> bool:
    """Want everything."""
    return True


def every_type(_event_type: type[Event], _bucket_id: str) -> bool:
    """Want events of every type, of every bucket."""
    return True


def of_types(*names: str) -> Callable[[Event], bool]:
    """Want events of these types."""
    wanted = frozenset(names)
    return lambda event: event.event_type in wanted


@dataclass(eq=False, slots=True)
class Subscription:
    """A subscriber: its queue, and how it fares."""

    name: str
    handler: Handler
    wants: Callable[[Event], bool]
    queue_max: int
    wants_type: Callable[[type[Event], str], bool] = every_type
    queue: deque[Event] = field(default_factory=deque)
    delivered: int = 0
    failures: int = 0
    dropped: int = 0
    dropped_untold: int = 0
    is_at_work: bool = False
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    @property
    def is_idle(self) -> bool:
        """Whether it has dealt with everything so far."""
        return not self.queue and not self.is_at_work


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
        """Who listens, and how each fares."""
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
            Under which its troubles are told.
        handler : callable taking an Event
            May be a coroutine function. It is called in the loop: what waits has to await.
        wants : callable returning bool
            Quick and without side effects; asked while an event is told.
        wants_type : callable taking a type of event and a bucket's id, returning bool
            Tells of what nothing is wanted, so that it need not even be made.
        queue_max : int
            Events that may wait; more are dropped, the newest first.
        """
        assert queue_max > 0
        subscription = Subscription(name, handler, wants, queue_max, wants_type)
        self._subscriptions.append(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Stop calling it; what waits for it is forgotten."""
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)
        if subscription.task is not None:
            subscription.task.cancel()

    def wants(self, event_type: type[Event], bucket_id: str) -> bool:
        """Tell whether anybody listens to a type of event of a bucket."""
        return any(found.wants_type(event_type, bucket_id) for found in self._subscriptions)

    def tell(self, event: EventT) -> EventT:
        """Tell an event; return it with the time it was told."""
        told = stamped(event, self._now())
        for subscription in self._subscriptions:
            self._offer(subscription, told)
        return told

    async def flush(self, within_s: float = FLUSH_S) -> None:
        """Wait until everybody has dealt with everything, or the time is up."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                # Rare: at the end of a daemon, and in tests.
                while not all(found.is_idle for found in self._subscriptions):  # noqa: ASYNC110
                    await asyncio.sleep(0.001)

    async def close(self, within_s: float = FLUSH_S) -> None:
        """Let everybody finish, for a while, and end."""
        await self.flush(within_s)
        for subscription in self.subscriptions:
            self.unsubscribe(subscription)

    @contextlib.asynccontextmanager
    async def listening(
        self,
        name: str,
        *,
        wants: Callable[[Event], bool] = every_event,
        queue_max: int = QUEUE_MAX,
    ) -> AsyncIterator[asyncio.Queue[Event]]:
        """Lend a queue with the events; for a reader that comes and goes, such as a web client."""
        queue: asyncio.Queue[Event] = asyncio.Queue(queue_max)
        subscription = self.subscribe(name, queue.put, wants=wants, queue_max=queue_max)
        try:
            yield queue
        finally:
            self.unsubscribe(subscription)

    # --- inside ----------------------------------------------------------------------------

    def _offer(self, subscription: Subscription, event: Event) -> None:
        try:
            if not subscription.wants(event):
                return
        except Exception as error:  # noqa: BLE001 - a subscriber's own mistake
            self._failed(subscription, error)
            return
        if len(subscription.queue) >= subscription.queue_max:
            subscription.dropped += 1
            subscription.dropped_untold += 1
            return
        subscription.queue.append(event)
        subscription.wake.set()
        if subscription.task is None:
            serving = self._serve(subscription)
            subscription.task = asyncio.get_running_loop().create_task(
                serving, name=f"subscriber {subscription.name}"
            )

    async def _serve(self, subscription: Subscription) -> None:
        """Empty a queue for ever."""
        while True:
            subscription.wake.clear()
            served = 0
            while subscription.queue:
                await self._deliver(subscription, subscription.queue.popleft())
                served += 1
                if served % BATCH == 0:
                    await asyncio.sleep(0)
            self._tell_of_dropped(subscription)
            if not subscription.queue:
                await subscription.wake.wait()

    async def _deliver(self, subscription: Subscription, event: Event) -> None:
        subscription.is_at_work = True
        try:
            answer = subscription.handler(event)
            if inspect.isawaitable(answer):
                await answer
            subscription.delivered += 1
        except Exception as error:  # noqa: BLE001 - whatever a subscriber does costs only itself
            self._failed(subscription, error)
        finally:
            subscription.is_at_work = False

    def _tell_of_dropped(self, subscription: Subscription) -> None:
        """Tell everybody, the slow one too, once it has caught up."""
        n_dropped, subscription.dropped_untold = subscription.dropped_untold, 0
        if n_dropped:
            self.tell(EventsDropped(subscriber=subscription.name, n_dropped=n_dropped))

    def _failed(self, subscription: Subscription, error: Exception) -> None:
        """Count a failure; tell the 1st, 2nd, 4th ... so that telling never feeds on itself."""
        subscription.failures += 1
        if subscription.failures & (subscription.failures - 1):
            return
        problem = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        self.tell(
            SubscriberFailed(
                subscriber=subscription.name, n_failures=subscription.failures, problem=problem
            )
        )
