"""TOML from a file that a person edits: limits, then a mapping that knows where its keys are.

    bytes -> limits, UTF-8, no control characters -> scan for positions -> tomli -> TomlDocument

Whatever the file contains, the answer is a `TomlDocument`, or one `ConfigFileError` whose lines
read `path:line:col: what is wrong (what to do)`.

A parser keeps values and drops positions; the scan does the reverse, in one linear pass before
parsing. It takes every valid TOML 1.1 text. On an invalid one it stops no earlier than the parser
would, so that its limits hold for everything the parser sees. Its positions are used only when the
text parsed.
"""

from __future__ import annotations

import bisect
import contextlib
import hashlib
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomli

from host.home.storage.atomic_file import NotRegularFileError, open_file
from host.home.storage.locale_values import date_advice, number_advice
from host.home.storage.problems import (
    ConfigFileError,
    ConfigFileUnreadableError,
    FileProblem,
    excerpt,
)
from host.limits import (
    TOML_BYTES_MAX,
    TOML_KEY_PARTS_MAX,
    TOML_NESTING_MAX,
    TOML_TOKEN_LENGTH_MAX,
)

if TYPE_CHECKING:
    from planner_core.errors import ConfigProblem

__all__ = [
    "ConfigFileError",
    "FileProblem",
    "TomlDocument",
    "locate_problems",
    "parse_bytes",
    "parse_toml",
    "read_bytes",
    "read_toml",
]

TomlPath = tuple[str | int, ...]

BYTE_ORDER_MARK = "\ufeff"
INTEGER_MAX = 2**63 - 1

HOME_ADVICE = "`trader init` writes one"
PATH_ADVICE = "check the path"
"""Advice on a missing file: of the home, and of a command line."""

# Tokens of the scan. Possessive quantifiers keep it linear: nothing is tried twice.
BLANKS = re.compile(r"[ \t]*+")
GAP = re.compile(r"(?:[ \t\n]++|#[^\n]*+)*+")
TO_LINE_END = re.compile(r"[ \t]*+(?:#[^\n]*+)?(?:\n|\Z)")
BARE_KEY = re.compile(r"[A-Za-z0-9_-]++")
BASIC_STRING = re.compile(r'"(?:[^"\\\n]|\\[^\n])*+"')
LITERAL_STRING = re.compile(r"'[^'\n]*+'")
BASIC_BLOCK = re.compile(r'"""(?:[^"\\]|\\[\s\S]|"(?!""))*+"{3,5}')
LITERAL_BLOCK = re.compile(r"'''(?:[^']|'(?!''))*+'{3,5}")
TOKEN = re.compile(r"[^,\]}#\n]*+")

# Common slips, which the advice recognizes.
SLIP_SEARCHED = 2_000
"""Of a line: what follows is not searched for a slip."""
QUOTED = re.compile(r"\"[^\"]*+\"|'[^']*+'")
ENTRY = re.compile(r"[\w\"'.-]+\s*=\s*(?P<value>[^=]*?)(?=\s*(?:,\s*[\w\"'.-]+\s*=|[\]}]|\Z))")
QUOTES = "\u2018\u2019\u201c\u201d\u201e\u00ab\u00bb"

NAME_CLASH = ("overwrite", "twice", "Duplicate", "mutate", "redefine")
ESCAPE = ("Unescaped", "hex value", "Escaped character")

SWITCHES = re.compile(r"(true|false|yes|no|on|off)\b", re.IGNORECASE)
WORD = re.compile(r"[A-Za-z_][\w./-]*")
HEADER = re.compile(r"\s*\[\[?[\w.\"' -]+\]")
HEADER_ADVICE = "a table's header must be alone on its line, like [costs]"
COLON = re.compile(r"\s*[\w\"'.-]+\s*:")


@dataclass(frozen=True, slots=True)
class TextRange:
    """An entry from its key (or from an array's element) to the end of its value, as offsets."""

    begin: int
    end: int


