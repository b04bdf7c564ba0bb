"""Sides by their names, and the answer as plain data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from host.errors import NotFoundError
from host.home.config.load import commit_edit
from host.home.home import Home
from host.home.storage.toml_file import ConfigFileError
from host.operations.ab_test import AbRequest, compare_configurations, find_side

BUCKET = "core"


@pytest.fixture
def home(own_home: Home) -> Home:
    """A home with two versions, the second of them is the file."""
    commit_edit(own_home, BUCKET)
    own_home.bucket_file(BUCKET).write_text("max_plan_depth = 2\n")
    commit_edit(own_home, BUCKET, reason="shorter")
    return own_home


def depth(home: Home, name: str) -> int:
    loaded = find_side(home, BUCKET, name).loaded
    assert loaded is not None
    return loaded.config.max_plan_depth


def test_a_side_is_a_version_the_file_a_preset_or_a_toml_file(home: Home, tmp_path: Path) -> None:
    home.bucket_file(BUCKET).write_text("max_plan_depth = 3\n")
    other = tmp_path / "other.toml"
    other.write_text("max_plan_depth = 4\n")
    names = {"1": "version", "v2": "version", "current": "current", "file": "current"}
    names |= {"low-turnover": "preset", str(other): "file"}
    assert {name: find_side(home, BUCKET, name).kind for name in names} == names
    assert [depth(home, name) for name in ("1", "v1", "2", "current", str(other))] == [
        5, 5, 2, 3, 4,
    ]  # fmt: skip


def test_a_file_in_the_current_folder_needs_its_ending_or_a_path(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "low-turnover").write_text("max_plan_depth = 6\n")
    assert find_side(home, BUCKET, "low-turnover").kind == "preset"
    assert depth(home, "./low-turnover") == 6


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("v9", "no version 9 (versions 1 to 2 exist)"),
        ("low-turnovr", "did you mean `low-turnover`?"),
        ("nonsense", "presets: cash-raiser,"),
        ("", "presets: cash-raiser,"),
        ("../presets/low-turnover", "there is no such file (check the path)"),
    ],
)
def test_what_does_not_exist_is_refused_with_what_does(home: Home, name: str, words: str) -> None:
    with pytest.raises((NotFoundError, ConfigFileError)) as raised:
        find_side(home, BUCKET, name)
    assert words in str(raised.value)


def answer(home: Home, a: object, b: object) -> dict[str, Any]:
    return compare_configurations(home, BUCKET, AbRequest(a=str(a), b=str(b))).to_json()


def test_exchanged_sides_give_the_exchanged_answer(home: Home) -> None:
    there, back = answer(home, "1", "2"), answer(home, "2", "1")
    assert (there["winner"], back["winner"]) == ("a", "b")
    assert (there["basis"], there["same_objective"]) == ("score", True)
    for one, other in (("a", "b"), ("b", "a")):
        assert {**there[one], "runtime_s": 0} == {**back[other], "runtime_s": 0}
    assert there["by_a"]["gain_a"] == back["by_b"]["gain_b"]
    assert there["a"]["n_steps"] > there["b"]["n_steps"] == 2
    assert there["a"]["end_score"] > there["b"]["end_score"]


def test_the_figures_are_those_of_the_plan(home: Home) -> None:
    side = answer(home, "current", "current")["a"]
    steps = side["steps"]
    assert [set(step) for step in steps] == [{"side", "security", "quantity", "value"}] * 2
    assert side["config_version"] == 2
    assert side["gain"] == pytest.approx(side["end_score"] - side["score_before"])
    assert side["turnover"] == pytest.approx(
        sum(abs(step["value"]) for step in steps) / 146_632.6, rel=1e-4
    )
    assert 0 < side["distance_after"] < side["distance_before"] < 1
    assert side["costs"] > 0
    assert (side["is_complete"], side["modules_failed"], side["problems"]) == (True, [], [])


def test_a_side_that_is_not_valid_is_part_of_the_answer(home: Home, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("max_plan_depth = 99\ndepth = 2\n")
    record = answer(home, wrong, "current")
    assert (record["winner"], record["basis"], record["by_a"]) == ("b", "no_plan", None)
    side = record["a"]
    assert (side["valid"], side["outcome"], side["n_steps"]) == (False, "INVALID", None)
    assert [problem["line"] for problem in side["problems"]] == [1, 2]
    assert "and 1 more" in side["reason"]
    assert answer(home, wrong, wrong)["winner"] == "no_comparison"


def test_a_damaged_preset_is_a_side_that_is_not_valid(home: Home) -> None:
    home.presets_dir.mkdir(exist_ok=True)
    (home.presets_dir / "mine.toml").write_text("max_plan_depth = 3\n")
    record = answer(home, "mine", "current")
    assert (record["winner"], record["a"]["outcome"]) == ("b", "INVALID")
    assert "not a preset" in record["a"]["reason"]


def test_where_no_plan_can_be_made_nothing_is_compared(home: Home) -> None:
    home.prices_file.write_text("nonsense\n")
    record = answer(home, "1", "2")
    assert (record["winner"], record["a"]["outcome"]) == ("no_comparison", "HELD")
    assert "prices.csv" in record["a"]["reason"]
    assert record["a"]["end_score"] is None
