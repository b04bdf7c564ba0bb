"""`trader ab`: the answer for people and programs, and nothing written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from host.home.home import Home
from tests.host.cli.commands.test_dry_run import written_below
from tests.host.conftest import Trader
from tests.host.plugins.plugin_files import add_plugins, misdeed_text

DOC = Path(__file__).resolve().parents[4] / "docs" / "ab.md"


def state_of(root: Path) -> dict[str, tuple[bytes, int]]:
    """Bytes and time of every file, and the time of every folder."""
    return {
        str(path.relative_to(root)): (
            path.read_bytes() if path.is_file() else b"",
            path.stat().st_mtime_ns,
        )
        for path in [root, *root.rglob("*")]
    }


@pytest.mark.usefixtures("strace")
def test_nothing_is_written(trader: Trader, own_home: Home) -> None:
    trader("config", "commit", "core", "--home", own_home.root)
    own_home.bucket_file("core").write_text("max_plan_depth = 3\n")
    before = state_of(own_home.root)
    assert written_below(own_home.root, "ab", "core", "1", "low-turnover") == []
    assert trader("ab", "core", "v1", "current", "--home", own_home.root).code == 0
    assert state_of(own_home.root) == before


def test_the_answer_fits_a_terminal_of_80_columns(
    trader: Trader, own_home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    other = tmp_path / "a-rather-long-name-of-a-file-with-another-configuration.toml"
    other.write_text("max_plan_depth = 1\n")
    result = trader("ab", "core", "current", other, "--home", own_home.root)
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("A wins: its plan gains 6.24% of the portfolio a year, instead of")
    assert "\x1b" not in result.out
    assert max(map(len, result.out.splitlines())) <= 80
    rows = [line.split("  ")[0] for line in result.out.splitlines()]
    for name in ("outcome", "trades", "gain", "from targets after", "costs, USD", "turnover"):
        assert name in rows
    assert re.search(r"^buy WMT +\d+ +-$", result.out, re.MULTILINE)


def test_exit_codes_say_whether_two_plans_were_compared(
    trader: Trader, own_home: Home, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("max_plan_depth = 99\n")
    home = ("--home", own_home.root)
    refused = trader("ab", "core", "current", wrong, *home, "--json")
    assert (refused.code, refused.json["winner"]) == (2, "a")
    assert "wrong.toml:1:1: max_plan_depth: is out of bounds" in refused.err
    held = trader("ab", "core", "current", "low-turnover", "--buy-only", *home)
    assert held.code == 1
    assert "No comparison: neither side has a plan." in held.out
    assert "cash is missing" in held.out
    for words in (("current",), ("current", "v7"), ("current", "nonsense"), ("", "no.toml")):
        assert trader("ab", "core", *words, *home).code == 2


def test_new_money_is_planned_on_both_sides(trader: Trader, own_home: Home) -> None:
    home = ("--home", own_home.root, "--json")
    with_money = trader("ab", "core", "current", "low-turnover", "--invest", 9000, *home).json
    without = trader("ab", "core", "current", "low-turnover", *home).json
    for side in ("a", "b"):
        assert with_money[side]["steps"] != without[side]["steps"]


NO_BUYS = """
from planner_core.api import Filter, ModuleMetadata, ModuleParameters, filter_registry, parameter


class NoBuysParameters(ModuleParameters):
    strict: bool = parameter(True, unit="true or false", description="drop every buy")


class NoBuys(Filter[NoBuysParameters]):
    metadata = ModuleMetadata(name="no_buys", version="1.0.0", description="Drop every buy")
    parameters_model = NoBuysParameters

    def reject(self, candidates, state, parameters):
        return {i: "no buys" for i in candidates.buys()} if parameters.strict else {}


filter_registry.register(NoBuys())
"""


def test_a_side_can_be_planned_without_plugins(trader: Trader, own_home: Home) -> None:
    """Also one whose configuration names a plugin's module."""
    home = ("--home", own_home.root)
    refused = trader("ab", "core", "current", "current", "--plugins-b", "on", *home)
    assert (refused.code, "plugins are off" in refused.err) == (2, True)
    add_plugins(own_home, {"no_buys.py": NO_BUYS})
    own_home.bucket_file("core").write_text("[filters]\nno_buys = { strict = true }\n")
    words = ("ab", "core", "current", "current", "--plugins-a", "off", "--plugins-b", "on")
    result = trader(*words, *home, "--json")
    assert result.code == 0, result.err
    a, b = result.json["a"], result.json["b"]
    assert (a["plugins"], b["plugins"]) == (False, True)
    assert {step["side"] for step in a["steps"]} == {"sell", "buy"}
    assert {step["side"] for step in b["steps"]} == {"sell"}
    assert (result.json["winner"], result.json["same_objective"]) == ("a", True)
    assert "current without plugins" in trader(*words, *home).out


def test_a_plugin_that_ends_its_process_costs_only_itself(trader: Trader, own_home: Home) -> None:
    add_plugins(own_home, {"bad.py": misdeed_text("ctypes.string_at(0)")})
    words = ("ab", "core", "current", "current", "--plugins-a", "off", "--json")
    result = trader(*words, "--home", own_home.root)
    assert result.code == 0, result.err
    assert "opportunity_calculators.bad: it" in result.err
    assert result.json["winner"] == "tie"
    failed = {side: [m["key"] for m in result.json[side]["modules_failed"]] for side in ("a", "b")}
    assert failed == {"a": [], "b": ["plugins/bad.py"]}
    assert "SIGSEGV" in result.json["b"]["modules_failed"][0]["message"]
    shown = trader(*words[:-1], "--home", own_home.root).out
    assert re.search(r"^modules left out +none +plugins/bad.py$", shown, re.MULTILINE)


def test_the_page_lists_the_keys_of_the_answer(trader: Trader, own_home: Home) -> None:
    record = trader("ab", "core", "current", "low-turnover", "--home", own_home.root, "--json").json
    text = DOC.read_text("utf-8")
    sections = dict(re.findall(r"^### (.+?)\n(.+?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL))
    documented = {
        title: re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (.+?) \|", body, re.MULTILINE)))
        for title, body in sections.items()
    }
    assert documented["The answer"] == list(record)
    assert documented["A side"] == list(record["a"])
    assert documented["By whose measure"] == list(record["by_a"])
