"""Secrets stay out of journal and logs: by the name of the key, and by how they look in text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

REDACTED: Final = "[redacted]"
DEPTH_MAX: Final = 12
KEYS_KNOWN: Final = 1_000
KEY_LENGTH_KNOWN: Final = 64
"""Fields have a few hundred names, asked for again and again; long keys are no fields."""
ONE_WORD: Final = re.compile(r"[\w.]*")
"""An id, a name, a number: none of the patterns below fits into that."""
WORDS: Final = (
    r"password|passwd|passphrase|pwd|secret|token|api[_-]?key|apikey|access[_-]?key|private[_-]?key"
    r"|credentials?|authorization|cookie|session[_-]?id|bearer"
)
KEY: Final = re.compile(rf"(?:^|[^a-z])(?:{WORDS})(?:$|[^a-z])", re.IGNORECASE)
CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
ASSIGNED: Final = re.compile(
    # key = value, "key": "value", --key value; every repetition is bounded: a text is hostile
    rf"(?P<key>(?:{WORDS})(?:[_-]\w{{1,30}})?[\"']?\s{{0,4}}[=:]\s{{0,4}}"
    rf"|--[\w-]{{0,30}}(?:{WORDS})\s{{1,4}})"
    r"(?P<scheme>(?:bearer|basic|digest)\s{1,4})?"
    r"(?P<value>\"[^\"]{0,999}\"|'[^']{0,999}'|[\"']?[^\s,;&\"']{1,999})",
    re.IGNORECASE,
)
BEARER: Final = re.compile(
    r"\b(?P<scheme>bearer|basic)\s{1,4}[A-Za-z0-9._~+/=-]{8,999}", re.IGNORECASE
)
USERINFO: Final = re.compile(
    r"\b(?P<scheme>[a-z][a-z0-9+.-]{0,30}://)[^\s/@:]{0,200}:[^\s/@]{1,200}@", re.IGNORECASE
)


def is_secret_key(key: str) -> bool:
    """Tell whether what stands under a key is nobody's business."""
    return _is_secret_name(key) if len(key) <= KEY_LENGTH_KNOWN else _names_a_secret(key)


def _names_a_secret(key: str) -> bool:
    return KEY.search(CAMEL.sub("_", key)) is not None


_is_secret_name = lru_cache(KEYS_KNOWN)(_names_a_secret)


def redacted(data: Mapping[str, object]) -> dict[str, object]:
    """Return the data without secrets; the original is left alone."""
    return {key: _clean(key, value, 0) for key, value in data.items()}


def redacted_text(text: str) -> str:
    """Return a text without what looks like a secret."""
    if ONE_WORD.fullmatch(text):
        return text
    text = USERINFO.sub(rf"\g<scheme>{REDACTED}@", text)
    text = ASSIGNED.sub(rf"\g<key>{REDACTED}", text)
    return BEARER.sub(rf"\g<scheme> {REDACTED}", text)


def _clean(key: str, value: object, depth: int) -> object:
    if is_secret_key(key) and value is not None:
        return REDACTED
    return _cleaned(value, depth)


def _cleaned(value: object, depth: int) -> object:
    if isinstance(value, str):
        return redacted_text(value)
    if isinstance(value, int | float):
        return value
    if depth >= DEPTH_MAX:
        return redacted_text(str(value)) if isinstance(value, Mapping | list | tuple) else value
    if isinstance(value, Mapping):
        return {str(key): _clean(str(key), found, depth + 1) for key, found in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(found, depth + 1) for found in value]
    return value
