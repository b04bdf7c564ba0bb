"""Requests of plans: for the daemon, if one serves the home, else for a planner of our own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from host.control.client import ask_daemon
from host.control.protocol import NoDaemonError
from host.errors import NotFoundError
from host.health.liveness import is_locked
from host.home.config.device_settings import DeviceConfig, load_device_config
from host.home.plan_store import PlanStore
from host.home.storage.problems import ConfigFileError
from host.planning.plan_queue import PlanQueue
from host.planning.progress import PlanProgress, PlanState

if TYPE_CHECKING:
    from host.home.home import Home


class PlanRequests:
    """Requests, cancels and follows plans.

    Parameters
    ----------
    home : Home
    queue : PlanQueue, optional
        Of this process; by default one with the limits of `device.toml`.
    """

    def __init__(self, home: Home, queue: PlanQueue | None = None) -> None:
        self._home = home
        self._queue = queue

    async def close(self) -> None:
        """End the planner of this process."""
        if self._queue is not None:
            await self._queue.close()

    async def request(self, bucket_id: str) -> dict[str, Any]:
        """Request a plan of a bucket, or join the one under way.

        Returns
        -------
        dict
            `trace_id`, and `joined`: it was requested before.

        Raises
        ------
        NoDaemonError
            When a daemon holds the home, but does not answer.
        """
        try:
            return await ask_daemon(self._home, do="plan", bucket_id=bucket_id)
        except NoDaemonError:
            if await asyncio.to_thread(is_locked, self._home.state_dir):
                raise  # it starts, or hangs; two planners would be one too many
        if self._queue is None:
            limits = (await asyncio.to_thread(_read_settings, self._home)).limits
            self._queue = PlanQueue(self._home, limits.plan_deadline_s, limits.plan_memory_mb)
        trace_id, is_joined = self._queue.request(bucket_id)
        return {"trace_id": trace_id, "joined": is_joined}

    async def progress(self, bucket_id: str, trace_id: str) -> dict[str, object]:
        """Return the progress of a plan, under way or stored; NotFoundError for any other."""
        progress = None if self._queue is None else self._queue.progress.get(trace_id)
        record = None if progress is None else progress.to_json()
        if record is None:
            record = await self._ask(do="progress", trace_id=trace_id)
        if record is None and await asyncio.to_thread(self._is_stored, bucket_id, trace_id):
            stored = PlanProgress(trace_id, bucket_id, PlanState.STORED, fraction=1.0)
            record = stored.to_json()
        if record is None or record["bucket_id"] != bucket_id:
            raise NotFoundError(
                f"{bucket_id}: no plan {trace_id!r:.80} was requested (POST"
                f" /buckets/{bucket_id}/plans requests one)"
            )
        return record

    async def cancel(self, bucket_id: str, trace_id: str) -> dict[str, object]:
        """Cancel a plan; return its progress, which says whether it came too late."""
        await self.progress(bucket_id, trace_id)  # of this bucket?
        if self._queue is not None:
            self._queue.cancel(trace_id)
        await self._ask(do="cancel", trace_id=trace_id)
        return await self.progress(bucket_id, trace_id)

    async def _ask(self, **request: object) -> dict[str, object] | None:
        """Return the progress that the daemon knows; None without a daemon."""
        try:
            record = (await ask_daemon(self._home, **request))["progress"]
        except NoDaemonError:
            return None
        return dict(record) if isinstance(record, dict) else None

    def _is_stored(self, bucket_id: str, trace_id: str) -> bool:
        return any(file.trace_id == trace_id for file in PlanStore(self._home).list(bucket_id))


def _read_settings(home: Home) -> DeviceConfig:
    """Return the settings; the defaults for a wrong file, as the daemon does."""
    try:
        return load_device_config(home)
    except ConfigFileError:
        return DeviceConfig()
