"""`trader preset`: every shipped one works on the demo data; your own are kept and checked."""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path

import pytest

from host.home.config.presets import preset_text
from host.home.home import Home
from tests.host.conftest import Trader

SHIPPED = sorted(
    entry.name.removesuffix(".toml")
    for entry in resources.files("configs").joinpath("presets").iterdir()
    if entry.name.endswith(".toml")
)


def test_at_least_six_are_shipped_and_listed_by_tag(trader: Trader, own_home: Home) -> None:
    listed = trader("preset", "list", "--home", own_home.root, "--json").json["presets"]
    assert [preset["id"] for preset in listed] == SHIPPED
    assert len(SHIPPED) >= 6
    tax = trader("preset", "list", "--tag", "tax", "--home", own_home.root, "--json").json
    assert [preset["id"] for preset in tax["presets"]] == ["tax-aware"]


@pytest.mark.parametrize("preset_id", SHIPPED)
def test_a_shipped_preset_is_documented_and_plans_the_demo(
    trader: Trader, own_home: Home, preset_id: str
) -> None:
    at = ("--home", own_home.root)
    shown = trader("preset", "show", preset_id, *at, "--json").json
    assert len(shown["description"]) > 30
    assert shown["config"].startswith("# ")
    result = trader("preset", "apply", preset_id, "core", "--yes", *at, "--json")
    assert (result.code, result.json["reason"]) == (0, f"preset {preset_id}")
    planned = trader("plan", "core", "--no-store", *at, "--json")
    assert planned.json["outcome"] in {"PLANNED", "NOTHING_TO_DO"}
    assert planned.json["config_version"] == result.json["version"]
    assert trader("preset", "show", preset_id, *at, "--json").json["downloads"] == 1


def test_one_is_saved_exported_imported_and_rated(
    trader: Trader, own_home: Home, tmp_path: Path
) -> None:
    at = ("--home", own_home.root)
    saved = trader("preset", "save", "core", "mine", "--tag", "own", *at)
    assert saved.code == 0, saved.err
    assert trader("preset", "save", "core", "mine", *at).code == 1
    file = tmp_path / "mine.toml"
    assert trader("preset", "export", "mine", file, *at).code == 0
    (own_home.presets_dir / "mine.toml").unlink()
    assert trader("preset", "import", file, *at).code == 0
    assert trader("preset", "rate", "mine", 4, *at, "--json").json["rating"] == 4
    assert "1 to 5" in trader("preset", "rate", "mine", 9, *at).err


def test_a_file_that_was_changed_on_the_way_is_refused(
    trader: Trader, own_home: Home, tmp_path: Path
) -> None:
    at = ("--home", own_home.root)
    file = tmp_path / "t.toml"
    assert trader("preset", "export", "tax-aware", file, *at).code == 0
    file.write_text(file.read_text().replace('id = "tax-aware"', 'id = "t"') + "# more\n")
    assert "checksum does not match" in trader("preset", "import", file, *at).err
    assert "presets:" in trader("preset", "show", "none", *at).err


@pytest.mark.parametrize(
    "state",
    ['{"contrarian": {"downloads": "many", "rating": 99}}', "[]", '{"contrarian": 3}', "[" * 9999],
)
def test_figures_that_are_none_cost_only_themselves(
    trader: Trader, own_home: Home, state: str
) -> None:
    at = ("--home", own_home.root)
    own_home.state_dir.mkdir()
    (own_home.state_dir / "presets.json").write_text(state)
    shown = trader("preset", "show", "contrarian", *at, "--json").json
    assert (shown["downloads"], shown["rating"]) == (0, None)
    assert trader("preset", "rate", "contrarian", 4, *at).code == 0
    assert trader("preset", "show", "contrarian", *at, "--json").json["rating"] == 4


def test_what_is_no_file_is_named_and_the_rest_is_listed(trader: Trader, own_home: Home) -> None:
    own_home.presets_dir.mkdir()
    (own_home.presets_dir / "folder.toml").mkdir()
    os.mkfifo(own_home.presets_dir / "pipe.toml")
    (own_home.presets_dir / "text.toml").write_text("x")
    listed = trader("preset", "list", "--home", own_home.root, "--json")
    assert [preset["id"] for preset in listed.json["presets"]] == SHIPPED
    assert all(f"{name}.toml" in listed.err for name in ("folder", "pipe"))
    assert "text" in listed.err


def test_a_file_with_terminal_escapes_is_not_imported_and_printed_only_escaped(
    trader: Trader, own_home: Home, tmp_path: Path
) -> None:
    at = ("--home", own_home.root)
    file = tmp_path / "evil.toml"
    text = preset_text(
        "evil", "# \u202e\nmax_plan_depth = 3\n", name="a\x1b[2Jb", description="c\u202ed"
    )
    file.write_text(text, "utf-8")
    refused = trader("preset", "import", file, *at)
    assert (refused.code, "cannot be printed" in refused.err) == (1, True)
    saved = trader("preset", "save", "core", "mine", "--name", "a\x1b[2Jb", *at)
    assert (saved.code, "cannot be printed" in saved.err) == (1, True)
    # Put there by hand, it is listed with the characters written out.
    own_home.presets_dir.mkdir(exist_ok=True)
    (own_home.presets_dir / "evil.toml").write_text(text, "utf-8")
    for command in (("list",), ("show", "evil")):
        printed = trader("preset", *command, *at).out
        assert "a\\x1b[2Jb" in printed
        assert "\x1b" not in printed
        assert "\u202e" not in printed


@pytest.mark.parametrize("preset_id", ["3", "v3", "current"])
def test_a_preset_is_not_saved_under_the_name_of_a_version(
    trader: Trader, own_home: Home, preset_id: str
) -> None:
    refused = trader("preset", "save", "core", preset_id, "--home", own_home.root)
    assert (refused.code, "means a version" in refused.err) == (1, True)
