"""The planner's process: reads requests, plans, answers; outlives nobody.

It stores no plan, only what circuit breakers learnt.

The daemon (`host.planning.worker.client`) starts it with a pipe on each end; a JSON object per
line::

    in   {"do": "plan", "trace_id": ..., "bucket_id": ..., "budget_s": ..., "module_budget_s": ...,
          "without": {KEY: why}, "is_careful": ...}
         {"do": "cancel", "trace_id": ...}
    out  {"ready": {"pid": ...}}
         {"warm": {"elapsed_s": ...}}
         {"event": <an event of the planner>}    a moment later, with those that follow
         {"running": {"trace_id": ..., "key": ...}}    of a careful plan, which says all at once
         {"planned": {"trace_id": ..., "created_at": ..., "elapsed_s": ...,
                      "memory": {...}, "plan": <plan-json>}}
         {"failed": {"trace_id": ..., "code": ..., "lines": [...], "blamed": KEY or nothing}}

numpy and the planner are imported before "ready". Then, if nobody asks for anything else, a plan
that nobody sees is made, because a first one takes twice as long as the next. Whatever a
module prints goes to standard error, not into the answers. When the daemon is gone, however it
ended, so is this process, at once and with what it was doing: only the daemon keeps plans.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import queue
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from host.errors import HostError, error_lines
from host.home.home import Home
from host.limits import PLAN_MEMORY_MB, WORKER_REQUEST_BYTES_MAX
from host.planning.worker.current_module import RunningNote, inherited_note
from host.planning.worker.response_pipe import EXIT_ORPHANED, Answers
from host.planning.worker.sandbox import (
    PR_SET_PDEATHSIG,
    Nursery,
    call_prctl,
    limit_memory,
    volunteer_for_oom,
)
from host.telemetry.metrics.process_memory import memory_bytes
from planner_core.errors import PlannerError

if TYPE_CHECKING:
    from planner_core.events import Event
    from planner_core.modules.registry import Registries

LEFT_PROCESSES: Final = "left_processes"
"""Code of a plan whose modules left processes behind."""
MODULE_ENDS: Final = frozenset({"ModuleCompleted", "ModuleFailed", "ModuleOverran"})
URGENT: Final = frozenset({"WARN", "ERROR"})
"""Events that are sent before anything else happens."""

Request = dict[str, Any]


class Inbox:
    """What the daemon asks for, read in a thread of its own so that a cancel is heard at work."""

    def __init__(self, descriptor: int) -> None:
        self.plans: queue.SimpleQueue[Request] = queue.SimpleQueue()
        self._descriptor = descriptor
        self._lock = threading.Lock()
        self._is_cancelled: dict[str, bool] = {}
        """By trace id, for each plan that was asked for and is not done."""

    def listen(self) -> None:
        """Read until the daemon is gone, then end the process, whatever it is doing."""
        with os.fdopen(self._descriptor, "rb") as file:
            while line := file.readline(WORKER_REQUEST_BYTES_MAX):
                self._take(line)
        os._exit(EXIT_ORPHANED)

    def is_cancelled(self, trace_id: str) -> bool:
        """Tell whether nobody waits for this plan any more."""
        return self._is_cancelled.get(trace_id, False)

    def close(self) -> None:
        """Hear nothing any more."""
        with contextlib.suppress(OSError):
            os.close(self._descriptor)

    def done(self, trace_id: str) -> None:
        """Forget a plan; a cancellation that comes later has nothing to cancel."""
        with self._lock:
            self._is_cancelled.pop(trace_id, None)

    def _take(self, line: bytes) -> None:
        try:
            request = json.loads(line)
        except ValueError:
            request = None
        if not isinstance(request, dict):
            os._exit(EXIT_ORPHANED)  # the daemon never writes that: it died in mid-line
        trace_id = str(request.get("trace_id"))
        if request.get("do") == "cancel":
            with self._lock:
                if trace_id in self._is_cancelled:
                    self._is_cancelled[trace_id] = True
        else:
            self._is_cancelled[trace_id] = False
            self.plans.put(request)


class Desk:
    """What every request needs.

    Parameters
    ----------
    home : Home
    inbox : Inbox
    answers : Answers
    note : RunningNote
        Where the daemon finds whom to blame.
    registries : Registries, optional
        By default the modules shipped with the planner.
    """

    def __init__(
        self,
        home: Home,
        inbox: Inbox,
        answers: Answers,
        note: RunningNote,
        registries: Registries | None = None,
    ) -> None:
        from host.planning.breaker_store import BreakerStore
        from planner_core.modules.cache import CalculationCache

        self.home = home
        self.inbox = inbox
        self.answers = answers
        self.note = note
        self.registries = registries
        self.breakers = BreakerStore(home)
        self.cache = CalculationCache(time.monotonic)
        self.nursery = Nursery(mute=self._mute)

    def answer(self, request: Request) -> None:
        """Plan and answer; whatever goes wrong is the answer."""
        trace_id = str(request["trace_id"])
        self.nursery.begin()
        self.note.clear()
        try:
            kind, content = "planned", self._planned(trace_id, request)
        except (HostError, PlannerError) as error:
            kind, content = "failed", {"code": error.code, "lines": error_lines(error)}
        finally:
            self.note.clear()
        n_left, blamed = self.nursery.clear()
        if n_left:
            line = f"{blamed or 'some module'} left {n_left} running processes behind"
            kind = "failed"
            content = {"code": LEFT_PROCESSES, "lines": [line], "blamed": blamed}
        self.answers.send(kind, {"trace_id": trace_id, **content})

    def _planned(self, trace_id: str, request: Request) -> dict[str, object]:
        from host.home.config.active import load_active
        from host.planning.plan_run import RunOptions, make_plan

        budget_s = float(request["budget_s"])
        is_careful = bool(request.get("is_careful"))

        def emit(event: Event) -> None:
            if event.event_type in MODULE_ENDS:
                if not self.answers.is_open():
                    os._exit(EXIT_ORPHANED)  # nobody but the module that ran can have done that
                self.note.clear()
            is_urgent = is_careful or event.severity in URGENT
            tell = self.answers.send if is_urgent else self.answers.send_soon
            tell("event", event.to_record())

        def running(key: str, _operation: str) -> None:
            self.nursery.running = key
            self.note.note(key)
            if is_careful:
                self.answers.send("running", {"trace_id": trace_id, "key": key})

        without = {str(key): str(why) for key, why in request.get("without", {}).items()}
        module_budget_s = float(request.get("module_budget_s", budget_s))
        options = RunOptions(
            trace_id=trace_id,
            budget_s=budget_s,
            module_budget_s=module_budget_s,
            breakers=self.breakers,
            excluded_modules=without,
            cache=self.cache,
            registries=self.registries,
            emit=emit,
            on_module_start=running,
            is_cancelled=lambda: self.inbox.is_cancelled(trace_id),
            load_config=load_active,
        )
        run = make_plan(self.home, str(request["bucket_id"]), options)
        return {
            "created_at": run.created_at.isoformat(),
            "elapsed_s": run.elapsed_s,
            "memory": memory_bytes(),
            "plan": run.record,
        }

    def _mute(self) -> None:
        """In a forked child: close the pipes, so that its first word to the daemon ends it."""
        self.note.close()
        self.answers.close()
        self.inbox.close()


def serve(desk: Desk, memory_mb: int) -> None:
    """Answer request after request."""
    import host.planning.plan_run  # noqa: F401 - warm before the first press

    inbox, answers = desk.inbox, desk.answers
    limit_memory(memory_mb)
    answers.send("ready", {"pid": os.getpid()})
    warm_up(desk.home, inbox, answers)
    while True:
        request = inbox.plans.get()
        trace_id = str(request.get("trace_id"))
        try:
            desk.answer(request)
        except Exception as error:  # noqa: BLE001 - the worker's loop: an unknown failure costs one plan
            sys.excepthook(type(error), error, error.__traceback__)
            line = " ".join(f"{type(error).__name__}: {error}".split())[:500]
            failed = {"trace_id": trace_id, "code": "internal", "lines": [line]}
            answers.send("failed", failed)
        finally:
            inbox.done(trace_id)


def warm_up(home: Home, inbox: Inbox, answers: Answers) -> None:
    """Plan for nobody; a request ends it, and what goes wrong will be told to the first press.

    By our own modules only: nobody would know whom to blame for a crash.
    """
    from host.home.config.active import load_active
    from host.planning.plan_run import RunOptions, make_plan

    options = RunOptions(is_cancelled=lambda: not inbox.plans.empty(), load_config=load_active)
    began_s = time.monotonic()
    for bucket_id in home.bucket_ids()[:1]:
        with contextlib.suppress(Exception):
            make_plan(home, bucket_id, options)
    answers.send("warm", {"elapsed_s": time.monotonic() - began_s})


def die_with_parent() -> None:
    """Ask the kernel to kill this process when the daemon ends."""
    parent = os.getppid()
    call_prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != parent:
        os._exit(EXIT_ORPHANED)


def main(registries: Registries | None = None) -> None:
    """Run the worker on its standard input and output, with other modules than ours if given."""
    parser = argparse.ArgumentParser(prog="python -m host.planning.worker.main")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--memory-mb", type=int, default=PLAN_MEMORY_MB)
    options = parser.parse_args()
    die_with_parent()
    volunteer_for_oom()
    note = inherited_note(os.environ)
    requests, replies = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    inbox, answers = Inbox(requests), Answers(replies)
    for name, work in (("inbox", inbox.listen), ("answers", answers.serve)):
        threading.Thread(target=work, name=name, daemon=True).start()
    desk = Desk(Home(options.home), inbox, answers, note, registries)
    serve(desk, options.memory_mb)


if __name__ == "__main__":
    main()
