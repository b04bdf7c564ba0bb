"""The LED matrix: immutable frames of 8 rows, 13 columns and 8 levels, and a canvas to draw them.

``x`` counts columns from the left and ``y`` rows from the top. Pixels outside the matrix are cut
off, so that things can slide in and out. A Yun lights a pixel from level 4 on: draw at 4 or more
what must be readable there.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from firmware_bridge.errors import MessageError
from firmware_bridge.messages import COLUMNS, LEVELS, PACKED_SIZE, ROWS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LEVEL_MAX: Final = LEVELS - 1
PIXELS: Final = ROWS * COLUMNS
NIBBLE: Final = 4
TRACK_LEVEL: Final = 1  # level of the part of a progress row that is not reached yet
UNKNOWN: Final = "?"


@dataclass(frozen=True, slots=True)
class Frame:
    """A picture: one byte per pixel, 0 dark to 7 bright, row by row from the top left.

    Examples
    --------
    >>> Frame.blank().level(2, 1)
    0
    """

    levels: bytes

    def __post_init__(self) -> None:
        """Reject a wrong size, and levels that the board does not have."""
        if len(self.levels) != PIXELS:
            raise MessageError(f"a frame has {PIXELS} pixels, not {len(self.levels)}")
        if max(self.levels) > LEVEL_MAX:
            raise MessageError(f"a level is at most {LEVEL_MAX}, not {max(self.levels)}")

    @classmethod
    def blank(cls) -> Frame:
        """Return the dark frame."""
        return cls(bytes(PIXELS))

    @classmethod
    def from_rows(cls, rows: Sequence[Sequence[int]]) -> Frame:
        """Return the frame with these 8 rows of 13 levels."""
        if [len(row) for row in rows] != [COLUMNS] * ROWS:
            raise MessageError(f"a frame has {ROWS} rows of {COLUMNS} levels")
        return cls(bytes(level for row in rows for level in row))

    @classmethod
    def from_packed(cls, packed: bytes) -> Frame:
        """Return the frame in 52 bytes from the wire: two levels each, the first one high."""
        if len(packed) != PACKED_SIZE:
            raise MessageError(f"a packed frame has {PACKED_SIZE} bytes, not {len(packed)}")
        return cls(bytes(half for byte in packed for half in (byte >> NIBBLE, byte & 0x0F)))

    def packed(self) -> bytes:
        """Return the 52 bytes for the wire."""
        pairs = zip(self.levels[::2], self.levels[1::2], strict=True)
        return bytes(high << NIBBLE | low for high, low in pairs)

    def level(self, x: int, y: int) -> int:
        """Return the level at column ``x`` and row ``y``."""
        return self.levels[y * COLUMNS + x]

    def rows(self) -> list[list[int]]:
        """Return 8 rows of 13 levels."""
        return [list(self.levels[y * COLUMNS : (y + 1) * COLUMNS]) for y in range(ROWS)]

    def dimmed(self, numerator: int, denominator: int) -> Frame:
        """Return this frame with every level scaled; a lit pixel stays lit."""
        # Rounded up: no lit pixel becomes dark.
        scaled = (-(-level * numerator // denominator) for level in self.levels)
        return Frame(bytes(scaled))


@dataclass(frozen=True, slots=True)
class Bitmap:
    """A small picture to be drawn on a canvas; level 0 is transparent."""

    width: int
    levels: bytes

    @classmethod
    def from_art(cls, *rows: str) -> Bitmap:
        """Return the bitmap drawn as text: ``.`` dark, ``#`` bright, ``1`` to ``7`` levels."""
        width = len(rows[0])
        assert all(len(row) == width for row in rows), f"rows of different lengths: {rows}"
        digits = "".join(rows).replace(".", "0").replace("#", str(LEVEL_MAX))
        return cls(width, bytes(int(digit) for digit in digits))

    @property
    def height(self) -> int:
        """Number of rows."""
        return len(self.levels) // self.width


@dataclass(frozen=True, slots=True)
class Font:
    """Bitmaps of one height by character; widths differ."""

    height: int
    glyphs: Mapping[str, Bitmap]

    def glyph(self, character: str) -> Bitmap:
        """Return the bitmap of a character, of its capital, of its bare letter, or of "?"."""
        bare = unicodedata.normalize("NFKD", character)[:1]
        for candidate in (character, character.upper(), bare, bare.upper()):
            if candidate in self.glyphs:
                return self.glyphs[candidate]
        return self.glyphs[UNKNOWN]

    def width(self, text: str) -> int:
        """Return the number of columns of a text."""
        return sum(self.glyph(character).width + 1 for character in text) - 1 if text else 0


class Canvas:
    """Draws a frame, starting from a dark one or from another frame."""

    def __init__(self, start: Frame | None = None) -> None:
        self._levels = bytearray(PIXELS if start is None else start.levels)

    def frame(self) -> Frame:
        """Return the frame drawn so far."""
        return Frame(bytes(self._levels))

    def pixel(self, x: int, y: int, level: int = LEVEL_MAX) -> None:
        """Set one pixel."""
        if 0 <= x < COLUMNS and 0 <= y < ROWS:
            self._levels[y * COLUMNS + x] = level

    def box(self, x: int, y: int, width: int, height: int, level: int = LEVEL_MAX) -> None:
        """Fill a rectangle; lines are boxes of one column or row."""
        for row in range(y, y + height):
            for column in range(x, x + width):
                self.pixel(column, row, level)

    def bitmap(self, x: int, y: int, bitmap: Bitmap, level: int = LEVEL_MAX) -> None:
        """Draw a bitmap, its brightest level becoming ``level``."""
        for index, value in enumerate(bitmap.levels):
            if value:
                scaled = -(-value * level // LEVEL_MAX)
                self.pixel(x + index % bitmap.width, y + index // bitmap.width, scaled)

    def text(self, x: int, y: int, text: str, font: Font, level: int = LEVEL_MAX) -> int:
        """Write a text and return the column after it, space included."""
        for character in text:
            glyph = font.glyph(character)
            self.bitmap(x, y, glyph, level)
            x += glyph.width + 1
        return x

    def centred_text(self, y: int, text: str, font: Font, level: int = LEVEL_MAX) -> None:
        """Write a text in the middle of the row."""
        self.text((COLUMNS - font.width(text)) // 2, y, text, font, level)

    def progress(self, y: int, fraction: float, level: int = LEVEL_MAX) -> None:
        """Fill a row from the left, 0 to 1; the level of its last pixel shows parts of a pixel."""
        parts = round(min(max(fraction, 0.0), 1.0) * COLUMNS * level)
        for x in range(COLUMNS):
            self.pixel(x, y, min(max(parts - x * level, TRACK_LEVEL), level))

    def bar(self, x: int, bottom: int, height: float, width: int = 1) -> None:
        """Draw a bar upwards from row ``bottom``; its top pixel's level is the fraction."""
        parts = round(height * LEVEL_MAX)
        for row in range(-(-parts // LEVEL_MAX)):
            self.box(x, bottom - row, width, 1, min(parts - row * LEVEL_MAX, LEVEL_MAX))
