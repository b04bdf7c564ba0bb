"""docs/json.md says what `--json` prints, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from host.home.home import Home
from tests.host.conftest import Trader

DOC = Path(__file__).resolve().parents[2] / "docs" / "json.md"
ROWS = dict(re.findall(r"^\| `trader ([^`]+)` \| (.+) \|$", DOC.read_text("utf-8"), re.MULTILINE))
ELSEWHERE = (
    "plan BUCKET",
    "demo --once",
    "board info",
    "data accept WMT DATE",
    "board test",
    "board flash",
)
"""A page of its own, or a board that is needed; those are tested there."""
OPTIONS = {
    "refuse BUCKET": "--list",
    "health --ready": "core",
    "config rollback BUCKET 1 --yes --reason WHY": "",
    "service status": "--user",
}


@pytest.mark.parametrize("line", [row for row in ROWS if row not in ELSEWHERE])
def test_the_keys_of_a_command_are_those_of_the_page(
    trader: Trader, own_home: Home, tmp_path: Path, line: str
) -> None:
    home = ("--home", own_home.root)
    trader("plan", "core", *home)
    saved = str(tmp_path / "saved.zip")
    if line.startswith("backup verify"):
        trader("backup", "create", saved, *home)
    words = f"{line} {OPTIONS.get(line, '')}".replace("BUCKET", "core").replace("FILE", saved)
    if line.startswith("config rollback"):
        assert list(trader(*words.split(), *home, "--json").json)[-1] == "changed", "to what it is"
        trader("preset", "apply", "low-turnover", "core", "--yes", "--reason", "x", *home)
    result = trader(*words.split(), *home, "--json")
    documented = re.findall(r"`(\w+)`", re.split(r"[;:(]", ROWS[line])[0])
    assert list(result.json) == documented, result.err


def test_every_command_that_prints_json_is_on_the_page() -> None:
    documented = {row.split()[0] for row in ROWS}
    folder = DOC.parents[1] / "host" / "cli" / "commands"
    printing = {
        p.stem.split("_")[0] for p in folder.glob("*.py") if "output.json(" in p.read_text()
    }
    assert printing, "the folder of the commands"
    assert printing <= documented | {"dry"}
