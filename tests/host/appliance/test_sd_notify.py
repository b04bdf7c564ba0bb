"""The messages to the service manager, on a real socket."""

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

    def receive(self) -> list[str]:
        """Return the messages that were not received yet."""
        self.socket.setblocking(False)
        messages = []
        while True:
            try:
                messages.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return messages


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(str(tmp_path / "notify"))
    yield manager
    manager.socket.close()


def notifier(manager: Manager, **environ: str) -> ServiceNotifier:
    address: str | bytes = manager.socket.getsockname()
    path = address.decode().replace("\0", "@") if isinstance(address, bytes) else address
    return ServiceNotifier({"NOTIFY_SOCKET": path, **environ})


def test_ready_is_sent_once_and_a_status_only_when_it_changed(manager: Manager) -> None:
    service = notifier(manager)
    for _ in range(3):
        service.ready()
        service.status("serving core")
    service.status("degraded")
    service.stopping()
    service.close()
    assert manager.receive() == ["READY=1", "STATUS=serving core", "STATUS=degraded", "STOPPING=1"]


def test_a_status_is_one_line_of_bounded_length(manager: Manager) -> None:
    service = notifier(manager)
    service.status("two\nlines\nREADY=1 " + "x" * 9000)
    service.close()
    (message,) = manager.receive()
    assert message.startswith("STATUS=two lines READY=1 x")
    assert len(message) == len("STATUS=") + STATUS_LENGTH_MAX


def test_an_abstract_socket_is_reached_too() -> None:
    abstract = Manager(f"\0arduino-trader-test-{os.getpid()}")
    service = notifier(abstract)
    service.ready()
    service.close()
    assert abstract.receive() == ["READY=1"]
    abstract.socket.close()


@pytest.mark.parametrize("path", ["", "relative", "/nowhere/at/all"])
def test_without_a_manager_nothing_is_sent_and_nothing_fails(path: str) -> None:
    service = ServiceNotifier({"NOTIFY_SOCKET": path})
    service.ready()
    service.status("on my own")
    service.stopping()
    service.close()
    service.ready()


def test_a_manager_that_does_not_read_never_makes_the_daemon_wait(manager: Manager) -> None:
    service = notifier(manager)
    for number in range(5_000):
        service.status(f"status {number}")
    service.close()
    assert manager.receive()[0] == "STATUS=status 0"


def test_the_watchdog_is_fed_while_the_loop_turns_and_not_while_it_hangs(manager: Manager) -> None:
    service = notifier(manager, WATCHDOG_USEC="200000")

    async def run() -> tuple[int, int, int]:
        service.feed_watchdog()
        await asyncio.sleep(1.0)
        turning = len(manager.receive())
        time.sleep(1.0)  # noqa: ASYNC251 - this is the hang
        hanging = len(manager.receive())
        await asyncio.sleep(0.5)
        again = len(manager.receive())
        service.stopping()
        await asyncio.sleep(0.5)
        return turning, hanging, again

    turning, hanging, again = asyncio.run(run())
    assert turning >= 3
    assert hanging == 0
    assert again >= 1
    assert manager.receive() == ["STOPPING=1"]
    service.close()


def test_a_manager_that_does_not_watch_is_not_fed(manager: Manager) -> None:
    service = notifier(manager)

    async def run() -> None:
        service.feed_watchdog()
        await asyncio.sleep(0.05)

    asyncio.run(run())
    assert manager.receive() == []
    service.close()


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
