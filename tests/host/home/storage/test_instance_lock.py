"""One daemon per home."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from host.home.storage.instance_lock import InstanceError, InstanceLock


def test_a_second_holder_is_refused_and_told_who_the_first_is(tmp_path: Path) -> None:
    second = InstanceLock(tmp_path / "state")
    refused = pytest.raises(InstanceError, match=f"process {os.getpid()};")
    with InstanceLock(tmp_path / "state"), refused:
        second.__enter__()
    with InstanceLock(tmp_path / "state"):
        pass


def test_a_child_that_outlives_the_holder_does_not_keep_the_lock(tmp_path: Path) -> None:
    with InstanceLock(tmp_path / "state"):
        child = subprocess.Popen(("sleep", "60"), close_fds=False)
    try:
        with InstanceLock(tmp_path / "state"):
            pass
    finally:
        child.kill()
        child.wait()
