"""Entries of the legend, and the pictures of a state that moves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from firmware_bridge.matrix import LEVEL_MAX, Frame
from firmware_bridge.messages import COLUMNS
from host.display.compositor import DisplayState, frame_at, next_change_s

ON_LEVEL: Final = 4
"""A Yun's LEDs are only on or off: on from this level."""


LONGEST_STEP_S: Final = 0.5
"""What stands longer than this does not move."""


@dataclass(frozen=True, slots=True)
class LegendEntry:
    """A pattern: what it is called, looks like, means, and asks for.

    Parameters
    ----------
    name : str
        Of its PNG.
    title, meaning, action : str
    frames : tuple of Frame
        From left to right; several for what moves.
    """

    name: str
    title: str
    meaning: str
    action: str
    frames: tuple[Frame, ...]


@dataclass(frozen=True, slots=True)
class LegendSection:
    """Patterns of one kind; sections stand in the order of their priority."""

    title: str
    text: str
    entries: tuple[LegendEntry, ...]


def on_off(frame: Frame) -> Frame:
    """Return a frame as it looks where LEDs are only on or off."""
    return Frame(bytes(LEVEL_MAX if level >= ON_LEVEL else 0 for level in frame.levels))


def shots(state: DisplayState, *times_s: float) -> tuple[Frame, ...]:
    """Return what a state shows at these times."""
    return tuple(frame_at(state, at_s) for at_s in times_s)


def strip(state: DisplayState, from_s: float = 0.0) -> tuple[Frame, ...]:
    """Return a moving text from its first picture to its last, a window's width apart."""
    at_s, frames = from_s, [frame_at(state, from_s)]
    while True:
        next_s = next_change_s(state, at_s)
        assert next_s is not None, "the text comes round again, or gives way"
        frame = frame_at(state, next_s)
        if next_s - at_s > LONGEST_STEP_S and at_s > from_s:
            break  # the last picture rests
        frames.append(frame)
        at_s = next_s
    return (*frames[:-1:COLUMNS], frames[-1])
