"""A button's pin, as noisy as pins are, turned into edges; the firmware does the same in C."""

from __future__ import annotations

from typing import Final

from firmware_bridge.messages import Edge

SETTLE_S: Final = 0.008


class Debouncer:
    """Tells an edge once the pin has kept its new level for 8 ms."""

    def __init__(self, settle_s: float = SETTLE_S) -> None:
        self._settle_s = settle_s
        self._pin = Edge.UP
        self._stable = Edge.UP
        self._settles_s: float | None = None

    @property
    def next_deadline(self) -> float | None:
        """When `tick` may have an edge to tell."""
        return self._settles_s

    def set_pin(self, level: Edge, now_s: float) -> None:
        """Take the level of the pin; every change starts the wait anew."""
        if level is self._pin:
            return
        self._pin = level
        self._settles_s = now_s + self._settle_s if level is not self._stable else None

    def tick(self, now_s: float) -> Edge | None:
        """Return the edge that has just become certain, if any."""
        if self._settles_s is None or now_s < self._settles_s:
            return None
        self._settles_s = None
        self._stable = self._pin
        return self._stable
