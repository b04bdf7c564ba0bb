"""The AVR simulator is built once, and what is missing for it is message with what to install."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from host.simulation.avr_build import ToolchainError, build_simulator
from tests.host.conftest import Trader


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "arduino-trader"


def fake_compiler(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Put a gcc on the path that does this."""
    folder.mkdir(exist_ok=True)
    gcc = folder / "gcc"
    gcc.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    gcc.chmod(gcc.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


BUILDS = 'while [ "$1" != -o ]; do shift; done; echo built > "$2"'


def test_without_a_compiler_the_demo_says_what_to_install(
    trader: Trader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    message = trader("demo", "--board", "avr", "--once")
    assert (message.code, message.out) == (1, "")
    assert "gcc is missing" in message.err
    assert "sudo apt-get install gcc libc6-dev libsimavr-dev libelf-dev" in message.err
    assert len(message.err.splitlines()) == 1


def test_without_libsimavr_the_compilers_first_complaint_is_told_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    complaint = "runner.c:31:10: fatal error: avr_eeprom.h: No such file or directory"
    fake_compiler(tmp_path / "bin", monkeypatch, f"echo '{complaint}' >&2; exit 1")
    with pytest.raises(ToolchainError, match=r"avr_eeprom\.h.*libsimavr-dev"):
        build_simulator()
    assert list(cache.iterdir()) == []


def test_it_is_built_once_and_again_when_another_source_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    fake_compiler(tmp_path / "bin", monkeypatch, BUILDS)
    first = build_simulator()
    assert first.read_text() == "built\n"
    fake_compiler(tmp_path / "bin", monkeypatch, "exit 1")
    assert build_simulator() == first
    other = tmp_path / "sim"
    other.mkdir()
    (other / "other.c").write_text("another version")
    monkeypatch.setattr("host.simulation.avr_build.firmware_file", lambda *_parts: other)
    fake_compiler(tmp_path / "bin", monkeypatch, BUILDS)
    assert build_simulator() != first
    assert len(list(cache.iterdir())) == 2


def test_a_cache_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_compiler(tmp_path / "bin", monkeypatch, BUILDS)
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(ToolchainError, match="XDG_CACHE_HOME"):
        build_simulator()
