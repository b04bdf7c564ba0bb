"""A noisy line, reproducible from a seed: for the virtual board, the tests and the benchmark."""

from __future__ import annotations

from random import Random
from typing import Final

# A UART mostly flips bits, and sometimes loses a byte: so "flip" is here twice.
_KINDS: Final = ("flip", "flip", "drop", "insert")


class Noise:
    """Damages each byte with the same probability.

    Parameters
    ----------
    rate
        Probability per byte, 0 to 1.
    seed
        The same seed damages the same bytes.
    """

    def __init__(self, rate: float, seed: int = 0) -> None:
        assert 0 <= rate <= 1
        self.rate = rate
        self._random = Random(seed)  # noqa: S311 - damage must be repeatable, not secret

    def damage(self, data: bytes) -> bytes:
        """Return ``data`` with some bits flipped, some bytes dropped and some inserted."""
        if not self.rate:
            return data
        damaged = bytearray()
        for byte in data:
            if self._random.random() >= self.rate:
                damaged.append(byte)
                continue
            kind = self._random.choice(_KINDS)
            if kind == "flip":
                damaged.append(byte ^ (1 << self._random.randrange(8)))
            elif kind == "insert":
                damaged += bytes((byte, self._random.randrange(256)))
        return bytes(damaged)

    def garbage(self, size: int) -> bytes:
        """Return random bytes."""
        return self._random.randbytes(size)
