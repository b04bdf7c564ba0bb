"""The API beside the appliance: one planner, one plan per bucket, and an undisturbed link."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from host.control.protocol import LINE_BYTES_MAX, SOCKET_NAME, socket_path
from host.health.checkup import check_health
from host.home.access.token_store import Right, TokenStore
from host.home.home import Home, create_home
from host.http.server import open_listener
from host.simulation.appliance import Simulation
from tests.end_to_end.promises import (
    PATIENCE_S,
    TAMPERED,
    assert_promises,
    of_type,
    quick,
    small_home,
    trader,
)
from tests.host.http.conftest import served
from tools.chaos.promises import plan_files

PLANS = "/buckets/core/plans"


@contextmanager
def api_beside(home: Path, plan_s: float = 0.0) -> Iterator[tuple[httpx.Client, Simulation]]:
    """Serve the API of a home whose daemon makes plans that take so long."""
    with quick(home, plan_s) as appliance:
        while not (home / "state" / SOCKET_NAME).exists():
            appliance.pump_for(0.05)
        with served(Home(home)) as client:
            yield client, appliance


def command(*words: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own."""
    line = [sys.executable, "-m", "host.cli", "--home", str(home), *words]
    return subprocess.run(line, capture_output=True, text=True, check=False)


def client_of(home: Home, port: int) -> httpx.Client:
    """Return a client that may write."""
    token = TokenStore(home).add("test", Right.WRITE, "terminal")
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60.0)


