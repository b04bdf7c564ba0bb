"""Moving pictures as shots: what to draw, in how many steps, for how long.

A film is a pure function of the time since it began. It knows when its picture changes next, so
that who shows it can sleep until then, and it comes to rest, so that a board that nobody looks at
costs nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from firmware_bridge.matrix import Canvas, Font, Frame
from firmware_bridge.messages import COLUMNS

MILLISECONDS: Final = 1000
CLOCK_GRAIN_MS: Final = 0.001
"""A moment this close before a change counts as the change: sums of floats are not exact."""

SCROLL_STEP_MS: Final = 90
"""Per column. A small letter passes in a third of a second."""
SCROLL_START_MS: Final = 900
"""A text rests long enough to find its first letters,"""
SCROLL_END_MS: Final = 1200
"""and long enough to read its last ones."""


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture that stands, or one that takes a number of equally long steps.

    Parameters
    ----------
    draw : callable
        Gives the frame of a step, counted from 0.
    step_ms : int
        How long each step stands.
    steps : int
        How many there are.
    """

    draw: Callable[[int], Frame]
    step_ms: int
    steps: int = 1

    @property
    def length_ms(self) -> int:
        """How long the whole shot takes."""
        return self.step_ms * self.steps


@dataclass(frozen=True, slots=True)
class Film:
    """Shots one after the other, repeated, and then the first picture of `rest` for good.

    Parameters
    ----------
    shots : tuple of Shot
    rounds : int, optional
        How often they are shown; None: for ever.
    rest : Shot, optional
        What stays after the last round; the first shot when not given.
    """

    shots: tuple[Shot, ...]
    rounds: int | None = None
    rest: Shot | None = None

    @property
    def round_ms(self) -> int:
        """How long one round takes."""
        return sum(shot.length_ms for shot in self.shots)

    @property
    def length_s(self) -> float:
        """After how long it has come to rest; infinite if it never does."""
        return math.inf if self.rounds is None else self.round_ms * self.rounds / MILLISECONDS

    def frame(self, elapsed_s: float) -> Frame:
        """Return the picture this long after the beginning."""
        shot, step, _ = self._at(elapsed_s)
        return shot.draw(step)

    def next_change_s(self, elapsed_s: float) -> float | None:
        """Return when, counted from the beginning, the picture changes next; None: never."""
        return self._at(elapsed_s)[2]

    def _at(self, elapsed_s: float) -> tuple[Shot, int, float | None]:
        """Return the shot, its step, and when that step ends."""
        elapsed_ms = math.floor(max(elapsed_s, 0.0) * MILLISECONDS + CLOCK_GRAIN_MS)
        if self._is_still:
            return self.shots[0], 0, None
        done, left_ms = divmod(elapsed_ms, self.round_ms)
        if self.rounds is not None and done >= self.rounds:
            return self.rest or self.shots[0], 0, None
        starts_ms = elapsed_ms - left_ms
        for shot in self.shots:
            if left_ms < shot.length_ms:
                step = left_ms // shot.step_ms
                return shot, step, (starts_ms + (step + 1) * shot.step_ms) / MILLISECONDS
            left_ms -= shot.length_ms
            starts_ms += shot.length_ms
        raise AssertionError("a moment of a round belongs to one of its shots")

    @property
    def _is_still(self) -> bool:
        return len(self.shots) == 1 and self.shots[0].steps == 1 and self.rest is None


def still(frame: Frame, length_ms: int = MILLISECONDS) -> Shot:
    """Return a picture that stands."""
    return Shot(lambda _step: frame, length_ms)


@dataclass(frozen=True, slots=True)
class Line:
    """A text in a window of the matrix; what does not fit moves through it.

    Parameters
    ----------
    text : str
    font : Font
    y : int
        Its top row.
    left, right : int
        Columns of the window, `right` not included.
    """

    text: str
    font: Font
    y: int
    left: int = 0
    right: int = COLUMNS

    @property
    def overhang(self) -> int:
        """How many columns do not fit; 0 or less when all do."""
        return self.font.width(self.text) - (self.right - self.left)

    def over(self, background: Frame, moved: int = 0) -> Frame:
        """Return the background with the text on it, moved this many columns to the left."""
        if self.overhang <= 0:
            x = self.left + -self.overhang // 2
            moved = 0
        else:
            x = self.left
        drawn = Canvas()
        drawn.text(x - moved, self.y, self.text, self.font)
        text = drawn.frame()
        canvas = Canvas(background)
        for row in range(self.y, self.y + self.font.height):
            for column in range(self.left, self.right):
                level = text.level(column, row)
                if level:
                    canvas.pixel(column, row, level)
        return canvas.frame()

    def shots(self, background: Frame, still_ms: int) -> tuple[Shot, ...]:
        """Return the text standing for `still_ms` if it fits, else moving from start to end."""
        if self.overhang <= 0:
            return (Shot(lambda _step: self.over(background), still_ms),)
        return (
            Shot(lambda _step: self.over(background), SCROLL_START_MS),
            Shot(lambda step: self.over(background, step + 1), SCROLL_STEP_MS, self.overhang - 1),
            Shot(lambda _step: self.over(background, self.overhang), SCROLL_END_MS),
        )
