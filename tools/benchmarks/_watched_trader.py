"""`trader` with a monitor of its loop: its delays while planted modules do harm.

Called as `_watched_trader.py REPORT MISDEED trader-arguments`; REPORT is where the figures go.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from host.appliance import daemon as daemon_module
from host.cli import main as cli

BEAT_S = 0.002
WORKER = str(Path(__file__).with_name("_planted_worker.py"))


def queued_s() -> float:
    """Return how long this thread was ready and had no processor: not the loop's fault."""
    return int(Path("/proc/thread-self/schedstat").read_text("ascii").split()[1]) / 1e9


def name_of(handle: asyncio.Handle) -> str:
    """Return what a callback is: a task's name and coroutine, or a function's name."""
    callback = handle._callback  # type: ignore[attr-defined]  # noqa: SLF001 - there is no public way
    owner = getattr(callback, "__self__", None)
    if isinstance(owner, asyncio.Task):
        coroutine = getattr(owner.get_coro(), "__qualname__", "")
        return f"{owner.get_name()}: {coroutine}"
    return str(getattr(callback, "__qualname__", callback))


class LoopWatch:
    """Measures how late the loop wakes it, every 2 ms, and the time of every callback."""

    def __init__(self) -> None:
        self.call_cpu_s = 0.0
        self.call_name = ""
        self.late_s = 0.0
        self.late_unqueued_s = 0.0
        self.beats = 0

    def time_calls(self) -> None:
        """Note the processor time of the longest callback: on any machine, however busy."""
        run = asyncio.Handle._run  # noqa: SLF001 - where every callback of a loop passes

        def timed(handle: asyncio.Handle) -> None:
            began_s = time.thread_time()
            run(handle)
            took_s = time.thread_time() - began_s
            if took_s > self.call_cpu_s:
                self.call_cpu_s, self.call_name = took_s, name_of(handle)

        asyncio.Handle._run = timed  # type: ignore[assignment,method-assign]  # noqa: SLF001 - as above

    async def listen(self) -> None:
        """Listen forever."""
        loop = asyncio.get_running_loop()
        while True:
            began_s, queued_before_s = loop.time(), queued_s()
            await asyncio.sleep(BEAT_S)
            late_s = loop.time() - began_s - BEAT_S
            self.late_s = max(self.late_s, late_s)
            waited_s = queued_s() - queued_before_s
            self.late_unqueued_s = max(self.late_unqueued_s, late_s - waited_s)
            self.beats += 1


def watch(report: Path, misdeed: str) -> None:
    """Make the daemon a watched one."""

    class Watched(daemon_module.Daemon):
        def __init__(self, home: Any, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - passed on
            command = (sys.executable, WORKER, misdeed, "--home", str(home.root))
            super().__init__(home, *args, worker_command=command, **kwargs)

        async def run(self) -> None:
            loop_watch = LoopWatch()
            loop_watch.time_calls()
            listening = asyncio.create_task(loop_watch.listen())
            try:
                await super().run()
            finally:
                listening.cancel()
                with suppress(asyncio.CancelledError):
                    await listening
                figures = {
                    "late_ms": loop_watch.late_s * 1e3,
                    "late_unqueued_ms": loop_watch.late_unqueued_s * 1e3,
                    "call_cpu_ms": loop_watch.call_cpu_s * 1e3,
                    "call": loop_watch.call_name,
                    "beats": loop_watch.beats,
                }
                await asyncio.to_thread(report.write_text, json.dumps(figures), "utf-8")

    daemon_module.Daemon = Watched  # type: ignore[misc]


if __name__ == "__main__":
    watch(Path(sys.argv[1]), sys.argv[2])
    sys.exit(cli.main(sys.argv[3:]))
