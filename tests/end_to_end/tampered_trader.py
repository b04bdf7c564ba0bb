"""`trader` with a quick worker, and with a place where it kills itself.

Called as `tampered_trader.py TAMPER trader-arguments`. TAMPER is a JSON object with these keys:

plan_s          how long the quick worker takes
planted         bad modules; the real worker runs with them instead of the quick one
disk_s          how long every write to the journal takes
clock_s         by how much the daemon's clock is wrong
fails_to_save   no plan can be stored
kill            a place where the process ends as by kill -9, with no chance to clean up

The product has no code for this: its functions are wrapped from outside.
"""

# ruff: noqa: ANN401 - a wrapped function may take and return anything
from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from firmware_bridge.link import Link
from host.appliance.daemon import Daemon
from host.cli import main as cli
from host.clock import Clock, utc_now
from host.home.plan_store import PlanStore
from host.planning.worker import client as worker_client
from host.telemetry.journal.journal import Journal
from host.telemetry.journal.record import JournalRecord

QUICK_WORKER = str(Path(__file__).with_name("quick_worker.py"))
PLANTED_WORKER = str(Path(__file__).with_name("planted_worker.py"))


def die() -> None:
    """End at once, without any cleaning up."""
    os.kill(os.getpid(), signal.SIGKILL)


class Countdown:
    """Dies at the n-th call."""

    def __init__(self, n: int) -> None:
        self.remaining = n

    def __call__(self) -> None:
        self.remaining -= 1
        if self.remaining == 0:
            die()


def tamper_with_journal(kill: dict[str, Any], count: Countdown) -> None:
    """Die before a record of a type is written, in the middle of it, or after it is on disk."""
    append = Journal._append
    write = Journal._write

    def tampered(self: Journal, records: Sequence[JournalRecord], durable: bool) -> None:
        is_it = kill["type"] in [record.event_type for record in records]
        if is_it and kill["at"] == "before_record":
            count()
        if is_it and kill["at"] == "torn_record":
            count.remaining -= 1
            if count.remaining == 0:
                Journal._write = torn  # type: ignore[method-assign]
        append(self, records, durable)
        if is_it and kill["at"] == "after_record":
            count()

    def torn(self: Journal, data: bytes, *, durable: bool) -> None:
        last = data.rfind(b"\n", 0, -1) + 1  # the record is the last line
        write(self, data[: (last + len(data)) // 2], durable=durable)
        die()

    Journal._append = tampered  # type: ignore[method-assign]


def wrap(owner: type, name: str, *, before: Callable[[], None], after: Callable[[], None]) -> None:
    """Call something before and after a method."""
    method = getattr(owner, name)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        before()
        result = method(*args, **kwargs)
        after()
        return result

    setattr(owner, name, wrapped)


def slow_down_disk(seconds: float) -> None:
    """Make every write to the journal take so long; it is not made in the loop."""
    write = Journal._write

    def slow(self: Journal, data: bytes, *, durable: bool) -> None:
        time.sleep(seconds)
        write(self, data, durable=durable)

    Journal._write = slow  # type: ignore[method-assign]


def fail(*_args: object) -> Any:
    """Raise an unexpected error."""
    raise RuntimeError("out of order")


def nothing() -> None:
    """Do nothing."""


def set_clock(by_s: float) -> None:
    """Give the daemon a clock that is wrong."""
    init = Daemon.__init__

    def with_wrong_clock(self: Any, *args: Any, **kwargs: Any) -> None:
        clock = Clock(now=lambda: utc_now() + timedelta(seconds=by_s))
        init(self, *args, **kwargs, clock=clock)

    Daemon.__init__ = with_wrong_clock  # type: ignore[method-assign]


def tamper(settings: dict[str, Any]) -> None:
    """Replace the worker, and wrap the place to die at."""
    plan_s, planted = str(settings.get("plan_s", 0.0)), settings.get("planted")
    init = worker_client.WorkerClient.__init__

    def with_quick_worker(
        self: Any, home: Any, callbacks: Any = None, *_rest: Any, **_more: Any
    ) -> None:
        script = (PLANTED_WORKER, planted) if planted else (QUICK_WORKER, plan_s)
        init(self, home, callbacks, (sys.executable, *script, "--home", str(home.root)))

    worker_client.WorkerClient.__init__ = with_quick_worker  # type: ignore[method-assign]
    if settings.get("clock_s"):
        set_clock(float(settings["clock_s"]))
    if settings.get("disk_s"):
        slow_down_disk(float(settings["disk_s"]))
    if settings.get("fails_to_save"):
        PlanStore.save = fail  # type: ignore[assignment,method-assign] # an unexpected error
    kill = settings.get("kill")
    if kill is None:
        return
    count = Countdown(int(kill.get("n", 1)))
    place = kill["at"]
    if place.endswith("_record"):
        tamper_with_journal(kill, count)
        return
    moment, method = place.split("_", 1)
    owner, name = {
        "confirm": (Link, "confirm"),
        "save": (PlanStore, "save"),
        "ask": (worker_client.WorkerClient, "_send"),
        "show": (Link, "show"),
    }[method]
    before, after = (count, nothing) if moment == "before" else (nothing, count)
    wrap(owner, name, before=before, after=after)


if __name__ == "__main__":
    tamper(json.loads(sys.argv[1]))
    sys.exit(cli.main(sys.argv[2:]))
