"""Where every key and value of a TOML text stands, found in one linear pass before parsing.

A parser keeps values and drops positions; this scan does the reverse. It takes every valid TOML 1.1
text, and on an invalid one stops no earlier than the parser would, so that the limits checked
here hold for everything the parser gets to see. What it says is used only for texts that parsed.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, field

import tomli

from host.limits import TOML_KEY_PARTS_MAX, TOML_NESTING_MAX, TOML_TOKEN_LENGTH_MAX

TomlPath = tuple[str | int, ...]

BLANKS = re.compile(r"[ \t]*+")
GAP = re.compile(r"(?:[ \t\n]++|#[^\n]*+)*+")
TO_LINE_END = re.compile(r"[ \t]*+(?:#[^\n]*+)?(?:\n|\Z)")
BARE_KEY = re.compile(r"[A-Za-z0-9_-]++")
BASIC_STRING = re.compile(r'"(?:[^"\\\n]|\\[^\n])*+"')
LITERAL_STRING = re.compile(r"'[^'\n]*+'")
BASIC_BLOCK = re.compile(r'"""(?:[^"\\]|\\[\s\S]|"(?!""))*+"{3,5}')
LITERAL_BLOCK = re.compile(r"'''(?:[^']|'(?!''))*+'{3,5}")
TOKEN = re.compile(r"[^,\]}#\n]*+")


@dataclass(frozen=True, slots=True)
class Span:
    """Where an entry stands: from its key (or from an array's element) to the end of its value."""

    begin: int
    end: int


@dataclass(slots=True)
class Positions:
    """What the scan found.

    `excess` is the first broken limit as (offset, what), `repeated` the first key that is set a
    second time as (path, first offset, second offset).
    """

    spans: dict[TomlPath, Span] = field(default_factory=dict)
    excess: tuple[int, str] | None = None
    repeated: tuple[TomlPath, int, int] | None = None


class _StopScanError(Exception):
    """The text is no TOML from here on; the parser will say why."""


def scan_positions(text: str) -> Positions:
    """Scan a text whose line ends are line feeds; never raises; linear in its length."""
    scanner = _Scanner(text)
    with contextlib.suppress(_StopScanError):
        scanner.scan_document()
    return scanner.found


class _Scanner:
    """A cursor that moves forward only."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.found = Positions()
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
        self._define(path, Span(parts[-1][1], self.at))
        return path

    def _scan_array_header(self) -> TomlPath:
        self.at += 2
        parts = self._scan_key()
        self._expect_text("]]")
        span = Span(parts[-1][1], self.at)
        parent = self._enter((), parts[:-1], self.at)
        path = (*parent, parts[-1][0])
        index = self._array_lengths.get(path, 0)
        self._array_lengths[path] = index + 1
        self.found.spans.setdefault(path, span)
        self.found.spans[(*path, index)] = span
        return (*path, index)

    def _scan_entry(self, header: TomlPath, nesting: int) -> None:
        parts = self._scan_key()
        self._expect_text("=")
        self._skip(BLANKS)
        path = (*header, *(name for name, _ in parts))
        self._scan_value(path, nesting)
        self._enter(header, parts[:-1], self.at)
        self._define(path, Span(parts[-1][1], self.at))

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
            self.found.spans[element] = Span(begin, self.at)
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
        """Record the tables on the way; step into the last element of an array of tables."""
        path = start
        for name, begin in parts:
            path = (*path, name)
            self.found.spans.setdefault(path, Span(begin, end))
            if path in self._array_lengths:
                path = (*path, self._array_lengths[path] - 1)
        return path

    def _define(self, path: TomlPath, span: Span) -> None:
        """Record an entry or a table's own header, which wins over being on the way to another."""
        if path in self._explicit:
            if self.found.repeated is None:
                self.found.repeated = (path, self._explicit[path], span.begin)
            return
        self._explicit[path] = span.begin
        self.found.spans[path] = span

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
        self.found.excess = (offset, what)
        raise _StopScanError


def _unescape(quoted: str) -> str:
    """Read a quoted key as the parser will."""
    try:
        value: str = tomli.loads(f"key = {quoted}")["key"]
    except ValueError as error:
        raise _StopScanError from error
    return value
