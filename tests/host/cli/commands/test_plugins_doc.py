"""The commands of docs/plugins.md, as a newcomer types them, and the page of the API."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

import planner_core.api
import planner_core.testing
from host.home.home import Home
from tests.host.conftest import Trader

DOCS = Path(__file__).resolve().parents[4] / "docs"
PAGE = (DOCS / "plugins.md").read_text("utf-8")
WRITE_ONE = PAGE.partition("## Write one\n")[2].partition("\n## ")[0]
BLOCKS = re.findall(r"```(sh|toml)\n(.*?)```", WRITE_ONE, re.DOTALL)
FILES = {"plugins": "device.toml", "filters": "buckets/core.toml"}
"""Table -> the file that the page names for it."""


def write_lines(home: Home, toml: str) -> None:
    """Write the lines of a block below the table of the file, as the page says."""
    header, *lines = toml.splitlines()
    (table,) = tomllib.loads(toml)
    path = home.root / FILES[table]
    text = path.read_text("utf-8")
    assert re.search(rf"^{re.escape(header)}", text, re.MULTILINE), f"{path} has the table"
    path.write_text(re.sub(rf"^({re.escape(header)}.*)$", "\\1\n" + "\n".join(lines), text,
                           count=1, flags=re.MULTILINE), "utf-8")  # fmt: skip


def test_every_command_of_the_page_works_from_new_to_the_reason_in_a_plan(
    trader: Trader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ARDUINO_TRADER_HOME", str(tmp_path / "plugin-demo"))
    home = Home(tmp_path / "plugin-demo")
    outputs = {}
    for language, text in BLOCKS:
        if language == "toml":
            write_lines(home, text)
            continue
        for line in text.splitlines():
            if line.startswith("export "):
                assert line == "export ARDUINO_TRADER_HOME=~/plugin-demo"
                continue
            program, *words = line.split()
            assert program == "trader"
            result = trader(*words)
            assert result.code == 0, (line, result.out, result.err)
            outputs[line] = result.out
    assert (
        "ready    plugins/no_falling.py  filters.no_falling 0.1.0" in outputs["trader plugin list"]
    )
    assert "Nothing to fix." in outputs["trader plugin check no_falling"]
    plan = " ".join(outputs["trader plan core --explain"].split())
    assert "(filters.no_falling)" in plan
    assert re.search(r"it fell by \S+ in 60 market days", plan)


def test_the_first_example_of_the_page_is_a_plugin_that_plans(
    trader: Trader, own_home: Home
) -> None:
    text = PAGE.partition("```python\n")[2].partition("```")[0]
    root = ("--home", own_home.root)
    write_lines(own_home, "[plugins]\nenabled = true")
    own_home.plugins_dir.mkdir(exist_ok=True)
    (own_home.plugins_dir / "momentum.py").write_text(text, "utf-8")
    check = trader("plugin", "check", "momentum", *root)
    assert (check.code, "Nothing to fix." in check.out) == (0, True), check.out + check.err
    key = "opportunity_calculators.momentum"
    statuses = []
    for lines in ("", "[opportunity_calculators]\nmomentum = { share = 0.05 }\n"):
        own_home.bucket_file("core").write_text(f"max_plan_depth = 3\n{lines}", "utf-8")
        plan = trader("plan", "core", "--json", *root).json
        statuses.append([m["status"] for m in plan["modules"] if m["key"] == key])
    assert statuses[1] == ["ok"]
    assert "ok" not in statuses[0], "off until a bucket names it"


def test_a_plugin_that_breaks_is_named_by_check_plan_and_health(
    trader: Trader, own_home: Home
) -> None:
    root = ("--home", own_home.root)
    trader("plugin", "new", "no_falling", "--kind", "filter", "--no-test", *root)
    write_lines(own_home, "[plugins]\nenabled = true")
    write_lines(own_home, "[filters]\nno_falling = true")
    path = own_home.plugins_dir / "no_falling.py"
    good = path.read_text("utf-8")
    path.write_text(good.replace("return rejected", "return list(rejected)"))
    plan = trader("plan", "core", "--json", *root).json
    (attempt,) = [m for m in plan["modules"] if m["key"] == "filters.no_falling"]
    assert attempt["status"] == "failed"
    assert "returned list, needs a mapping" in attempt["message"]
    path.write_text(good + "\nraise ValueError('not today')\n")
    plan = trader("plan", "core", *root)
    assert plan.code == 0
    assert "no_falling" in plan.out + plan.err
    health = trader("health", *root)
    assert "plugins/no_falling.py" in health.out
    assert "not today" in health.out


def test_the_page_of_the_api_has_every_public_name_and_the_version() -> None:
    page = (DOCS / "plugin-api.md").read_text("utf-8")
    headings = "\n".join(re.findall(r"^### `(.*)`$", page, re.MULTILINE))
    for name in (*planner_core.api.__all__, *planner_core.testing.__all__):
        assert re.search(rf"^{name}\b", headings, re.MULTILINE), name
    assert f"This is version {planner_core.api.API_VERSION} of the API" in page
    # Nothing public is without a word of explanation.
    for entry in page.split("\n### ")[1:]:
        assert len(entry.split("\n\n", 1)[1].strip()) > 20, entry[:40]
