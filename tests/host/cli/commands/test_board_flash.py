"""The firmware goes to a Yun through an avrdude that only writes down what it was asked."""

from __future__ import annotations

import os
import stat
import tty
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from serial.tools import list_ports

from host.board import flash
from host.home.home import Home
from host.simulation.avr_build import yun_image
from tests.host.conftest import Trader

YUN = (0x2341, 0x8041)
BOOTLOADER = (0x2341, 0x0041)


class Usb:
    """The serial ports of a computer: what is plugged in, look by look."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.looks: list[dict[str, tuple[int, int]]] = [{}]
        monkeypatch.setattr(list_ports, "comports", self._comports)

    def _comports(self) -> list[SimpleNamespace]:
        look = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        return [SimpleNamespace(device=name, vid=vid, pid=pid) for name, (vid, pid) in look.items()]


@pytest.fixture
def usb(monkeypatch: pytest.MonkeyPatch) -> Usb:
    monkeypatch.setattr(flash, "POLL_S", 0.001)
    monkeypatch.setattr(flash, "SAME_NAME_S", 0.05)
    monkeypatch.setattr(flash, "APPEAR_S", 0.2)
    return Usb(monkeypatch)


@pytest.fixture
def port() -> Iterator[str]:
    """A tty that can be opened at 1200 baud."""
    near, far = os.openpty()
    tty.setraw(far)
    yield os.ttyname(far)
    os.close(near)
    os.close(far)


@pytest.fixture
def avrdude(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An avrdude on the path; returns the file that it writes its arguments to."""
    result = tmp_path / "said"
    program(tmp_path / "bin", f'printf "%s\\n" "$@" > {result}', monkeypatch)
    return result


