"""The entries of the display's legend, and the frames of a state over time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from firmware_bridge.matrix import LEVEL_MAX, Frame
from firmware_bridge.messages import COLUMNS
from host.display.compositor import DisplayState, frame_at, next_change_s

ON_LEVEL: Final = 4
"""A Yun's LEDs are only on or off: on from this level."""


STEP_S_MAX: Final = 0.5
"""A frame that is shown longer than this is at rest."""


@dataclass(frozen=True, slots=True)
class LegendEntry:
    """A pattern: its name, frames, meaning, and what to do.

    Parameters
    ----------
    name : str
        Of its PNG.
    title, meaning, action : str
    frames : tuple of Frame
        From left to right; several for a pattern that moves.
    """

    name: str
    title: str
    meaning: str
    action: str
    frames: tuple[Frame, ...]


@dataclass(frozen=True, slots=True)
class LegendSection:
    """Patterns of one kind; sections are ordered by priority."""

    title: str
    text: str
    entries: tuple[LegendEntry, ...]


def on_off(frame: Frame) -> Frame:
    """Return a frame as it looks where LEDs are only on or off."""
    return Frame(bytes(LEVEL_MAX if level >= ON_LEVEL else 0 for level in frame.levels))


def frames_at(state: DisplayState, *times_s: float) -> tuple[Frame, ...]:
    """Return the frames of a state at these times."""
    return tuple(frame_at(state, at_s) for at_s in times_s)


def text_frames(state: DisplayState, from_s: float = 0.0) -> tuple[Frame, ...]:
    """Return a scrolling text from its first frame to its last, a window's width apart."""
    at_s, frames = from_s, [frame_at(state, from_s)]
    while True:
        next_s = next_change_s(state, at_s)
        assert next_s is not None, "the text repeats, or another picture follows"
        frame = frame_at(state, next_s)
        if next_s - at_s > STEP_S_MAX and at_s > from_s:
            break  # the last frame is at rest
        frames.append(frame)
        at_s = next_s
    return (*frames[:-1:COLUMNS], frames[-1])
