"""The LED matrix: immutable frames of 8 rows and 13 columns with 8 levels, and how to draw one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from firmware_bridge.errors import MessageError
from firmware_bridge.messages import COLUMNS, LEVELS, PACKED_SIZE, ROWS

if TYPE_CHECKING:
    from collections.abc import Sequence

LEVEL_MAX: Final = LEVELS - 1
PIXELS: Final = ROWS * COLUMNS
NIBBLE: Final = 4


@dataclass(frozen=True, slots=True)
class Frame:
    """A picture: one byte per pixel, 0 dark to 7 bright, row by row from the top left.

    Examples
    --------
    >>> Frame.blank().with_pixel(2, 1, 7).level(2, 1)
    7
    """

    levels: bytes

    def __post_init__(self) -> None:
        """Refuse another size or a level that the board does not have."""
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
        """Return the frame in 52 bytes as they travel, two levels in each, the first one high."""
        if len(packed) != PACKED_SIZE:
            raise MessageError(f"a packed frame has {PACKED_SIZE} bytes, not {len(packed)}")
        return cls(bytes(half for byte in packed for half in (byte >> NIBBLE, byte & 0x0F)))

    def packed(self) -> bytes:
        """Return the 52 bytes that travel."""
        pairs = zip(self.levels[::2], self.levels[1::2], strict=True)
        return bytes(high << NIBBLE | low for high, low in pairs)

    def level(self, x: int, y: int) -> int:
        """Return the level at column ``x`` and row ``y``."""
        return self.levels[y * COLUMNS + x]

    def rows(self) -> list[list[int]]:
        """Return 8 rows of 13 levels."""
        return [list(self.levels[y * COLUMNS : (y + 1) * COLUMNS]) for y in range(ROWS)]

    def with_pixel(self, x: int, y: int, level: int) -> Frame:
        """Return this frame with one pixel changed."""
        changed = bytearray(self.levels)
        changed[y * COLUMNS + x] = level
        return Frame(bytes(changed))

    def dimmed(self, numerator: int, denominator: int) -> Frame:
        """Return this frame with every level scaled; what is lit stays lit."""
        scaled = (-(-level * numerator // denominator) for level in self.levels)
        return Frame(bytes(scaled))
