"""Every fault at every system call of a commit: nothing acknowledged is lost, nothing is torn."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.host.crash.injected import NAIVE, sweep

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")


def test_a_naive_writer_is_caught(tmp_path: Path) -> None:
    found = sweep(tmp_path, prelude=NAIVE, stride=3)
    assert found.torn > 0


def test_a_commit_survives_every_fault_at_every_call(tmp_path: Path) -> None:
    found = sweep(tmp_path, stride=6)
    assert found.points >= 50
    assert (found.lost_acknowledged, found.torn, found.unrecovered) == (0, 0, 0), found.failures


@pytest.mark.soak
def test_a_commit_survives_every_fault_at_every_single_call(tmp_path: Path) -> None:
    found = sweep(tmp_path)
    assert (found.lost_acknowledged, found.torn, found.unrecovered) == (0, 0, 0), found.failures
