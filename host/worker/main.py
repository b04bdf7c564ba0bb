"""The planner's process: reads requests, plans, answers; stores nothing and outlives nobody.

It is started by the daemon (`host.worker.client`) with a pipe on each end, a JSON object per line::

    in   {"do": "plan", "trace_id": ..., "bucket_id": ..., "budget_s": ...}
         {"do": "cancel", "trace_id": ...}
    out  {"ready": {"pid": ...}}
         {"warm": {"elapsed_s": ...}}
         {"event": <an event of the planner>}
         {"planned": {"trace_id": ..., "created_at": ..., "elapsed_s": ..., "plan": <plan-json>}}
         {"failed": {"trace_id": ..., "code": ..., "lines": [...]}}

numpy and the planner are imported before "ready". Then, if nobody asks for anything else, a plan
that nobody sees is made, because a first one takes twice as long as the next. Whatever a
module prints goes to standard error, not into the answers. When the daemon is gone, however it
ended, so is this process, at once and with what it was doing: only the daemon keeps plans.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import queue
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from host.errors import HostError
from host.files.home import Home
from host.limits import WORKER_REQUEST_BYTES_MAX
from host.terminal.errors import error_lines
from planner_core.errors import PlannerError

if TYPE_CHECKING:
    from planner_core.config import PlannerConfig
    from planner_core.context import PlanningContext
    from planner_core.events import Event
    from planner_core.plan import Plan
    from planner_core.runtime import Runtime

EXIT_ORPHANED: Final = 3
PR_SET_PDEATHSIG: Final = 1

Request = dict[str, Any]


class Answers:
    """The pipe to the daemon; if it is broken, there is nobody to work for."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()

    def send(self, kind: str, content: object) -> None:
        """Send one line."""
        text = json.dumps({kind: content}, ensure_ascii=False, allow_nan=False, default=str)
        left = memoryview(text.encode("utf-8", "replace") + b"\n")
        with self._lock:
            try:
                while left:
                    left = left[os.write(self._descriptor, left) :]
            except OSError:
                os._exit(EXIT_ORPHANED)


class Inbox:
    """What the daemon asks for, read in a thread of its own so that a cancel is heard at work."""

    def __init__(self, descriptor: int) -> None:
        self.plans: queue.SimpleQueue[Request] = queue.SimpleQueue()
        self._descriptor = descriptor
        self._cancelled: set[str] = set()

    def listen(self) -> None:
        """Read until the daemon is gone, then end the process, whatever it is doing."""
        with os.fdopen(self._descriptor, "rb") as file:
            while line := file.readline(WORKER_REQUEST_BYTES_MAX):
                self._take(line)
        os._exit(EXIT_ORPHANED)

    def is_cancelled(self, trace_id: str) -> bool:
        """Tell whether nobody waits for this plan any more."""
        return trace_id in self._cancelled

    def done(self, trace_id: str) -> None:
        """Forget a cancellation that came too late."""
        self._cancelled.discard(trace_id)

    def _take(self, line: bytes) -> None:
        try:
            request = json.loads(line)
        except ValueError:
            request = None
        if not isinstance(request, dict):
            os._exit(EXIT_ORPHANED)  # the daemon never writes that: it died in mid-line
        if request.get("do") == "cancel":
            self._cancelled.add(str(request.get("trace_id")))
        else:
            self.plans.put(request)


def answer(home: Home, request: Request, inbox: Inbox, answers: Answers) -> None:
    """Plan and answer; whatever goes wrong is the answer."""
    from host.configuration.active import load_active
    from host.plans.planning import make_plan
    from planner_core.planner import plan

    trace_id = str(request["trace_id"])
    budget_s = float(request["budget_s"])

    def planner(context: PlanningContext, config: PlannerConfig, runtime: Runtime) -> Plan:
        runtime.is_cancelled = lambda: inbox.is_cancelled(trace_id)
        runtime.deadline_s = runtime.monotonic() + budget_s
        return plan(context, config, runtime)

    def emit(event: Event) -> None:
        answers.send("event", event.to_record())

    try:
        run = make_plan(
            home,
            str(request["bucket_id"]),
            emit=emit,
            trace_id=trace_id,
            planner=planner,
            load=load_active,
        )
    except (HostError, PlannerError) as error:
        failed = {"trace_id": trace_id, "code": error.code, "lines": error_lines(error)}
        answers.send("failed", failed)
    else:
        planned = {
            "trace_id": trace_id,
            "created_at": run.created_at.isoformat(),
            "elapsed_s": run.elapsed_s,
            "plan": run.record,
        }
        answers.send("planned", planned)


def serve(home: Home, inbox: Inbox, answers: Answers) -> None:
    """Answer request after request."""
    import host.plans.planning  # noqa: F401 - warm before the first press

    answers.send("ready", {"pid": os.getpid()})
    warm_up(home, inbox, answers)
    while True:
        request = inbox.plans.get()
        trace_id = str(request.get("trace_id"))
        try:
            answer(home, request, inbox, answers)
        except Exception as error:  # noqa: BLE001 - the worker's loop: an unknown failure costs one plan
            sys.excepthook(type(error), error, error.__traceback__)
            line = " ".join(f"{type(error).__name__}: {error}".split())[:500]
            failed = {"trace_id": trace_id, "code": "internal", "lines": [line]}
            answers.send("failed", failed)
        finally:
            inbox.done(trace_id)


def warm_up(home: Home, inbox: Inbox, answers: Answers) -> None:
    """Plan for nobody; a request ends it, and what goes wrong will be told to the first press."""
    from host.configuration.active import load_active
    from host.plans.planning import make_plan
    from planner_core.planner import plan

    def planner(context: PlanningContext, config: PlannerConfig, runtime: Runtime) -> Plan:
        runtime.is_cancelled = lambda: not inbox.plans.empty()
        return plan(context, config, runtime)

    began_s = time.monotonic()
    for bucket_id in home.bucket_ids()[:1]:
        with contextlib.suppress(Exception):
            make_plan(home, bucket_id, planner=planner, load=load_active)
    answers.send("warm", {"elapsed_s": time.monotonic() - began_s})


def die_with_parent() -> None:
    """Ask the kernel to kill this process when the daemon ends; Linux alone knows how."""
    parent = os.getppid()
    libc = ctypes.CDLL(None, use_errno=True)
    if hasattr(libc, "prctl"):
        libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(EXIT_ORPHANED)


def main() -> None:
    """Run the worker on its standard input and output."""
    parser = argparse.ArgumentParser(prog="python -m host.worker.main")
    parser.add_argument("--home", type=Path, required=True)
    home = Home(parser.parse_args().home)
    die_with_parent()
    requests, replies = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    inbox, answers = Inbox(requests), Answers(replies)
    threading.Thread(target=inbox.listen, name="inbox", daemon=True).start()
    serve(home, inbox, answers)


if __name__ == "__main__":
    main()