@dataclass(slots=True)
class Positions:
    """The result of a scan.

    `excess` is the first broken limit as (offset, what). `repeated` is the first key that is set
    twice as (path, first offset, second offset).
    """

    text_ranges: dict[TomlPath, TextRange] = field(default_factory=dict)
    excess: tuple[int, str] | None = None
    repeated: tuple[TomlPath, int, int] | None = None


class _Text:
    """A text with the begin of each line."""

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
    """A parsed TOML text with the position of every entry.

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
        self,
        text: _Text,
        mapping: dict[str, Any],
        text_ranges: Mapping[TomlPath, TextRange],
        data: bytes,
    ) -> None:
        self.mapping = mapping
        self.source = text.source
        self.data = data
        self.sha256 = hashlib.sha256(data).hexdigest()
        self._text = text
        self._text_ranges = text_ranges

    @property
    def text(self) -> str:
        """The text, each line ending in a line feed alone."""
        return self._text.text

    def position(self, path: Sequence[str | int]) -> tuple[int, int]:
        """Return line and column, from 1, of the key at `path` or of its nearest known parent.

        For an element of an array it is where its value begins, or its `[[header]]`.
        """
        return self._text.place(self._text_range(path).begin)

    def line(self, number: int) -> str:
        """Return a line of the text, counted from 1."""
        return self._text.line(number)

    def problem(self, path: Sequence[str | int], message: str) -> FileProblem:
        """Describe a problem with the entry at `path`."""
        text_range = self._text_range(path)
        return self._text.problem(text_range.begin, message, text_range.end)

    def _text_range(self, path: Sequence[str | int]) -> TextRange:
        nearest: TomlPath = tuple(path)
        while nearest and nearest not in self._text_ranges:
            nearest = nearest[:-1]
        return self._text_ranges.get(nearest, TextRange(0, 1))


def read_toml(
    path: Path, max_bytes: int = TOML_BYTES_MAX, *, advice: str = HOME_ADVICE
) -> TomlDocument:
    """Read a TOML file; raise ConfigFileError with all its problems.

    `advice` is for a file that is missing.
    """
    return parse_bytes(read_bytes(path, max_bytes, advice=advice), str(path), max_bytes)


def parse_toml(text: str, source: str, max_bytes: int = TOML_BYTES_MAX) -> TomlDocument:
    """Parse a TOML text, which messages call `source`; see `read_toml`."""
    return parse_bytes(text.encode("utf-8", "surrogatepass"), source, max_bytes)


def parse_bytes(data: bytes, source: str, max_bytes: int = TOML_BYTES_MAX) -> TomlDocument:
    """Parse the bytes of a TOML file, which messages call `source`; see `read_toml`."""
    text = _Text(_decode(data, source, max_bytes), source)
    _refuse_control_characters(text)
    positions = scan_positions(text.text)
    if positions.excess is not None:
        offset, what = positions.excess
        raise ConfigFileError([text.problem(offset, f"{what} (no setting needs that)")])
    mapping = _parse(text, positions)
    document = TomlDocument(text, mapping, positions.text_ranges, data)
    unusable = [document.problem(path, what) for path, what in _unusable_numbers(mapping)]
    if unusable:
        raise ConfigFileError(unusable)
    return document


def locate_problems(
    document: TomlDocument, problems: Sequence[ConfigProblem]
) -> tuple[FileProblem, ...]:
    """Give each problem its place in the file; the result is sorted by position."""
    located = [document.problem(problem.path, problem.sentence()) for problem in problems]
    return tuple(sorted(located, key=lambda p: (p.line or 0, p.column or 0, p.message)))


def read_bytes(path: Path, max_bytes: int, *, advice: str = HOME_ADVICE) -> bytes:
    """Read a file, one byte more than allowed at most.

    Raises
    ------
    ConfigFileError
        When it is missing, or not a regular file.
    ConfigFileUnreadableError
        When reading it fails.
    """
    try:
        with open_file(path) as file:
            return file.read(max_bytes + 1)
    except NotRegularFileError:
        raise _refused(path, "is not a regular file (put a TOML file there)") from None
    except FileNotFoundError:
        raise _refused(path, f"there is no such file ({advice})") from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        message = f"cannot be read: {reason} (check the path, its owner and permissions)"
        problem = FileProblem(str(path), None, None, message)
        raise ConfigFileUnreadableError([problem]) from None


def _refused(path: Path, message: str) -> ConfigFileError:
    return ConfigFileError([FileProblem(str(path), None, None, message)])


def _decode(data: bytes, source: str, max_bytes: int) -> str:
    if not data.strip():
        message = (
            "the file is empty: a write may have been cut off"
            " (restore it; a configuration with only a comment in it runs on the defaults)"
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
        return "a NUL byte: a write may have been cut off (restore the file)"
    if char == "\r":
        return "a carriage return without a line feed (save with Unix line ends)"
    return f"the control character U+{ord(char):04X} (delete it)"


def _parse(text: _Text, positions: Positions) -> dict[str, Any]:
    try:
        return tomli.loads(text.text)
    except tomli.TOMLDecodeError as error:
        raise ConfigFileError([_syntax_problem(text, positions, error)]) from None
    except (ValueError, RecursionError) as error:
        # The scan's limits should prevent this; the parser's own limits are a second guard.
        problem = FileProblem(text.source, 1, 1, f"cannot be read as TOML: {error}")
        raise ConfigFileError([problem]) from None


def _syntax_problem(text: _Text, positions: Positions, error: tomli.TOMLDecodeError) -> FileProblem:
    if positions.repeated is not None and error.pos >= positions.repeated[2]:
        path, first, second = positions.repeated
        name = ".".join(str(part) for part in path)
        line = text.place(first)[0]
        return text.problem(
            second, f"{name}: is set twice, first in line {line} (keep one of them)"
        )
    offset = min(error.pos, len(text.text))
    if _is_name_clash(error.msg):
        return text.problem(offset, "this name is used for something else above (keep one of them)")
    what = f"{error.msg[:1].lower()}{error.msg[1:]}"
    if offset == len(text.text):
        return text.problem(
            offset, f"{what}, and the file ends here (close what is open, or restore a torn file)"
        )
    line_number, column = text.place(offset)
    content = text.line(line_number)
    slip = _value_slip(content, column)
    if slip is not None:
        begin, value, advice = slip
        begin_offset = offset - column + 1 + begin
        message = f"{value!r:.60} is not a value ({advice})"
        return text.problem(begin_offset, message, begin_offset + len(value))
    advice = _advice_for(error.msg, content, column)
    return text.problem(offset, f"{what} ({advice})")


def _unusable_numbers(
    value: object, path: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield every number that is not finite, or that does not fit other TOML readers."""
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


