"""Icons and whole status pictures. Under construction: the stale pattern only."""

from __future__ import annotations

from firmware_bridge.matrix import Frame


def stale_frame() -> Frame:
    """Return what the board draws by itself when no host was heard for 3 s."""
    return Frame.blank().with_pixel(6, 3, 7)
