"""Frames with single pixels lit, for tests."""

from __future__ import annotations

from firmware_bridge.matrix import Canvas, Frame


def lit(*pixels: tuple[int, int, int]) -> Frame:
    """Return a dark frame with these pixels lit: column, row, level."""
    canvas = Canvas()
    for x, y, level in pixels:
        canvas.pixel(x, y, level)
    return canvas.frame()
