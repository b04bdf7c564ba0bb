"""`trader board ...` with a board of software, and with the Yun's firmware, executed."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from firmware_bridge.transport import SerialPort
from host.board import self_test
from host.board.connection import BoardError
from host.board.self_test import Result, SelfTest
from host.cli.main import main
from host.simulation.appliance import AVR_COMMAND, BOARD_COMMAND, Simulation
from tests.end_to_end.promises import quick, small_home

TRADER = (sys.executable, "-P", "-m", "host.cli")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (*TRADER, "board", *arguments),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        stdin=subprocess.DEVNULL,
    )


@pytest.fixture
def plug(tmp_path: Path) -> Iterator[Callable[[Sequence[str]], Simulation]]:
    """Plug in a board by its command; there is no daemon."""
    plugged: list[Simulation] = []

    def start(command: Sequence[str] = BOARD_COMMAND) -> Simulation:
        bench = Simulation(tmp_path, board=command)
        plugged.append(bench)
        bench.start_board()
        return bench

    yield start
    for bench in plugged:
        bench.close()


@pytest.fixture(params=["virtual", "avr"])
def bench(
    request: pytest.FixtureRequest, plug: Callable[[Sequence[str]], Simulation]
) -> Simulation:
    """Each board that there is without a board."""
    if request.param == "virtual":
        return plug(BOARD_COMMAND)
    request.getfixturevalue("avr")
    return plug(AVR_COMMAND)


class Finger:
    """An operator who gives one answer, and presses when asked to."""

    def __init__(self, bench: Simulation, presses: dict[str, int], answers: bool | None) -> None:
        self.messages: list[str] = []
        self.questions: list[str] = []
        self._bench = bench
        self._presses = presses
        self._answers = answers

    def show(self, text: str) -> None:
        self.messages.append(text)
        name = text.partition(":")[0]
        if "press and release" in text and name in self._presses:
            self._bench.command_board("press", button=self._presses[name], ms=100)

    async def ask(self, question: str) -> bool | None:
        self.questions.append(question)
        return self._answers


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A self-test without pauses."""
    for name in ("SWEEP_S", "STALE_S", "EVENT_LED_S"):
        monkeypatch.setattr(self_test, name, 0.0)


def take(bench: Simulation, finger: Finger, buttons: int = 1, timeout_s: float = 20.0) -> SelfTest:
    test_run = SelfTest(SerialPort(bench.port), finger, buttons=buttons, timeout_s=timeout_s)
    asyncio.run(test_run.run())
    return test_run


def results(test_run: SelfTest, result: Result) -> list[str]:
    return [check.name for check in test_run.checks if check.result is result]


@pytest.mark.usefixtures("hasty")
def test_a_self_test_of_a_good_board_passes(bench: Simulation) -> None:
    finger = Finger(bench, {"button 0": 0, "button 1": 1}, answers=True)
    test_run = take(bench, finger, buttons=2)
    assert results(test_run, Result.PASSED) == [check.name for check in test_run.checks]
    names = [check.name for check in test_run.checks]
    assert [name for name in names if name.startswith("button")] == ["button 0", "button 1"]
    assert names[-1] == "back again"
    assert test_run.board is not None
    has_leds = test_run.board.board.name == "YUN"
    assert any("LED 8" in question for question in finger.questions) is has_leds
    assert test_run.statistics["packets_sent"] != 0


@pytest.mark.usefixtures("hasty")
def test_what_the_eyes_say_is_wrong_fails_and_what_is_not_seen_is_reported_as_unseen(
    bench: Simulation,
) -> None:
    test_run = take(bench, Finger(bench, {}, answers=False), buttons=0)
    assert {"matrix all", "matrix order", "no host"} <= set(results(test_run, Result.FAILED))
    test_run = take(bench, Finger(bench, {}, answers=None), buttons=0)
    assert {"matrix all", "matrix order", "no host"} <= set(results(test_run, Result.NOT_SEEN))
    assert results(test_run, Result.FAILED) == []


