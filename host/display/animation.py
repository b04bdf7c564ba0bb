"""Animations of the matrix: which frame to draw, in how many steps, each for how long.

An animation is a pure function of the time since it began. It knows when its frame changes next, so
the daemon can sleep until then. Most animations come to rest, and then cost nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from firmware_bridge.matrix import Canvas, Font, Frame
from firmware_bridge.messages import COLUMNS

MILLISECONDS: Final = 1000
TIME_TOLERANCE_MS: Final = 0.001
"""A time this close before a change counts as the change: sums of floats are not exact."""

SCROLL_STEP_MS: Final = 90
"""Per column: a small letter passes in a third of a second."""
SCROLL_START_MS: Final = 900
"""Pause before a text scrolls, so that its first letters can be read."""
SCROLL_END_MS: Final = 1200
"""Pause after it, for its last letters."""


@dataclass(frozen=True, slots=True)
class Shot:
    """A still frame, or a movement of equally long steps.

    Parameters
    ----------
    draw : callable
        Returns the frame of a step, counted from 0.
    step_ms : int
        Duration of each step.
    steps : int
        Number of steps.
    """

    draw: Callable[[int], Frame]
    step_ms: int
    steps: int = 1

    @property
    def length_ms(self) -> int:
        """Duration of the whole shot."""
        return self.step_ms * self.steps


@dataclass(frozen=True, slots=True)
class Animation:
    """Shots one after the other, repeated, and then the first frame of `rest` for good.

    Parameters
    ----------
    shots : tuple of Shot
    rounds : int, optional
        How often they are shown; None: forever.
    rest : Shot, optional
        What stays after the last round; by default the first shot.
    """

    shots: tuple[Shot, ...]
    rounds: int | None = None
    rest: Shot | None = None

    @property
    def round_ms(self) -> int:
        """Duration of one round."""
        return sum(shot.length_ms for shot in self.shots)

    @property
    def length_s(self) -> float:
        """Time until it comes to rest; infinite if it never does."""
        return math.inf if self.rounds is None else self.round_ms * self.rounds / MILLISECONDS

    def frame(self, elapsed_s: float) -> Frame:
        """Return the frame this long after the beginning."""
        shot, step, _ = self._at(elapsed_s)
        return shot.draw(step)

    def next_change_s(self, elapsed_s: float) -> float | None:
        """Return when, counted from the beginning, the frame changes next; None: never."""
        return self._at(elapsed_s)[2]

    def _at(self, elapsed_s: float) -> tuple[Shot, int, float | None]:
        """Return the shot, its step, and when that step ends."""
        elapsed_ms = math.floor(max(elapsed_s, 0.0) * MILLISECONDS + TIME_TOLERANCE_MS)
        if self._is_still:
            return self.shots[0], 0, None
        rounds_over, within_ms = divmod(elapsed_ms, self.round_ms)
        if self.rounds is not None and rounds_over >= self.rounds:
            return self.rest or self.shots[0], 0, None
        starts_ms = elapsed_ms - within_ms
        for shot in self.shots:
            if within_ms < shot.length_ms:
                step = within_ms // shot.step_ms
                return shot, step, (starts_ms + (step + 1) * shot.step_ms) / MILLISECONDS
            within_ms -= shot.length_ms
            starts_ms += shot.length_ms
        raise AssertionError("a time within a round belongs to one of its shots")

    @property
    def _is_still(self) -> bool:
        return len(self.shots) == 1 and self.shots[0].steps == 1 and self.rest is None


def still(frame: Frame, length_ms: int = MILLISECONDS) -> Shot:
    """Return a shot of one frame."""
    return Shot(lambda _step: frame, length_ms)


@dataclass(frozen=True, slots=True)
class ScrollingText:
    """A text in a window of the matrix; it scrolls if it does not fit.

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
        """Number of columns that do not fit; 0 or less when all do."""
        return self.font.width(self.text) - (self.right - self.left)

    def over(self, background: Frame, offset: int = 0) -> Frame:
        """Return the background with the text on it, `offset` columns further to the left."""
        if self.overhang <= 0:
            x = self.left + -self.overhang // 2
            offset = 0
        else:
            x = self.left
        drawing = Canvas()
        drawing.text(x - offset, self.y, self.text, self.font)
        text = drawing.frame()
        # Only the columns of the window are copied: letters are cut at its edges.
        canvas = Canvas(background)
        for row in range(self.y, self.y + self.font.height):
            for column in range(self.left, self.right):
                level = text.level(column, row)
                if level:
                    canvas.pixel(column, row, level)
        return canvas.frame()

    def shots(self, background: Frame, still_ms: int) -> tuple[Shot, ...]:
        """Return the text at rest for `still_ms` if it fits, else scrolling from start to end."""
        if self.overhang <= 0:
            return (Shot(lambda _step: self.over(background), still_ms),)
        return (
            Shot(lambda _step: self.over(background), SCROLL_START_MS),
            Shot(lambda step: self.over(background, step + 1), SCROLL_STEP_MS, self.overhang - 1),
            Shot(lambda _step: self.over(background, self.overhang), SCROLL_END_MS),
        )
