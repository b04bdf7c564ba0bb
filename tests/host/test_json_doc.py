"""docs/json.md says what `--json` prints, and nothing else."""

from __future__ import annotations

import json
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
    assert list(result.json) == ["schema_version", *documented], result.err
    assert result.json["schema_version"] == 1


def test_lines_of_events_carry_their_schema_version(trader: Trader, own_home: Home) -> None:
    home = ("--home", own_home.root)
    trader("plan", "core", *home)
    exported = trader("events", "export", "-", *home).out
    tail = trader("events", "tail", "--json", *home).out
    for text in (exported, tail):
        lines = [json.loads(line) for line in text.splitlines()]
        assert lines
        assert all(line["schema_version"] == 1 for line in lines)


def test_no_command_prints_json_in_another_way() -> None:
    """`Output.json` and `json_text` add the schema version; `json.dumps` would not."""
    folder = DOC.parents[1] / "host" / "cli" / "commands"
    for path in folder.glob("*.py"):
        text = path.read_text("utf-8")
        assert "json.dumps" not in text, path.name
        assert ("output.document(" in text) is (path.name == "config.py"), "JSON Schemas only"


def test_every_command_that_prints_json_is_on_the_page() -> None:
    documented = {row.split()[0] for row in ROWS}
    folder = DOC.parents[1] / "host" / "cli" / "commands"
    printing = {
        p.stem.split("_")[0] for p in folder.glob("*.py") if "output.json(" in p.read_text()
    }
    assert printing, "the folder of the commands"
    assert printing <= documented | {"dry"}
