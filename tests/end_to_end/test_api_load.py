"""The API under load, in small: every event once on every stream; slow clients cost nothing.

`tools/bench.py api` is the same with 50 streams for a minute, and measures it.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from host.clock import utc_now
from host.home.access.token_store import Right
from host.home.home import Home
from host.operations.access import add_token
from host.simulation.appliance import Simulation
from host.telemetry.journal.journal import Journal
from host.telemetry.journal.reader import HEAD_NAME
from host.telemetry.journal.record import JournalRecord
from tests.end_to_end.promises import PATIENCE_S, assert_promises, quick, small_home
from tests.end_to_end.test_api import free_port
from tools.benchmarks._api_check import lines_of_home
from tools.benchmarks._api_clients import Settings
from tools.benchmarks.api import QUICK, Watch, loaded, memory_mb

PLAN_S = 0.3
QUIET_S = 3.0
LARGE_EVENTS, LARGE_CHARACTERS = 300, 60_000
SLOW_CLIENTS = 8
GROWTH_MB_MAX = 40.0
"""What the slow clients have not read is 144 MB of text; each may hold 256 KB of the journal. The
rest is for what a first load loads."""


@contextmanager
def served_home(root: Path, n_large: int = 0) -> Iterator[tuple[Simulation, Settings]]:
    """Yield an appliance with quick plans and a journal of large events, and a load for it."""
    port = free_port()
    home = Home(small_home(root, f"[web]\nenabled = true\nport = {port}\n"))
    journal = Journal(home.journal_dir, home.state_dir / HEAD_NAME)
    for number in range(n_large):
        data = {"number": number, "text": "x" * LARGE_CHARACTERS}
        journal.append_now(JournalRecord("ClockJumped", utc_now(), data=data), durable=False)
    journal.close()
    token = add_token(home, "test", Right.WRITE).text
    with quick(home.root, PLAN_S) as appliance:
        appliance.wait_for("daemon", "WebServerReady")
        paths = ("/planner/health/core", "/events?n=5", "/metrics.json")
        load = replace(
            QUICK, url=f"http://127.0.0.1:{port}", token=token, seconds=3.0, read_paths=paths
        )
        yield appliance, load


@dataclass(frozen=True)
class Outcome:
    """Figures of the load, and what the slow clients read after it."""

    home: Path
    figures: dict[str, Any]
    last: int
    numbers_of_slow: list[list[int]]
    growth_mb: float


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Ten streams, ten triggers a second and presses for 3 s, and clients that read nothing."""
    folder = tmp_path_factory.mktemp("load")
    with served_home(folder / "home", LARGE_EVENTS) as (appliance, load), ExitStack() as stack:
        assert appliance.daemon is not None
        SlowClient(load, stack).read_until(LARGE_EVENTS)
        for path in load.read_paths:  # the first one of each loads its code
            httpx.get(f"{load.url}{path}", timeout=PATIENCE_S).raise_for_status()
        before_mb = memory_mb(appliance.daemon.pid)
        slow = [SlowClient(load, stack) for _ in range(SLOW_CLIENTS)]
        figures = loaded(Watch(appliance), load, folder / "report.json", QUIET_S)
        growth_mb = memory_mb(appliance.daemon.pid) - before_mb
        last = lines_of_home(appliance.home)[-1].entry.n
        numbers = [client.read_until(last) for client in slow]
        appliance.stop_daemon()
    return Outcome(folder / "home", figures, last, numbers, growth_mb)


class SlowClient:
    """A client that requests all events ever, and reads nothing until it is told to.

    A server that ends such a stream may do that: it is resumed after the last event that was read.
    """

    def __init__(self, load: Settings, stack: ExitStack) -> None:
        self._stack = stack
        self._host, self._port = load.url.removeprefix("http://").split(":")
        self._numbers: list[int] = []
        self._socket = self._open()

    def _open(self) -> socket.socket:
        client = self._stack.enter_context(socket.socket())
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(PATIENCE_S)
        client.connect((self._host, int(self._port)))
        path = f"/events/stream?after={self._numbers[-1] if self._numbers else 0}"
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        return client

    def read_until(self, last: int) -> list[int]:
        """Read until an event has come; return the numbers of all events."""
        while True:
            try:
                with self._socket.makefile("rb") as lines:
                    for line in lines:
                        if line.startswith(b"data: ") and line.endswith(b"}\n"):
                            self._numbers.append(json.loads(line[6:])["n"])
                            if self._numbers[-1] == last:
                                return self._numbers
            except ConnectionResetError:
                pass  # ended by the server
            self._socket = self._open()


def test_every_stream_has_every_event_once_and_in_order(outcome: Outcome) -> None:
    keys = ("events_lost", "events_doubled", "events_out_of_order", "events_wrong", "streams_ended")
    assert {key: outcome.figures[key] for key in keys} == dict.fromkeys(keys, 0)
    assert outcome.figures["events"] > 0
    assert outcome.figures["resumptions"] > 0


def test_every_answer_is_right_and_triggers_during_a_plan_join_it(outcome: Outcome) -> None:
    figures = outcome.figures
    assert (figures["errors"], figures["problems"]) == (0, [])
    assert 0 < figures["plans_made"] < figures["triggers"] == 30
    assert figures["plans_joined"] > 0
    assert figures["reads"] > 0


def test_every_press_is_answered_meanwhile(outcome: Outcome) -> None:
    assert outcome.figures["presses"] > 0
    assert outcome.figures["lost_presses"] == 0
    assert_promises(outcome.home)


def test_clients_that_read_nothing_take_no_memory_and_miss_nothing(outcome: Outcome) -> None:
    assert outcome.numbers_of_slow == [list(range(1, outcome.last + 1))] * SLOW_CLIENTS
    assert outcome.growth_mb < GROWTH_MB_MAX
