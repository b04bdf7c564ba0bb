"""The planner's process: reads requests, plans, and answers. It ends when the daemon does.

It stores no plan, only the state of circuit breakers.

The daemon (`host.planning.worker.client`) starts it with a pipe on each end. Each line is a JSON
object::

    in   {"do": "plan", "trace_id": ..., "bucket_id": ..., "budget_s": ..., "module_budget_s": ...,
          "invest": ..., "buy_only": ..., "excluded_modules": {KEY: reason}, "isolate": ...}
         {"do": "cancel", "trace_id": ...}
    out  {"ready": {"pid": ...}}
         {"warm": {"elapsed_s": ...}}
         {"event": <an event of the planner>}    after SEND_DELAY_S, with those that follow
         {"running": {"trace_id": ..., "key": ...}}    only with "isolate", which sends at once
         {"planned": {"trace_id": ..., "created_at": ..., "elapsed_s": ...,
                      "memory": {...}, "plan": <plan-json>, "ends": ...}}
         {"failed": {"trace_id": ..., "code": ..., "lines": [...], "suspect": KEY or missing,
                     "ends": ...}}

"ends" says that the process ends now, because a module left a thread in it.

numpy and the planner are imported before "ready". Then a plan is made and thrown away, because the
first plan takes twice as long as the next. A request ends it. Output that a module prints goes to
standard error, not into the responses. When the daemon ends, this process ends at once and its plan
is lost: only the daemon stores plans.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import queue
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from host.errors import HostError, error_lines
from host.home.home import Home
from host.limits import PLAN_MEMORY_MB, WORKER_REQUEST_BYTES_MAX
from host.planning.worker.current_module import (
    MODULE_END_EVENTS,
    CurrentModuleWriter,
    inherit_writer,
)
from host.planning.worker.errors import LEFT_PROCESSES
from host.sandbox import (
    EXIT_LEFT_THREADS,
    EXIT_ORPHANED,
    ChildProcesses,
    die_with_parent,
    left_threads,
    limit_memory,
    prefer_for_oom_kill,
)
from host.telemetry.metrics.metrics import memory_bytes
from planner_core.errors import PlannerError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planner_core.events import Event
    from planner_core.modules.registry import Registries

URGENT_SEVERITIES: Final = frozenset({"WARN", "ERROR"})
"""Events of these are sent at once."""
SEND_DELAY_S: Final = 0.05
DELAYED_LINES_MAX: Final = 1_000
"""Lines that may wait; more of them are sent at once."""
ENCODER: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=str)

Request = dict[str, Any]


class RequestPipe:
    """The daemon's requests, read in a thread of its own: a cancel is seen during a plan."""

    def __init__(self, descriptor: int) -> None:
        self.plans: queue.SimpleQueue[Request] = queue.SimpleQueue()
        self._descriptor = descriptor
        self._lock = threading.Lock()
        self._is_cancelled: dict[str, bool] = {}
        """By trace id, for each plan that was requested and is not done."""

    def listen(self) -> None:
        """Read until the daemon is gone, then end the process, whatever it is doing."""
        with os.fdopen(self._descriptor, "rb") as file:
            while line := file.readline(WORKER_REQUEST_BYTES_MAX):
                self._receive(line)
        os._exit(EXIT_ORPHANED)

    def is_cancelled(self, trace_id: str) -> bool:
        """Return whether the daemon cancelled this plan."""
        return self._is_cancelled.get(trace_id, False)

    def close(self) -> None:
        """Close the pipe; for a forked child."""
        with contextlib.suppress(OSError):
            os.close(self._descriptor)

    def finish(self, trace_id: str) -> None:
        """Forget a plan; a later cancellation has nothing to cancel."""
        with self._lock:
            self._is_cancelled.pop(trace_id, None)

    def _receive(self, line: bytes) -> None:
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


