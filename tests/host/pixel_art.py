"""Frames as text, for tests that a reader can check with his eyes."""

from __future__ import annotations

from firmware_bridge.matrix import Frame


def art(frame: Frame) -> list[str]:
    """Return eight rows: `.` dark, `#` brightest, a digit for the levels in between."""
    return ["".join(".123456#"[level] for level in row) for row in frame.rows()]