@pytest.mark.usefixtures("hasty")
def test_a_button_that_is_not_pressed_or_is_another_one_fails(bench: Simulation) -> None:
    test_run = take(bench, Finger(bench, {"button 0": 1}, answers=True), buttons=1, timeout_s=5.0)
    (check,) = (check for check in test_run.checks if check.name == "button 0")
    assert (check.result, check.detail) == (Result.FAILED, "button 1 was pressed instead")
    test_run = take(bench, Finger(bench, {}, answers=True), buttons=1, timeout_s=0.2)
    (check,) = (check for check in test_run.checks if check.name == "button 0")
    assert (check.result, check.detail) == (Result.FAILED, "no press within 0.2 s")


@pytest.mark.usefixtures("hasty")
def test_a_board_that_hangs_in_the_middle_fails_and_the_self_test_ends(
    plug: Callable[[Sequence[str]], Simulation], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(self_test, "CONFIRM_S", 0.3)
    bench = plug(BOARD_COMMAND)
    finger = Finger(bench, {}, answers=True)

    async def hang(question: str) -> bool:
        bench.command_board("silence")
        finger.questions.append(question)
        return True

    monkeypatch.setattr(finger, "ask", hang)
    with pytest.raises(BoardError, match="no answer"):
        take(bench, finger, buttons=0)
    assert any("matrix sweep: failed" in text for text in finger.messages)


@pytest.fixture
def typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run a command in this process, with this on its standard input."""

    def run_here(text: str, *arguments: str) -> tuple[int, str, str]:
        (tmp_path / "typed").write_text(text, encoding="utf-8")
        with (tmp_path / "typed").open(encoding="utf-8") as stdin:
            monkeypatch.setattr("sys.stdin", stdin)
            code = main(["--home", str(tmp_path), "board", *arguments])
        return code, *capsys.readouterr()

    return run_here


@pytest.mark.usefixtures("hasty")
def test_the_self_test_in_the_terminal_takes_answers_and_sums_up(
    plug: Callable[[Sequence[str]], Simulation], typed: Callable[..., tuple[int, str, str]]
) -> None:
    port = plug(BOARD_COMMAND).port
    answers = "y\n\nn\ny\ny\ny\n"
    code, out, err = typed(answers, "test", "--port", port, "--buttons", "0", "--json")
    assert code == 1
    report = json.loads(out)
    assert report["passed"] is False
    by_name = {step["name"]: step["result"] for step in report["steps"]}
    assert by_name["matrix all"] == by_name["matrix sweep"] == "passed"
    assert by_name["matrix order"] == "failed"
    assert by_name["back again"] == "passed"
    assert "Are all 104 LEDs lit? [Y/n]" in err
    code, out, _ = typed("y\n" * 6, "test", "--port", port, "--buttons", "0")
    assert code == 0
    assert "nothing failed" in out


@pytest.mark.usefixtures("hasty")
def test_an_unattended_self_test_passes_only_with_its_option(
    plug: Callable[[Sequence[str]], Simulation], typed: Callable[..., tuple[int, str, str]]
) -> None:
    port = plug(BOARD_COMMAND).port
    code, out, _ = typed("", "test", "--port", port, "--unattended", "--timeout", "5")
    assert code == 0
    assert "6 of 8 checks had no answer" in out
    assert typed("", "test", "--port", port, "--buttons", "0")[0] == 1


def test_a_self_test_with_a_firmware_of_another_protocol_names_the_remedy(
    plug: Callable[[Sequence[str]], Simulation],
) -> None:
    port = plug((*BOARD_COMMAND, "--protocol", "9")).port
    completed = run("test", "--port", port, "--unattended")
    assert (completed.returncode, completed.stdout) == (1, "")
    assert "trader board flash" in completed.stderr
    assert len(completed.stderr.strip().splitlines()) == 1


def test_info_tries_the_link_and_tells_its_counters(bench: Simulation) -> None:
    completed = run("info", "--port", bench.port, "--json")
    assert completed.returncode == 0, completed.stderr
    report = json.loads(completed.stdout)
    assert report["pictures"]["confirmed"] == 20
    assert 0 < report["pictures"]["median_ms"] <= report["pictures"]["max_ms"]
    assert report["link"]["packets_received"] >= 21
    assert {"retransmits", "crc_errors", "rtt_max_ms", "port_openings"} <= report["link"].keys()


def test_the_words_of_info_stand_in_one_column(bench: Simulation) -> None:
    lines = run("info", "--port", bench.port).stdout.splitlines()
    assert len({len(line) - len(line.partition("  ")[2].lstrip()) for line in lines}) == 1
    assert any(line.split() == ["compatible", "yes"] for line in lines)


def test_the_monitor_shows_each_packet_both_ways(bench: Simulation) -> None:
    completed = run("monitor", "--port", bench.port, "--count", "6", "--json")
    assert completed.returncode == 0, completed.stderr
    packets = [r for r in map(json.loads, completed.stdout.splitlines()) if "kind" in r]
    assert len(packets) == 6
    kinds = [(packet["direction"], packet["kind"]) for packet in packets]
    assert kinds[:2] == [("to_board", "HELLO"), ("to_host", "HELLO_REPLY")]
    assert ("to_board", "SHOW_FRAME") in kinds
    assert ("to_host", "FRAME_ACK") in kinds
    assert packets[1]["rows"] == 8
    lines = run("monitor", "--port", bench.port, "--seconds", "0.5").stdout.splitlines()
    assert any(" > #" in line and "HELLO " in line for line in lines)
    assert any(" < #" in line and "FRAME_ACK" in line for line in lines)


def test_the_monitor_takes_presses_and_counts_damage(
    plug: Callable[[Sequence[str]], Simulation],
) -> None:
    bench = plug(BOARD_COMMAND)
    process = subprocess.Popen(
        (*TRADER, "board", "monitor", "--port", bench.port, "--json"), stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    kinds: list[str] = []

    def wait_for(kind: str) -> None:
        while kind not in kinds:
            line = process.stdout.readline() if process.stdout else b""
            assert line, f"the monitor ended without {kind}"
            kinds.append(json.loads(line).get("kind", ""))

    wait_for("FRAME_ACK")
    bench.command_board("press")
    wait_for("BUTTON_EDGE")
    wait_for("EDGE_ACK")
    bench.wait_for("board", "edge_acked")
    bench.command_board("garbage", bytes=200)
    wait_for("(damaged)")
    process.terminate()
    process.stdout.close()
    process.wait(30)


@pytest.mark.parametrize("action", ["info", "monitor", "test"])
def test_no_command_takes_the_board_from_a_running_daemon(tmp_path: Path, action: str) -> None:
    home = small_home(tmp_path)
    with quick(home) as appliance:
        assert appliance.daemon is not None
        completed = run(action, "--port", appliance.port)
        assert completed.returncode == 1
        assert completed.stdout == ""
        assert f"in use by process {appliance.daemon.pid}" in completed.stderr
        assert f"kill {appliance.daemon.pid}" in completed.stderr
        assert len(completed.stderr.strip().splitlines()) == 1
        appliance.press()
        appliance.wait_for_answer()
        kinds = {event.kind for event in appliance.events if event.source == "daemon"}
        assert not kinds & {"BoardDisconnected", "PortMissing"}


@pytest.mark.parametrize(
    "wrong",
    [("--count", "0"), ("--count", "x"), ("--seconds", "-1"), ("--seconds", "nan")],
)
def test_limits_that_make_no_sense_are_refused(wrong: tuple[str, str]) -> None:
    completed = run("monitor", *wrong)
    assert completed.returncode == 2
    assert len(completed.stderr.strip().splitlines()) == 1
