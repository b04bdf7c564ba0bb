"""Every command that a message, a finding or a page of the documentation names can be run."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from host.cli import main as cli
from host.cli.arguments import CONFIGURE
from host.cli.parser import LineParser

ROOT = Path(__file__).resolve().parents[3]
PAGES = (
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "firmware_bridge").rglob("*.md")),
    *sorted((ROOT / "configs").rglob("*.txt")),
    *sorted((ROOT / "configs").rglob("*.toml")),
    *sorted((ROOT / "configs").rglob("*.csv")),
    *sorted((ROOT / "configs").rglob("*.service")),
)
QUOTED = re.compile(r"`(trader [a-z][^`]*)`")
IN_MESSAGE = re.compile(
    r"`(?P<quoted>trader [a-z][^`]*)`|(?:\brun:?|now:|next:|then:|->) (?P<plain>trader [^,;)\n]+)",
    re.IGNORECASE,
)
BLOCK = re.compile(r"^```[a-z]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINE = re.compile(r"^ *(?:\$ )?(?:\S*bin/)?(trader [a-z][^\n]*)$", re.MULTILINE)
EXAMPLES = {
    "DATE": "2022-12-28",
    "DAYS": "3",
    "FILE": "file.toml",
    "N": "3",
    "NUMBER": "3",
    "S": "5",
    "SECONDS": "5",
    "SECURITY|CURRENCY": "AAA",
    "WHEN": "2h",
    "ID": "abc",
    "KIND": "bucket",
    "PATH": "/dev/ttyACM0",
}
"""Values for the placeholders whose argument is not any text."""


def lines_of_pages() -> Iterator[tuple[str, str]]:
    for path in PAGES:
        text = path.read_text("utf-8")
        lines = [match[1] for match in QUOTED.finditer(text)]
        for block in BLOCK.finditer(text):
            lines += [match[1] for match in LINE.finditer(block[1])]
        yield from ((str(path.relative_to(ROOT)), line) for line in lines)


def lines_of_messages() -> Iterator[tuple[str, str]]:
    for path, text in message_texts():
        for match in IN_MESSAGE.finditer(text):
            yield str(path), match["quoted"] or match["plain"]


def message_texts() -> Iterator[tuple[Path, str]]:
    """Yield every text of the product, with an example of each value that is filled in."""
    for package in ("host", "planner_core"):
        for path in sorted((ROOT / package).rglob("*.py")):
            tree = ast.parse(path.read_text("utf-8"))
            parts = {
                id(part)
                for node in ast.walk(tree)
                if isinstance(node, ast.JoinedStr)
                for part in node.values
            }
            for node in ast.walk(tree):
                if isinstance(node, ast.JoinedStr):
                    text = "".join(filled_in(part) for part in node.values)
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    text = "" if id(node) in parts else re.sub(r"\{\w+\}", "1", node.value)
                else:
                    continue
                yield path.relative_to(ROOT), text


def filled_in(part: ast.expr) -> str:
    """Return a part of a text as it may read: its words, a date for a day, else "1"."""
    value = getattr(part, "value", None)
    if isinstance(value, str):
        return value
    return "2024-01-05" if isinstance(value, ast.Name) and value.id == "day" else "1"


def words_of(line: str) -> list[str]:
    """Return the words of a line, without comments and options in brackets, values filled in."""
    line = re.sub(r"\s+#.*|\s{3}.*|\s*\[[^]]*\]|\s+[>&].*", "", line.replace("\\|", "|"))
    words = shlex.split(line.rstrip(" .,:;"))[1:]
    return [EXAMPLES.get(word, word.lower() if word.isupper() else word) for word in words]


def problem_of(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Return why a parser refuses a command; a missing bucket or action is no reason."""
    name, *arguments = words[1:] if words[0] == cli.HELP and words[1:] else words
    if name in (cli.HELP, "command", "--help", "--version"):
        return ""
    if name not in CONFIGURE:
        return f"there is no command {name}"
    parser = LineParser(prog=f"trader {name}")
    CONFIGURE[name](parser)
    try:
        parser.parse_args(arguments)
    except SystemExit as stopped:
        message = capsys.readouterr().err
        is_incomplete = "are required" in message or "which ACTION?" in message
        return message if stopped.code and not is_incomplete else ""
    return ""


@pytest.mark.parametrize("source", ["messages", "pages"])
def test_every_command_that_is_named_is_accepted_by_its_parser(
    source: str, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = list(lines_of_messages() if source == "messages" else lines_of_pages())
    problems = [
        f"{path}: {line}: {problem}"
        for path, line in lines
        if (problem := problem_of(words_of(line), capsys))
    ]
    assert len(lines) > 40
    assert problems == []


@pytest.mark.parametrize(
    "line",
    ["trader dat show AAA", "trader data acept AAA DATE", "trader data show", "trader plan --hm 1"],
)
def test_a_command_that_does_not_exist_is_noticed(
    line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    # Only a value may be missing.
    assert bool(problem_of(words_of(line), capsys)) is (line != "trader data show")


def test_the_cures_of_the_findings_are_among_the_lines() -> None:
    lines = {line for _, line in lines_of_messages()}
    assert any(line.startswith("trader data accept") for line in lines)
    pages = {line for path, line in lines_of_pages() if path == "docs/data.md"}
    assert "trader data accept SECURITY DATE --undo" in pages
