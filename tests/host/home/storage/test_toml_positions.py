"""Positions of the keys and values of a TOML document, in linear time."""

from __future__ import annotations

from typing import Any, TypeAlias

import pytest
import tomli
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from host.home.storage.toml_file import TomlDocument, TomlPath, parse_toml, scan_positions
from host.limits import TOML_KEY_PARTS_MAX, TOML_NESTING_MAX

Value: TypeAlias = Any

KEYS = st.one_of(
    st.from_regex(r"[A-Za-z0-9_-]{1,8}", fullmatch=True),
    st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=6),
)
SCALARS = st.one_of(
    st.booleans(),
    st.integers(-(2**40), 2**40),
    st.floats(-1e6, 1e6).map(lambda x: round(x, 3)),
    st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12),
    st.sampled_from(["#no", "a]b", "a}b", "'", '"', '"""', "[x]", "k = 1", "\\", "a\nb"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=8,
)
DOCUMENTS = st.dictionaries(KEYS, VALUES, max_size=5)


def leaves(value: Value, path: TomlPath = ()) -> list[tuple[TomlPath, Any]]:
    if isinstance(value, dict):
        return [leaf for key, item in value.items() for leaf in leaves(item, (*path, key))]
    if isinstance(value, list):
        return [leaf for i, item in enumerate(value) for leaf in leaves(item, (*path, i))]
    return [(path, value)]


def key_text(key: str) -> str:
    if key and all(c.isascii() and (c.isalnum() or c in "_-") for c in key):
        return key
    text: str = tomlkit.item(key).as_string()
    return text


def inline(value: Value, gap: str) -> str:
    """Write a value in one go, with a gap (a blank, a line end, a comment) where one may be."""
    if isinstance(value, dict):
        parts = [f"{key_text(key)} = {inline(item, gap)}" for key, item in value.items()]
        return f"{{{gap}{f'{gap},{gap}'.join(parts)}{gap}}}"
    if isinstance(value, list):
        return f"[{gap}{f',{gap}'.join(inline(item, gap) for item in value)}{gap}]"
    return tomlkit.item(value).as_string()


def offset_of(document: TomlDocument, path: TomlPath) -> int:
    line, column = document.position(path)
    lines = document.text.split("\n")
    return sum(len(text) + 1 for text in lines[: line - 1]) + column - 1


def assert_every_leaf_has_its_span(text: str, expected: dict[str, Any]) -> None:
    document = parse_toml(text, "a.toml")
    assert document.mapping == expected
    for path, value in leaves(expected):
        begin = offset_of(document, path)
        text_range = document._text_ranges[path]
        assert begin == text_range.begin
        entry = text[text_range.begin : text_range.end]
        if isinstance(path[-1], str):
            assert entry.startswith(key_text(path[-1]))
            assert tomli.loads(entry) == {path[-1]: value}
        else:
            assert tomli.loads(f"x = {entry}") == {"x": value}


@given(DOCUMENTS)
def test_every_leaf_of_a_document_with_sections_is_found_where_its_key_stands(
    content: dict[str, Any],
) -> None:
    text = tomlkit.dumps(content)
    if not text.strip():
        text = "# nothing\n"
    assert_every_leaf_has_its_span(text, content)


@given(DOCUMENTS, st.sampled_from(["", " ", "\t", "\n", " # {[\n ", "\n\n\t"]))
def test_every_leaf_of_a_document_with_inline_tables_is_found_where_its_key_stands(
    content: dict[str, Any], gap: str
) -> None:
    lines = [f"{key_text(key)} = {inline(value, gap)}" for key, value in content.items()]
    assert_every_leaf_has_its_span("# start\n" + "\n".join(lines), content)


TANGLE = """\
# reason: all forms at once
top.left.key = 1 # dotted
top.left."quoted part" = 'x'
[ section . sub ]
a = [1, [2, 3], { deep = 4,
  deeper = { deepest = 5, }, }, ]
[section]
b = \"\"\"many
lines = 6
\"\"\"
[[ lots ]]
q = 1
[[lots]]
q = 2
[lots.owner]
name = "n"
[[lots.sales]]
on = 2022-12-28 10:00:00
[[lots.sales]]
on = 2022-12-29
"""


@pytest.mark.parametrize(
    ("path", "line", "column"),
    [
        (("top",), 2, 1),
        (("top", "left"), 2, 5),
        (("top", "left", "key"), 2, 10),
        (("top", "left", "quoted part"), 3, 10),
        (("section",), 7, 2),
        (("section", "sub"), 4, 13),
        (("section", "sub", "a"), 5, 1),
        (("section", "sub", "a", 0), 5, 6),
        (("section", "sub", "a", 1, 1), 5, 13),
        (("section", "sub", "a", 2), 5, 17),
        (("section", "sub", "a", 2, "deep"), 5, 19),
        (("section", "sub", "a", 2, "deeper", "deepest"), 6, 14),
        (("section", "b"), 8, 1),
        (("lots",), 11, 4),
        (("lots", 0), 11, 4),
        (("lots", 1), 13, 3),
        (("lots", 1, "q"), 14, 1),
        (("lots", 1, "owner"), 15, 7),
        (("lots", 1, "owner", "name"), 16, 1),
        (("lots", 1, "sales", 1), 19, 8),
        (("lots", 1, "sales", 1, "on"), 20, 1),
        # Unknown: the nearest parent that is known.
        (("lots", 1, "owner", "nickname"), 15, 7),
        (("lots", 7), 11, 4),
        (("section", "sub", "a", 2, "missing", "deeper"), 5, 17),
        (("nowhere", "at", "all"), 1, 1),
        ((), 1, 1),
    ],
)
def test_a_path_has_the_place_a_reader_would_point_at(
    path: TomlPath, line: int, column: int
) -> None:
    assert parse_toml(TANGLE, "a.toml").position(path) == (line, column)


def test_line_ends_of_windows_do_not_move_places() -> None:
    document = parse_toml("a = 1\r\n[b]\r\nc = 2\r\n", "a.toml")
    assert document.position(("b", "c")) == (3, 1)
    assert document.line(3) == "c = 2"


@given(st.text(alphabet="ab.=[]{}\"'#,\\ \n1-:T", max_size=60))
def test_the_scan_goes_at_least_as_far_as_the_parser(text: str) -> None:
    positions = scan_positions(text)
    try:
        mapping = tomli.loads(text)
    except (ValueError, RecursionError):
        return
    if positions.excess is None:
        assert {path for path, _ in leaves(mapping) if path} <= set(positions.text_ranges)


@pytest.mark.parametrize(
    "text",
    [
        ".".join("a" * (TOML_KEY_PARTS_MAX + 1)) + " = 1",
        f"[{'.'.join('a' * (TOML_KEY_PARTS_MAX + 1))}]",
        f"[[{'.'.join('a' * (TOML_KEY_PARTS_MAX + 1))}]]",
        f"x = {{ {'.'.join('a' * (TOML_KEY_PARTS_MAX + 1))} = 1 }}",
        f"x = [[{{ {'.'.join(['a'] * 9)} = 1 }}]]",
        "x = " + "[" * (TOML_NESTING_MAX + 1),
        "x = " + "{a = " * (TOML_NESTING_MAX + 1),
        "x = " + "9" * 300,
    ],
)
def test_a_text_beyond_a_limit_is_refused_before_parsing(text: str) -> None:
    assert scan_positions(text).excess is not None


def test_a_text_at_the_limits_passes() -> None:
    key = ".".join("a" * TOML_KEY_PARTS_MAX)
    text = f"{key} = {'[' * TOML_NESTING_MAX}{']' * TOML_NESTING_MAX}"
    assert scan_positions(text).excess is None


@pytest.mark.parametrize(
    ("text", "path", "first", "second"),
    [
        ("a = 1\na = 2", ("a",), 0, 6),
        ("[a]\n[b]\n[a]", ("a",), 1, 9),
        ("x = {a = 1, a = 2}", ("x", "a"), 5, 12),
        ("[[t]]\nk = 1\nk = 2", ("t", 0, "k"), 6, 12),
    ],
)
def test_a_key_that_is_set_twice_is_recorded_with_both_places(
    text: str, path: TomlPath, first: int, second: int
) -> None:
    assert scan_positions(text).repeated == (path, first, second)


def test_the_same_key_in_two_elements_is_not_a_repetition() -> None:
    assert scan_positions("[[t]]\nk = 1\n[[t]]\nk = 2").repeated is None
