"""The commands around the board, as a user types them."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from host.simulation.appliance import Simulation
from tests.end_to_end.promises import quick, small_home, trader

TRADER = (sys.executable, "-P", "-m", "host.cli")


def run(
    *arguments: str, command: tuple[str, ...] = TRADER, **environ: str
) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if k != "ARDUINO_TRADER_HOME"} | environ
    return subprocess.run(
        (*command, *arguments),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        stdin=subprocess.DEVNULL,
        env=clean,
    )


def test_demo_once_prints_plan_frame_and_time_and_leaves_nothing(tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    completed = run("demo", "--once", "--json", TMPDIR=str(temporary), HOME=str(tmp_path))
    assert completed.returncode == 0, completed.stderr
    report = json.loads(completed.stdout)
    assert sorted(report) == ["frame", "plan", "press_to_frame_s", "schema_version"]
    assert report["plan"]["outcome"] == "PLANNED"
    assert [len(row) for row in report["frame"]] == [13] * 8
    assert {level for row in report["frame"] for level in row} <= set(range(8))
    assert report["press_to_frame_s"] > 0
    assert list(temporary.iterdir()) == []
    assert list(tmp_path.iterdir()) == [temporary]


def test_demo_in_a_pipe_presses_once_and_keeps_the_plan_in_the_named_home(tmp_path: Path) -> None:
    home = small_home(tmp_path / "home")
    completed = run("--home", str(home), "demo", command=trader())
    # The demo starts its own daemon, so that is not the quick one: the small home has no config.
    assert completed.returncode == 1
    assert "there is no plan: " in completed.stderr
    assert str(home) in completed.stderr
    assert len(completed.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("command", [("demo",), ("run",)])
def test_a_home_that_is_not_there_is_a_wrong_command_line(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    completed = run("--home", str(tmp_path / "none"), *command)
    assert completed.returncode == 2
    assert "trader init" in completed.stderr
    assert not (tmp_path / "none").exists()


def test_a_device_file_with_errors_is_reported_in_full_and_the_board_is_served_all_the_same(
    tmp_path: Path,
) -> None:
    home = small_home(tmp_path, "[link]\nbaud = 1\n[buttons]\nshort = 5\n")
    with quick(home) as appliance:
        assert any("device.toml:2:1" in words for words in appliance.last_lines)
        assert any("device.toml:4:1" in words for words in appliance.last_lines)
        appliance.press()
        appliance.wait_for("daemon", "PlanStored")


def test_board_info_describes_the_board(tmp_path: Path) -> None:
    appliance = Simulation(tmp_path)
    try:
        appliance.start_board()
        completed = run("board", "info", "--port", appliance.port, "--json")
        assert completed.returncode == 0, completed.stderr
        report = json.loads(completed.stdout)
        assert (report["board"], report["rows"], report["columns"]) == ("virtual", 8, 13)
        assert report["compatible"] is True
        plain = run("board", "info", "--port", appliance.port)
        assert re.search(r"^firmware +\d+\.\d+\.\d+$", plain.stdout, re.MULTILINE)
    finally:
        appliance.close()


def test_board_info_without_a_board_says_so_in_a_line(tmp_path: Path) -> None:
    completed = run("board", "info", "--port", str(tmp_path / "none"))
    assert (completed.returncode, completed.stdout) == (1, "")
    assert len(completed.stderr.strip().splitlines()) == 1


def test_board_info_names_a_protocol_that_does_not_fit(tmp_path: Path) -> None:
    command = (sys.executable, "-P", "-m", "firmware_bridge.virtual_board", "--protocol", "9")
    appliance = Simulation(tmp_path, board=command)
    try:
        appliance.start_board()
        completed = run("board", "info", "--port", appliance.port, "--json")
        assert completed.returncode == 1
        assert json.loads(completed.stdout)["compatible"] is False
        assert "protocol 9 to 9" in completed.stderr
    finally:
        appliance.close()


class Typist:
    """A person at a terminal of 80 columns and 24 rows."""

    def __init__(self, *command: str) -> None:
        self.near, self.far = pty.openpty()
        termios.tcsetwinsize(self.far, (24, 80))
        self.before = termios.tcgetattr(self.far)
        self.process = subprocess.Popen(command, stdin=self.far, stdout=self.far, stderr=self.far)
        self.output = ""

    def wait_for(self, text: str, timeout_s: float = 60) -> None:
        deadline_s = time.monotonic() + timeout_s
        while text not in self.output:
            left_s = deadline_s - time.monotonic()
            assert left_s > 0, f"{text!r} was not shown: {self.output[-2000:]!r}"
            if select.select([self.near], [], [], left_s)[0]:
                self.output += os.read(self.near, 65_536).decode("utf-8", "replace")

    def type(self, keys: str) -> None:
        os.write(self.near, keys.encode())

    def end(self) -> int:
        deadline_s = time.monotonic() + 30
        while self.process.poll() is None:
            assert time.monotonic() < deadline_s
            if select.select([self.near], [], [], 0.05)[0]:
                self.output += os.read(self.near, 65_536).decode("utf-8", "replace")
        restored = termios.tcgetattr(self.far) == self.before
        while select.select([self.near], [], [], 0.0)[0]:
            self.output += os.read(self.near, 65_536).decode("utf-8", "replace")
        os.close(self.near)
        os.close(self.far)
        assert restored, "the terminal was not given back"
        assert self.output.rindex("\x1b[?1049l") > self.output.rindex("\x1b[?1049h")
        return self.process.returncode


def test_the_demo_draws_the_board_takes_keys_and_gives_the_terminal_back(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert run("init", "--demo", "--home", str(home)).returncode == 0
    typist = Typist(*TRADER, "--home", str(home), "demo")
    typist.wait_for("bucket core")
    typist.type(" ")
    typist.wait_for("your targets are")
    typist.type("b")
    typist.wait_for("bucket satellite_a")
    typist.type("q")
    assert typist.end() == 0
    assert len(list(home.glob("plans/core/*.json"))) == 1


def test_a_demo_that_is_stopped_gives_the_terminal_back(tmp_path: Path) -> None:
    home = small_home(tmp_path)
    typist = Typist(*TRADER, "--home", str(home), "demo")
    typist.wait_for("bucket core")
    typist.process.terminate()
    assert typist.end() == 128 + 15
