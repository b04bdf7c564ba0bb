"""Frames for tests that need some picture."""

from __future__ import annotations

from firmware_bridge.fonts import LARGE
from firmware_bridge.matrix import Canvas, Frame


def numbered_frame(number: int) -> Frame:
    """Return a frame with a number of one or two digits."""
    canvas = Canvas()
    canvas.text(0, 0, str(number), LARGE)
    return canvas.frame()