@contextmanager
def served_alone(home: Home) -> Iterator[httpx.Client]:
    """Serve the API in a process of its own: it adopts what a dead planner leaves behind."""
    with open_listener("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
    words = ["--home", str(home.root), "serve", "--port", str(port)]
    command = [sys.executable, "-m", "host.cli", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        try:
            with client_of(home, port) as client:
                yield client
        finally:
            process.terminate()


def progress_until(client: httpx.Client, url: str, *states: str) -> dict[str, Any]:
    """Follow a plan until it has one of these states."""
    deadline_s = time.monotonic() + PATIENCE_S
    while True:
        record: dict[str, Any] = client.get(url).json()
        if record["state"] in states:
            return record
        assert time.monotonic() < deadline_s, record
        time.sleep(0.02)


def test_a_requested_plan_is_made_by_the_daemon_and_shown_on_the_board(tmp_path: Path) -> None:
    home = small_home(tmp_path)
    with api_beside(home, plan_s=1.0) as (client, appliance):
        answer = client.post(PLANS)
        assert answer.status_code == 202
        record = answer.json()
        assert not record["joined"]
        joined = client.post(PLANS).json()
        assert (joined["trace_id"], joined["joined"]) == (record["trace_id"], True)
        assert answer.headers["Location"] == record["progress"]
        progress_until(client, record["progress"], "running")
        end = progress_until(client, record["progress"], "stored")
        assert end["fraction"] == 1.0
        assert client.get(record["plan"]).json()["trace_id"] == record["trace_id"]
        event = appliance.wait_for("daemon", "FrameShown")
        assert event.record["trace_id"] == record["trace_id"]
        board = client.get("/board").json()
        assert (board["linked"], board["shows"], board["bucket_id"]) == (True, "result", "core")
        assert len(board["pixels"]) == 8
        shown = command("board", "show", "--json", home=home)
        assert list(json.loads(shown.stdout)) == list(board)
        drawn = command("board", "show", home=home).stdout.splitlines()
        assert drawn[-1] == "result, brightness 15, on the board, bucket core"
        assert len(drawn) == 9
        appliance.stop_daemon()
    assert_promises(home)
    requested, stored = of_type(home, "PlanRequested", "PlanStored")
    assert requested.data["via"] == stored.data["via"] == "api"
    assert len(plan_files(home)) == 1


def test_a_press_joins_the_plan_of_the_api_and_the_api_that_of_a_press(tmp_path: Path) -> None:
    home = small_home(tmp_path)
    with api_beside(home, plan_s=1.5) as (client, appliance):
        trace_id = client.post(PLANS).json()["trace_id"]
        appliance.press()
        assert appliance.wait_for("daemon", "PressJoined").record["trace_id"] == trace_id
        appliance.wait_for("daemon", "PlanStored")
        appliance.press()
        pressed = appliance.wait_for("daemon", "PlanRequested").record["trace_id"]
        record = client.post(PLANS).json()
        assert (record["trace_id"], record["joined"]) == (pressed, True)
        progress_until(client, record["progress"], "stored")
        appliance.stop_daemon()
    assert_promises(home)
    assert len(plan_files(home)) == 2


def test_a_press_while_a_request_goes_to_a_slow_disk_joins_it(tmp_path: Path) -> None:
    port = free_port()
    home = small_home(tmp_path, f"[web]\nenabled = true\nport = {port}\n")
    token = TokenStore(Home(home)).add("test", Right.WRITE, "test")
    tamper = (sys.executable, TAMPERED, json.dumps({"plan_s": 0.0, "disk_s": 0.1}))
    presses = 6
    with Simulation(home, daemon=tamper) as appliance, ExitStack() as stack:
        appliance.wait_for("daemon", "WebServerReady")
        headers = {"Authorization": f"Bearer {token}"}
        client = stack.enter_context(
            httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60.0, headers=headers)
        )
        is_over = threading.Event()

        def request_often() -> None:
            while not is_over.is_set():
                client.post(PLANS)

        thread = threading.Thread(target=request_often)
        thread.start()
        stack.callback(thread.join)
        stack.callback(is_over.set)
        for _ in range(presses):
            appliance.press()
            appliance.wait_for_any("daemon", {"PlanRequested", "PressJoined"}, where=is_of_press)
        is_over.set()
        thread.join()
        appliance.pump_for(2.0)
        appliance.stop_daemon()
    assert_promises(home)
    open_plans: set[str] = set()
    for record in of_type(home, "PlanRequested", "PlanStored"):
        if record.event_type == "PlanRequested":
            assert not open_plans, "a plan of the bucket is under way"
            open_plans.add(record.trace_id)
        else:
            open_plans.discard(record.trace_id)


def is_of_press(record: dict[str, Any]) -> bool:
    return str(record["data"].get("via", "press")) == "press"


def test_a_cancelled_plan_is_not_stored(tmp_path: Path) -> None:
    home = small_home(tmp_path)
    with api_beside(home, plan_s=60.0) as (client, appliance):
        record = client.post(PLANS).json()
        progress_until(client, record["progress"], "running")
        assert client.delete(f"/buckets/other/plans/{record['trace_id']}").status_code == 404
        assert client.delete(record["plan"]).status_code == 200
        progress_until(client, record["progress"], "cancelled")
        assert client.get(record["plan"]).status_code == 404
        appliance.stop_daemon()
    assert_promises(home)
    assert plan_files(home) == []


def test_a_daemon_that_is_killed_with_an_open_request_settles_it(tmp_path: Path) -> None:
    home = small_home(tmp_path)
    with api_beside(home, plan_s=1.5) as (client, appliance):
        record = client.post(PLANS).json()
        progress_until(client, record["progress"], "running")
        appliance.stop_daemon(kill=True)
        appliance.restart_daemon(trader())
        appliance.wait_for("daemon", "PlanStored")
        assert progress_until(client, record["progress"], "stored")["fraction"] == 1.0
        appliance.stop_daemon()
    assert_promises(home)
    assert len(plan_files(home)) == 1


def test_without_a_daemon_the_api_plans_by_itself(tmp_path: Path) -> None:
    home = create_home(tmp_path / "home", demo=True).home
    with served_alone(home) as client:
        assert client.get("/board").status_code == 503
        record = client.post("/buckets/satellite_a/plans").json()
        assert progress_until(client, record["progress"], "stored", "failed")["lines"] == []
        assert client.get(record["plan"]).json()["outcome"] == "PLANNED"
        assert client.get(f"{PLANS}/{record['trace_id']}/progress").status_code == 404


@pytest.mark.parametrize(
    "sent",
    [b"", b"\n", b"[]\n", b"{}\n", b'{"do": "fly"}\n', b'{"do": "plan", "bucket_id": "cor"}\n',
     b"x" * (2 * LINE_BYTES_MAX), b"[" * 5_000 + b"\n", b"\xff\xfe\n"],
)  # fmt: skip
def test_whatever_comes_on_the_socket_presses_are_answered(tmp_path: Path, sent: bytes) -> None:
    home = small_home(tmp_path)
    with api_beside(home) as (_, appliance), ExitStack() as stack:
        for _ in range(40):  # more than are answered at a time
            client = stack.enter_context(socket.socket(socket.AF_UNIX))
            with socket_path(home / "state") as path:
                client.connect(path)
            client.setblocking(False)
            try:
                client.sendall(sent)
            except (BlockingIOError, BrokenPipeError):
                continue  # it reads no further
        appliance.press()
        appliance.wait_for("daemon", "FrameShown")
        assert "InternalError" not in {event.kind for event in appliance.events}
        appliance.stop_daemon()
    assert_promises(home)


def test_the_socket_belongs_to_its_user_and_goes_with_the_daemon(tmp_path: Path) -> None:
    # Longer than the kernel allows for the address of a socket.
    home = small_home(tmp_path / ("x" * 100))
    without = command("board", "show", home=home)
    assert (without.returncode, without.stdout) == (1, "")
    assert without.stderr == f"{home}: no daemon answers (run: trader run)\n"
    path = home / "state" / SOCKET_NAME
    with api_beside(home) as (client, appliance):
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.stat().st_uid == os.getuid()
        assert client.get("/board").status_code == 200
        appliance.stop_daemon()
        assert not path.exists()
        assert client.get("/board").status_code == 503


def free_port() -> int:
    with open_listener("127.0.0.1", 0) as listener:
        port: int = listener.getsockname()[1]
    return port


def test_the_daemon_serves_the_api_and_takes_it_along(tmp_path: Path) -> None:
    port = free_port()
    home = small_home(tmp_path, f"[web]\nenabled = true\nport = {port}\n")
    with quick(home) as appliance:
        ready = appliance.wait_for("daemon", "WebServerReady")
        assert f"http://127.0.0.1:{port}" in ready.record["data"]["line"]
        with client_of(Home(home), port) as client:
            record = client.post(PLANS).json()
            progress_until(client, record["progress"], "stored")
            appliance.wait_for("daemon", "FrameShown")
        appliance.stop_daemon(kill=True)
        deadline_s = time.monotonic() + PATIENCE_S
        while is_listening(port):  # it ends with a daemon that is killed, too
            assert time.monotonic() < deadline_s
            time.sleep(0.05)
    assert_promises(home)


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_port_in_use_costs_the_api_and_not_the_board(tmp_path: Path) -> None:
    with open_listener("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        home = small_home(tmp_path, f"[web]\nenabled = true\nport = {port}\n")
        with quick(home) as appliance:
            ended = appliance.wait_for("daemon", "WebServerEnded")
            assert f"port {port}: address already in use" in ended.record["data"]["why"]
            appliance.press()
            appliance.wait_for("daemon", "FrameShown")
            assert findings_of(home, appliance) == {"api_not_served"}
            listener.close()
            appliance.wait_for("daemon", "WebServerReady")
            assert findings_of(home, appliance) == set()
            appliance.stop_daemon()
    assert_promises(home)


def findings_of(home: Path, appliance: Simulation) -> set[str]:
    """Return whether the health reports the API, once the daemon has written its state."""
    appliance.pump_for(3.0)  # it writes its state every 2 s
    report = check_health(Home(home))
    return {finding.id for finding in report.findings if finding.id.startswith("api")}
