"""`trader dry-run`: what a configuration would do, without doing it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from host.home.home import Home
from tests.host.conftest import Trader

WRITING = re.compile(
    r"^(?:\d+ +)?(?:(?:mkdir|rename|unlink|link|symlink|rmdir|truncate|chmod|chown)\w*\("
    r"|f?truncate|open(?:at)?\(.*O_(?:WRONLY|RDWR|CREAT|TRUNC))"
)


def written_below(home: Path, *arguments: str) -> list[str]:
    """Run the command under strace; return every call that would change something in the home."""
    trace = home.parent / "trace"
    command = [sys.executable, "-m", "host.cli", *arguments, "--home", str(home)]
    strace = ["strace", "-f", "-e", "trace=file,desc", "-o", str(trace), *command]
    process = subprocess.run(strace, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    lines = trace.read_text(errors="replace").splitlines()
    return [line for line in lines if str(home) in line and WRITING.match(line)]


@pytest.mark.usefixtures("strace")
def test_what_only_looks_writes_nothing_under_the_home(trader: Trader, own_home: Home) -> None:
    trader("config", "commit", "core", "--home", own_home.root)
    own_home.bucket_file("core").write_text("max_plan_depth = 3\n")
    looking = (
        ("dry-run", "core"),
        ("config", "diff", "core", "--plan"),
        ("config", "check"),
        ("config", "show", "core"),
        ("preset", "list"),
    )
    for words in looking:
        assert written_below(own_home.root, *words) == [], words
    assert written_below(own_home.root, "plan", "core"), "the check must see what writes"


def test_the_counts_are_those_of_the_plan(trader: Trader, own_home: Home) -> None:
    tried = trader("dry-run", "core", "--home", own_home.root, "--json")
    assert tried.code == 0, tried.err
    record = tried.json
    planned = trader("plan", "core", "--home", own_home.root, "--json").json
    assert (record["valid"], record["is_exact"], record["errors"]) == (True, True, [])
    assert record["estimated_sequences"] == planned["n_sequences"] > 0
    assert record["candidates"] == planned["n_candidates"] > 0
    assert record["outcome"] == planned["outcome"]
    assert record["peak_memory_mb"] > 0
    module = record["modules_loaded"]["sequence_generators.combinatorial"]
    assert module["type"] == "Combinatorial"
    assert module["status"] == "ok"
    assert module["params"]["sets_max"] > 0


def test_another_file_is_tried_without_being_saved(
    trader: Trader, own_home: Home, tmp_path: Path
) -> None:
    other = tmp_path / "other.toml"
    other.write_text("max_plan_depth = 1\n[filters]\neligibility = false\n")
    small = trader("dry-run", "core", other, "--home", own_home.root, "--json").json
    large = trader("dry-run", "core", "--home", own_home.root, "--json").json
    assert small["estimated_sequences"] < large["estimated_sequences"]
    assert small["modules_loaded"]["filters.eligibility"]["status"] == "disabled"
    assert "sequences" in trader("dry-run", "core", other, "--home", own_home.root).out


def test_a_wrong_file_gets_every_error(trader: Trader, own_home: Home, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text("max_plan_depth = 11\ndepth = 2\n")
    tried = trader("dry-run", "core", other, "--home", own_home.root, "--json")
    assert (tried.code, tried.json["valid"], len(tried.json["errors"])) == (2, False, 2)
    assert "not valid" in trader("dry-run", "core", other, "--home", own_home.root).out


def test_data_that_cannot_carry_a_plan_is_an_error_of_a_valid_configuration(
    trader: Trader, own_home: Home
) -> None:
    own_home.prices_file.write_text("nonsense\n")
    tried = trader("dry-run", "core", "--home", own_home.root, "--json")
    assert (tried.code, tried.json["valid"]) == (1, True)
    assert "prices.csv" in tried.json["errors"][0]
