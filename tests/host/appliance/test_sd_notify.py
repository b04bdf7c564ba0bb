"""What the service manager is told, on a real socket."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from host.appliance.sd_notify import STATUS_LENGTH_MAX, ServiceNotifier, watchdog_s


class Manager:
    """The service manager's end of the socket."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.settimeout(5.0)

    def heard(self) -> list[str]:
        """Return what was said and not yet heard."""
        self.socket.setblocking(False)
        said = []
        while True:
            try:
                said.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return said


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    found = Manager(str(tmp_path / "notify"))
    yield found
    found.socket.close()


def notifier(manager: Manager, **environ: str) -> ServiceNotifier:
    address: str | bytes = manager.socket.getsockname()
    path = address.decode().replace("\0", "@") if isinstance(address, bytes) else address
    return ServiceNotifier({"NOTIFY_SOCKET": path, **environ})


def test_ready_is_said_once_and_a_status_only_when_it_is_news(manager: Manager) -> None:
    found = notifier(manager)
    for _ in range(3):
        found.ready()
        found.status("serving core")
    found.status("degraded")
    found.stopping()
    found.close()
    assert manager.heard() == ["READY=1", "STATUS=serving core", "STATUS=degraded", "STOPPING=1"]


def test_a_status_is_one_line_of_bounded_length(manager: Manager) -> None:
    found = notifier(manager)
    found.status("two\nlines\nREADY=1 " + "x" * 9000)
    found.close()
    (said,) = manager.heard()
    assert said.startswith("STATUS=two lines READY=1 x")
    assert len(said) == len("STATUS=") + STATUS_LENGTH_MAX


def test_an_abstract_socket_is_reached_too() -> None:
    abstract = Manager(f"\0arduino-trader-test-{os.getpid()}")
    found = notifier(abstract)
    found.ready()
    found.close()
    assert abstract.heard() == ["READY=1"]
    abstract.socket.close()


@pytest.mark.parametrize("path", ["", "relative", "/nowhere/at/all"])
def test_where_nobody_listens_nothing_is_said_and_nothing_fails(path: str) -> None:
    found = ServiceNotifier({"NOTIFY_SOCKET": path})
    found.ready()
    found.status("on my own")
    found.stopping()
    found.close()
    found.ready()


def test_a_manager_that_does_not_read_never_makes_the_daemon_wait(manager: Manager) -> None:
    found = notifier(manager)
    for number in range(5_000):
        found.status(f"status {number}")
    found.close()
    assert manager.heard()[0] == "STATUS=status 0"


def test_the_watchdog_is_fed_while_the_loop_turns_and_not_while_it_hangs(manager: Manager) -> None:
    found = notifier(manager, WATCHDOG_USEC="200000")

    async def run() -> tuple[int, int, int]:
        found.feed_watchdog()
        await asyncio.sleep(1.0)
        turning = len(manager.heard())
        time.sleep(1.0)  # noqa: ASYNC251 - this is the hang
        hanging = len(manager.heard())
        await asyncio.sleep(0.5)
        again = len(manager.heard())
        found.stopping()
        await asyncio.sleep(0.5)
        return turning, hanging, again

    turning, hanging, again = asyncio.run(run())
    assert turning >= 3
    assert hanging == 0
    assert again >= 1
    assert manager.heard() == ["STOPPING=1"]
    found.close()


def test_a_manager_that_does_not_watch_is_not_fed(manager: Manager) -> None:
    found = notifier(manager)

    async def run() -> None:
        found.feed_watchdog()
        await asyncio.sleep(0.05)

    asyncio.run(run())
    assert manager.heard() == []
    found.close()


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "-5"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_interval_is_the_one_that_was_meant_for_this_process(
    environ: dict[str, str], seconds: float | None
) -> None:
    assert watchdog_s(environ) == seconds
