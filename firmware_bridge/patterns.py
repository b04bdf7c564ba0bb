"""Whole pictures of the states that every host has; the pictures of plans are in `host.display`."""

from __future__ import annotations

from typing import Final

from firmware_bridge.fonts import LARGE, SMALL, TALL
from firmware_bridge.glyphs import (
    CROSS,
    CROSS_SMALL,
    HEART_SMALL,
    HOURGLASS,
    PAGE,
    PLUG,
    SOCKET,
    WARNING,
    WARNING_MARK,
)
from firmware_bridge.matrix import Canvas, Frame
from firmware_bridge.messages import COLUMNS, ROWS

FAULT_CODE_MAX: Final = 99
_DIGIT_MAX: Final = 9

_HOURGLASS_X: Final = 4
# The grains of sand, in the order in which they leave the top and reach the bottom.
_TOP: Final = ((2, 1), (1, 1), (3, 1), (2, 2))
_BOTTOM: Final = ((2, 4), (1, 4), (3, 4), (2, 3))
_SAND_LEVEL: Final = 3
_BREATH: Final = (2, 3, 4, 5, 6, 7, 6, 5, 4, 3)


def stale_frame() -> Frame:
    """Return the board's own picture after 3 s without a host: a pulled plug."""
    canvas = Canvas()
    canvas.bitmap(0, 1, PLUG)
    canvas.bitmap(9, 1, SOCKET)
    return canvas.frame()


def incompatible_frame() -> Frame:
    """Return the board's own picture for a host that shares no protocol version."""
    canvas = Canvas()
    canvas.centred_text(1, "FW!", SMALL)
    canvas.box(0, ROWS - 1, COLUMNS, 1, 4)
    return canvas.frame()


def fault_frame(code: int) -> Frame:
    """Return a fault with its code, 0 to 99."""
    assert 0 <= code <= FAULT_CODE_MAX
    canvas = Canvas()
    if code <= _DIGIT_MAX:
        canvas.bitmap(0, 0, CROSS)
        canvas.text(8, 0, str(code), LARGE)
    else:
        canvas.bitmap(0, 0, CROSS, 4)  # close to the digits: another level keeps them apart
        canvas.text(6, 0, str(code), TALL)
    return canvas.frame()


def config_rejected_frame() -> Frame:
    """Return the picture of a rejected configuration: a page and a cross."""
    canvas = Canvas()
    canvas.bitmap(0, 0, PAGE)
    canvas.bitmap(8, 2, CROSS_SMALL)
    return canvas.frame()


def degraded_frame() -> Frame:
    """Return a warning sign."""
    canvas = Canvas()
    canvas.bitmap((COLUMNS - WARNING.width) // 2, 0, WARNING)
    return canvas.frame()


def with_degraded_mark(frame: Frame) -> Frame:
    """Return a frame with a small exclamation mark in its upper right corner."""
    canvas = Canvas(frame)
    canvas.box(COLUMNS - 2, 0, 2, WARNING_MARK.height + 1, 0)
    canvas.bitmap(COLUMNS - 1, 0, WARNING_MARK)
    return canvas.frame()


def planning_frame(fraction: float, step: int) -> Frame:
    """Return a sand clock over a row of progress; ``step`` only moves the sand."""
    canvas = Canvas()
    canvas.bitmap(_HOURGLASS_X, 0, HOURGLASS)
    fallen = step % (len(_TOP) + 1)
    for x, y in _TOP[fallen:] + _BOTTOM[:fallen]:
        canvas.pixel(_HOURGLASS_X + x, y, _SAND_LEVEL)
    canvas.progress(ROWS - 1, fraction)
    return canvas.frame()


def heartbeat_frame(step: int) -> Frame:
    """Return a small heart that fades in and out; one round takes ten steps."""
    canvas = Canvas()
    canvas.bitmap(4, 2, HEART_SMALL, _BREATH[step % len(_BREATH)])
    return canvas.frame()
