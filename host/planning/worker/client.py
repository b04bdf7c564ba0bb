"""The daemon's side of the planner's process: starts it, sends requests, and replaces it.

The process has a group of its own. A plan that takes longer than its deadline costs the whole
group, with everything that a module started. A process that died is started again at once, and then
after ever longer waits while it keeps dying. A request that comes meanwhile waits.

Between two plans this costs nothing: there is no polling, only a read that waits.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from host.backoff import backoff_s
from host.limits import PLAN_MEMORY_MB, WORKER_LINE_BYTES_MAX
from host.planning.worker.current_module import MODULE_END_EVENTS, CurrentModule
from host.planning.worker.errors import CANCELLED, DIED, OVERRAN, PlanFailedError
from host.planning.worker.process import WorkerProcess, kill_orphans
from host.sandbox import adopt_orphans

if TYPE_CHECKING:
    from host.home.home import Home

BACKOFF_MIN_S: Final = 0.5
"""Wait before the second restart in a row; the first is at once."""
BACKOFF_MAX_S: Final = 30.0
"""A press waits no longer than this for a process that can start again."""
START_MAX_S: Final = 60.0
"""Importing numpy takes a board a few seconds; a process that needs longer hangs."""
CANCEL_GRACE_S: Final = 1.0
"""Time for the process to end a cancelled plan by itself."""
SOFT_DEADLINE: Final = 0.8
"""At this fraction of the deadline the planner answers with the best set so far."""
MODULE_SHARE: Final = 0.4
"""Time for a module, as a fraction of the deadline. One that hangs for longer is the suspect."""
STDERR_LINES_MAX: Final = 500
"""Lines of one process that are passed on; more of them say nothing new."""
REAP_MAX_S: Final = 10.0
"""A killed process that has not ended by then hangs in the kernel, and is left there."""
LAST_OUTPUT_S: Final = 0.2
"""Time to read what a process wrote before it died; it is in the pipes already."""
STDERR_CHUNK: Final = 4096
"""One page; a longer line is passed on in pieces."""

INVALID_MESSAGE: Final = (
    ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError
)  # fmt: skip
"""Errors from reading a message that is not one."""

OnEvent = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class PlanReply:
    """A plan as it came from the worker; it is not on disk yet."""

    trace_id: str
    created_at: datetime
    elapsed_s: float
    record: dict[str, object]
    memory: dict[str, object] = field(default_factory=dict)


@dataclass(slots=True)
class _PendingRequest:
    """The request that the process works on."""

    trace_id: str
    bucket_id: str
    reply: asyncio.Future[PlanReply]
    on_event: OnEvent
    is_cancelled: bool = False
    overran: bool = False
    is_sent: bool = False
    last_module: CurrentModule = field(default_factory=CurrentModule)
    """The module that ran when the process ended."""
    reported_module: str = ""
    """The module that runs, as an isolated plan reports it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerCallbacks:
    """Called when something happens to the worker; none of them may raise."""

    on_ready: Callable[[int], None] = field(default=lambda _pid: None)
    on_warm: Callable[[float], None] = field(default=lambda _elapsed_s: None)
    on_end: Callable[[str], None] = field(default=lambda _why: None)
    on_stderr_line: Callable[[str], None] = field(default=lambda _line: None)


