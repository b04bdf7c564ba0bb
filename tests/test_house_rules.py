"""The rules that no linter has: this repository keeps them, and each is seen to catch a breach."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import house


def broken(name: str, text: str) -> list[str]:
    return [what for _, what in house.findings(name, text)]


def function_of(n_lines: int) -> str:
    return "def work():\n" + "    x = 1\n" * (n_lines - 1)


def test_this_repository_keeps_the_rules_of_the_house() -> None:
    assert house.violations(house.ROOT) == []


def test_every_python_file_of_ours_is_looked_at() -> None:
    names = {name for name, _ in house.sources(house.ROOT)}
    assert {"tools/house.py", "tests/test_house_rules.py", "planner_core/__init__.py"} <= names


@pytest.mark.parametrize("async_", ["", "async "])
def test_a_function_of_71_lines_is_too_long_and_one_of_70_is_not(async_: str) -> None:
    assert broken("host/a.py", async_ + function_of(70)) == []
    assert broken("host/a.py", async_ + function_of(71)) == [
        "function work has 71 lines; 70 at most"
    ]


def test_a_docstring_does_not_make_a_function_too_long() -> None:
    docstring = '    """Say it well.\n' + "    And at length.\n" * 50 + '    """\n'
    header, _, body = function_of(70).partition("\n")
    assert broken("host/a.py", f"{header}\n{docstring}{body}") == []


def test_a_file_of_401_lines_is_too_long_and_one_of_400_is_not() -> None:
    assert broken("host/a.py", "x = 1\n" * 400) == []
    assert broken("host/a.py", "x = 1\n" * 401) == ["the file has 401 lines; 400 at most"]


@pytest.mark.parametrize("stem", sorted(house.EMPTY_NAMES))
def test_a_name_that_says_nothing_is_refused_for_files_and_folders(stem: str) -> None:
    assert broken(f"host/{stem}.py", "") == ["a name that says what is inside, please"]
    assert broken(f"host/{stem}/a.py", "") == ["a name that says what is inside, please"]


@pytest.mark.parametrize(
    "caught",
    ["", " Exception", " BaseException", " (ValueError, Exception)", " Exception as error"],
)
def test_catching_everything_is_refused_outside_the_places_made_for_it(caught: str) -> None:
    text = f"try:\n    x = 1\nexcept{caught}:\n    x = 2\n"
    assert broken("host/a.py", text) == ["`except Exception` belongs where failures are contained"]
    for allowed in house.MAY_CATCH_EVERYTHING:
        assert broken(allowed, text) == []


def test_catching_one_kind_of_error_is_fine() -> None:
    assert broken("host/a.py", "try:\n    x = 1\nexcept (OSError, ValueError):\n    x = 2\n") == []


@pytest.mark.parametrize("statement", ["import rich", "import rich.table", "from rich import box"])
def test_the_planner_may_not_import_more_than_numpy_and_pydantic(statement: str) -> None:
    assert broken("planner_core/a.py", f"import numpy\nfrom . import plan\n{statement}\n") == [
        "planner_core needs numpy and pydantic only, not rich"
    ]
    assert broken("host/a.py", f"{statement}\n") == []


def test_violations_name_file_and_line_and_notes_name_long_files(tmp_path: Path) -> None:
    (tmp_path / "host").mkdir()
    (tmp_path / "host" / "utils.py").write_text("x = 1\n" * 301)
    assert house.violations(tmp_path) == [
        "host/utils.py:1: a name that says what is inside, please"
    ]
    assert house.notes(tmp_path) == ["host/utils.py: note: 301 lines; better 300 at most"]
