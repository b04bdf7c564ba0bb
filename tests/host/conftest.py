"""Fixtures of the host's tests: homes, and the command `trader` within this process."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from host.cli.main import main
from host.home.home import Home, create_home


@dataclass(frozen=True, slots=True)
class CommandResult:
    """The output of a command, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:  # noqa: ANN401 - whatever was printed
        return json.loads(self.out)


Trader: TypeAlias = Callable[..., CommandResult]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test may see, or write to, the home of whoever runs it."""
    monkeypatch.setenv("ARDUINO_TRADER_HOME", str(tmp_path / "nowhere"))
    monkeypatch.setenv("COLUMNS", "100")


def need(tool: object, what: str) -> None:
    """Skip a test that lacks something of the machine; in CI, fail it."""
    if not tool:
        stop = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        stop(f"no {what}")


@pytest.fixture(scope="session")
def strace() -> None:
    """Tests that name this run programs under strace."""
    need(shutil.which("strace"), "strace: `make setup` installs it")


@pytest.fixture(scope="session")
def demo_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A demo home to read from; tests that write take `own_home`."""
    return create_home(tmp_path_factory.mktemp("demo") / "home", demo=True).home


@pytest.fixture
def own_home(tmp_path: Path, demo_home: Home) -> Home:
    """A demo home that a test may change."""
    return Home(shutil.copytree(demo_home.root, tmp_path / "home"))


@pytest.fixture
def trader(capsys: pytest.CaptureFixture[str]) -> Trader:
    """The command; it returns what was said, and the exit code."""

    def run(*arguments: object) -> CommandResult:
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as stopped:
            code = int(str(stopped.code))
        return CommandResult(code, *capsys.readouterr())

    return run
