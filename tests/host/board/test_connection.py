"""An obstacle at a port is named, with what to do about it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from serial.tools import list_ports

from firmware_bridge.errors import LinkError
from firmware_bridge.router import RouterCarrier
from firmware_bridge.transport import ROUTER_SOCKET, RouterPort, SerialPort
from firmware_bridge.wire import CobsCarrier
from host.board.connection import BoardError, board_port, free_port, lock_holder, port_error
from host.home.config.device_settings import CarrierKind, LinkTable
from host.home.home import Home
from host.home.storage.instance_lock import InstanceLock


def test_the_process_that_holds_a_port_is_named_without_trying_its_lock(tmp_path: Path) -> None:
    port = tmp_path / "tty"
    port.touch()
    assert lock_holder(port) is None
    with port.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        link = tmp_path / "link"
        link.symlink_to(port)
        assert lock_holder(link) == os.getpid()
        text = str(port_error(str(link), "cannot open it"))
    assert f"in use by process {os.getpid()}" in text
    assert f"kill {os.getpid()}" in text
    assert lock_holder(port) is None
    assert lock_holder(tmp_path / "none") is None


def test_a_port_that_is_not_ours_comes_with_the_group_to_join() -> None:
    text = str(port_error("/dev/none", "cannot open /dev/none: Permission denied"))
    assert "dialout" in text


def test_a_port_locked_by_nobody_we_can_see_is_in_use_all_the_same() -> None:
    why = "cannot open /dev/none: another program has locked it"
    assert "in use by another program" in str(port_error("/dev/none", why))


def test_a_port_that_is_missing_comes_with_those_that_are_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    why = "cannot open /dev/none: No such file or directory"
    there = [SimpleNamespace(device=name) for name in ("/dev/ttyUSB0", "/dev/ttyACM0")]
    monkeypatch.setattr(list_ports, "comports", lambda: there)
    assert str(port_error("/dev/none", why)) == (
        f"{why} (is it plugged in, and is this its port? Other ports: /dev/ttyACM0, /dev/ttyUSB0;"
        " choose one with --port, or under [link] in device.toml)"
    )
    monkeypatch.setattr(list_ports, "comports", list)
    assert "This computer has no serial port; `trader demo` needs none" in str(
        port_error("/dev/none", why)
    )
    assert "is arduino-router running" in str(port_error("/run/none.sock", why))


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("none", "No such file or directory"),
        ("folder", "Is a directory"),
        ("file", "it is not a serial port"),
    ],
)
def test_what_cannot_be_opened_is_text_once(tmp_path: Path, name: str, why: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    path = str(tmp_path / name)
    with pytest.raises(LinkError) as caught:
        SerialPort(path).open()
    assert str(caught.value) == f"cannot open {path}: {why}"


def test_a_port_that_somebody_serves_is_locked() -> None:
    ours, theirs = os.openpty()
    try:
        path = os.ttyname(theirs)
        transport = SerialPort(path).open()
        with pytest.raises(LinkError, match="another program has locked it"):
            SerialPort(path).open()
        transport.close()
    finally:
        os.close(ours)
        os.close(theirs)


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
        pytest.raises(BoardError, match=f"in use by process {os.getpid()}"),
    ):
        free_port(None, home)
    with InstanceLock(home.state_dir):  # a raw line has a lock of its own
        assert free_port("/dev/ttyS1", home).name == "/dev/ttyS1"
