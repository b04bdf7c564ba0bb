"""Two MAX7219 LED drivers in a chain, sans-IO: from the Yun's SPI transfers to a picture.

The simulated board has no LEDs, so its picture is decoded from what the firmware sends::

    one transfer    register | right module | register | left module      MSB first

Each chip is a 16-bit shift register, and the first bytes travel furthest. The chips take them over
when the select line rises. An LED is on or off; a lit one is reported as the largest level.
"""

from __future__ import annotations

from typing import Final

from firmware_bridge.matrix import LEVEL_MAX, Frame
from firmware_bridge.messages import COLUMNS, ROWS

MODULES: Final = 2
LIT_LEVEL: Final = 4
"""The firmware lights an LED from this level of a frame on."""

_DECODE, _INTENSITY, _SCAN_LIMIT, _SHUTDOWN, _TEST = 0x09, 0x0A, 0x0B, 0x0C, 0x0F
_MODULE_COLUMNS: Final = 8
_TRANSFER_SIZE: Final = 2 * MODULES


class Max7219Chain:
    """The registers of both drivers."""

    def __init__(self) -> None:
        # After power-up the chips are dark and the other registers undefined: zero here.
        self._registers = [bytearray(16) for _ in range(MODULES)]
        self._shifted = bytes(_TRANSFER_SIZE)

    def transfer(self, data: bytes) -> None:
        """Take over the shifted bytes, at the rising edge of the select line.

        The chips only see their last 16 bits, so they also take over a transfer that a reset cut
        short.
        """
        self._shifted = (self._shifted + data)[-_TRANSFER_SIZE:]
        # The bytes that are sent first end up in the module furthest away, the right one.
        for registers, at in zip(reversed(self._registers), (0, 2), strict=True):
            registers[self._shifted[at] & 0x0F] = self._shifted[at + 1]

    @property
    def brightness(self) -> int:
        """0 for dark, to 15."""
        left = self._registers[0]
        return left[_INTENSITY] if left[_SHUTDOWN] & 1 else 0

    def frame(self) -> Frame:
        """Return the picture in the registers, even if the LEDs are switched off."""
        rows = []
        for row in range(ROWS):
            left, right = (registers[row + 1] for registers in self._registers)
            bits = left << _MODULE_COLUMNS | right
            rows.append([LEVEL_MAX if bits & 0x8000 >> column else 0 for column in range(COLUMNS)])
        return Frame.from_rows(rows)


def lit(frame: Frame) -> Frame:
    """Return a frame as it looks on LEDs that are only on or off."""
    return Frame(bytes(LEVEL_MAX if level >= LIT_LEVEL else 0 for level in frame.levels))
