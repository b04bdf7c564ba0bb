"""Every picture that is not a result: faults, progress, names, previews, the heartbeat."""

from __future__ import annotations

from enum import Enum
from typing import Final

from firmware_bridge.fonts import LARGE, SMALL
from firmware_bridge.matrix import Bitmap, Canvas, Frame
from firmware_bridge.messages import COLUMNS, ROWS
from firmware_bridge.patterns import (
    config_rejected_frame,
    degraded_frame,
    fault_frame,
    heartbeat_frame,
    planning_frame,
)
from host.display.animation import MILLISECONDS, Film, Line, Shot, still
from host.display.faults import FAULT_TEXTS, Fault
from host.display.labels import NAME_LENGTH_MAX, REASON_LENGTH_MAX, shortened

SIGN_MS: Final = 2500
NAME_MS: Final = 3000
NAME_ROUNDS: Final = 2
TEXT_ROUNDS: Final = 3
SAND_MS: Final = 400
SAND_STEPS: Final = 5
SWEEP_MS: Final = 200
BREATH_MS: Final = 1000
BREATH_STEPS: Final = 10

NAME_STEP_MS: Final = 80
NAME_REST_STEPS: Final = 5
NAME_X: Final = 5

CHEVRON: Final = Bitmap.from_art("#..", ".#.", "..#", ".#.", "#..")
STOP: Final = Bitmap.from_art(*["######"] * 6)


class Intent(Enum):
    """What releasing the button would do."""

    NEXT_BUCKET = "next_bucket"
    CANCEL = "cancel"
    ACKNOWLEDGE = "acknowledge"
    NOTHING = "nothing"


def bucket_film(name: str, right: int = COLUMNS) -> Film:
    """Return the name of a bucket; it moves if it does not fit, and ends."""
    line = Line(shortened(name, 2 * NAME_LENGTH_MAX).upper(), SMALL, 1, 0, right)
    rounds = 1 if line.overhang <= 0 else NAME_ROUNDS
    return Film(line.shots(Frame.blank(), NAME_MS), rounds)


def fault_film(faults: tuple[Fault, ...]) -> Film:
    """Return each fault's code and its words, in turn; the first code stays."""
    shots: list[Shot] = []
    for fault in faults:
        line = Line(FAULT_TEXTS[fault].words.upper(), SMALL, 1)
        shots += (
            still(fault_frame(fault), SIGN_MS),
            *line.shots(Frame.blank(), SIGN_MS),
        )
    return Film(tuple(shots), TEXT_ROUNDS, shots[0])


def config_rejected_film(what: str) -> Film:
    """Return "the configuration was refused", then where."""
    sign = still(config_rejected_frame(), SIGN_MS)
    line = Line(shortened(what, REASON_LENGTH_MAX).upper(), SMALL, 1)
    return Film((sign, *line.shots(Frame.blank(), SIGN_MS)), TEXT_ROUNDS, sign)


def planning_film(fraction: float | None) -> Film:
    """Return a sand clock over a row that fills, or that sweeps while nothing is known."""
    if fraction is not None:
        known = min(max(fraction, 0.0), 1.0)
        return Film((Shot(lambda step: planning_frame(known, step), SAND_MS, SAND_STEPS),))
    return Film((Shot(_sweep_frame, SWEEP_MS, 2 * COLUMNS - 2),))


def _sweep_frame(step: int) -> Frame:
    canvas = Canvas(planning_frame(0.0, step // 2))
    place = min(step, 2 * COLUMNS - 2 - step)
    canvas.pixel(place, ROWS - 1)
    return canvas.frame()


def degraded_film() -> Film:
    """Return the warning sign."""
    return Film((still(degraded_frame()),))


def idle_film() -> Film:
    """Return the heart that breathes."""
    return Film((Shot(heartbeat_frame, BREATH_MS, BREATH_STEPS),))


def preview_film(intent: Intent, bucket: str, hold_s: float | None) -> Film:
    """Return what a release would do; the lowest row fills until holding on changes that.

    Parameters
    ----------
    intent : Intent
    bucket : str
        The name that NEXT_BUCKET leads to; it moves if it does not fit.
    hold_s : float, optional
        How long the row takes to fill.
    """
    line = Line(shortened(bucket, NAME_LENGTH_MAX).upper(), SMALL, 0, NAME_X)
    is_named = intent is Intent.NEXT_BUCKET
    overhang = max(line.overhang, 0) if is_named else 0
    picture = preview_frame(intent)

    def draw(step: int, fraction: float = 0.0) -> Frame:
        moved = min(max(step - NAME_REST_STEPS, 0), overhang)
        canvas = Canvas(line.over(picture, moved) if is_named else picture)
        canvas.box(0, ROWS - 1, round(fraction * COLUMNS), 1)
        return canvas.frame()

    if hold_s is None:
        last = NAME_REST_STEPS + overhang
        return Film((Shot(draw, NAME_STEP_MS, last),), 1, still(draw(last)))
    last = max(round(hold_s * MILLISECONDS / NAME_STEP_MS), 1)
    row = Shot(lambda step: draw(step, (step + 1) / last), NAME_STEP_MS, last)
    return Film((row,), 1, Shot(lambda _step: draw(last, 1.0), NAME_STEP_MS))


def preview_frame(intent: Intent) -> Frame:
    """Return what a release would do, without a name and without the row."""
    canvas = Canvas()
    match intent:
        case Intent.NEXT_BUCKET:
            canvas.bitmap(0, 0, CHEVRON, 4)
        case Intent.CANCEL:
            canvas.bitmap(3, 0, STOP)
        case Intent.ACKNOWLEDGE:
            canvas.text(1, 0, "OK", LARGE)
        case Intent.NOTHING:
            canvas.box(3, 3, 7, 1)
    return canvas.frame()
