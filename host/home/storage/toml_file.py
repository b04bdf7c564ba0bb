"""TOML from a file that a person edits: limits, then a mapping that knows where its keys stand.

Whatever stands in the file, the answer is a `TomlDocument`, or one `ConfigFileError` whose lines
read `path:line:col: what is wrong (what to do)`.
"""

from __future__ import annotations

import bisect
import hashlib
import math
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomli

from host.home.storage.problems import (
    ConfigFileError,
    ConfigFileUnreadableError,
    FileProblem,
    excerpt,
)
from host.home.storage.toml_hints import advice_for, is_name_clash
from host.home.storage.toml_positions import Positions, Span, TomlPath, scan_positions
from host.limits import TOML_BYTES_MAX

if TYPE_CHECKING:
    from planner_core.errors import ConfigProblem

__all__ = [
    "ConfigFileError",
    "FileProblem",
    "TomlDocument",
    "explain_problems",
    "locate_problems",
    "parse_bytes",
    "parse_toml",
    "read_bytes",
    "read_toml",
    "render_problems",
]

BYTE_ORDER_MARK = "\ufeff"
INTEGER_MAX = 2**63 - 1


class _Text:
    """A text that can be asked for its lines."""

    def __init__(self, text: str, source: str) -> None:
        self.text = text
        self.source = source
        self._line_begins = [0]
        self._line_begins.extend(i + 1 for i, char in enumerate(text) if char == "\n")

    def place(self, offset: int) -> tuple[int, int]:
        """Return line and column of an offset."""
        line = bisect.bisect_right(self._line_begins, offset)
        return line, offset - self._line_begins[line - 1] + 1

    def line(self, number: int) -> str:
        """Return a line without its end; empty when there is no such line."""
        if not 1 <= number <= len(self._line_begins):
            return ""
        begin = self._line_begins[number - 1]
        end = self.text.find("\n", begin)
        return self.text[begin : end if end >= 0 else len(self.text)]

    def problem(self, offset: int, message: str, end: int | None = None) -> FileProblem:
        """Describe a problem at an offset, with its line and a caret."""
        line, column = self.place(offset)
        width = 1 if end is None else max(1, end - offset)
        shown = excerpt(self.line(line), line, column, width)
        return FileProblem(self.source, line, column, message, shown)


class TomlDocument:
    """A parsed TOML text that knows where everything stands.

    Attributes
    ----------
    mapping : dict
        As the parser gives it.
    source : str
        The path, as it is shown in messages.
    data : bytes
        What the text was read from, line ends and all.
    sha256 : str
        Of these bytes.
    """

    def __init__(
        self, text: _Text, mapping: dict[str, Any], spans: Mapping[TomlPath, Span], data: bytes
    ) -> None:
        self.mapping = mapping
        self.source = text.source
        self.data = data
        self.sha256 = hashlib.sha256(data).hexdigest()
        self._text = text
        self._spans = spans

    @property
    def text(self) -> str:
        """The text, each line ending in a line feed alone."""
        return self._text.text

    def position(self, path: Sequence[str | int]) -> tuple[int, int]:
        """Return line and column, from 1, of the key at `path` or of its nearest known parent.

        An element of an array stands where its value begins, or where its `[[header]]` names it.
        """
        return self._text.place(self._span(path).begin)

    def line(self, number: int) -> str:
        """Return a line of the text, counted from 1."""
        return self._text.line(number)

    def problem(self, path: Sequence[str | int], message: str) -> FileProblem:
        """Describe a problem with the entry at `path`."""
        span = self._span(path)
        return self._text.problem(span.begin, message, span.end)

    def _span(self, path: Sequence[str | int]) -> Span:
        known: TomlPath = tuple(path)
        while known and known not in self._spans:
            known = known[:-1]
        return self._spans.get(known, Span(0, 1))


def read_toml(path: Path, max_bytes: int = TOML_BYTES_MAX) -> TomlDocument:
    """Read a TOML file.

    Raises
    ------
    ConfigFileError
        With every line that says what is wrong with it.
    """
    return parse_bytes(read_bytes(path, max_bytes), str(path), max_bytes)


def parse_toml(text: str, source: str, max_bytes: int = TOML_BYTES_MAX) -> TomlDocument:
    """Parse a TOML text; `source` is what messages call it.

    Raises
    ------
    ConfigFileError
        With every line that says what is wrong with it.
    """
    return parse_bytes(text.encode("utf-8", "surrogatepass"), source, max_bytes)


def parse_bytes(data: bytes, source: str, max_bytes: int = TOML_BYTES_MAX) -> TomlDocument:
    """Parse the bytes of a TOML file; `source` is what messages call it.

    Raises
    ------
    ConfigFileError
        With every line that says what is wrong with it.
    """
    text = _Text(_decode(data, source, max_bytes), source)
    _refuse_control_characters(text)
    positions = scan_positions(text.text)
    if positions.excess is not None:
        offset, what = positions.excess
        raise ConfigFileError([text.problem(offset, f"{what} (no setting needs that)")])
    mapping = _parse(text, positions)
    document = TomlDocument(text, mapping, positions.spans, data)
    unusable = [document.problem(*found) for found in _unusable_numbers(mapping)]
    if unusable:
        raise ConfigFileError(unusable)
    return document


