"""What to do about a line that is no TOML: the slips that people make, recognised."""

from __future__ import annotations

import re

QUOTES = "\u2018\u2019\u201c\u201d\u201e\u00ab\u00bb"

NAME_CLASH = ("overwrite", "twice", "Duplicate", "mutate", "redefine")
ESCAPE = ("Unescaped", "hex value", "Escaped character")

SWITCHES = re.compile(r"(true|false|yes|no|on|off)\b", re.IGNORECASE)
DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+\s*(?:#.*)?$")
PERCENT = re.compile(r"[+-]?[\d.]+\s*%")
BARE_FRACTION = re.compile(r"[+-]?(?:\.\d+|\d+\.(?!\d))")
LEADING_ZERO = re.compile(r"[+-]?0\d+")
WORD = re.compile(r"[A-Za-z_][\w./-]*")
HEADER = re.compile(r"\s*\[\[?[\w.\"' -]+\]")
HEADER_ADVICE = "a table's header stands alone in its line, like [costs]"
COLON = re.compile(r"\s*[\w\"'.-]+\s*:")


def is_name_clash(message: str) -> bool:
    """Tell whether the parser complains about a name that has two meanings."""
    return any(word in message for word in NAME_CLASH)


def advice_for(message: str, line: str, column: int) -> str:
    """Return what to do about a parser's message on a line of TOML; `column` counts from 1."""
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
        (DECIMAL_COMMA, "decimals are written with a point: 0.5"),
        (PERCENT, "write a fraction instead of percent: 20 % is 0.2"),
        (SWITCHES, "a switch is `true` or `false`, in small letters"),
        (BARE_FRACTION, "write a digit on both sides of the point: 0.5"),
        (LEADING_ZERO, "a number starts with no extra 0"),
        (WORD, "put quotes around text"),
    ):
        if pattern.match(value):
            return advice
    return "write one `key = value` per line; text needs quotes"
