"""A result as pages: the summary first, then one page per step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from firmware_bridge.fonts import LARGE, SMALL, TALL
from firmware_bridge.glyphs import ARROW_DOWN, ARROW_UP, CHECK
from firmware_bridge.matrix import Bitmap, Canvas, Frame
from firmware_bridge.messages import COLUMNS, ROWS
from host.display import labels
from host.display.animation import Film, Line, Shot, still

if TYPE_CHECKING:
    from host.display.labels import PlanRecord, StepWords

COUNT_MS: Final = 4000
GAIN_MS: Final = 3000
SIGN_MS: Final = 1600
ROUNDS: Final = 3
"""How often a text is shown before it rests."""

DIM: Final = 2
"""What may be missing where LEDs are only on or off."""
MID: Final = 4

ARROWS_WIDTH: Final = 7
HEAD: Final = 2
"""Rows of an arrow's head, and so the shortest arrow."""
PLUS: Final = 3
"""An arrow of this length would look like a plus sign."""
COUNT_MAX: Final = 99
TEN: Final = Bitmap.from_art("#.###", "#.#.#", "#.#.#", "#.#.#", "#.#.#", "#.#.#", "#.###")
NO_ENTRY: Final = Bitmap.from_art(
    "..####..",
    ".######.",
    "########",
    "#......#",
    "#......#",
    "########",
    ".######.",
    "..####..",
)
MARKS: Final = {
    labels.BUY: Bitmap.from_art(".#.", "###"),
    labels.SELL: Bitmap.from_art("###", ".#."),
    labels.UNKNOWN: Bitmap.from_art("###", "###"),
}
SIGNS: Final = {
    labels.BUY: ARROW_UP,
    labels.SELL: ARROW_DOWN,
    labels.UNKNOWN: LARGE.glyph(labels.UNKNOWN),
}


def page_count(record: PlanRecord) -> int:
    """Return how many pages a result has."""
    return 1 + len(_shown_steps(record))


def result_film(record: PlanRecord, page: int, right: int = COLUMNS) -> Film:
    """Return a page of a result; columns from `right` on are left for a mark."""
    steps = _shown_steps(record)
    if 1 <= page <= len(steps):
        return step_film(steps, page - 1, right)
    match labels.outcome(record):
        case labels.PLANNED:
            return summary_film(record, right)
        case labels.NOTHING_TO_DO:
            return Film((still(nothing_frame()),))
        case _:
            return held_film(labels.reason(record), right)


def summary_film(record: PlanRecord, right: int = COLUMNS) -> Film:
    """Return how many steps, how much is bought and sold, and in turn the gain."""
    steps = labels.steps(record)
    bought = sum(step.value for step in steps if step.side == labels.BUY)
    sold = sum(step.value for step in steps if step.side == labels.SELL)
    gain = labels.gain(record)
    return Film(
        (
            *_count_shots(len(steps), bought, sold, right),
            Shot(lambda _step: gain_frame(gain, right), GAIN_MS),
        )
    )


def _count_shots(count: int, bought: float, sold: float, right: int) -> tuple[Shot, ...]:
    """Return the count and the arrows side by side, or one after the other if they do not fit."""
    digits = str(min(count, COUNT_MAX))
    width = TALL.width(digits)
    x = right - ARROWS_WIDTH
    canvas = Canvas()
    if width < x:
        canvas.text(0, 0, digits, TALL)
        _draw_arrows(canvas, x, bought, sold)
        return (still(canvas.frame(), COUNT_MS),)
    canvas.text((right - width) // 2, 0, digits, TALL)
    arrows = Canvas()
    _draw_arrows(arrows, x // 2, bought, sold)
    return (still(canvas.frame(), COUNT_MS // 2), still(arrows.frame(), COUNT_MS // 2))


def _draw_arrows(canvas: Canvas, x: int, bought: float, sold: float) -> None:
    """Draw two arrows as long as what is bought (rising) and sold (hanging)."""
    largest = max(bought, sold)
    for column, side, value in ((x, labels.BUY, bought), (x + 4, labels.SELL, sold)):
        if value <= 0:
            continue
        length = HEAD + round((ROWS - HEAD) * value / largest)
        if length == PLUS:
            length = HEAD
        top = ROWS - length if side == labels.BUY else 0
        head = top if side == labels.BUY else length - HEAD
        canvas.box(column + 1, top, 1, length, MID)
        canvas.bitmap(column, head, MARKS[side], MID)


def gain_frame(gain: float | None, right: int = COLUMNS) -> Frame:
    """Return the gain on a step up, or on a step down for a loss."""
    canvas = Canvas()
    middle = COLUMNS // 2
    is_loss = gain is not None and gain < 0
    canvas.box(0, ROWS - 2 if is_loss else ROWS - 1, middle + 1, 1, MID)
    canvas.box(middle, ROWS - 1 if is_loss else ROWS - 2, COLUMNS - middle, 1, MID)
    texts = [labels.percent(gain, digits) for digits in (2, 1)]
    texts += [(number, "") for number, _ in texts]
    number, sign = next(text for text in texts if SMALL.width("".join(text)) <= right)
    x = canvas.text((right - SMALL.width(number + sign)) // 2, 0, number, SMALL)
    canvas.text(x, 0, sign, SMALL, MID)
    return canvas.frame()


def step_film(steps: tuple[StepWords, ...], index: int, right: int = COLUMNS) -> Film:
    """Return a step: a large arrow with its number, then what to do as moving text."""
    step = steps[index]
    sign = still(sign_frame(step.side, index + 1), SIGN_MS)
    line = Line(step.text, SMALL, 0, 0, right)
    text = line.shots(_ground(step.side, index, len(steps)), 2 * SIGN_MS)
    return Film((sign, *text), ROUNDS, sign)


def sign_frame(side: str, number: int) -> Frame:
    """Return the side as a large arrow, up for buying, and the number of the step."""
    canvas = Canvas()
    canvas.bitmap(0, 0, SIGNS[side])
    digits = TEN if number == labels.STEPS_SHOWN_MAX else LARGE.glyph(str(number))
    canvas.bitmap(6, 0, digits)
    return canvas.frame()


def _ground(side: str, index: int, count: int) -> Frame:
    """Return what stands below the text: the side, and which step of how many."""
    canvas = Canvas()
    canvas.bitmap(0, ROWS - HEAD, MARKS[side])
    for dot in range(count):
        canvas.pixel(COLUMNS - count + dot, ROWS - 1, 7 if dot == index else DIM)
    return canvas.frame()


def nothing_frame() -> Frame:
    """Return "there is nothing to do": a check mark."""
    canvas = Canvas()
    canvas.bitmap(2, 0, CHECK)
    return canvas.frame()


def held_film(reason: str, right: int = COLUMNS) -> Film:
    """Return "no plan could be made": a no-entry sign, then why."""
    canvas = Canvas()
    canvas.bitmap(2, 0, NO_ENTRY)
    sign = still(canvas.frame(), SIGN_MS)
    line = Line(reason.upper(), SMALL, 1, 0, right)
    return Film((sign, *line.shots(Frame.blank(), 2 * SIGN_MS)), ROUNDS, sign)


def _shown_steps(record: PlanRecord) -> tuple[StepWords, ...]:
    if labels.outcome(record) != labels.PLANNED:
        return ()
    return labels.steps(record)[: labels.STEPS_SHOWN_MAX]
