"""A frame without a board: as text, as coloured text, or as a picture of LEDs."""

from __future__ import annotations

import struct
import zlib
from typing import Final, TypeAlias

import numpy as np

from firmware_bridge.matrix import LEVEL_MAX, Frame
from firmware_bridge.messages import COLUMNS, ROWS

Pixels: TypeAlias = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
Picture: TypeAlias = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

_SHADES: Final = " .:-=+*#"
_COLOURS: Final = (236, 52, 88, 124, 160, 196, 203, 217)  # xterm's 256, one per level
_DOT: Final = "●"

_PITCH: Final = 28  # picture pixels from LED to LED
_RADIUS: Final = 10.0
_GLOW: Final = 15.0
_MARGIN: Final = 18
_BOARD: Final = np.array([13.0, 15.0, 20.0])
_UNLIT: Final = np.array([26.0, 29.0, 36.0])
_LIT: Final = np.array([255.0, 62.0, 38.0])
_CORE: Final = np.array([255.0, 214.0, 180.0])


def to_text(frame: Frame) -> str:
    """Return eight lines of plain characters, two per pixel, darker to brighter."""
    return "\n".join("".join(_SHADES[level] * 2 for level in row) for row in frame.rows())


def to_ansi(frame: Frame) -> str:
    """Return eight lines of dots in the colours of a 256-colour terminal."""
    lines = (
        " ".join(f"\x1b[38;5;{_COLOURS[level]}m{_DOT}" for level in row) for row in frame.rows()
    )
    return "\n".join(f"{line}\x1b[0m" for line in lines)


def to_png(*frames: Frame, per_row: int = 1, scale: float = 1.0) -> bytes:
    """Return a PNG that shows frames as round LEDs with a glow, side by side.

    Parameters
    ----------
    frames
        From left to right, then downwards.
    per_row
        Frames in one row.
    scale
        Size of the picture; at 1 the LEDs stand 28 pixels apart.
    """
    assert frames, "at least one frame"
    pictures = [_picture(frame, scale) for frame in frames]
    empty = np.zeros_like(pictures[0]) + _BOARD.astype(np.uint8)
    pictures += [empty] * (-len(pictures) % per_row)
    rows = [np.hstack(pictures[at : at + per_row]) for at in range(0, len(pictures), per_row)]
    return encode_png(np.vstack(rows))


def encode_png(pixels: Pixels) -> bytes:
    """Return a PNG of ``pixels``, of shape (height, width, 3), one byte per colour."""
    height, width, _ = pixels.shape
    raw = b"".join(b"\x00" + row.tobytes() for row in pixels)  # filter 0 before each line
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(raw, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def _picture(frame: Frame, scale: float) -> Pixels:
    """Return the picture of one frame, of shape (height, width, 3)."""
    pitch, margin = _PITCH * scale, _MARGIN * scale
    height, width = (round(count * pitch + 2 * margin) for count in (ROWS, COLUMNS))
    colour = np.broadcast_to(_BOARD, (height, width, 3)).copy()
    light = np.zeros((height, width, 1))
    for row, levels in enumerate(frame.rows()):
        for column, level in enumerate(levels):
            x, y = margin + (column + 0.5) * pitch, margin + (row + 0.5) * pitch
            _add_led(colour, light, (x, y), level, scale)
    glow = np.clip(light, 0.0, 1.5) * _LIT * 0.22
    pixels: Pixels = np.clip(colour + glow, 0, 255).round().astype(np.uint8)
    return pixels


def _add_led(
    colour: Picture,
    light: Picture,
    centre: tuple[float, float],
    level: int,
    scale: float,
) -> None:
    """Draw one LED in place: its lens into ``colour``, its glow into ``light``."""
    radius, glow = _RADIUS * scale, _GLOW * scale
    reach = 3 * glow  # beyond that a glow is below one step of brightness
    (left, right), (top, bottom) = ((max(int(c - reach), 0), int(c + reach)) for c in centre)
    near = (slice(top, bottom), slice(left, right))
    y, x = np.indices(light[near].shape[:2])
    distance = np.hypot(x + left + 0.5 - centre[0], y + top + 0.5 - centre[1])[..., None]
    strength = (level / LEVEL_MAX) ** 0.75  # the eye sees low levels brighter than they are
    lens = np.clip(radius - distance + 0.5, 0.0, 1.0)
    core = np.exp(-((distance / radius) ** 2) * 1.6) * strength**2
    led = _UNLIT + (_LIT + (_CORE - _LIT) * core - _UNLIT) * strength
    colour[near] += (led - colour[near]) * lens
    light[near] += np.exp(-((distance / glow) ** 2)) * strength