class WorkerClient:
    """A planner's process under supervision: ``async with``, then `plan` again and again."""

    def __init__(
        self,
        home: Home,
        callbacks: WorkerCallbacks | None = None,
        command: Sequence[str] | None = None,
        memory_mb: int = PLAN_MEMORY_MB,
    ) -> None:
        # -P: a folder `host` in the daemon's working directory must not hide our package.
        python = (sys.executable, "-P", "-m", "host.planning.worker.main")
        options = ("--home", str(home.root.absolute()), "--memory-mb", str(memory_mb))
        self.command = tuple(command or (*python, *options))
        self.restarts = 0
        self._callbacks = callbacks or WorkerCallbacks()
        self._process: WorkerProcess | None = None
        self._is_ready = asyncio.Event()
        self._was_ready = False
        self._sent_garbage = False
        self._request: _PendingRequest | None = None
        self._failures = 0
        self._supervision: asyncio.Task[None] | None = None

    async def __aenter__(self) -> WorkerClient:
        """Start the process, without waiting for it."""
        adopt_orphans()
        self._supervision = asyncio.create_task(self._supervise(), name="worker")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Kill the process; its plan is lost, but the request stands in the journal."""
        assert self._supervision is not None
        self._supervision.cancel()
        self.kill()
        with suppress(asyncio.CancelledError):
            await self._supervision

    @property
    def pid(self) -> int | None:
        """The id of the process, while there is one."""
        return None if self._process is None else self._process.pid

    async def plan(
        self,
        trace_id: str,
        bucket_id: str,
        deadline_s: float,
        on_event: OnEvent,
        excluded_modules: Mapping[str, str] | None = None,
        *,
        isolate: bool = False,
        invest: float = 0.0,
        buy_only: bool = False,
    ) -> PlanReply:
        """Request a plan and wait for it; one at a time.

        Parameters
        ----------
        trace_id, bucket_id : str
        deadline_s : float
        on_event : callable taking an event of the planner, as plain data
        excluded_modules : mapping of str to str, optional
            Keys of modules to leave out, each with the reason.
        isolate : bool
            Send every event at once, and the name of each module before it runs. Invalid output
            can then be attributed to the module that runs.
        invest : float, base currency
            Money to plan with as if it had been paid in; 0: none.
        buy_only : bool
            Plan without sells.

        Raises
        ------
        PlanFailedError
            With the code of the error, or DIED, OVERRAN or CANCELLED.
        """
        assert self._request is None, "one plan at a time"
        loop = asyncio.get_running_loop()
        request = _PendingRequest(trace_id, bucket_id, loop.create_future(), on_event)
        self._request = request
        try:
            await self._wait_until_ready(request)
            request.is_sent = True
            self._send(
                do="plan",
                trace_id=trace_id,
                bucket_id=bucket_id,
                budget_s=deadline_s * SOFT_DEADLINE,
                module_budget_s=deadline_s * MODULE_SHARE,
                invest=invest,
                buy_only=buy_only,
                excluded_modules=dict(excluded_modules or {}),
                isolate=isolate,
            )
            timer = loop.call_later(deadline_s, self._overrun, request)
            try:
                reply = await request.reply
            except PlanFailedError as error:
                raise self._explain_failure(error, request, deadline_s) from None
            finally:
                timer.cancel()
        finally:
            self._request = None
        self._failures = 0
        return reply

    def cancel(self, trace_id: str) -> None:
        """Cancel this plan if the process works on it; after CANCEL_GRACE_S, by force."""
        request = self._request
        if request is None or request.trace_id != trace_id or request.is_cancelled:
            return
        request.is_cancelled = True
        if not self._is_ready.is_set() and not request.reply.done():
            request.reply.set_exception(PlanFailedError(CANCELLED, ["cancelled before it began"]))
            return
        self._send(do="cancel", trace_id=trace_id)
        asyncio.get_running_loop().call_later(CANCEL_GRACE_S, self._enforce_cancel, request)

    def kill(self) -> None:
        """Kill the process and everything it started; the next plan waits for a new one."""
        self._is_ready.clear()
        if self._process is not None:
            self._process.kill()

    async def _wait_until_ready(self, request: _PendingRequest) -> None:
        """Wait for a process that can plan, or for the end of the request."""
        if self._is_ready.is_set():
            return
        ready = asyncio.create_task(self._is_ready.wait())
        try:
            await asyncio.wait((ready, request.reply), return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()  # also when this request is cancelled: it would wait forever
        if request.reply.done():
            await request.reply  # raises: cancelled, or the process died while it started

    def _enforce_cancel(self, request: _PendingRequest) -> None:
        if self._request is request and not request.reply.done():
            self.kill()

    def _overrun(self, request: _PendingRequest) -> None:
        if self._request is request and not request.reply.done():
            request.overran = True
            self.kill()

    def _explain_failure(
        self, error: PlanFailedError, request: _PendingRequest, deadline_s: float
    ) -> PlanFailedError:
        """Replace the end of a process by the reason why the client killed it, if it did."""
        if request.is_cancelled:
            return PlanFailedError(CANCELLED, ["cancelled"])
        if request.overran:
            module = request.last_module
            ran_s = asyncio.get_running_loop().time() - module.start_s
            suspect = module.key if ran_s >= deadline_s * MODULE_SHARE else ""
            line = f"planning took longer than {deadline_s:g} s (plan_deadline_s in device.toml)"
            return PlanFailedError(OVERRAN, [line + _while_running(suspect)], suspect)
        return error

    def _send(self, **message: object) -> None:
        line = json.dumps(message).encode() + b"\n"
        if self._process is not None and not self._process.send(line):
            self._process.kill()  # it does not read: it ended or hangs

    # --- supervision -----------------------------------------------------------------------

    async def _supervise(self) -> None:
        """Keep a process running, forever."""
        while True:
            why = await self._run_once()
            self._callbacks.on_end(why)
            self.restarts += 1
            self._failures += 1
            if self._failures > 1:  # the first time at once: a press may be waiting
                await asyncio.sleep(backoff_s(self._failures - 1, BACKOFF_MIN_S, BACKOFF_MAX_S))

    async def _run_once(self) -> str:
        """Run one process to its end and return how it ended."""
        try:
            process = WorkerProcess(self.command, WORKER_LINE_BYTES_MAX)
        except OSError as error:
            why = f"could not be started: {error.strerror}"
            if self._request is not None and not self._request.reply.done():
                failed = PlanFailedError(DIED, [f"the planner's process {why}"])
                self._request.reply.set_exception(failed)
            return why
        self._process = process
        self._was_ready = self._sent_garbage = False
        starting = asyncio.get_running_loop().call_later(START_MAX_S, self._give_up_starting)
        try:
            await process.connect()
            await self._converse(process)
        finally:
            starting.cancel()
            self._is_ready.clear()
            self._process = None
            process.kill()
            # The kernel takes back its memory before it has ended, which takes a while.
            with suppress(TimeoutError):
                await asyncio.wait_for(process.has_ended.wait(), REAP_MAX_S)
            last_module = process.current_module()
            why = process.close()
            await kill_orphans()
        self._fail_request(process, why, last_module)
        return why

    def _fail_request(self, process: WorkerProcess, why: str, last_module: CurrentModule) -> None:
        """Fail the request that the end of the process ended."""
        request = self._request
        if request is None or request.reply.done():
            return
        if self._was_ready and not request.is_sent:
            return  # the process never saw it: it waits for the next one
        request.last_module = last_module
        suspect = request.reported_module or last_module.key
        cause_uncertain = process.was_killed_by_others() or self._sent_garbage or not suspect
        failed = PlanFailedError(
            DIED,
            [f"the planner's process {why}{_while_running(suspect)}"],
            suspect,
            cause_uncertain=cause_uncertain and self._was_ready,
        )
        request.reply.set_exception(failed)

    async def _converse(self, process: WorkerProcess) -> None:
        """Read until the process has ended or sent invalid output."""
        relaying = asyncio.create_task(self._relay_stderr(process))
        reading = asyncio.create_task(self._read_messages(process))
        ended = asyncio.create_task(process.has_ended.wait())
        try:
            await asyncio.wait((reading, ended), return_when=asyncio.FIRST_COMPLETED)
            if reading.done() and reading.result():  # a closed pipe: it may be ending by itself
                await asyncio.wait((ended,), timeout=LAST_OUTPUT_S)
            process.kill()  # its descendants as well: then its pipes have an end
            await asyncio.wait((reading, relaying), timeout=LAST_OUTPUT_S)
        finally:
            for task in (reading, relaying, ended):
                task.cancel()
            await asyncio.gather(reading, relaying, ended, return_exceptions=True)

    def _give_up_starting(self) -> None:
        if not self._is_ready.is_set():
            self.kill()

    async def _read_messages(self, process: WorkerProcess) -> bool:
        """Handle messages; return True when the pipe was closed, False after invalid output."""
        while True:
            try:
                line = await process.responses.readline()
                if not line:
                    return True
                self._handle_message(json.loads(line, parse_constant=_refuse_constant), process.pid)
            except INVALID_MESSAGE as error:
                # Invalid output: kill the worker. It was written a while ago, so that another
                # module may run by now.
                self._callbacks.on_stderr_line(f"invalid output of the worker: {error}"[:200])
                self._sent_garbage = True
                return False

    def _handle_message(self, message: dict[str, Any], pid: int) -> None:
        for kind, content in message.items():
            if kind == "ready":
                self._is_ready.set()
                self._was_ready = True
                self._callbacks.on_ready(pid)
            elif kind == "warm":
                self._callbacks.on_warm(float(content["elapsed_s"]))
            else:
                self._handle_plan_message(kind, content)

    def _handle_plan_message(self, kind: str, content: dict[str, Any]) -> None:
        if content.get("ends"):
            self._is_ready.clear()  # the next request waits for another process
        request = self._request
        if request is None or content["trace_id"] != request.trace_id or request.reply.done():
            return  # about a plan that is not needed any more
        if kind == "running":
            request.reported_module = str(content["key"])
        elif kind == "event":
            if content["event_type"] in MODULE_END_EVENTS:
                request.reported_module = ""
            request.on_event(content)
        elif kind == "failed":
            lines = [str(line) for line in content["lines"]]
            suspect = str(content.get("suspect") or "")
            request.reply.set_exception(PlanFailedError(str(content["code"]), lines, suspect))
        elif kind == "planned":
            request.reply.set_result(_parse_reply(content, request.bucket_id))

    async def _relay_stderr(self, process: WorkerProcess) -> None:
        """Pass on the lines of its standard error; cut a line that has no end."""
        rest, n_lines = b"", 0
        while data := await process.stderr.read(STDERR_CHUNK):
            *lines, rest = (rest + data).split(b"\n")
            if len(rest) > STDERR_CHUNK:
                lines, rest = [*lines, rest], b""
            for line in lines[: max(0, STDERR_LINES_MAX - n_lines)]:
                self._callbacks.on_stderr_line(line.decode("utf-8", "replace"))
            n_lines += len(lines)
        if rest and n_lines < STDERR_LINES_MAX:
            self._callbacks.on_stderr_line(rest.decode("utf-8", "replace"))
        elif n_lines > STDERR_LINES_MAX:
            self._callbacks.on_stderr_line(f"({n_lines - STDERR_LINES_MAX} more lines)")


def _while_running(key: str) -> str:
    return f" while {key} ran" if key else ""


def _refuse_constant(constant: str) -> object:
    """Refuse NaN and infinities: a plan with them could not be stored."""
    raise ValueError(f"{constant} is not JSON")


def _parse_reply(content: dict[str, Any], bucket_id: str) -> PlanReply:
    created_at = datetime.fromisoformat(content["created_at"]).astimezone(UTC)
    record = content["plan"]
    if not isinstance(record, dict) or record["trace_id"] != content["trace_id"]:
        raise ValueError("a plan of another trace")
    if record["bucket_id"] != bucket_id:
        raise ValueError("a plan of another bucket")
    memory = content.get("memory")
    return PlanReply(
        content["trace_id"],
        created_at,
        float(content["elapsed_s"]),
        record,
        memory if isinstance(memory, dict) else {},
    )
