"""The rules that no linter has: this repository keeps them, and each is seen to catch a breach."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import house, vague_names
from tools.orphan_modules import ENTRY_POINTS, orphans


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


@pytest.mark.parametrize("name", ["found", "_told", "Kept"])
@pytest.mark.parametrize(
    "text",
    [
        "{} = 1\n",
        "{}: int = 1\n",
        "for {} in (): pass\n",
        "with x as {}: pass\n",
        "import x as {}\n",
        "def {}(): pass\n",
        "def f({}): pass\n",
        "def f(*, {}=1): pass\n",
        "class {}: pass\n",
        "self.{} = 1\n",
        "(a := 1, [1 for {} in ()])\n",
        "match 1:\n    case {}: pass\n",
        "try:\n    x = 1\nexcept ValueError as {}: pass\n",
    ],
)
def test_a_vague_name_is_refused_wherever_it_is_defined(text: str, name: str) -> None:
    assert broken("host/a.py", text.format(name)) == [
        f"`{name}` does not say what it is: use the thing's own name"
    ]


def test_a_name_that_only_contains_a_participle_is_fine() -> None:
    text = "known_keys = 1\ndef is_known(made_at, left_over): pass\nprint(found)\nx.found\n"
    assert broken("host/a.py", text) == []


def test_every_exception_from_the_rule_on_names_is_still_needed() -> None:
    names = {name for name, _ in house.sources(house.ROOT)}
    for (path, name), reason in vague_names.EXCEPTIONS.items():
        assert path in names
        assert name.strip("_").lower() in vague_names.VAGUE
        assert reason


@pytest.mark.parametrize(
    "text",
    [
        '"""What it is."""\n',
        'class A:\n    """Who does it."""\n',
        'def f():\n    """Whether it is."""\n',
        'async def f():\n    """what it is."""\n',
    ],
)
def test_a_docstring_does_not_begin_with_a_question_word(text: str) -> None:
    (what,) = broken("host/a.py", text)
    assert what.startswith("a docstring begins with a verb or a noun, not `")
    assert broken("host/a.py", '"""The thing."""\n') == []


def test_a_module_that_only_tests_or_tools_import_is_named() -> None:
    files = {
        "host/__init__.py": "",
        "host/cli/__main__.py": "from host.used import work\n",
        "host/cli/commands/plan.py": "from host import also_used\n",
        "host/used.py": "import host.used_too\n",
        "host/also_used.py": "",
        "host/used_too.py": "",
        "host/lonely.py": "",
        "tools/a.py": "import host.lonely\n",
        "tests/test_a.py": "import host.lonely\n",
    }
    assert list(orphans(files.items())) == ["host/lonely.py"]


def test_every_entry_point_is_there() -> None:
    assert all((house.ROOT / name).is_file() for name in ENTRY_POINTS)


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


def test_suppress_may_cover_one_simple_statement() -> None:
    head = "with contextlib.suppress(OSError):\n"
    assert broken("host/a.py", f"{head}    close()\n") == []
    wide = ["`suppress` covers one call; use try/except for more"]
    assert broken("host/a.py", f"{head}    close()\n    close()\n") == wide
    assert broken("host/a.py", f"{head}    for x in y:\n        close()\n") == wide


def test_a_folder_of_tests_without_a_folder_of_the_product_is_named(tmp_path: Path) -> None:
    (tmp_path / "host" / "home").mkdir(parents=True)
    names = (
        "tests/host/home/test_a.py",
        "tests/host/attic/test_a.py",
        "tests/end_to_end/test_a.py",
    )
    files = [(name, "") for name in names]
    assert house.unmirrored_tests(tmp_path, files) == ["tests/host/attic"]


def test_violations_name_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "host").mkdir()
    (tmp_path / "host" / "utils.py").write_text("x = 1\n")
    assert house.violations(tmp_path) == [
        "host/utils.py:1: a name that says what is inside, please",
        "host/utils.py:1: no product module imports it",
    ]