def locate_problems(
    document: TomlDocument, problems: Sequence[ConfigProblem]
) -> tuple[FileProblem, ...]:
    """Give each problem its place in the file; the result is sorted by position."""
    located = [document.problem(problem.path, problem.sentence()) for problem in problems]
    return tuple(sorted(located, key=lambda p: (p.line or 0, p.column or 0, p.message)))


def render_problems(document: TomlDocument, problems: Sequence[ConfigProblem]) -> list[str]:
    """Return `file:line:col: key: message (allowed: ...) - did you mean ...`, by position."""
    return [str(problem) for problem in locate_problems(document, problems)]


def explain_problems(document: TomlDocument, problems: Sequence[ConfigProblem]) -> list[str]:
    """Return the same with the line of the file and a caret below each."""
    return [problem.explained() for problem in locate_problems(document, problems)]


def read_bytes(path: Path, max_bytes: int) -> bytes:
    """Read a little more than allowed at most; never wait on a pipe or a device.

    Raises
    ------
    ConfigFileError
        When there is no such file, or it is not a regular one.
    ConfigFileUnreadableError
        When reading it fails.
    """
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise _refused(path, "is not a regular file (put a TOML file there)")
            return file.read(max_bytes + 1)
    except FileNotFoundError:
        raise _refused(path, "there is no such file (`trader init` writes one)") from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        message = f"cannot be read: {reason} (check the path, its owner and rights)"
        problem = FileProblem(str(path), None, None, message)
        raise ConfigFileUnreadableError([problem]) from None


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def _refused(path: Path, message: str) -> ConfigFileError:
    return ConfigFileError([FileProblem(str(path), None, None, message)])


def _decode(data: bytes, source: str, max_bytes: int) -> str:
    if not data.strip():
        message = (
            "the file is empty, as a write that was cut off leaves it"
            " (restore it; for a configuration, a comment alone is enough to run on the defaults)"
        )
        raise ConfigFileError([FileProblem(source, 1, 1, message)])
    if len(data) > max_bytes:
        line = data.count(b"\n", 0, max_bytes) + 1
        column = max_bytes - data.rfind(b"\n", 0, max_bytes)
        message = f"the file is larger than {max_bytes:,} bytes (make it shorter)"
        raise ConfigFileError([FileProblem(source, line, column, message)])
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        line_begin = data.rfind(b"\n", 0, error.start) + 1
        column = len(data[line_begin : error.start].decode("utf-8", "replace")) + 1
        message = (
            f"byte {error.start} (0x{data[error.start]:02x}) is not UTF-8"
            " (save the file as UTF-8 text)"
        )
        raise ConfigFileError([FileProblem(source, line, column, message)]) from None
    return text.replace("\r\n", "\n")


def _refuse_control_characters(text: _Text) -> None:
    if text.text.startswith(BYTE_ORDER_MARK):
        message = "a byte order mark (save the file as UTF-8 without one)"
        raise ConfigFileError([text.problem(0, message)])
    for offset, char in enumerate(text.text):
        if (char < " " and char not in "\t\n") or char == "\x7f":
            raise ConfigFileError([text.problem(offset, _named_character(char))])


def _named_character(char: str) -> str:
    if char == "\0":
        return "a NUL byte, as a write that was cut off leaves it (restore the file)"
    if char == "\r":
        return "a carriage return without a line feed (save with Unix line ends)"
    return f"the control character U+{ord(char):04X} (delete it)"


def _parse(text: _Text, positions: Positions) -> dict[str, Any]:
    try:
        return tomli.loads(text.text)
    except tomli.TOMLDecodeError as error:
        raise ConfigFileError([_syntax_problem(text, positions, error)]) from None
    except (ValueError, RecursionError) as error:
        # The scan's limits leave nothing known to come here; the parser's own limits might.
        problem = FileProblem(text.source, 1, 1, f"cannot be read as TOML: {error}")
        raise ConfigFileError([problem]) from None


def _syntax_problem(text: _Text, positions: Positions, error: tomli.TOMLDecodeError) -> FileProblem:
    if positions.repeated is not None and error.pos >= positions.repeated[2]:
        path, first, second = positions.repeated
        name = ".".join(str(part) for part in path)
        line = text.place(first)[0]
        return text.problem(
            second, f"{name}: stands here a second time, after line {line} (keep one of them)"
        )
    offset = min(error.pos, len(text.text))
    if is_name_clash(error.msg):
        return text.problem(offset, "this name stands for something else above (keep one of them)")
    what = f"{error.msg[:1].lower()}{error.msg[1:]}"
    if offset == len(text.text):
        return text.problem(
            offset, f"{what}, and the file ends here (close what is open, or restore a torn file)"
        )
    line_number, column = text.place(offset)
    advice = advice_for(error.msg, text.line(line_number), column)
    return text.problem(offset, f"{what} ({advice})")


def _unusable_numbers(
    value: object, path: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield every number that is none, or that other TOML readers cannot hold."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _unusable_numbers(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _unusable_numbers(item, (*path, index))
    else:
        name = ".".join(str(part) for part in path)
        if isinstance(value, float) and not math.isfinite(value):
            yield path, f"{name}: {value} is not a finite number (write one)"
        elif isinstance(value, int) and not -INTEGER_MAX - 1 <= value <= INTEGER_MAX:
            yield path, f"{name}: the integer does not fit 64 bits (write a smaller one)"
