"""What starting the planner's process costs when the machine has nothing left to give."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from host.planning.worker.orphan_reaper import LIVING
from host.planning.worker.process import WorkerProcess
from host.planning.worker.sandbox import children

SLEEPS = (sys.executable, "-c", "import time; time.sleep(600)")


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_process_that_cannot_be_watched_is_ended_and_leaves_nothing_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_pid: int) -> int:
        raise OSError(24, "Too many open files")

    async def start() -> None:
        before, known = open_descriptors(), children()
        monkeypatch.setattr(os, "pidfd_open", refuse)
        for _ in range(3):
            with pytest.raises(OSError, match="Too many open files"):
                WorkerProcess(SLEEPS, 1000)
        assert children() <= known
        assert open_descriptors() == before
        assert not LIVING

    asyncio.run(start())
