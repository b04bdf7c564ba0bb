"""The Uno Q's app: complete by itself, laid out as App Lab wants it, and never over another one."""

from __future__ import annotations

import re
import runpy
import time
from pathlib import Path

import pytest

from firmware_bridge.app_lab import FIRMWARE, write_app
from firmware_bridge.transport import ROUTER_SOCKET


def test_an_app_has_the_files_that_app_lab_looks_for(tmp_path: Path) -> None:
    files = {path.relative_to(tmp_path / "app").as_posix() for path in write_app(tmp_path / "app")}
    assert {
        *("app.yaml", "python/main.py", "sketch/sketch.ino", "sketch/sketch.yaml"),
    } <= files
    assert files == {
        path.relative_to(tmp_path / "app").as_posix()
        for path in (tmp_path / "app").rglob("*")
        if path.is_file()
    }


def test_an_app_includes_nothing_that_it_does_not_bring(tmp_path: Path) -> None:
    files = write_app(tmp_path)
    system = {"Arduino_LED_Matrix.h", "avr/pgmspace.h"}
    for path in files:
        if path.suffix in {".c", ".h", ".ino"}:
            for name in re.findall(r'#include "(.+)"', path.read_text()):
                assert (path.parent / name).is_file(), f"{path.name} includes {name}"
            headers = set(re.findall(r"#include <(.+)>", path.read_text()))
            assert headers - system <= {"stdbool.h", "stddef.h", "stdint.h", "string.h"}


def test_an_app_is_never_written_over_something(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="is not empty: choose another folder"):
        write_app(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_the_description_has_what_app_lab_shows_and_no_more() -> None:
    text = (FIRMWARE / "uno_q" / "app.yaml").read_text(encoding="utf-8")
    assert re.findall(r"^(\w+): \S", text, re.MULTILINE) == ["name", "icon", "description"]
    sketch = (FIRMWARE / "uno_q" / "sketch" / "sketch.yaml").read_text(encoding="utf-8")
    assert "platform: arduino:zephyr" in sketch
    assert sketch.endswith("default_profile: default\n")


def test_the_linux_part_says_how_to_install_the_daemon(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    router = str(tmp_path / "router.sock")
    monkeypatch.setenv("ARDUINO_ROUTER_SOCKET", router)

    class SleptError(Exception):
        pass

    def sleep(_: float) -> None:
        raise SleptError

    monkeypatch.setattr(time, "sleep", sleep)
    with pytest.raises(SleptError):
        runpy.run_path(str(FIRMWARE / "uno_q" / "python" / "main.py"), run_name="__main__")
    output = capsys.readouterr().out
    assert f".venv/bin/trader run --port {router}" in output
    assert "make setup" in output
    assert f"No router at {router}" in output
    assert ROUTER_SOCKET in (FIRMWARE / "uno_q" / "python" / "main.py").read_text()
