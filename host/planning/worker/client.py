"""The daemon's side of the planner's process: starts it, asks it, and replaces it when it fails.

The process has a group of its own. A plan that takes longer than its deadline costs the whole
group: whatever a module started dies with it. A process that died is started again at once, and
then after ever longer waits while it keeps dying. What is asked meanwhile waits.

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

from host.limits import PLAN_MEMORY_MB, WORKER_LINE_BYTES_MAX
from host.planning.worker.current_module import Running
from host.planning.worker.errors import CANCELLED, DIED, OVERRAN, PlanFailedError
from host.planning.worker.orphan_reaper import adopt_orphans, end_strays
from host.planning.worker.process import WorkerProcess

if TYPE_CHECKING:
    from host.home.home import Home

BACKOFF_MIN_S: Final = 0.5
BACKOFF_MAX_S: Final = 30.0
START_MAX_S: Final = 60.0
"""Importing numpy takes a board a few seconds; a process that needs longer hangs."""
CANCEL_GRACE_S: Final = 1.0
"""After a cancel the planner may end by itself for so long."""
SOFT_DEADLINE: Final = 0.8
"""At this part of the deadline the planner is told to answer with the best it has."""
MODULE_SHARE: Final = 0.4
"""No module may take so much of the deadline; one that did when it was over is to blame for it."""
COMPLAINTS_MAX: Final = 500
"""Lines of one process that are passed on; more of them tell nothing new."""
REAP_MAX_S: Final = 10.0
"""A killed process that has not ended by then hangs in the kernel: it is left to it."""
LAST_WORDS_S: Final = 0.2
"""What a process said before it died is in its pipes already."""
STDERR_CHUNK: Final = 4096


NONSENSE: Final = (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError)
"""What comes of reading an answer that is none."""
MODULE_ENDS: Final = frozenset({"ModuleCompleted", "ModuleFailed", "ModuleOverran"})


@dataclass(frozen=True, slots=True)
class PlanReply:
    """A plan as it came from the worker; it is not on disk yet."""

    trace_id: str
    created_at: datetime
    elapsed_s: float
    record: dict[str, object]
    memory: dict[str, object] = field(default_factory=dict)


@dataclass(slots=True)
class _Asked:
    """The request under way."""

    trace_id: str
    bucket_id: str
    reply: asyncio.Future[PlanReply]
    on_event: Callable[[dict[str, Any]], None]
    is_cancelled: bool = False
    overran: bool = False
    is_sent: bool = False
    ran: Running = field(default_factory=Running)
    """The module that ran when the process ended."""
    said: str = ""
    """The module that runs, as a careful process says."""


@dataclass(slots=True)
class WorkerNews:
    """Whom to tell what; each must not raise."""

    started: Callable[[int], None] = field(default=lambda _pid: None)
    warmed: Callable[[float], None] = field(default=lambda _elapsed_s: None)
    ended: Callable[[str], None] = field(default=lambda _why: None)
    said: Callable[[str], None] = field(default=lambda _line: None)


class WorkerClient:
    """A planner's process under supervision: ``async with``, then `plan` again and again."""

    def __init__(
        self,
        home: Home,
        news: WorkerNews | None = None,
        command: Sequence[str] | None = None,
        memory_mb: int = PLAN_MEMORY_MB,
    ) -> None:
        # -P: a folder called `host` where the daemon was started must not be taken for ours.
        ours = (sys.executable, "-P", "-m", "host.planning.worker.main")
        options = ("--home", str(home.root.absolute()), "--memory-mb", str(memory_mb))
        self.command = tuple(command or (*ours, *options))
        self.restarts = 0
        self._news = news or WorkerNews()
        self._process: WorkerProcess | None = None
        self._is_ready = asyncio.Event()
        self._was_ready = False
        self._is_mad = False
        self._asked: _Asked | None = None
        self._failures = 0
        self._supervision: asyncio.Task[None] | None = None

    async def __aenter__(self) -> WorkerClient:
        """Start it, without waiting for it."""
        adopt_orphans()
        self._supervision = asyncio.create_task(self._supervise(), name="worker")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Kill it; what it was doing is lost, and stands in the journal as asked for."""
        assert self._supervision is not None
        self._supervision.cancel()
        self.kill()
        with suppress(asyncio.CancelledError):
            await self._supervision

    @property
    def pid(self) -> int | None:
        """The process, while there is one."""
        return None if self._process is None else self._process.pid

    @property
    def is_busy(self) -> bool:
        """Whether the process is at work on a plan."""
        return self._is_ready.is_set() and self._asked is not None

    async def plan(
        self,
        trace_id: str,
        bucket_id: str,
        deadline_s: float,
        on_event: Callable[[dict[str, Any]], None],
        without: Mapping[str, str] | None = None,
        *,
        is_careful: bool = False,
    ) -> PlanReply:
        """Ask for a plan and wait for it; one at a time. `without`: keys of modules, and why.

        A careful plan says everything at once: what the process says that makes no sense can then
        be put down to the module that ran.

        Raises
        ------
        PlanFailedError
            With the code of what was wrong, or DIED, OVERRAN or CANCELLED.
        """
        assert self._asked is None, "one plan at a time"
        loop = asyncio.get_running_loop()
        asked = _Asked(trace_id, bucket_id, loop.create_future(), on_event)
        self._asked = asked
        try:
            await self._wait_until_ready(asked)
            asked.is_sent = True
            self._send(
                do="plan",
                trace_id=trace_id,
                bucket_id=bucket_id,
                budget_s=deadline_s * SOFT_DEADLINE,
                module_budget_s=deadline_s * MODULE_SHARE,
                without=dict(without or {}),
                is_careful=is_careful,
            )
            timer = loop.call_later(deadline_s, self._overrun, asked)
            try:
                reply = await asked.reply
            except PlanFailedError as error:
                raise self._explained(error, asked, deadline_s) from None
            finally:
                timer.cancel()
        finally:
            self._asked = None
        self._failures = 0
        return reply

    def cancel(self, trace_id: str) -> None:
        """Stop this plan if it is the one under way: kindly, then by force."""
        asked = self._asked
        if asked is None or asked.trace_id != trace_id or asked.is_cancelled:
            return
        asked.is_cancelled = True
        if not self._is_ready.is_set() and not asked.reply.done():
            asked.reply.set_exception(PlanFailedError(CANCELLED, ["cancelled before it began"]))
            return
        self._send(do="cancel", trace_id=trace_id)
        asyncio.get_running_loop().call_later(CANCEL_GRACE_S, self._enforce_cancel, asked)

    def kill(self) -> None:
        """Kill the process and everything it started; the next plan waits for another one."""
        self._is_ready.clear()
        if self._process is not None:
            self._process.kill()

    async def _wait_until_ready(self, asked: _Asked) -> None:
        """Wait for a process that can plan, or for the end of the request."""
        if self._is_ready.is_set():
            return
        ready = asyncio.create_task(self._is_ready.wait())
        try:
            await asyncio.wait((ready, asked.reply), return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()  # also when this request is cancelled: it would wait for ever
        if asked.reply.done():
            await asked.reply  # raises: cancelled, or the process died while it started

    def _enforce_cancel(self, asked: _Asked) -> None:
        if self._asked is asked and not asked.reply.done():
            self.kill()

    def _overrun(self, asked: _Asked) -> None:
        if self._asked is asked and not asked.reply.done():
            asked.overran = True
            self.kill()

    def _explained(self, error: PlanFailedError, asked: _Asked, deadline_s: float) -> Exception:
        """Tell a process that we killed from one that died."""
        if asked.is_cancelled:
            return PlanFailedError(CANCELLED, ["cancelled"])
        if asked.overran:
            hung_s = asyncio.get_running_loop().time() - asked.ran.since_s
            blamed = asked.ran.key if hung_s >= deadline_s * MODULE_SHARE else ""
            what = f"planning took longer than {deadline_s:g} s (plan_deadline_s in device.toml)"
            return PlanFailedError(OVERRAN, [what + _while(blamed)], blamed)
        return error

    def _send(self, **request: object) -> None:
        line = json.dumps(request).encode() + b"\n"
        if self._process is not None and not self._process.send(line):
            self._process.kill()  # it does not listen: it is gone, or as good as

    # --- supervision -----------------------------------------------------------------------

    async def _supervise(self) -> None:
        """Keep a process running, for ever."""
        while True:
            why = await self._run_once()
            self._news.ended(why)
            self.restarts += 1
            self._failures += 1
            if self._failures > 1:  # the first time at once: a press may be waiting
                backoff_s = BACKOFF_MIN_S * 2 ** min(self._failures - 2, 10)
                await asyncio.sleep(min(backoff_s, BACKOFF_MAX_S))

    async def _run_once(self) -> str:
        """Run one process to its end and return how it ended."""
        try:
            process = WorkerProcess(self.command, WORKER_LINE_BYTES_MAX)
        except OSError as error:
            why = f"could not be started: {error.strerror}"
            if self._asked is not None and not self._asked.reply.done():
                failed = PlanFailedError(DIED, [f"the planner's process {why}"])
                self._asked.reply.set_exception(failed)
            return why
        self._process = process
        self._was_ready = self._is_mad = False
        starting = asyncio.get_running_loop().call_later(START_MAX_S, self._give_up_starting)
        try:
            await process.connect()
            await self._converse(process)
        finally:
            starting.cancel()
            self._is_ready.clear()
            self._process = None
            process.kill()
            with suppress(
                TimeoutError
            ):  # its memory is taken back before it is gone: not in a wink
                await asyncio.wait_for(process.has_ended.wait(), REAP_MAX_S)
            ran = process.running()
            why = process.end()
            await end_strays()
        asked = self._asked
        # One that was ready and got killed had nothing to do with a request it never saw.
        is_its_end = asked is not None and (asked.is_sent or not self._was_ready)
        if asked is not None and is_its_end and not asked.reply.done():
            asked.ran = ran
            blamed = asked.said or ran.key
            lines = [f"the planner's process {why}{_while(blamed)}"]
            is_doubtful = process.was_killed_by_others() or self._is_mad or not blamed
            is_doubtful = is_doubtful and self._was_ready
            failed = PlanFailedError(DIED, lines, blamed, is_doubtful=is_doubtful)
            asked.reply.set_exception(failed)
        return why

    async def _converse(self, process: WorkerProcess) -> None:
        """Listen until the process has ended, or said what no worker says."""
        relay = asyncio.create_task(self._relay_complaints(process))
        reading = asyncio.create_task(self._read_answers(process))
        ended = asyncio.create_task(process.has_ended.wait())
        try:
            await asyncio.wait((reading, ended), return_when=asyncio.FIRST_COMPLETED)
            if reading.done() and reading.result():  # silence: it may be ending by itself
                await asyncio.wait((ended,), timeout=LAST_WORDS_S)
            process.kill()  # what it left behind, too: then its last words end as well
            await asyncio.wait((reading, relay), timeout=LAST_WORDS_S)
        finally:
            for task in (reading, relay, ended):
                task.cancel()
            await asyncio.gather(reading, relay, ended, return_exceptions=True)

    def _give_up_starting(self) -> None:
        if not self._is_ready.is_set():
            self.kill()

    async def _read_answers(self, process: WorkerProcess) -> bool:
        """Take what it says; tell whether it fell silent, or said what makes no sense."""
        while True:
            try:
                line = await process.answers.readline()
                if not line:
                    return True
                self._take(json.loads(line, parse_constant=_refuse), process.pid)
            except NONSENSE as error:
                # Too long, no JSON, not what was agreed: a process gone mad is a process to end.
                self._news.said(f"unreadable answer of the planner's process: {error}"[:200])
                self._is_mad = True  # it was written some time ago: another module may run by now
                return False

    def _take(self, message: dict[str, Any], pid: int) -> None:
        asked = self._asked
        for kind, content in message.items():
            if kind == "ready":
                self._is_ready.set()
                self._was_ready = True
                self._news.started(pid)
            elif kind == "warm":
                self._news.warmed(float(content["elapsed_s"]))
            elif asked is None or content["trace_id"] != asked.trace_id or asked.reply.done():
                continue  # about a plan that nobody waits for any more
            elif kind == "running":
                asked.said = str(content["key"])
            elif kind == "event":
                if content["event_type"] in MODULE_ENDS:
                    asked.said = ""
                asked.on_event(content)
            elif kind == "failed":
                lines = [str(line) for line in content["lines"]]
                blamed = str(content.get("blamed") or "")
                asked.reply.set_exception(PlanFailedError(str(content["code"]), lines, blamed))
            elif kind == "planned":
                asked.reply.set_result(_reply(content, asked.bucket_id))

    async def _relay_complaints(self, process: WorkerProcess) -> None:
        """Pass on what it complains of line by line, cutting a line that has no end."""
        rest, n_lines = b"", 0
        while data := await process.complaints.read(STDERR_CHUNK):
            *lines, rest = (rest + data).split(b"\n")
            if len(rest) > STDERR_CHUNK:
                lines, rest = [*lines, rest], b""
            for line in lines[: max(0, COMPLAINTS_MAX - n_lines)]:
                self._news.said(line.decode("utf-8", "replace"))
            n_lines += len(lines)
        if rest and n_lines < COMPLAINTS_MAX:
            self._news.said(rest.decode("utf-8", "replace"))
        elif n_lines > COMPLAINTS_MAX:
            self._news.said(f"({n_lines - COMPLAINTS_MAX} more lines)")


def _while(running: str) -> str:
    return f" while {running} ran" if running else ""


def _refuse(constant: str) -> object:
    """Refuse NaN and infinities: no plan with them could be kept."""
    raise ValueError(f"{constant} is no JSON")


def _reply(content: dict[str, Any], bucket_id: str) -> PlanReply:
    created_at = datetime.fromisoformat(content["created_at"]).astimezone(UTC)
    record = content["plan"]
    if not isinstance(record, dict) or record["trace_id"] != content["trace_id"]:
        raise ValueError("a plan of another trace")
    if record["bucket_id"] != bucket_id:
        raise ValueError("a plan of another bucket")
    elapsed_s, memory = float(content["elapsed_s"]), content.get("memory")
    known = memory if isinstance(memory, dict) else {}
    return PlanReply(content["trace_id"], created_at, elapsed_s, record, known)