class ResponsePipe:
    """The pipe to the daemon. If it is broken, the process ends.

    Every write wakes the daemon, and a plan has sixty events in a fifth of a second. So an event
    that is not urgent waits a moment, and is sent with those that follow.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._inode = os.fstat(descriptor).st_ino
        self._lock = threading.Lock()
        self._delayed: list[str] = []
        self._has_delayed = threading.Event()
        self._is_closed = False

    def serve(self) -> None:
        """Send delayed lines, forever, in a thread of its own."""
        while True:
            self._has_delayed.wait()
            time.sleep(SEND_DELAY_S)
            self._has_delayed.clear()
            with self._lock:
                self._flush()

    def send(self, kind: str, content: object) -> None:
        """Send one line, after the delayed ones."""
        self._exit_if_closed()
        line = ENCODER.encode({kind: content})
        with self._lock:
            self._delayed.append(line)
            self._flush()

    def send_delayed(self, kind: str, content: object) -> None:
        """Send one line within SEND_DELAY_S, and before any later line."""
        self._exit_if_closed()
        line = ENCODER.encode({kind: content})
        with self._lock:
            self._delayed.append(line)
            if len(self._delayed) >= DELAYED_LINES_MAX:
                self._flush()
        if not self._has_delayed.is_set():
            self._has_delayed.set()

    def is_open(self) -> bool:
        """Return whether the pipe is still open: a module may have closed every descriptor."""
        with contextlib.suppress(OSError):
            return os.fstat(self._descriptor).st_ino == self._inode
        return False

    def close(self) -> None:
        """Close the pipe; for a forked child, in which no thread runs but this one."""
        self._is_closed = True
        self._lock = threading.Lock()  # another thread may have held it at the fork
        with contextlib.suppress(OSError):
            os.close(self._descriptor)

    def _exit_if_closed(self) -> None:
        """End a forked child: a file that it opened may have the number of the pipe by now."""
        if self._is_closed:
            os._exit(EXIT_ORPHANED)

    def _flush(self) -> None:
        if not self._delayed:
            return
        text = "\n".join(self._delayed) + "\n"
        self._delayed.clear()
        unsent = memoryview(text.encode("utf-8", "replace"))
        try:
            while unsent:
                unsent = unsent[os.write(self._descriptor, unsent) :]
        except OSError:
            os._exit(EXIT_ORPHANED)


class RequestHandler:
    """Answers requests, and holds what outlives one.

    Parameters
    ----------
    home : Home
    requests : RequestPipe
    responses : ResponsePipe
    current_module : CurrentModuleWriter
        The daemon reads there which module to suspect.
    registries : Registries, optional
        By default the modules of the planner, and the plugins of the home.
    """

    def __init__(
        self,
        home: Home,
        requests: RequestPipe,
        responses: ResponsePipe,
        current_module: CurrentModuleWriter,
        registries: Registries | None = None,
    ) -> None:
        # The planner and numpy are imported here, in `plan` and in `warm_up`, not at the top. They
        # take seconds on a board, and by now the process already ends when its daemon does.
        from host.planning.breaker_store import BreakerStore
        from host.planning.process_plugins import ProcessPlugins
        from planner_core.modules.cache import CalculationCache

        self.home = home
        self.requests = requests
        self.responses = responses
        self.current_module = current_module
        self.registries = registries
        self.breakers = BreakerStore(home)
        self.cache = CalculationCache(time.monotonic)
        self.children = ChildProcesses(in_child=self._close_pipes)
        self.threads = set(threading.enumerate())
        self.plugins = ProcessPlugins(home, self.breakers, on_load=self._on_load)

    def handle(self, request: Request) -> None:
        """Plan and answer; an error is an answer too."""
        trace_id = str(request["trace_id"])
        self.children.reset()
        self.current_module.clear()
        try:
            kind, content = "planned", self.plan(trace_id, request)
        except (HostError, PlannerError) as error:
            kind, content = "failed", {"code": error.code, "lines": error_lines(error)}
        finally:
            self.current_module.clear()
        n_killed, suspect = self.children.kill_all()
        if n_killed:
            line = f"{suspect or 'some module'} left {n_killed} running processes behind"
            kind = "failed"
            content = {"code": LEFT_PROCESSES, "lines": [line], "suspect": suspect}
        # A thread may change anything at any time, and nothing ends it but its process.
        ends = bool(left_threads(self.threads))
        self.responses.send(kind, {"trace_id": trace_id, **content, "ends": ends})
        if ends:
            os._exit(EXIT_LEFT_THREADS)

    def plan(self, trace_id: str, request: Request) -> dict[str, object]:
        """Return the content of the response "planned"."""
        from host.home.config.load import load_active
        from host.planning.plan_run import RunOptions, make_plan

        isolate = bool(request.get("isolate"))

        def emit(event: Event) -> None:
            if event.event_type in MODULE_END_EVENTS:
                if not self.responses.is_open():
                    os._exit(EXIT_ORPHANED)  # only the module that ran can have closed it
                self.current_module.clear()
            is_urgent = isolate or event.severity in URGENT_SEVERITIES
            send = self.responses.send if is_urgent else self.responses.send_delayed
            send("event", event.to_record())

        def on_module_start(key: str, _operation: str) -> None:
            self.children.current_module = key
            self.current_module.write(key)
            if isolate:
                self.responses.send("running", {"trace_id": trace_id, "key": key})

        excluded = {str(key): str(why) for key, why in request.get("excluded_modules", {}).items()}
        budget_s = float(request["budget_s"])
        options = RunOptions(
            trace_id=trace_id,
            budget_s=budget_s,
            module_budget_s=float(request.get("module_budget_s", budget_s)),
            # A daemon of an earlier version sends neither.
            invest=float(request.get("invest", 0.0)),
            buy_only=bool(request.get("buy_only")),
            breakers=self.breakers,
            excluded_modules=excluded,
            cache=self.cache,
            registries=self._load_modules(excluded),
            emit=emit,
            on_module_start=on_module_start,
            is_cancelled=lambda: self.requests.is_cancelled(trace_id),
            load_config=load_active,
        )
        run = make_plan(self.home, str(request["bucket_id"]), options)
        return {
            "created_at": run.created_at.isoformat(),
            "elapsed_s": run.elapsed_s,
            "memory": memory_bytes(),
            "plan": run.record,
        }

    def warm_up(self) -> None:
        """Make a plan and throw it away; a request ends it, and errors wait for the first press.

        Only with modules shipped with the planner: nothing could tell which module made it crash.
        """
        from host.home.config.load import load_active
        from host.planning.plan_run import RunOptions, make_plan
        from planner_core.modules.builtin import builtin_registries

        options = RunOptions(
            is_cancelled=lambda: not self.requests.plans.empty(),
            load_config=load_active,
            registries=builtin_registries(),
        )
        start_s = time.monotonic()
        for bucket_id in self.home.bucket_ids()[:1]:
            with contextlib.suppress(Exception):
                make_plan(self.home, bucket_id, options)
        self.responses.send("warm", {"elapsed_s": time.monotonic() - start_s})

    def _load_modules(self, excluded: Mapping[str, str]) -> Registries:
        """Return the modules for a plan; plugins that are new or changed are loaded."""
        registries = self.registries or self.plugins.load(excluded)
        self._on_load("")  # no plugin is being loaded any more
        return registries

    def _on_load(self, label: str) -> None:
        """Name the plugin that is being loaded as the one to suspect."""
        self.children.current_module = label
        if label:
            self.current_module.write(label)
        else:
            self.current_module.clear()

    def _close_pipes(self) -> None:
        """Run in a forked child: if it tries to send anything to the daemon, it ends."""
        self.current_module.close()
        self.responses.close()
        self.requests.close()


def serve(handler: RequestHandler, memory_mb: int) -> None:
    """Answer request after request."""
    import host.planning.plan_run  # noqa: F401 - loaded before the first press

    limit_memory(memory_mb)
    handler.responses.send("ready", {"pid": os.getpid()})
    handler.warm_up()
    while True:
        request = handler.requests.plans.get()
        trace_id = str(request.get("trace_id"))
        try:
            handler.handle(request)
        except Exception as error:  # noqa: BLE001 - the worker's loop: an unknown error costs one plan
            sys.excepthook(type(error), error, error.__traceback__)
            line = " ".join(f"{type(error).__name__}: {error}".split())[:500]
            failed = {"trace_id": trace_id, "code": "internal", "lines": [line]}
            handler.responses.send("failed", failed)
        finally:
            handler.requests.finish(trace_id)


def main(registries: Registries | None = None) -> None:
    """Run the worker on its standard input and output.

    Parameters
    ----------
    registries : Registries, optional
        By default the modules shipped with the planner.
    """
    parser = argparse.ArgumentParser(prog="python -m host.planning.worker.main")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--memory-mb", type=int, default=PLAN_MEMORY_MB)
    options = parser.parse_args()
    die_with_parent()
    prefer_for_oom_kill()
    current_module = inherit_writer(os.environ)
    requests, responses = RequestPipe(os.dup(0)), ResponsePipe(os.dup(1))
    # Modules read nothing from the daemon, and what they print goes to standard error.
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    for name, work in (("requests", requests.listen), ("responses", responses.serve)):
        threading.Thread(target=work, name=name, daemon=True).start()
    handler = RequestHandler(Home(options.home), requests, responses, current_module, registries)
    serve(handler, options.memory_mb)


if __name__ == "__main__":
    main()
