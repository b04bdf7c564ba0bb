"""Requests of other processes of the same user: the HTTP API triggers and cancels plans with them.

A plan that is requested here is like that of a press: journaled before it begins, made by the same
worker, shown on the board. Requests for a bucket whose plan is under way join it.

Each connection is one short request. Nothing here waits for a client for long, and no more than
CONNECTIONS_MAX are answered at a time, so the loop stays free for the board.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from host.control.protocol import LINE_BYTES_MAX, SOCKET_NAME, socket_path
from host.errors import HostError, NotFoundError, UsageError, did_you_mean, error_lines
from host.planning.progress import EVENT_TYPES, ProgressLog
from host.telemetry.events import CancelRequested, PlanRequested, new_trace_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from host.appliance.plan_service import PlanService
    from host.appliance.presses.recorder import Recorder
    from host.appliance.screen import Screen
    from host.home.home import Home
    from planner_core.events import Event

ResultT = TypeVar("ResultT")

CONNECTIONS_MAX: Final = 32
REQUEST_S: Final = 5.0
"""For a client to send its line, and to take the answer."""
BACKLOG: Final = 64
VIA: Final = "api"
PEER: Final = struct.Struct("3i")
"""`struct ucred` of Linux: process, user, group."""
ERRORS: Final = (ValueError, KeyError, TypeError, AttributeError, RecursionError)
"""Errors from reading a request that is not one."""


class ControlServer:
    """Answers requests on the socket in `state/`.

    Parameters
    ----------
    home : Home
    recorder : Recorder
    screen : Screen
    plans : PlanService
    """

    def __init__(self, home: Home, recorder: Recorder, screen: Screen, plans: PlanService) -> None:
        self._home = home
        self._recorder = recorder
        self._screen = screen
        self._plans = plans
        self._progress = ProgressLog()
        self._slots = asyncio.Semaphore(CONNECTIONS_MAX)
        recorder.bus.subscribe(
            "progress",
            self._on_event,
            wants=lambda event: event.event_type in EVENT_TYPES,
            wants_type=lambda event_type, _bucket: event_type.__name__ in EVENT_TYPES,
        )

    async def serve(self) -> None:
        """Answer requests forever."""
        state_dir = self._home.state_dir
        server = await asyncio.start_unix_server(
            self._on_connection,
            sock=_open_listener(state_dir),
            limit=LINE_BYTES_MAX,
            backlog=BACKLOG,
        )
        try:
            async with server:
                await server.serve_forever()
        finally:
            with suppress(OSError):
                (state_dir / SOCKET_NAME).unlink()

    # --- a connection ----------------------------------------------------------------------

    async def _on_connection(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        async with self._slots:
            try:
                async with asyncio.timeout(REQUEST_S):
                    if _is_own_process(writer):
                        line = await reader.readline()
                        reply = await self._reply_to(line)
                        writer.write(json.dumps(reply).encode() + b"\n")
                        await writer.drain()
            except (OSError, ValueError, TimeoutError):
                pass  # a client that sends too much, too slowly, or has gone
            finally:
                writer.close()

    async def _reply_to(self, line: bytes) -> dict[str, object]:
        try:
            request = json.loads(line)
            return {"result": await self._handle(str(request["do"]), request)}
        except HostError as error:
            return {"error": {"code": error.code, "lines": error_lines(error)}}
        except ERRORS:
            return {"error": {"code": UsageError.code, "lines": ["not a request"]}}

    async def _handle(self, do: str, request: Mapping[str, Any]) -> dict[str, object]:
        if do == "plan":
            return await self._request_plan(str(request["bucket_id"]))
        if do == "progress":
            return self._describe(str(request["trace_id"]))
        if do == "cancel":
            await self._one_at_a_time(self._cancel(str(request["trace_id"])))
            return self._describe(str(request["trace_id"]))
        if do == "board":
            return self._board()
        raise UsageError(f"no request {do!r:.40}")

    # --- plans -----------------------------------------------------------------------------

    async def _request_plan(self, bucket_id: str) -> dict[str, object]:
        """Request a plan of a bucket, or join the one under way."""
        bucket_ids = await asyncio.to_thread(self._home.bucket_ids)
        if bucket_id not in bucket_ids:
            hint = did_you_mean(bucket_id[:80], bucket_ids, f"buckets: {', '.join(bucket_ids)}")
            raise NotFoundError(f"no bucket {bucket_id!r:.80} ({hint})")
        return await self._one_at_a_time(self._request_or_join(bucket_id))

    async def _request_or_join(self, bucket_id: str) -> dict[str, object]:
        for request in self._recorder.press_log.open_requests:
            if request.bucket_id == bucket_id and not request.is_cancelled:
                return {"trace_id": request.trace_id, "joined": True}
        trace_id = new_trace_id()
        requested = PlanRequested(trace_id=trace_id, bucket_id=bucket_id, via=VIA)
        await self._recorder.record(requested)
        self._plans.request(trace_id)
        return {"trace_id": trace_id, "joined": False}

    async def _one_at_a_time(self, work: Coroutine[None, None, ResultT]) -> ResultT:
        """Run a step to its end, after the one before it, even if the client goes away meanwhile.

        A record that waits for a full disk must lead to its plan, and nothing may overtake it.
        """
        try:
            await self._recorder.deciding.acquire()
        except asyncio.CancelledError:
            work.close()
            raise
        task = asyncio.create_task(work, name="control request")
        task.add_done_callback(lambda _: self._recorder.deciding.release())
        return await asyncio.shield(task)

    def _describe(self, trace_id: str) -> dict[str, object]:
        progress = self._progress.get(trace_id)
        if progress is None:
            return {"progress": None}
        running = self._plans.running
        record = progress.to_json()
        if progress.state.is_open and running is not None and running.trace_id == trace_id:
            record["state"] = "running"  # before its first stage has ended, too
        return {"progress": record}

    async def _cancel(self, trace_id: str) -> None:
        """Cancel a plan that has no answer yet."""
        requests = {each.trace_id: each for each in self._recorder.press_log.open_requests}
        request = requests.get(trace_id)
        if request is None or request.is_cancelled:
            return
        cancelled = CancelRequested(
            trace_id=new_trace_id(), bucket_id=request.bucket_id, cancels=trace_id, via=VIA
        )
        await self._recorder.record(cancelled)
        self._plans.cancel(trace_id)

    def _on_event(self, event: Event) -> None:
        self._progress.note(event.event_type, event.trace_id, event.bucket_id, event.payload())

    # --- the board -------------------------------------------------------------------------

    def _board(self) -> dict[str, object]:
        """Return the matrix as it is shown now."""
        state, picture = self._screen.state, self._screen.picture()
        return {
            "linked": state.is_linked,
            "bucket_id": state.bucket or None,
            "shows": picture.layer.name.lower(),
            "brightness": picture.brightness,
            "pixels": picture.frame.rows(),
            "faults": sorted(fault.value for fault in state.faults),
        }


def _open_listener(state_dir: Path) -> socket.socket:
    """Return a socket for our user only."""
    with socket_path(state_dir) as path:
        # That of a daemon which was killed: this one holds the home's lock.
        Path(path).unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        umask = os.umask(0o177)  # from its first moment
        try:
            listener.bind(path)
        finally:
            os.umask(umask)
    return listener


def _is_own_process(writer: asyncio.StreamWriter) -> bool:
    """Return whether the client is a process of our user, or of root."""
    peer = writer.get_extra_info("socket").getsockopt(
        socket.SOL_SOCKET, socket.SO_PEERCRED, PEER.size
    )
    _, user, _ = PEER.unpack(peer)
    return user in {0, os.getuid()}
