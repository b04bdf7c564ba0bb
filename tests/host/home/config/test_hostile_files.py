"""Whatever stands in a file: a configuration, or lines that say what is wrong; no traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from host.home.storage.toml_file import ConfigFileError, parse_toml
from tests.host.home.config.hostile_toml import HOSTILE
from tests.host.home.config.invalid_toml import CHAPTERS, texts
from tools.fuzz import loader

LOADED = {"nothing but a comment", "a hexadecimal depth", "minus zero", "an underflow",
          "the smallest float", "comments", "a C1 control"}  # fmt: skip
INSIDE = ("a = 1 # {}", "a = '{}'", 'a = "{}"', 'a = """{}"""', "a = '''{}'''", "{}", "a{}=1")
CONTROL = [*range(9), 11, 12, *range(14, 32), 127]
NAMES = st.sampled_from(
    ["max_plan_depth", "costs", "fixed_cost", "filters", "diversity", "overlap_max", "tickets",
     "opportunity_calculators", "opportunity_buys", "objective", "excluded", "beam", "a", '"a b"']
)  # fmt: skip
VALUES = st.one_of(
    st.integers().map(str),
    st.floats().map(lambda value: repr(value).replace("e+", "e")),
    st.sampled_from(["true", "false", "[]", "{}", '"hifo"', "1979-05-27", "07:32", "nan", "0x1F"]),
    st.lists(st.floats(0, 2).map(repr), max_size=4).map(lambda items: f"[{', '.join(items)}]"),
    st.tuples(NAMES, st.integers(-2, 20)).map(lambda pair: f"{{ {pair[0]} = {pair[1]} }}"),
)
STATEMENTS = st.one_of(
    st.tuples(st.lists(NAMES, min_size=1, max_size=3).map(".".join), VALUES).map(" = ".join),
    st.lists(NAMES, min_size=1, max_size=2).map(lambda names: f"[{'.'.join(names)}]"),
    NAMES.map(lambda name: f"[[{name}]]"),
)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_answered(name: str) -> None:
    assert loader.check(HOSTILE[name]) == ("loaded" if name in LOADED else "refused")


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_what_is_no_toml_is_refused_in_one_line_with_its_place(chapter: str) -> None:
    documents = texts(chapter)
    assert len(documents) == len(set(documents)) >= 3
    for text in documents:
        with pytest.raises(ConfigFileError) as caught:
            parse_toml(text, "core.toml")
        assert loader.check(text.encode()) == "refused", text
        assert caught.value.problems[0].line is not None, text


@pytest.mark.parametrize("code", CONTROL)
@pytest.mark.parametrize("template", INSIDE)
def test_a_control_character_is_refused_wherever_it_stands(template: str, code: int) -> None:
    with pytest.raises(ConfigFileError):
        parse_toml(template.format(chr(code)), "core.toml")


def test_what_fuzzing_found_is_answered() -> None:
    inputs = loader.corpus()
    assert len(inputs) >= 100
    assert {loader.check(data) for data in inputs} == {"loaded", "refused"}


@settings(max_examples=200)
@given(st.lists(STATEMENTS, max_size=6).map("\n".join))
def test_statements_in_any_order_load_or_are_refused(text: str) -> None:
    loader.check(text.encode())


def test_the_check_sees_an_answer_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "host.home.config.effective_toml.effective_toml", lambda _config: "# forgot\n"
    )
    with pytest.raises(AssertionError):
        loader.check(b"max_plan_depth = 3\n")


@pytest.mark.soak
def test_fuzzing_finds_nothing_new_that_breaks(tmp_path: Path) -> None:
    pytest.importorskip("atheris", reason="`make soak` installs it where it has wheels")
    command = [sys.executable, str(Path(loader.__file__)), "--seconds", "300"]
    process = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert process.returncode == 0, process.stderr[-3000:]
