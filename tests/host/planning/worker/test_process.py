"""A worker that cannot be started leaves nothing behind; orphans of workers are recognised."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from host.planning.worker.process import WorkerProcess
from host.sandbox import ACTIVE_PIDS, child_pids, orphan_pids

SLEEPS = (sys.executable, "-c", "import time; time.sleep(600)")


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_process_that_cannot_be_watched_is_killed_and_leaves_nothing_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_pid: int) -> int:
        raise OSError(24, "Too many open files")

    async def start() -> None:
        before, children = open_descriptors(), child_pids()
        monkeypatch.setattr(os, "pidfd_open", refuse)
        for _ in range(3):
            with pytest.raises(OSError, match="Too many open files"):
                WorkerProcess(SLEEPS, 1000)
        assert child_pids() <= children
        assert open_descriptors() == before
        assert not ACTIVE_PIDS

    asyncio.run(start())


def test_a_child_in_a_session_of_its_own_is_an_orphan_and_one_in_ours_is_not() -> None:
    sleep = ("sleep", "60")
    with (
        subprocess.Popen(sleep, start_new_session=True) as orphan,
        subprocess.Popen(sleep) as ours,
    ):
        try:
            orphans = orphan_pids()
            assert orphan.pid in orphans
            assert ours.pid not in orphans
        finally:
            orphan.kill()
            ours.kill()


def test_process_1_adopts_everything_and_has_no_orphans_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with subprocess.Popen(("sleep", "60"), start_new_session=True) as other:
        try:
            monkeypatch.setattr(os, "getpid", lambda: 1)
            assert orphan_pids() == set()
        finally:
            other.kill()
