"""What is in the way at a port is named, with what to do about it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from firmware_bridge.router import RouterCarrier
from firmware_bridge.transport import ROUTER_SOCKET, RouterPort, SerialPort
from firmware_bridge.wire import CobsCarrier
from host.board.access import BoardError, board_port, free_port, lock_holder, port_error
from host.configuration.device import CarrierKind, LinkTable
from host.files.home import Home
from host.files.instance_lock import InstanceLock


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


def test_the_settings_say_how_to_reach_the_board_and_a_named_port_goes_first() -> None:
    raw, router = LinkTable(port="/dev/ttyS9"), LinkTable(carrier=CarrierKind.ROUTER)
    assert isinstance(board_port(None, raw), SerialPort)
    assert board_port(None, raw).name == "/dev/ttyS9"
    assert isinstance(board_port(None, raw).carrier(), CobsCarrier)
    assert isinstance(board_port(None, router), RouterPort)
    assert board_port(None, router).name == ROUTER_SOCKET
    assert isinstance(board_port(None, router).carrier(), RouterCarrier)
    assert board_port("/dev/ttyS1", router).name == "/dev/ttyS1"
    assert isinstance(board_port("/dev/ttyS1", router), SerialPort)
    assert isinstance(board_port("/tmp/other.sock", raw), RouterPort)  # noqa: S108 - only a name
    named = LinkTable(carrier=CarrierKind.ROUTER, socket="/run/router")
    assert board_port(None, named).name == "/run/router"


def test_behind_a_router_a_running_daemon_keeps_its_board(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.device_file.write_text('[link]\ncarrier = "router"\n', encoding="utf-8")
    assert free_port(None, home).name == ROUTER_SOCKET
    with (
        InstanceLock(home.state_dir),
        pytest.raises(BoardError, match=f"served by process {os.getpid()}"),
    ):
        free_port(None, home)
    with InstanceLock(home.state_dir):  # a raw line has a lock of its own
        assert free_port("/dev/ttyS1", home).name == "/dev/ttyS1"