def program(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir(exist_ok=True)
    path = folder / "avrdude"
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def avrdude_arguments(port: str) -> list[str]:
    return [
        *("-p", "atmega32u4", "-c", "avr109", "-P", port, "-b", "57600"),
        *("-D", "-U", f"flash:w:{yun_image()}:i"),
    ]


def test_the_shipped_image_is_written_after_the_command_was_shown(
    trader: Trader, usb: Usb, port: str, avrdude: Path
) -> None:
    usb.looks = [{port: YUN}]
    result = trader("board", "flash", "--yes")
    assert result.code == 0, result.err
    assert avrdude.read_text().splitlines() == avrdude_arguments(port)
    shown = result.err.splitlines()[-1]
    assert shown.startswith("command  ")
    assert shown.endswith(f"-D -U flash:w:{yun_image()}:i")
    assert "as shipped" in result.err
    assert "trader board info" in result.out


def test_the_bootloader_is_found_under_the_name_that_it_appears_with(
    trader: Trader, usb: Usb, port: str, avrdude: Path
) -> None:
    usb.looks = [
        *({port: YUN} for _ in range(4)),
        *({}, {}, {"/dev/ttyACM7": BOOTLOADER}),
    ]
    result = trader("board", "flash", "--yes", "--json")
    assert result.code == 0, result.err
    assert avrdude.read_text().splitlines() == avrdude_arguments("/dev/ttyACM7")
    assert result.json["written"] is True
    assert result.json["command"][1:] == avrdude_arguments("/dev/ttyACM7")
    assert "the bootloader is at /dev/ttyACM7" in result.err


def test_a_bootloader_that_runs_already_is_not_restarted(
    trader: Trader, usb: Usb, avrdude: Path, tmp_path: Path
) -> None:
    running = tmp_path / "ttyACM0"  # no tty: opening it at 1200 baud would fail
    running.touch()
    usb.looks = [{str(running): BOOTLOADER}]
    assert trader("board", "flash", "--yes").code == 0
    assert avrdude.read_text().splitlines() == avrdude_arguments(str(running))


def test_a_board_that_does_not_come_back_is_said_to_and_nothing_is_written(
    trader: Trader, usb: Usb, tmp_path: Path, avrdude: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = tmp_path / "ttyACM0"
    missing.touch()
    usb.looks = [{str(missing): YUN}]
    monkeypatch.setattr(flash, "touch", lambda _port: missing.unlink())
    usb.looks += [{str(missing): YUN}, {str(missing): YUN}, {}]
    result = trader("board", "flash", "--yes")
    assert result.code == 1
    assert "no bootloader appeared" in result.err
    assert "32U4 RST" in result.err
    assert not avrdude.exists()


def test_a_dry_run_shows_the_command_and_touches_nothing(
    trader: Trader, usb: Usb, port: str, avrdude: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usb.looks = [{port: YUN}]
    monkeypatch.setattr(flash, "touch", lambda _port: pytest.fail("the board was restarted"))
    result = trader("board", "flash", "--dry-run")
    assert result.code == 0
    assert result.out == "nothing was written\n"
    assert "avr109" in result.err
    assert not avrdude.exists()


@pytest.fixture
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Home, cache, temporary and current folder below one, which is returned."""
    folder = tmp_path / "own"
    for name in ("home", "cache", "tmp", "cwd"):
        (folder / name).mkdir(parents=True)
    monkeypatch.setenv("HOME", str(folder / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    monkeypatch.setenv("TMPDIR", str(folder / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.chdir(folder / "cwd")
    return folder


def tree(root: Path) -> dict[str, bytes | None]:
    """Return all that is below a folder, with what the files contain."""
    paths = sorted(root.rglob("*"))
    return {str(path): path.read_bytes() if path.is_file() else None for path in paths}


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--json",),
        ("--board", "uno-q"),
        ("--board", "uno-q", "--app", "app"),
        ("--app", "new/app", "--json"),
    ],
    ids=" ".join,
)
def test_a_dry_run_writes_no_file_at_all(
    arguments: tuple[str, ...],
    trader: Trader,
    usb: Usb,
    port: str,
    avrdude: Path,
    own_home: Home,
    own_folders: Path,
) -> None:
    assert not avrdude.exists()
    usb.looks = [{port: YUN}]
    before = tree(own_folders), tree(own_home.root)
    result = trader("--home", own_home.root, "board", "flash", "--dry-run", *arguments)
    assert result.code == 0, result.err
    assert (tree(own_folders), tree(own_home.root)) == before
    assert not avrdude.exists()


@pytest.mark.usefixtures("own_folders")
def test_a_dry_run_names_the_files_of_the_app_and_refuses_what_writing_refuses(
    trader: Trader,
) -> None:
    dry = trader("board", "flash", "--app", "app", "--dry-run")
    assert dry.code == 0, dry.err
    announced = dry.out.splitlines()
    assert announced.pop() == "nothing was written"
    assert trader("board", "flash", "--app", "app").code == 0
    written = [str(path) for path in Path("app").rglob("*") if path.is_file()]
    assert [line.removeprefix("would write ") for line in announced] == sorted(written)
    again = trader("board", "flash", "--app", "app", "--dry-run")
    assert (again.code, "not empty" in again.err) == (2, True)


def test_nothing_is_written_without_a_yes(
    trader: Trader, usb: Usb, port: str, avrdude: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usb.looks = [{port: YUN}]
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    result = trader("board", "flash")
    assert result.code == 2
    assert "--yes" in result.err
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("sys.stdin.readline", lambda: "\n")
    result = trader("board", "flash")
    assert (result.code, result.out) == (0, "nothing was written\n")
    assert not avrdude.exists()


def test_an_avrdude_that_fails_fails_the_command(
    trader: Trader, usb: Usb, port: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "bin", "echo verification error >&2; exit 3", monkeypatch)
    usb.looks = [{port: YUN}]
    result = trader("board", "flash", "--yes")
    assert (result.code, result.out) == (1, "")
    assert "exit code 3" in result.err


def test_without_avrdude_it_says_what_to_install(
    trader: Trader, usb: Usb, port: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usb.looks = [{port: YUN}]
    monkeypatch.setenv("PATH", str(tmp_path))
    result = trader("board", "flash", "--yes")
    assert result.code == 1
    assert "apt-get install avrdude" in result.err


def test_the_port_must_be_clear_and_there(trader: Trader, usb: Usb, avrdude: Path) -> None:
    usb.looks = [{}]
    assert "no Yun on USB" in trader("board", "flash", "--yes").err
    usb.looks = [{"/dev/ttyACM0": YUN, "/dev/ttyACM1": YUN}]
    assert "/dev/ttyACM0, /dev/ttyACM1" in trader("board", "flash", "--yes").err
    result = trader("board", "flash", "--yes", "--port", "/dev/none")
    assert result.code == 1
    assert "there is no /dev/none" in result.err
    assert not avrdude.exists()


def test_a_damaged_image_is_refused_before_anything_else(
    trader: Trader, usb: Usb, port: str, avrdude: Path, tmp_path: Path
) -> None:
    usb.looks = [{port: YUN}]
    image = tmp_path / "mine.hex"
    image.write_text(yun_image().read_text().replace("F", "E", 1), encoding="ascii")
    result = trader("board", "flash", "--yes", "--image", image)
    assert result.code == 1
    assert f"{image}:" in result.err
    assert not avrdude.exists()


def test_for_an_uno_q_the_steps_are_told(trader: Trader) -> None:
    result = trader("board", "flash", "--board", "uno-q")
    assert result.code == 0
    assert "arduino-app-cli app start" in result.out
    assert trader("board", "flash", "--board", "uno-q", "--json").json["written"] is False


def test_the_uno_qs_app_is_written_and_never_over_something(trader: Trader, tmp_path: Path) -> None:
    folder = tmp_path / "app"
    result = trader("board", "flash", "--board", "uno-q", "--app", folder)
    assert result.code == 0, result.err
    assert (folder / "app.yaml").is_file()
    assert (folder / "sketch" / "sketch.ino").is_file()
    assert list((folder / "sketch").rglob("protocol.c"))
    again = trader("board", "flash", "--app", folder)
    assert again.code == 2
    assert "not empty" in again.err
    assert trader("board", "flash", "--app", tmp_path / "x", "--board", "yun").code == 2


def test_behind_a_router_the_board_is_an_uno_q(trader: Trader, own_home: Home) -> None:
    own_home.device_file.write_text('[link]\ncarrier = "router"\n', encoding="utf-8")
    assert "arduino-app-cli" in trader("--home", own_home.root, "board", "flash").out
