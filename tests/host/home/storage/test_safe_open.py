"""What stands in the place of a file is neither waited for nor taken for nothing."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from host.cli.main import main
from host.home.home import Home
from host.home.storage.safe_open import may_be_there, open_file
from tests.host.conftest import Trader

STATE = (
    "journal/journal.jsonl",
    "state/journal.head",
    "state/metrics.json",
    "state/breakers.json",
    "history/config/core/HEAD",
    "history/config/core/000001.toml",
)


def test_a_pipe_is_told_at_once_rather_than_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    assert may_be_there(path)
    with pytest.raises(OSError, match="it is no regular file"):
        open_file(path)
    (tmp_path / "file").write_bytes(b"abc")
    with open_file(tmp_path / "file") as file:
        assert file.read() == b"abc"


@pytest.fixture(scope="module")
def used_home(tmp_path_factory: pytest.TempPathFactory, demo_home: Home) -> Home:
    """A home with a plan, and so with a journal, metrics and a version."""
    home = Home(shutil.copytree(demo_home.root, tmp_path_factory.mktemp("used") / "home"))
    assert main(["plan", "core", "--json", "--home", str(home.root)]) == 0
    return home


@pytest.mark.parametrize("name", STATE)
def test_no_command_hangs_on_a_pipe_in_the_home(
    trader: Trader, used_home: Home, tmp_path: Path, name: str
) -> None:
    home = shutil.copytree(used_home.root, tmp_path / "home")
    path = home / name
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    for line in (
        "health",
        "metrics",
        "breakers",
        "events tail",
        "events verify",
        "config log core",
    ):
        said = trader(*line.split(), "--home", home)
        assert said.code in (0, 1)
        assert "unexpected" not in said.err
