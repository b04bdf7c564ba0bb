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
    "board show",
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
    if line.startswith("token revoke"):
        trader("token", "add", "phone", *home)
    if line.startswith("plugin check"):
        trader("plugin", "new", "my_rise", "--kind", "filter", "--no-test", *home)
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


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("plan core", "portfolio_file"),
        ("refuse core --list", "portfolio_file"),
        ("plan nobody", "not_found"),
        ("plan core --nonsense", "usage"),
        ("nonsense", "usage"),
        ("backup verify nowhere/b.zip", "storage"),
    ],
)
def test_a_refusal_is_one_object_with_the_keys_of_the_page(
    trader: Trader, own_home: Home, line: str, code: str
) -> None:
    path = own_home.portfolio_file("core")
    path.write_text(f"{path.read_text('utf-8')}\nx = [\n", "utf-8")
    result = trader("--home", own_home.root, *line.split(), "--json")
    section = (
        DOC.read_text("utf-8").partition("## When there is no result")[2].partition("\n## ")[0]
    )
    assert list(result.json) == re.findall(r"^\| `(\w+)`", section, re.MULTILINE)
    assert (result.json["outcome"], result.json["code"]) == ("REFUSED", code)
    assert result.json["reason"] in result.err
    assert result.json["exit_code"] == result.code
    place = result.json["errors"][0]
    assert (place["file"] == str(path)) == (code == "portfolio_file")


@pytest.mark.parametrize("line", ["events tail --since nonsense", "board monitor --port"])
def test_a_command_that_prints_lines_of_json_prints_no_object_for_a_refusal(
    trader: Trader, own_home: Home, line: str
) -> None:
    result = trader("--home", own_home.root, *line.split(), "--json")
    assert result.code == 2
    assert not result.out
    assert result.err


def test_every_command_that_prints_json_is_on_the_page() -> None:
    documented = {row.split()[0] for row in ROWS}
    folder = DOC.parents[1] / "host" / "cli" / "commands"
    printing = {
        p.stem.split("_")[0] for p in folder.glob("*.py") if "output.json(" in p.read_text()
    }
    assert printing, "the folder of the commands"
    assert printing <= documented | {"dry"}
