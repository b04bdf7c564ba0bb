"""From a held button to a token, and to its end: board, daemon, matrix, API and command."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from host.display.screens import digits_frame, key_frame
from host.home.access.pairing import Pairing, PairingWindow
from host.home.home import Home
from host.http.server import open_listener
from host.simulation.appliance import Simulation
from tests.end_to_end.promises import (
    assert_promises,
    of_type,
    quick,
    small_home,
    wait_until,
)
from tools.chaos.promises import broken_promises

PAIRS = '[buttons]\nhold_ms = 300\nlong_hold_ms = 1000\nlong_hold = "pair"\n'
END_S = 20.0


@contextmanager
def api(home: Path) -> Iterator[str]:
    """Run `trader serve`; yield its address."""
    with open_listener("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
    line = [sys.executable, "-m", "host.cli", "--home", str(home), "serve", f"--port={port}"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(END_S) == 0


def command(*words: str, home: Path) -> str:
    """Run a command that has to succeed; return what it prints."""
    line = [sys.executable, "-m", "host.cli", "--home", str(home), *words]
    return subprocess.run(line, capture_output=True, text=True, check=True).stdout


def hold(appliance: Simulation) -> None:
    """Hold the button until pairing opens, and let go."""
    appliance.command_board("down")
    appliance.wait_for("daemon", "PairingOpened")
    appliance.command_board("up")


def open_window(home: Path) -> PairingWindow:
    window = Pairing(Home(home)).window()
    assert window is not None
    return window


def test_a_held_button_shows_a_code_that_gives_a_device_a_token(tmp_path: Path) -> None:
    home = small_home(tmp_path, PAIRS)
    body = {"id": "mine", "config": "max_plan_depth = 3\n"}
    with quick(home) as appliance, api(home) as url:
        refused = httpx.post(f"{url}/pair", json={"code": "000000", "name": "phone"})
        assert refused.json()["code"] == "pairing_closed"

        appliance.press(ms=1500)
        opened = appliance.wait_for("daemon", "PairingOpened")
        key = key_frame().rows()
        appliance.wait_for("board", "frame", where=lambda record: record["levels"] == key)
        window = open_window(home)
        half = digits_frame(window.code[:3]).rows()
        appliance.wait_for("board", "frame", where=lambda record: record["levels"] == half)

        paired = httpx.post(f"{url}/pair", json={"code": window.code, "name": "phone"})
        assert paired.status_code == 201
        token = paired.json()["token"]
        appliance.wait_for(
            "board", "frame", where=lambda record: record["levels"] not in (key, half)
        )
        headers = {"Authorization": f"Bearer {token}"}
        assert httpx.post(f"{url}/presets", json=body).status_code == 401
        assert httpx.post(f"{url}/presets", json=body, headers=headers).status_code == 201
        assert "phone" in command("token", "list", home=home)
        command("token", "revoke", "phone", home=home)
        assert httpx.get(f"{url}/presets", headers=headers).status_code == 401
        appliance.stop_daemon()
    assert_promises(home)
    assert window.code not in str(opened.record)
    for event_type in ("PairingOpened", "AccessGranted", "AccessRevoked"):
        assert len(of_type(home, event_type)) == 1
    for path in (home / "journal").iterdir():
        assert path.is_dir() or token.encode() not in path.read_bytes()


def test_a_second_hold_gives_another_code_and_a_plan_is_answered_meanwhile(
    tmp_path: Path,
) -> None:
    home = small_home(tmp_path, PAIRS)
    with quick(home) as appliance:
        hold(appliance)
        wait_until(lambda: Pairing(Home(home)).window() is not None, appliance)
        first = open_window(home)
        appliance.press()
        appliance.wait_for("daemon", "PlanStored")
        hold(appliance)
        wait_until(lambda: open_window(home) != first, appliance)
        # The file is there before the verdict of the press: only what is at rest can be judged.
        wait_until(lambda: list(broken_promises(home)) == [], appliance)
        appliance.stop_daemon()
    assert_promises(home)
