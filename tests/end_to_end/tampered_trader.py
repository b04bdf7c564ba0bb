"""`trader`, with a quick worker and a place to die at.

Called as `tampered_trader.py TAMPER trader-arguments`. TAMPER is a JSON object: `plan_s`, how long
the worker takes; `planted`, bad modules for the real worker instead; `clock_s`, by how much the
daemon's clock is wrong; `fails_to_save`, no plan can be stored; and `kill`, a place where the
process kills itself as kill -9 does, so that nothing it does there can be tidied up. The product
knows nothing of this: its functions are wrapped from outside.
"""

# ruff: noqa: ANN401 - what is wrapped may take and return anything
from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from firmware_bridge.link import Link
from host.appliance.daemon import Daemon
from host.cli import main as cli
from host.home.plan_store import PlanStore
from host.planning.worker import client as worker_client
from host.telemetry.journal.journal import Journal
from host.telemetry.journal.record import JournalRecord

QUICK_WORKER = str(Path(__file__).with_name("quick_worker.py"))
PLANTED_WORKER = str(Path(__file__).with_name("planted_worker.py"))


def die() -> None:
    """End at once, as nothing but the kernel can stop."""
    os.kill(os.getpid(), signal.SIGKILL)


class Countdown:
    """Dies at the n-th call."""

    def __init__(self, n: int) -> None:
        self.left = n

    def __call__(self) -> None:
        self.left -= 1
        if self.left == 0:
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
            count.left -= 1
            if count.left == 0:
                Journal._write = torn  # type: ignore[method-assign]
        append(self, records, durable)
        if is_it and kill["at"] == "after_record":
            count()

    def torn(self: Journal, data: bytes, *, durable: bool) -> None:
        last = data.rfind(b"\n", 0, -1) + 1  # what was recorded stands behind what was only told
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


def fail(*_args: object) -> Any:
    """Fail as nobody foresaw."""
    raise RuntimeError("out of order")


def nothing() -> None:
    """Let it pass."""


def set_clock(by_s: float) -> None:
    """Let the daemon live at another time."""
    init = Daemon.__init__

    def elsewhen(self: Any, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs, now=lambda: datetime.now(UTC) + timedelta(seconds=by_s))

    Daemon.__init__ = elsewhen  # type: ignore[method-assign]


def tamper(settings: dict[str, Any]) -> None:
    """Replace the worker, and lay the trap."""
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
    if settings.get("fails_to_save"):
        PlanStore.save = fail  # type: ignore[assignment,method-assign] # as nobody foresaw
    kill = settings.get("kill")
    if kill is None:
        return
    count = Countdown(int(kill.get("n", 1)))
    where = kill["at"]
    if where.endswith("_record"):
        tamper_with_journal(kill, count)
        return
    moment, method = where.split("_", 1)
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