# --- advice on syntax errors ---------------------------------------------------------------


def _value_slip(line: str, column: int) -> tuple[int, str, str] | None:
    """Return begin, text and advice of the value that the parser stumbled over, up to `column`.

    It is a number or a date in another notation, such as 60,25 or 05.06.2019. The parser stops in
    the middle of these, or after them, and its message does not name them.
    """
    # Text in quotes is no slip; a comment holds no value.
    blanked = QUOTED.sub(lambda match: '"' + "x" * (len(match[0]) - 2) + '"', line[:SLIP_SEARCHED])
    blanked = blanked.split("#", 1)[0]
    for match in ENTRY.finditer(blanked):
        value = match["value"].rstrip()
        if match.start("value") > column:
            return None
        if value[:1] in ("", '"', "[", "{") or _is_value(value):
            continue
        advice = date_advice(value) or number_advice(value)
        if advice:
            return match.start("value"), value, advice
    return None


def _is_value(text: str) -> bool:
    try:
        tomli.loads(f"x = {text}")
    except ValueError:
        return False
    return True


def _is_name_clash(message: str) -> bool:
    """Return whether the parser's message is about a name with two meanings."""
    return any(word in message for word in NAME_CLASH)


def _advice_for(message: str, line: str, column: int) -> str:
    """Return advice for a parser's message on a line of TOML; `column` counts from 1."""
    if any(word in message for word in ESCAPE):
        return r"write \\ for a backslash, or use '...', which takes text as it is"
    if any(char in QUOTES for char in line):
        return "use straight quotes, \" or '"
    if HEADER.match(line):
        return HEADER_ADVICE
    key, equals, value = line.partition("=")
    if not equals:
        return _advice_without_value(line)
    if not key.strip():
        return "a key is missing before the ="
    return _advice_for_value(value.strip(), column > len(key) + 1)


