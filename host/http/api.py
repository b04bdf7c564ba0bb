"""The shared parts of all routes: the home, blocking calls beside the loop, and the answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Annotated, Final, Generic, ParamSpec, TypeVar

import anyio
import anyio.to_thread
from fastapi import Depends, Request
from fastapi.responses import JSONResponse

from host.http.event_feed import EventFeed
from host.http.plan_requests import PlanRequests
from host.json_record import versioned
from host.operations.health import check_buckets
from host.operations.isolated import IsolatedCalls

if TYPE_CHECKING:
    from host.health.report import HealthReport
    from host.home.home import Home
    from host.http.access import Access

KeyT = TypeVar("KeyT")
ArgsT = ParamSpec("ArgsT")
ResultT = TypeVar("ResultT")

THREADS_MAX: Final = 4
"""For reading files: they share one disk and one interpreter, so more would only wait."""

HEALTH_AGE_MAX_S: Final = 2.0
"""A check reads every file of a bucket; many clients that poll must not repeat it at once."""


class Api:
    """A home that is served.

    Parameters
    ----------
    home : Home
    access : Access
    """

    def __init__(self, home: Home, access: Access) -> None:
        self.home = home
        self.access = access
        self.feed = EventFeed(home)
        self.plans = PlanRequests(home)
        self.isolated = IsolatedCalls(home)
        self._checks: SharedResults[str | None, HealthReport] = SharedResults(HEALTH_AGE_MAX_S)
        self._threads = anyio.CapacityLimiter(THREADS_MAX)

    async def run(
        self, function: Callable[ArgsT, ResultT], *args: ArgsT.args, **kwargs: ArgsT.kwargs
    ) -> ResultT:
        """Run an operation that reads or writes files in a thread."""
        return await anyio.to_thread.run_sync(
            lambda: function(*args, **kwargs), limiter=self._threads
        )

    async def close(self) -> None:
        """End what runs for this API alone."""
        self.feed.close()
        await self.plans.close()

    async def health(self, bucket_id: str | None) -> HealthReport:
        """Return the health of a bucket or of all; requests of the same moment share one check."""
        return await self._checks.get(
            bucket_id, lambda: self.run(check_buckets, self.home, bucket_id)
        )


class SharedResults(Generic[KeyT, ResultT]):
    """Results that requests of the same moment share: under way, or younger than `age_max_s`."""

    def __init__(self, age_max_s: float) -> None:
        self._age_max_s = age_max_s
        self._tasks: dict[KeyT, asyncio.Task[ResultT]] = {}

    async def get(self, key: KeyT, begin: Callable[[], Coroutine[None, None, ResultT]]) -> ResultT:
        """Return the result for a key; begin it if there is none."""
        task = self._tasks.get(key)
        if task is None:
            task = self._tasks[key] = asyncio.create_task(begin())
            task.add_done_callback(lambda _: self._forget_later(key))
        # A client that goes away must not end the work that others wait for.
        return await asyncio.shield(task)

    def _forget_later(self, key: KeyT) -> None:
        task = self._tasks[key]
        failed = task.cancelled() or task.exception() is not None
        asyncio.get_running_loop().call_later(
            0.0 if failed else self._age_max_s, self._tasks.pop, key, None
        )


def api_of(request: Request) -> Api:
    """Return the API that a request is for."""
    api = request.app.state.api
    assert isinstance(api, Api)
    return api


TheApi = Annotated[Api, Depends(api_of)]


def answer(
    record: Mapping[str, object], status: int = 200, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """Return a record with its schema version as a response."""
    return JSONResponse(versioned(record), status, headers=dict(headers or {}))
