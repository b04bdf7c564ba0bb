"""The pictures that a board draws by itself, without a host or for one that it does not understand.

The host's pictures are in `host.display`.
"""

from __future__ import annotations

from firmware_bridge.fonts import SMALL
from firmware_bridge.glyphs import PLUG, SOCKET
from firmware_bridge.matrix import Canvas, Frame
from firmware_bridge.messages import COLUMNS, ROWS


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
