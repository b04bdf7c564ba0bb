"""`trader config log, diff, rollback, verify, edit, commit`."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import jsonschema
import pytest

from host.home.home import Home
from host.home.storage.toml_file import read_toml
from tests.host.conftest import Trader

CORE = "core"


def edit(home: Home, text: str) -> None:
    home.bucket_file(CORE).write_text(text, encoding="utf-8")


def two_versions(trader: Trader, home: Home) -> None:
    trader("config", "commit", CORE, "--home", home.root)
    edit(home, "# reason: dearer\nmax_plan_depth = 3\n[costs]\nfixed_cost = 9\n")
    trader("config", "commit", CORE, "--home", home.root)


def tree(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_the_log_tells_who_when_why_and_show_gives_the_text(trader: Trader, own_home: Home) -> None:
    assert "no version yet" in trader("config", "log", CORE, "--home", own_home.root).out
    two_versions(trader, own_home)
    versions = trader("config", "log", CORE, "--home", own_home.root, "--json").json["versions"]
    assert [(v["version"], v["parent"], v["changed_by"], v["reason"]) for v in versions] == [
        (2, 1, "user", "dearer"),
        (1, 0, "user", "first version"),
    ]
    assert "dearer" in trader("config", "log", CORE, "--home", own_home.root).out
    shown = trader("config", "show", CORE, 2, "--home", own_home.root).out
    assert shown == own_home.bucket_file(CORE).read_text()
    missing = trader("config", "show", CORE, 7, "--home", own_home.root)
    assert (missing.code, missing.err) == (1, "core: no version 7 (versions 1 to 2 exist)\n")


def test_a_plan_carries_the_version_of_its_configuration(trader: Trader, own_home: Home) -> None:
    first = trader("plan", CORE, "--home", own_home.root, "--json").json
    assert first["config_version"] == 1
    edit(own_home, "max_plan_depth = 2\n")
    second = trader("plan", CORE, "--home", own_home.root, "--json").json
    assert second["config_version"] == 2


def test_a_diff_shows_meaning_and_plans_and_writes_nothing(trader: Trader, own_home: Home) -> None:
    two_versions(trader, own_home)
    before = tree(own_home.root)
    record = trader("config", "diff", CORE, 1, 2, "--plan", "--home", own_home.root, "--json").json
    assert record["settings_changed"] == {
        "max_plan_depth": {"old": 5, "new": 3},
        "costs.fixed_cost": {"old": 2.0, "new": 9.0},
    }
    assert record["plans"]["old"]["config_version"] == 1
    assert len(record["plans"]["new"]["steps"]) <= 3
    assert record["comparison"]["winner"] in {"a", "b", "tie", "no_winner"}
    gain = record["plans"]["old"]["score"]["gain"]
    assert record["comparison"]["by_a"]["gain_a"] == pytest.approx(gain)
    lines = trader("config", "diff", CORE, 1, "--plan", "--home", own_home.root)
    assert "set  costs.fixed_cost: 2.0 -> 9.0" in lines.out
    assert re.search(r"^trade +old +new$", lines.out, re.MULTILINE)
    edit(own_home, "max_plan_depth = 3 # only said\n[costs]\nfixed_cost = 9\n")
    same = trader("config", "diff", CORE, "--home", own_home.root)
    assert "nothing: only comments" in same.out
    equal = trader("config", "diff", CORE, 2, 2, "--home", own_home.root)
    assert equal.out == "nothing changed\n"
    edit(own_home, "# reason: dearer\nmax_plan_depth = 3\n[costs]\nfixed_cost = 9\n")
    assert tree(own_home.root) == before
    assert trader("config", "diff", CORE, "x", "--home", own_home.root).code == 2


def test_a_rollback_is_a_new_version_and_needs_a_yes(trader: Trader, own_home: Home) -> None:
    original = own_home.bucket_file(CORE).read_text()
    two_versions(trader, own_home)
    refused = trader("config", "rollback", CORE, 1, "--home", own_home.root)
    assert (refused.code, "cannot ask without a terminal" in refused.err) == (2, True)
    result = trader("config", "rollback", CORE, 1, "--yes", "--home", own_home.root, "--json").json
    assert (result["version"], result["parent"], result["reason"]) == (3, 2, "rollback to 1")
    assert own_home.bucket_file(CORE).read_text() == original


def test_an_edit_shows_what_changes_and_saves_with_its_reason(
    trader: Trader, own_home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\necho 'max_plan_depth = 2' > \"$1\"\n")
    editor.chmod(0o700)
    monkeypatch.setenv("VISUAL", str(editor))
    result = trader("config", "edit", CORE, "--yes", "--reason", "short", "--home", own_home.root)
    assert result.code == 0, result.err
    assert "+max_plan_depth = 2" in result.out
    assert "set  max_plan_depth: 5 -> 2" in result.out
    assert own_home.bucket_file(CORE).read_text() == "max_plan_depth = 2\n"


def test_a_bad_edit_is_not_saved_and_the_text_is_kept(
    trader: Trader, own_home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\necho 'max_plan_depht = 2' > \"$1\"\n")
    editor.chmod(0o700)
    monkeypatch.setenv("VISUAL", str(editor))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = tree(own_home.root)
    result = trader("config", "edit", CORE, "--yes", "--home", own_home.root)
    assert result.code == 2
    assert "did you mean `max_plan_depth`?" in result.err
    assert "your text is in" in result.err
    assert tree(own_home.root) == before
    monkeypatch.setenv("VISUAL", str(tmp_path / "none"))
    drafts = set(tmp_path.glob("trader-*"))
    missing = trader("config", "edit", CORE, "--yes", "--home", own_home.root)
    assert f"cannot run the editor '{tmp_path}/none': no such file (set EDITOR)" in missing.err
    assert set(tmp_path.glob("trader-*")) == drafts


def test_an_edit_without_a_terminal_shows_the_change_and_keeps_the_text(
    trader: Trader, own_home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trader("config", "commit", CORE, "--home", own_home.root)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    use_editor(monkeypatch, tmp_path, "sed -i 's/^#*max_plan_depth.*/max_plan_depth = 2/' \"$1\"")
    unattended = trader("config", "edit", CORE, "--home", own_home.root)
    assert (unattended.code, unattended.err.count("not saved")) == (2, 1)
    assert "+max_plan_depth = 2" in unattended.out
    (draft,) = tmp_path.rglob("trader-*/core.toml")
    assert str(draft) in unattended.err


def use_editor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str) -> Path:
    """Let a shell script be the editor; return the folder for its temporary files."""
    editor = tmp_path / "editor"
    editor.write_text(f"#!/bin/sh\n{script}\n")
    editor.chmod(0o700)
    monkeypatch.setenv("VISUAL", str(editor))
    drafts = tmp_path / "drafts"
    drafts.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(drafts))
    return drafts


def test_an_edit_is_refused_when_a_version_was_saved_while_the_editor_was_open(
    trader: Trader, own_home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_versions(trader, own_home)
    original = own_home.bucket_file(CORE).read_text()
    command = f"{sys.executable} -m host.cli --home {own_home.root} config rollback core 1 --yes"
    drafts = use_editor(
        monkeypatch, tmp_path, f"{command} >&2 || exit 1\necho 'max_plan_depth = 2' > \"$1\""
    )
    result = trader("config", "edit", CORE, "--yes", "--home", own_home.root)
    assert result.code == 1
    assert (
        "changed meanwhile: version 3 by user (rollback to 1), and you began with 2" in result.err
    )
    (draft,) = drafts.glob("*/core.toml")
    assert draft.read_text() == "max_plan_depth = 2\n"
    assert f"your text is in {draft}" in result.err
    assert result.err.count("not saved") == result.err.count("\n") == 1
    assert own_home.bucket_file(CORE).read_text() != original, "the other save stands"
    log = trader("config", "log", CORE, "--home", own_home.root, "--json").json["versions"]
    assert [version["version"] for version in log] == [3, 2, 1]


def test_an_edit_is_refused_when_the_file_was_changed_while_the_editor_was_open(
    trader: Trader, own_home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_versions(trader, own_home)
    path = own_home.bucket_file(CORE)
    drafts = use_editor(
        monkeypatch,
        tmp_path,
        f"echo 'max_plan_depth = 4' > {path}\necho 'max_plan_depth = 2' > \"$1\"",
    )
    result = trader("config", "edit", CORE, "--yes", "--home", own_home.root)
    assert result.code == 1
    assert "was edited meanwhile" in result.err
    (draft,) = drafts.glob("*/core.toml")
    assert draft.read_text() == "max_plan_depth = 2\n"
    assert f"your text is in {draft}" in result.err
    assert path.read_text() == "max_plan_depth = 4\n"


def test_an_edit_is_saved_when_its_own_beginning_was_committed_while_the_editor_was_open(
    trader: Trader, own_home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_versions(trader, own_home)
    edit(own_home, "max_plan_depth = 4\n")
    command = f"{sys.executable} -m host.cli --home {own_home.root} config commit core"
    use_editor(
        monkeypatch, tmp_path, f"{command} >&2 || exit 1\necho 'max_plan_depth = 2' > \"$1\""
    )
    result = trader("config", "edit", CORE, "--yes", "--home", own_home.root, "--json")
    assert result.code == 0, result.err
    assert (result.json["version"], result.json["parent"]) == (4, 3)


def test_files_that_the_editor_left_beside_the_text_go_with_it(
    trader: Trader, own_home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_behind = (
        'cp "$1" "$1~"\n'
        'cd "$(dirname "$1")"\n'
        "touch .core.toml.swp '#core.toml#'\n"
        "mkdir backup && touch backup/core.toml\n"
        "ln -s me@here.1234 .#core.toml\n"
    )
    drafts = use_editor(monkeypatch, tmp_path, f"{leave_behind}echo 'max_plan_depth = 2' > \"$1\"")
    result = trader("config", "edit", CORE, "--yes", "--home", own_home.root)
    assert result.code == 0, result.err
    assert own_home.bucket_file(CORE).read_text() == "max_plan_depth = 2\n"
    assert list(drafts.iterdir()) == []


def test_an_edit_that_is_not_saved_in_the_end_keeps_its_text(
    trader: Trader, own_home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drafts = use_editor(monkeypatch, tmp_path, "echo 'max_plan_depth = 2' > \"$1\"")
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _prompt: "n")
    result = trader("config", "edit", CORE, "--home", own_home.root)
    assert result.code == 1
    (draft,) = drafts.glob("*/core.toml")
    assert f"your text is in {draft}" in result.err

    def interrupt(_prompt: str) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("builtins.input", interrupt)
    result = trader("config", "edit", CORE, "--home", own_home.root)
    assert result.code == 130
    (other,) = set(drafts.glob("*/core.toml")) - {draft}
    assert f"your text is in {other}" in result.err


def test_verify_finds_damage_sets_it_aside_and_planning_goes_on(
    trader: Trader, own_home: Home
) -> None:
    two_versions(trader, own_home)
    assert trader("config", "verify", "--home", own_home.root).code == 0
    path = own_home.config_history_dir(CORE) / "000002.toml"
    os.truncate(path, 10)
    record = trader("config", "verify", CORE, "--home", own_home.root, "--json")
    assert (record.code, record.json["buckets"][0]["active"]) == (1, 1)
    assert trader("config", "verify", CORE, "--home", own_home.root).code == 0
    assert trader("plan", CORE, "--home", own_home.root).code == 0


def test_the_schema_is_the_one_that_shipped_files_name(trader: Trader, own_home: Home) -> None:
    printed = trader("config", "schema").json
    for bucket_id in own_home.bucket_ids():
        path = own_home.bucket_file(bucket_id)
        first, *_ = path.read_text().splitlines()
        named = path.parent / first.removeprefix("#:schema ")
        assert json.loads(named.read_text()) == printed
        mapping = read_toml(path).mapping
        jsonschema.Draft7Validator(printed).validate(mapping)


@pytest.mark.parametrize(
    "script",
    ['rm "$1"', 'rm "$1" && mkdir "$1"', 'rm -r "$(dirname "$1")"', 'chmod 0 "$1"; exit 3'],
)
def test_an_editor_that_removes_the_text_is_an_error_in_one_line(
    trader: Trader, own_home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    original = own_home.bucket_file(CORE).read_text()
    drafts = use_editor(monkeypatch, tmp_path, script)
    result = trader("config", "edit", CORE, "--yes", "--home", own_home.root)
    assert result.code == 2, result.err
    assert "not saved: " in result.err
    assert "Traceback" not in result.err
    assert own_home.bucket_file(CORE).read_text() == original
    assert len(list(drafts.iterdir())) <= 1
