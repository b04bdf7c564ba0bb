"""Reading any bytes gives a document, or lines that say what to do."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.home.storage.toml_file import (
    ConfigFileError,
    locate_problems,
    parse_toml,
    read_toml,
)
from host.limits import TOML_BYTES_MAX
from planner_core.errors import ConfigProblem

LINE = re.compile(r"core\.toml:\d+:\d+: .+ \(.+\)")


def refusal(text: str) -> ConfigFileError:
    with pytest.raises(ConfigFileError) as caught:
        parse_toml(text, "core.toml")
    return caught.value


def refusal_of_bytes(tmp_path: Path, data: bytes) -> ConfigFileError:
    path = tmp_path / "core.toml"
    path.write_bytes(data)
    with pytest.raises(ConfigFileError) as caught:
        read_toml(path)
    return caught.value


def test_a_good_file_gives_its_mapping_its_lines_and_the_hash_of_its_bytes(tmp_path: Path) -> None:
    data = "# größer\r\n[costs]\r\nfixed_cost = 2.0\r\n".encode()
    path = tmp_path / "core.toml"
    path.write_bytes(data)
    document = read_toml(path)
    assert document.mapping == {"costs": {"fixed_cost": 2.0}}
    assert document.sha256 == hashlib.sha256(data).hexdigest()
    assert document.source == str(path)
    assert [document.line(n) for n in (0, 1, 2, 3, 4, 99)] == [
        "", "# größer", "[costs]", "fixed_cost = 2.0", "", "",
    ]  # fmt: skip


def test_a_file_of_comments_alone_is_legal_and_empty() -> None:
    assert parse_toml("# all defaults\n", "core.toml").mapping == {}


@pytest.mark.parametrize(
    ("text", "start", "part"),
    [
        ("", "core.toml:1:1: the file is empty", "cut off"),
        (" \n\t\r\n", "core.toml:1:1: the file is empty", "cut off"),
        ("a = 1\nb = \x00\x00", "core.toml:2:5: a NUL byte", "cut off"),
        ("a = 1\nb = 'x\x1b[2J'", "core.toml:2:7: the control character U+001B", "delete it"),
        ("a = 1\rb = 2", "core.toml:1:6: a carriage return", "Unix line ends"),
        ("\ufeffa = 1", "core.toml:1:1: a byte order mark", "without one"),
        ('a = 1\nb = "torn', "core.toml:2:10: unterminated string", "torn file"),
        ("a = [1,\n2", "core.toml:2:2: unclosed array", "torn file"),
        ("a = {b = 1", "core.toml:1:11: unclosed inline table", "torn file"),
        ("a = 1\na = 2\n", "core.toml:2:1: a: is set twice, first in line 1", "one of"),
        ("[a]\n[b]\n[a]\n", "core.toml:3:2: a: is set twice, first in line 1", "one of"),
        ("a = 1\n[a.b]\n", "core.toml:2:5: this name is used for something else", "one of"),
        ("a.b = 1\n[a]\n", "core.toml:2:3: this name is used for something else", "one of"),
        ("x = nan", "core.toml:1:1: x: nan is not a finite number", "write one"),
        ("[a]\nb = [1.0, -inf]", "core.toml:2:11: a.b.1: -inf is not", "write one"),
        ("x = 1e999", "core.toml:1:1: x: inf is not a finite number", "write one"),
        ("x = 9223372036854775808", "core.toml:1:1: x: the integer does not fit", "smaller"),
        ("x = " + "9" * 5000, "core.toml:1:5: a value of more than 256 characters", ""),
        ("a.b.c.d.e.f.g.h.i = 1", "core.toml:1:17: a key of more than 8 parts", ""),
        ("x = " + "[" * 5000, "core.toml:1:21: more than 16 brackets", ""),
        ("x = True\n", "core.toml:1:5: invalid value", "`true` or `false`"),
        ("x = yes\n", "core.toml:1:5: invalid value", "`true` or `false`"),
        ("x = hifo\n", "core.toml:1:5: invalid value", "quotes around text"),
        ("x = 0,5\n", "core.toml:1:5: '0,5' is not a value", "(write 0.5)"),
        ("x = 20 %\n", "core.toml:1:5: '20 %' is not a value", "(write 0.2 for 20 %)"),
        ("x = .5 # a half\n", "core.toml:1:5: '.5' is not a value", "(write 0.5)"),
        ("x = 05\n", "core.toml:1:5: '05' is not a value", "(write 5)"),
        ("x = $60.25\n", "core.toml:1:5: '$60.25' is not a value", "(write 60.25)"),
        ("x = 1,234\n", "core.toml:1:5: '1,234' is not a value", "(write 1234 or 1.234)"),
        ("x = 05.06.2019\n", "core.toml:1:5: '05.06.2019' is", "(write 2019-06-05)"),
        ("x = 06/25/2019\n", "core.toml:1:5: '06/25/2019' is", "(write 2019-06-25)"),
        (
            "x = [{ a = 1, b = 2019-06-05, c = 60,25, d = 7 }]\n",
            "core.toml:1:35: '60,25' is not a value",
            "(write 60.25)",
        ),
        (
            "x = [\n  { a = 'b = 1,5', c = 5.6.2019 },\n]\n",
            "core.toml:2:24: '5.6.2019' is not a value",
            "(write 2019-06-05)",
        ),
        ("x = “a”\n", "core.toml:1:5: ", "straight quotes"),
        ("x =\n", "core.toml:1:4: ", "value is missing"),
        ("x = # nothing\n", "core.toml:1:5: ", "value is missing"),
        ("= 1\n", "core.toml:1:1: ", "key is missing"),
        ("x: 1\n", "core.toml:1:2: ", "not `key: value`"),
        ("two words = 1\n", "core.toml:1:5: ", "quotes around a key"),
        ("[a] b = 1\n", "core.toml:1:5: ", "alone on its line"),
        ("[a\nb = 1\n", "core.toml:1:3: ", "alone on its line"),
        ("just words\n", "core.toml:1:6: ", "write `key = value`"),
        ('x = "C:\\new\\q"\n', "core.toml:1:14: ", "for a backslash"),
        ("x = 1 2\n", "core.toml:1:7: ", "one `key = value` per line"),
    ],
)
def test_a_bad_text_is_answered_with_one_line_that_says_where_what_and_what_to_do(
    text: str, start: str, part: str
) -> None:
    error = refusal(text)
    assert len(error.lines) == 1
    assert error.lines[0].startswith(start)
    assert part in error.lines[0]
    assert LINE.fullmatch(error.lines[0])


def test_every_number_that_is_not_finite_is_reported_at_once() -> None:
    assert len(refusal("a = nan\nb = [inf, 1.0, -inf]\n[c]\nd = 1e400").lines) == 4


def test_a_missing_file_says_what_writes_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigFileError, match=r"core\.toml: there is no such file \(`trader init`"):
        read_toml(tmp_path / "core.toml")


def test_a_folder_a_pipe_and_a_device_are_refused_without_waiting(tmp_path: Path) -> None:
    fifo = tmp_path / "pipe.toml"
    os.mkfifo(fifo)
    with pytest.raises(ConfigFileError, match="is a directory"):
        read_toml(tmp_path)
    for path in (fifo, Path("/dev/zero")):
        with pytest.raises(ConfigFileError, match="is not a regular file"):
            read_toml(path)


def test_a_file_larger_than_allowed_is_refused_where_the_limit_runs_out(tmp_path: Path) -> None:
    line = b"# " + b"x" * 97 + b"\n"
    error = refusal_of_bytes(tmp_path, line * 1000)
    place = f":{TOML_BYTES_MAX // 100 + 1}:{TOML_BYTES_MAX % 100 + 1}: "
    assert place in error.lines[0]
    assert "larger than 65,536 bytes" in error.lines[0]


def test_the_caller_may_allow_larger_files(tmp_path: Path) -> None:
    path = tmp_path / "portfolio.toml"
    path.write_text("# " + "x" * TOML_BYTES_MAX + "\na = 1\n")
    assert read_toml(path, max_bytes=10 * TOML_BYTES_MAX).position(("a",)) == (2, 1)


def test_bytes_that_are_not_utf8_are_named_by_offset_and_line(tmp_path: Path) -> None:
    error = refusal_of_bytes(tmp_path, 'a = "ü"\nb = "é'.encode() + b'\xe9"\n')
    assert re.search(r"core\.toml:2:7: byte 16 \(0xe9\) is not UTF-8 \(save", error.lines[0])
    assert "is not UTF-8" in refusal_of_bytes(tmp_path, "a = 1\n".encode("utf-16")).lines[0]


def test_problems_are_sorted_by_place_and_carry_what_is_allowed_and_a_suggestion() -> None:
    document = parse_toml("[costs]\ncost_bsp = 3\nfixed_cost = -1\n", "core.toml")
    problems = (
        ConfigProblem(("costs", "fixed_cost"), "too small, found -1", -1, ">= 0"),
        ConfigProblem(("costs", "cost_bsp"), "unknown key", 3, "cost_bps, ...", "cost_bps"),
    )
    located = locate_problems(document, problems)
    assert [str(problem) for problem in located] == [
        "core.toml:2:1: costs.cost_bsp: unknown key (allowed: cost_bps, ...)"
        " - did you mean `cost_bps`?",
        "core.toml:3:1: costs.fixed_cost: too small, found -1 (allowed: >= 0)",
    ]
    assert located[1].explained().splitlines()[1:] == [
        "    3 | fixed_cost = -1",
        "      | ^^^^^^^^^^^^^^^",
    ]


def test_a_caret_stands_below_its_column_in_a_window_of_a_long_line() -> None:
    document = parse_toml(f"{'x' * 300} = {{ key = 'v' }}\n", "core.toml")
    problem = ConfigProblem(("x" * 300, "key"), "is wrong")
    (located,) = locate_problems(document, (problem,))
    shown, carets = located.explained().splitlines()[1:]
    assert len(shown) < 120
    assert shown[carets.index("^") : carets.rindex("^") + 1] == "key = 'v'"


def test_a_line_on_the_terminal_never_holds_a_control_character() -> None:
    document = parse_toml('"\\u001b[31m\\u202e" = 1\n', "co\x1bre.toml")
    problem = ConfigProblem(("\x1b[31m\u202e",), "unknown \n key")
    rendered = "".join(located.explained() for located in locate_problems(document, (problem,)))
    assert rendered.replace("\n", "").isprintable()


def test_a_very_long_message_is_cut() -> None:
    document = parse_toml("a = 1\n", "core.toml")
    (located,) = locate_problems(document, (ConfigProblem(("a" * 60_000,), "unknown"),))
    assert len(str(located)) < 1100


def lossy(parts: str | list[str]) -> bytes:
    """Join to bytes; what UTF-8 cannot hold stays in it as bytes that are wrong."""
    return "".join(parts).encode("utf-8", "surrogatepass")


SNIPPETS = st.sampled_from(
    ["[a]", "[[a]]", "a = 1", "a.b = 2", '"', "'''", '"""', "{", "}", "[", "]", ",", "=", ".", "\n",
     "#", " ", "nan", "1e999", "0x", "1979-05-27", "T07:32", "\\u0000", "\x00", "é", "\ud800"]
)  # fmt: skip


def outcome(data: bytes) -> dict[str, object] | tuple[str, ...]:
    """Return what reading these bytes gives: a mapping, or lines."""
    with tempfile.NamedTemporaryFile(suffix=".toml") as file:
        file.write(data)
        file.flush()
        try:
            return read_toml(Path(file.name)).mapping
        except ConfigFileError as error:
            return error.lines


@given(st.one_of(st.binary(max_size=200), st.lists(SNIPPETS, max_size=40).map(lossy)))
def test_no_bytes_get_anything_but_a_mapping_or_printable_lines(data: bytes) -> None:
    result = outcome(data)
    if isinstance(result, tuple):
        assert result
        assert all(line.isprintable() for line in result)


@given(st.text())
def test_no_text_gets_anything_but_a_mapping_or_printable_lines(text: str) -> None:
    result = outcome(lossy(text))
    assert isinstance(result, dict) or all(line.isprintable() for line in result)