def _advice_without_value(line: str) -> str:
    if COLON.match(line):
        return "write `key = value`, not `key: value`"
    if line.lstrip().startswith("["):
        return HEADER_ADVICE
    return "write `key = value`, a [table] or a # comment"


def _advice_for_value(value: str, at_value: bool) -> str:
    if not value or value.startswith("#"):
        return "a value is missing after the ="
    if not at_value:
        return 'put quotes around a key that is not just letters, digits, "_" and "-"'
    for pattern, advice in (
        (SWITCHES, "a switch is `true` or `false`, in small letters"),
        (WORD, "put quotes around text"),
    ):
        if pattern.match(value):
            return advice
    return "write one `key = value` per line; text needs quotes"


# --- positions -----------------------------------------------------------------------------


class _StopScanError(Exception):
    """The text is not TOML from here on; the parser will say why."""


def scan_positions(text: str) -> Positions:
    """Scan a text whose line ends are line feeds; never raises; linear in its length."""
    scanner = _Scanner(text)
    with contextlib.suppress(_StopScanError):
        scanner.scan_document()
    return scanner.positions


class _Scanner:
    """A cursor that moves forward only."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.positions = Positions()
        self._explicit: dict[TomlPath, int] = {}
        self._array_lengths: dict[TomlPath, int] = {}

    def scan_document(self) -> None:
        """Scan statement by statement."""
        header: TomlPath = ()
        self._skip(GAP)
        while self.at < len(self.text):
            if self.text.startswith("[[", self.at):
                header = self._scan_array_header()
            elif self.text.startswith("[", self.at):
                header = self._scan_table_header()
            else:
                self._scan_entry(header, nesting=0)
            self._expect(TO_LINE_END)
            self._skip(GAP)

    def _scan_table_header(self) -> TomlPath:
        self.at += 1
        parts = self._scan_key()
        self._expect_text("]")
        path = self._enter((), parts, self.at)
        self._define(path, TextRange(parts[-1][1], self.at))
        return path

    def _scan_array_header(self) -> TomlPath:
        self.at += 2
        parts = self._scan_key()
        self._expect_text("]]")
        text_range = TextRange(parts[-1][1], self.at)
        parent = self._enter((), parts[:-1], self.at)
        path = (*parent, parts[-1][0])
        index = self._array_lengths.get(path, 0)
        self._array_lengths[path] = index + 1
        self.positions.text_ranges.setdefault(path, text_range)
        self.positions.text_ranges[(*path, index)] = text_range
        return (*path, index)

    def _scan_entry(self, header: TomlPath, nesting: int) -> None:
        parts = self._scan_key()
        self._expect_text("=")
        self._skip(BLANKS)
        path = (*header, *(name for name, _ in parts))
        self._scan_value(path, nesting)
        self._enter(header, parts[:-1], self.at)
        self._define(path, TextRange(parts[-1][1], self.at))

    def _scan_key(self) -> list[tuple[str, int]]:
        """Scan a dotted key; return each part with its offset."""
        parts: list[tuple[str, int]] = []
        while True:
            self._skip(BLANKS)
            begin = self.at
            if len(parts) == TOML_KEY_PARTS_MAX:
                self._exceed(begin, f"a key of more than {TOML_KEY_PARTS_MAX} parts")
            parts.append((self._scan_key_part(), begin))
            self._skip(BLANKS)
            if not self.text.startswith(".", self.at):
                return parts
            self.at += 1

    def _scan_key_part(self) -> str:
        begin = self.at
        opening = self.text[begin : begin + 1]
        if opening == '"':
            self._expect(BASIC_STRING)
            return _unescape(self.text[begin : self.at])
        if opening == "'":
            self._expect(LITERAL_STRING)
            return self.text[begin + 1 : self.at - 1]
        self._expect(BARE_KEY)
        return self.text[begin : self.at]

    def _scan_value(self, path: TomlPath, nesting: int) -> None:
        opening = self.text[self.at : self.at + 1]
        if opening in ("[", "{"):
            if nesting == TOML_NESTING_MAX:
                self._exceed(self.at, f"more than {TOML_NESTING_MAX} brackets inside each other")
            self.at += 1
            if opening == "[":
                self._scan_array(path, nesting + 1)
            else:
                self._scan_inline_table(path, nesting + 1)
        elif opening == '"':
            block = self.text.startswith('"""', self.at)
            self._expect(BASIC_BLOCK if block else BASIC_STRING)
        elif opening == "'":
            block = self.text.startswith("'''", self.at)
            self._expect(LITERAL_BLOCK if block else LITERAL_STRING)
        else:
            self._scan_token()

    def _scan_token(self) -> None:
        """Scan a number, date or switch."""
        begin = self.at
        self._expect(TOKEN)
        self.at = begin + len(self.text[begin : self.at].rstrip(" \t"))
        if self.at == begin:
            raise _StopScanError
        if self.at - begin > TOML_TOKEN_LENGTH_MAX:
            self._exceed(begin, f"a value of more than {TOML_TOKEN_LENGTH_MAX} characters")

    def _scan_array(self, path: TomlPath, nesting: int) -> None:
        index = 0
        self._skip(GAP)
        while not self.text.startswith("]", self.at):
            begin = self.at
            element = (*path, index)
            self._scan_value(element, nesting)
            self.positions.text_ranges[element] = TextRange(begin, self.at)
            index += 1
            self._scan_comma("]")
        self.at += 1

    def _scan_inline_table(self, path: TomlPath, nesting: int) -> None:
        self._skip(GAP)
        while not self.text.startswith("}", self.at):
            self._scan_entry(path, nesting)
            self._scan_comma("}")
        self.at += 1

    def _scan_comma(self, closing: str) -> None:
        self._skip(GAP)
        if self.text.startswith(",", self.at):
            self.at += 1
            self._skip(GAP)
        elif not self.text.startswith(closing, self.at):
            raise _StopScanError

    def _enter(self, start: TomlPath, parts: list[tuple[str, int]], end: int) -> TomlPath:
        """Record the tables along a key; step into the last element of an array of tables."""
        path = start
        for name, begin in parts:
            path = (*path, name)
            self.positions.text_ranges.setdefault(path, TextRange(begin, end))
            if path in self._array_lengths:
                path = (*path, self._array_lengths[path] - 1)
        return path

    def _define(self, path: TomlPath, text_range: TextRange) -> None:
        """Record an entry or a table's own header; it replaces the one of `_enter`."""
        if path in self._explicit:
            if self.positions.repeated is None:
                self.positions.repeated = (path, self._explicit[path], text_range.begin)
            return
        self._explicit[path] = text_range.begin
        self.positions.text_ranges[path] = text_range

    def _skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self.text, self.at)
        assert match is not None, "a pattern to skip by matches the empty string too"
        self.at = match.end()

    def _expect(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self.text, self.at)
        if match is None:
            raise _StopScanError
        self.at = match.end()

    def _expect_text(self, expected: str) -> None:
        self._skip(BLANKS)
        if not self.text.startswith(expected, self.at):
            raise _StopScanError
        self.at += len(expected)

    def _exceed(self, offset: int, what: str) -> None:
        self.positions.excess = (offset, what)
        raise _StopScanError


def _unescape(quoted: str) -> str:
    """Return a quoted key as the parser reads it."""
    try:
        value: str = tomli.loads(f"key = {quoted}")["key"]
    except ValueError as error:
        raise _StopScanError from error
    return value
