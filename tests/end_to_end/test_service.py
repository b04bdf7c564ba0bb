"""The whole daemon under a service manager: a socket that hears what systemd would."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.hard_places import WaitingSimulation
from tests.end_to_end.promises import PATIENCE_S, assert_promises, quick, small_home, trader


class Manager:
    """The messages to the service manager."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.messages: list[str] = []

    def listen(self) -> list[str]:
        """Return all messages until now."""
        self.socket.setblocking(False)
        while True:
            try:
                self.messages.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return self.messages

    def wait_for(self, start: str) -> str:
        """Wait for a message that begins so."""
        deadline_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline_s:
            for word in self.listen():
                if word.startswith(start):
                    return word
            time.sleep(0.05)
        raise AssertionError(f"{start} was not sent: {self.messages}")


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    manager = Manager(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "1000000")
    yield manager
    manager.socket.close()


def test_it_says_ready_feeds_the_watchdog_and_ends_in_order_with_a_plan_in_flight(
    tmp_path: Path, manager: Manager
) -> None:
    home = small_home(tmp_path / "home")
    with quick(home, plan_s=600) as appliance:
        manager.wait_for("READY=1")
        manager.wait_for("STATUS=serving core, board linked")
        appliance.press()
        appliance.wait_for("daemon", "PlanRequested")
        manager.wait_for("WATCHDOG=1")
        assert appliance.stop_daemon() == 0
        messages = manager.listen()
        assert messages.count("READY=1") == 1
        assert messages[-1] == "STOPPING=1"
        # The request is not lost: the next daemon answers it, or reports that it is too old.
        appliance.restart_daemon(trader())
        appliance.wait_for_any("daemon", {"PlanStored", "PlanExpired"})
        appliance.stop_daemon()
    assert_promises(home)


def test_a_daemon_that_hangs_feeds_the_watchdog_no_more(tmp_path: Path, manager: Manager) -> None:
    with quick(small_home(tmp_path / "home")) as appliance:
        manager.wait_for("WATCHDOG=1")
        assert appliance.daemon is not None
        appliance.daemon.send_signal(signal.SIGSTOP)
        time.sleep(0.2)
        n_messages = len(manager.listen())
        time.sleep(2.0)
        assert len(manager.listen()) == n_messages
        appliance.daemon.send_signal(signal.SIGCONT)
        wait = time.monotonic() + PATIENCE_S
        while len(manager.listen()) == n_messages:
            assert time.monotonic() < wait
            time.sleep(0.05)
        assert appliance.stop_daemon() == 0


def test_a_daemon_that_waits_for_its_home_is_started_watched_and_says_what_it_lacks(
    tmp_path: Path, manager: Manager
) -> None:
    with WaitingSimulation(tmp_path / "home") as appliance:
        manager.wait_for("READY=1")
        manager.wait_for("WATCHDOG=1")
        assert "fault 4 no home" in manager.wait_for("STATUS=degraded")
        appliance.wait_for("daemon", "WaitingForHome")
        assert appliance.stop_daemon() == 0
        assert manager.listen()[-1] == "STOPPING=1"


def test_what_it_starts_does_not_speak_for_it(tmp_path: Path, manager: Manager) -> None:
    with quick(small_home(tmp_path / "home")) as appliance:
        manager.wait_for("READY=1")
        assert appliance.daemon is not None
        pid = appliance.daemon.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
        assert children
        for child in children:
            environ = Path(f"/proc/{child}/environ").read_bytes()
            assert b"NOTIFY_SOCKET" not in environ
            assert b"WATCHDOG_USEC" not in environ
        appliance.stop_daemon()


NOT_NEEDED = {"mbind"}
"""OpenBLAS asks where its memory should be, and goes on when it may not; so it was seen."""


def calls_of(filter_set: str) -> set[str]:
    """Return the system calls of a set of systemd's, with the sets in it."""
    shown = subprocess.run(
        ("systemd-analyze", "syscall-filter", "--no-pager", filter_set),
        capture_output=True,
        text=True,
        check=True,
    )
    names = [line.strip() for line in shown.stdout.splitlines()[1:]]
    calls: set[str] = set()
    for name in names:
        if name.startswith("@"):
            calls |= calls_of(name)
        elif name and not name.startswith("#"):
            calls.add(name)
    return calls


@pytest.mark.soak
def test_the_appliance_asks_the_kernel_for_nothing_that_its_unit_forbids(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    demo = (sys.executable, "-m", "host.cli", "demo", "--once", "--json")
    subprocess.run(
        ("strace", "-f", "-qq", "-o", trace, *demo), check=True, stdout=subprocess.DEVNULL
    )
    called = set(
        re.findall(r"^\d+ +([a-z_0-9]+)\(", trace.read_text("utf-8", "replace"), re.MULTILINE)
    )
    allowed = calls_of("@system-service") - calls_of("@privileged") - calls_of("@resources")
    assert "read" in called
    assert called - allowed - calls_of("@default") <= NOT_NEEDED
