"""What is in the way at a port is named, with what to do about it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from host.board.access import lock_holder, port_error


def test_the_process_that_holds_a_port_is_named_without_trying_its_lock(tmp_path: Path) -> None:
    port = tmp_path / "tty"
    port.touch()
    assert lock_holder(port) is None
    with port.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        link = tmp_path / "link"
        link.symlink_to(port)
        assert lock_holder(link) == os.getpid()
        said = str(port_error(str(link), "cannot open it"))
    assert f"in use by process {os.getpid()}" in said
    assert f"kill {os.getpid()}" in said
    assert lock_holder(port) is None
    assert lock_holder(tmp_path / "none") is None


def test_a_port_that_is_not_ours_comes_with_the_group_to_join() -> None:
    said = str(port_error("/dev/none", "cannot open /dev/none: Permission denied"))
    assert "dialout" in said


def test_a_port_locked_by_nobody_we_can_see_is_in_use_all_the_same() -> None:
    why = "cannot open /dev/none: Could not exclusively lock port"
    assert "in use by another program" in str(port_error("/dev/none", why))


def test_a_port_that_is_missing_is_asked_about() -> None:
    assert "is it plugged in" in str(port_error("/dev/none", "cannot open /dev/none: No such file"))
