"""Every screen of the matrix: results as pages, faults, progress, names, previews, the heartbeat.

A screen is an `Animation`. Which of them is shown is decided by `host.display.compositor`.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

from firmware_bridge.fonts import LARGE, SMALL, TALL
from firmware_bridge.glyphs import (
    ARROW_DOWN,
    ARROW_UP,
    CHECK,
    CROSS,
    CROSS_SMALL,
    HEART_SMALL,
    HOURGLASS,
    KEY,
    LOCK,
    PAGE,
    WARNING,
    WARNING_MARK,
)
from firmware_bridge.matrix import Bitmap, Canvas, Frame
from firmware_bridge.messages import COLUMNS, ROWS
from host.display import labels
from host.display.animation import MILLISECONDS, Animation, ScrollingText, Shot, still
from host.display.faults import SCROLL_TEXTS, Fault

if TYPE_CHECKING:
    from host.display.labels import PlanRecord, StepLabel

# --- a result: the summary first, then one page per step -----------------------------------------

COUNT_MS: Final = 4000
"""The number of steps is the first answer to a press: time to look up from the button."""
GAIN_MS: Final = 3000
"""Time to read one number."""
DISTANCE_MS: Final = 2000
"""Two short numbers, one after the other."""
STEP_SIGN_MS: Final = 1600
"""Time to see an arrow; its text follows and says more."""
ROUNDS: Final = 3
"""How often a text is shown before it rests."""

DIM: Final = 2
"""For details that may be missing where LEDs are only on or off."""
MID: Final = 4
"""The lowest level that a Yun lights: for details that must not be missing."""

LIT: Final = 7
"""The highest level."""

ARROWS_WIDTH: Final = 7
HEAD_ROWS: Final = 2
"""Of an arrow; also the length of the shortest arrow."""
PLUS_LENGTH: Final = 3
"""An arrow of this length would look like a plus sign."""
COUNT_MAX: Final = 99
"""The matrix has room for two digits."""
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
    """Return the number of pages of a result."""
    return 1 + len(_shown_steps(record))


def result_screen(record: PlanRecord, page: int, right: int = COLUMNS) -> Animation:
    """Return a page of a result; columns from `right` on are left for a mark."""
    steps = _shown_steps(record)
    if 1 <= page <= len(steps):
        return step_screen(steps, page - 1, right)
    match labels.outcome(record):
        case labels.PLANNED:
            return summary_screen(record, right)
        case labels.NOTHING_TO_DO:
            return Animation((still(nothing_frame(is_proven=labels.is_proven(record))),))
        case _:
            return held_screen(labels.reason(record), right)


def summary_screen(record: PlanRecord, right: int = COLUMNS) -> Animation:
    """Return the number of steps and what is bought and sold; then what the plan reaches, in turn.

    That is the distance to the targets before and after, or the gain in a bucket without targets.
    """
    steps = labels.steps(record)
    bought = sum(step.value for step in steps if step.side == labels.BUY)
    sold = sum(step.value for step in steps if step.side == labels.SELL)
    distances = labels.distances(record)
    if distances is not None:
        reached = tuple(
            still(distance_frame(*distances, right, shows_after=after), DISTANCE_MS)
            for after in (False, True)
        )
    else:
        reached = (still(gain_frame(labels.gain(record), right), GAIN_MS),)
    counts = _count_shots(len(steps), bought, sold, right, is_proven=labels.is_proven(record))
    return Animation((*counts, *reached))


def _count_shots(
    count: int, bought: float, sold: float, right: int, *, is_proven: bool
) -> tuple[Shot, ...]:
    """Return the count and the arrows side by side, or one after the other if they do not fit.

    A dot between the arrows: the plan is proven the best for its objective.
    """
    digits = str(min(count, COUNT_MAX))
    width = TALL.width(digits)
    x = right - ARROWS_WIDTH
    canvas = Canvas()
    if width < x:
        canvas.text(0, 0, digits, TALL)
        _draw_arrows(canvas, x, bought, sold, is_proven=is_proven)
        return (still(canvas.frame(), COUNT_MS),)
    canvas.text((right - width) // 2, 0, digits, TALL)
    arrows = Canvas()
    _draw_arrows(arrows, x // 2, bought, sold, is_proven=is_proven)
    return (still(canvas.frame(), COUNT_MS // 2), still(arrows.frame(), COUNT_MS // 2))


def _draw_arrows(canvas: Canvas, x: int, bought: float, sold: float, *, is_proven: bool) -> None:
    """Draw the value bought as a rising arrow, and the value sold as a hanging one."""
    if is_proven:
        canvas.pixel(x + ARROWS_WIDTH // 2, ROWS - 1, MID)
    largest = max(bought, sold)
    for column, side, value in ((x, labels.BUY, bought), (x + 4, labels.SELL, sold)):
        if value <= 0:
            continue
        length = HEAD_ROWS + round((ROWS - HEAD_ROWS) * value / largest)
        if length == PLUS_LENGTH:
            length = HEAD_ROWS
        top = ROWS - length if side == labels.BUY else 0
        head = top if side == labels.BUY else length - HEAD_ROWS
        canvas.box(column + 1, top, 1, length, MID)
        canvas.bitmap(column, head, MARKS[side], MID)


def distance_frame(
    before: float, after: float, right: int = COLUMNS, *, shows_after: bool
) -> Frame:
    """Return a distance to the targets, `6.1%` before or `>1.2` after, over a bar for each.

    The upper bar is as long as the distance before, the lower one as the distance after; the one
    that the number belongs to is bright.
    """
    canvas = Canvas()
    number, prefix, suffix = (after, ">", "") if shows_after else (before, "", "%")
    texts = [prefix + labels.short_distance(number, digits) + suffix for digits in (2, 1)]
    texts.append(texts[-1].removesuffix(suffix))
    text = next(text for text in texts if SMALL.width(text) <= right)
    canvas.text((right - SMALL.width(text)) // 2, 0, text, SMALL)
    longest = max(before, after)
    for row, distance, is_shown in ((6, before, not shows_after), (7, after, shows_after)):
        length = round(COLUMNS * distance / longest) if longest > 0 else 0
        # What is not zero can be seen.
        length = max(length, 1) if distance > 0 else 0
        if length:
            canvas.box(0, row, length, 1, LIT if is_shown else MID)
    return canvas.frame()


def gain_frame(gain: float | None, right: int = COLUMNS) -> Frame:
    """Return the gain on a step up, or on a step down for a loss."""
    canvas = Canvas()
    middle = COLUMNS // 2
    is_loss = gain is not None and gain < 0
    canvas.box(0, ROWS - 2 if is_loss else ROWS - 1, middle + 1, 1, MID)
    canvas.box(middle, ROWS - 1 if is_loss else ROWS - 2, COLUMNS - middle, 1, MID)
    texts = [labels.short_gain(gain, digits) for digits in (2, 1)]
    texts += [(number, "") for number, _ in texts]
    number, sign = next(text for text in texts if SMALL.width("".join(text)) <= right)
    x = canvas.text((right - SMALL.width(number + sign)) // 2, 0, number, SMALL)
    canvas.text(x, 0, sign, SMALL, MID)
    return canvas.frame()


def step_screen(steps: tuple[StepLabel, ...], index: int, right: int = COLUMNS) -> Animation:
    """Return a step: a large arrow with its number, then the trade as a scrolling text."""
    step = steps[index]
    sign = still(sign_frame(step.side, index + 1), STEP_SIGN_MS)
    line = ScrollingText(step.text, SMALL, 0, 0, right)
    text = line.shots(_step_background(step.side, index, len(steps)), 2 * STEP_SIGN_MS)
    return Animation((sign, *text), ROUNDS, sign)


def sign_frame(side: str, number: int) -> Frame:
    """Return the side as a large arrow, up for buying, and the number of the step."""
    canvas = Canvas()
    canvas.bitmap(0, 0, SIGNS[side])
    digits = TEN if number == labels.STEPS_SHOWN_MAX else LARGE.glyph(str(number))
    canvas.bitmap(6, 0, digits)
    return canvas.frame()


def _step_background(side: str, index: int, count: int) -> Frame:
    """Return the rows below the text: the side, and a dot per step with this one bright."""
    canvas = Canvas()
    canvas.bitmap(0, ROWS - HEAD_ROWS, MARKS[side])
    for dot in range(count):
        canvas.pixel(COLUMNS - count + dot, ROWS - 1, 7 if dot == index else DIM)
    return canvas.frame()


def nothing_frame(*, is_proven: bool = False) -> Frame:
    """Return a check mark: there is nothing to do. A dot in the corner: that is proven best."""
    canvas = Canvas()
    canvas.bitmap(2, 0, CHECK)
    if is_proven:
        canvas.pixel(COLUMNS - 1, ROWS - 1, MID)
    return canvas.frame()


def held_screen(reason: str, right: int = COLUMNS) -> Animation:
    """Return a no-entry sign, then why no plan could be made."""
    canvas = Canvas()
    canvas.bitmap(2, 0, NO_ENTRY)
    sign = still(canvas.frame(), STEP_SIGN_MS)
    line = ScrollingText(reason.upper(), SMALL, 1, 0, right)
    return Animation((sign, *line.shots(Frame.blank(), 2 * STEP_SIGN_MS)), ROUNDS, sign)


def _shown_steps(record: PlanRecord) -> tuple[StepLabel, ...]:
    if labels.outcome(record) != labels.PLANNED:
        return ()
    return labels.steps(record)[: labels.STEPS_SHOWN_MAX]


# --- status: faults, progress, names, previews, the heartbeat ------------------------------------

SIGN_MS: Final = 2500
"""A sign with a number, or a word that scrolls next: time to recognize it."""
NAME_MS: Final = 3000
"""Time to read the first letters, before the name scrolls and after it."""
NAME_ROUNDS: Final = 2
"""A second chance to read a long name; then the result is shown."""
SAND_MS: Final = 400
"""Slow enough for single grains, and quick enough to look alive."""
SAND_STEPS: Final = 5
"""One for each of the four grains, and one with none fallen."""
SWEEP_MS: Final = 200
"""The point crosses 13 columns and comes back in about 5 s."""
BREATH_MS: Final = 1000
"""Slow: nothing is to be done, and each step is a frame on the link."""
BREATH_STEPS: Final = 10
"""One for each of BREATH_LEVELS."""

NAME_STEP_MS: Final = 80
"""For one column: a name of ten letters passes before holding on changes the action."""
NAME_REST_STEPS: Final = 5
"""The first letters rest for 0.4 s, to be read before they move."""
NAME_X: Final = 5
"""Right of the chevron, which is 3 columns wide."""

CHEVRON: Final = Bitmap.from_art("#..", ".#.", "..#", ".#.", "#..")
DOTS: Final = Bitmap.from_art("#.#.#")
"""Something follows."""
STOP: Final = Bitmap.from_art(*["######"] * 6)


class Intent(Enum):
    """The action of a release of the button."""

    NEXT_BUCKET = "next_bucket"
    CANCEL = "cancel"
    ACKNOWLEDGE = "acknowledge"
    PAIR = "pair"
    NOTHING = "nothing"


def bucket_screen(name: str, right: int = COLUMNS) -> Animation:
    """Return the name of a bucket; it scrolls if it does not fit, and ends."""
    line = ScrollingText(
        labels.shortened(name, 2 * labels.NAME_LENGTH_MAX).upper(), SMALL, 1, 0, right
    )
    rounds = 1 if line.overhang <= 0 else NAME_ROUNDS
    return Animation(line.shots(Frame.blank(), NAME_MS), rounds)


def fault_screen(faults: tuple[Fault, ...]) -> Animation:
    """Return the number and the words of each fault, in turn; the first number stays."""
    shots: list[Shot] = []
    for fault in faults:
        line = ScrollingText(SCROLL_TEXTS[fault].upper(), SMALL, 1)
        shots += (
            still(fault_frame(fault), SIGN_MS),
            *line.shots(Frame.blank(), SIGN_MS),
        )
    return Animation(tuple(shots), ROUNDS, shots[0])


def config_rejected_screen(place: str) -> Animation:
    """Return the sign of a rejected configuration, then its place."""
    sign = still(config_rejected_frame(), SIGN_MS)
    line = ScrollingText(labels.shortened(place, labels.REASON_LENGTH_MAX).upper(), SMALL, 1)
    return Animation((sign, *line.shots(Frame.blank(), SIGN_MS)), ROUNDS, sign)


def planning_screen(fraction: float | None) -> Animation:
    """Return an hourglass over a row that fills, or that sweeps while progress is unknown."""
    if fraction is not None:
        share = min(max(fraction, 0.0), 1.0)
        return Animation((Shot(lambda step: planning_frame(share, step), SAND_MS, SAND_STEPS),))
    return Animation((Shot(_sweep_frame, SWEEP_MS, 2 * COLUMNS - 2),))


def _sweep_frame(step: int) -> Frame:
    canvas = Canvas(planning_frame(0.0, step // 2))
    column = min(step, 2 * COLUMNS - 2 - step)  # to the right and back
    canvas.pixel(column, ROWS - 1)
    return canvas.frame()


def degraded_screen() -> Animation:
    """Return the warning sign."""
    return Animation((still(degraded_frame()),))


def idle_screen() -> Animation:
    """Return the heart that breathes."""
    return Animation((Shot(heartbeat_frame, BREATH_MS, BREATH_STEPS),))


def preview_screen(intent: Intent, bucket: str, hold_s: float | None) -> Animation:
    """Return the action of a release; the lowest row fills until holding on changes it.

    Parameters
    ----------
    intent : Intent
    bucket : str
        The bucket that NEXT_BUCKET selects; its name scrolls if it does not fit.
    hold_s : float, optional
        Time until the row is full.
    """
    line = ScrollingText(labels.shortened(bucket, labels.NAME_LENGTH_MAX).upper(), SMALL, 0, NAME_X)
    is_named = intent is Intent.NEXT_BUCKET
    overhang = max(line.overhang, 0) if is_named else 0
    sign = preview_frame(intent)

    def draw(step: int, fraction: float = 0.0) -> Frame:
        offset = min(max(step - NAME_REST_STEPS, 0), overhang)
        canvas = Canvas(line.over(sign, offset) if is_named else sign)
        canvas.box(0, ROWS - 1, round(fraction * COLUMNS), 1)
        return canvas.frame()

    if hold_s is None:
        last = NAME_REST_STEPS + overhang
        return Animation((Shot(draw, NAME_STEP_MS, last),), 1, still(draw(last)))
    last = max(round(hold_s * MILLISECONDS / NAME_STEP_MS), 1)
    row = Shot(lambda step: draw(step, (step + 1) / last), NAME_STEP_MS, last)
    return Animation((row,), 1, Shot(lambda _step: draw(last, 1.0), NAME_STEP_MS))


def preview_frame(intent: Intent) -> Frame:
    """Return the sign of an action, without a name and without the row."""
    canvas = Canvas()
    match intent:
        case Intent.NEXT_BUCKET:
            canvas.bitmap(0, 0, CHEVRON, 4)
        case Intent.CANCEL:
            canvas.bitmap(3, 0, STOP)
        case Intent.ACKNOWLEDGE:
            canvas.text(1, 0, "OK", LARGE)
        case Intent.PAIR:
            canvas.bitmap(0, 0, KEY)
            canvas.bitmap(4, 6, DOTS)
        case Intent.NOTHING:
            canvas.box(3, 3, 7, 1)
    return canvas.frame()


# --- pairing: the code of the HTTP API, and the fingerprint of its certificate -------------------

PAIRING_SIGN_MS: Final = 1200
"""A sign between groups of characters: long enough to tell where they begin."""
GROUP_MS: Final = 2500
"""Time to read three characters and to type or compare them."""
CODE_ROUNDS: Final = 2
"""The code is urgent and twice as often as the fingerprint."""
GROUP_LENGTH: Final = 3
"""Characters that fit side by side."""


def pairing_screen(code: str, fingerprint: tuple[str, ...]) -> Animation:
    """Return the code in two groups, and then the fingerprint in groups; again and again.

    Parameters
    ----------
    code : str
        Six digits.
    fingerprint : tuple of str
        Groups of three hexadecimal digits; empty without a certificate.
    """
    halves = (code[:GROUP_LENGTH], code[GROUP_LENGTH:])
    code_shots = tuple(still(digits_frame(half), GROUP_MS) for half in halves)
    shots = (still(key_frame(), PAIRING_SIGN_MS), *code_shots) * CODE_ROUNDS
    if fingerprint:
        count = len(fingerprint)
        frames = (group_frame(text, index, count) for index, text in enumerate(fingerprint))
        groups = tuple(still(frame, GROUP_MS) for frame in frames)
        shots += (still(lock_frame(), PAIRING_SIGN_MS), *groups)
    return Animation(shots)


def digits_frame(digits: str) -> Frame:
    """Return half of the code, as large as it can be."""
    canvas = Canvas()
    canvas.text((COLUMNS - TALL.width(digits)) // 2, 0, digits, TALL)
    return canvas.frame()


def group_frame(text: str, index: int, count: int) -> Frame:
    """Return a group of the fingerprint over a dot per group, with this one's dot bright."""
    canvas = Canvas()
    canvas.text((COLUMNS - SMALL.width(text)) // 2, 0, text, SMALL)
    first = (COLUMNS - (2 * count - 1)) // 2
    for dot in range(count):
        canvas.pixel(first + 2 * dot, ROWS - 1, LIT if dot == index else DIM)
    return canvas.frame()


def key_frame() -> Frame:
    """Return a key: the code for pairing follows."""
    canvas = Canvas()
    canvas.bitmap(0, 1, KEY)
    return canvas.frame()


def lock_frame() -> Frame:
    """Return a lock: the fingerprint of the certificate follows."""
    canvas = Canvas()
    canvas.bitmap((COLUMNS - LOCK.width) // 2, 0, LOCK)
    return canvas.frame()


# --- the frames of states ------------------------------------------------------------------------

FAULT_CODE_MAX: Final = 99
DIGIT_MAX: Final = 9

HOURGLASS_X: Final = 4
# The grains of sand, in the order in which they leave the top and reach the bottom.
SAND_TOP: Final = ((2, 1), (1, 1), (3, 1), (2, 2))
SAND_BOTTOM: Final = ((2, 4), (1, 4), (3, 4), (2, 3))
SAND_LEVEL: Final = 3
BREATH_LEVELS: Final = (2, 3, 4, 5, 6, 7, 6, 5, 4, 3)


def fault_frame(code: int) -> Frame:
    """Return a fault with its code, 0 to 99."""
    assert 0 <= code <= FAULT_CODE_MAX
    canvas = Canvas()
    if code <= DIGIT_MAX:
        canvas.bitmap(0, 0, CROSS)
        canvas.text(8, 0, str(code), LARGE)
    else:
        canvas.bitmap(0, 0, CROSS, 4)  # close to the digits: another level keeps them apart
        canvas.text(6, 0, str(code), TALL)
    return canvas.frame()


def config_rejected_frame() -> Frame:
    """Return the picture of a rejected configuration: a page and a cross."""
    canvas = Canvas()
    canvas.bitmap(0, 0, PAGE)
    canvas.bitmap(8, 2, CROSS_SMALL)
    return canvas.frame()


def degraded_frame() -> Frame:
    """Return a warning sign."""
    canvas = Canvas()
    canvas.bitmap((COLUMNS - WARNING.width) // 2, 0, WARNING)
    return canvas.frame()


def with_degraded_mark(frame: Frame) -> Frame:
    """Return a frame with a small exclamation mark in its upper right corner."""
    canvas = Canvas(frame)
    canvas.box(COLUMNS - 2, 0, 2, WARNING_MARK.height + 1, 0)
    canvas.bitmap(COLUMNS - 1, 0, WARNING_MARK)
    return canvas.frame()


def planning_frame(fraction: float, step: int) -> Frame:
    """Return an hourglass over a row of progress; ``step`` only moves the sand."""
    canvas = Canvas()
    canvas.bitmap(HOURGLASS_X, 0, HOURGLASS)
    fallen = step % (len(SAND_TOP) + 1)
    for x, y in SAND_TOP[fallen:] + SAND_BOTTOM[:fallen]:
        canvas.pixel(HOURGLASS_X + x, y, SAND_LEVEL)
    canvas.progress(ROWS - 1, fraction)
    return canvas.frame()


def heartbeat_frame(step: int) -> Frame:
    """Return a small heart that fades in and out; one round takes ten steps."""
    canvas = Canvas()
    canvas.bitmap(4, 2, HEART_SMALL, BREATH_LEVELS[step % len(BREATH_LEVELS)])
    return canvas.frame()
