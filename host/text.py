"""Text from outside, made harmless for a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """Escape what could move a terminal's cursor or reverse its text."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
