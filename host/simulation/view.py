"""The demo's screen as lines of text: matrix, keys, and the plan below; no IO.

80 columns and 24 rows are enough. Lines that do not fit are cut, never wrapped.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from firmware_bridge.matrix import Frame
from firmware_bridge.messages import BRIGHTNESS_MAX, COLUMNS
from firmware_bridge.render import to_ansi, to_text
from host.display import labels
from host.display.lighting import dimmed_frame
from host.text import percent, printable

KEYS: Final = (
    ("space", "press: plan the bucket"),
    ("d", "double press: next page of the plan"),
    ("b", "hold 1.5 s: next bucket"),
    ("c", "hold 5 s: cancel, or acknowledge a fault"),
    ("q", "quit"),
)
KEYS_WIDTH: Final = max(len(what) for _, what in KEYS) + 7
SHORT_KEYS: Final = "space: plan  d: page  b: bucket  c: cancel  q: quit"
"""Shown below the matrix if the keys do not fit beside it."""
BORDER: Final = 3
"""Columns that the frame around the matrix adds."""
GAP: Final = 3
EVENTS_KEPT: Final = 4

BOLD: Final = "\x1b[1m"
DIM: Final = "\x1b[2m"
GREEN: Final = "\x1b[32m"
MAGENTA: Final = "\x1b[35m"
RESET: Final = "\x1b[0m"


@dataclass(slots=True)
class DemoView:
    """The content of the screen."""

    bucket: str = ""
    levels: Sequence[Sequence[int]] | None = None
    plan: Mapping[str, object] | None = None
    events: list[str] = field(default_factory=list)
    brightness: int = BRIGHTNESS_MAX
    leds: Mapping[str, bool] = field(default_factory=dict)

    def add_event(self, line: str) -> None:
        """Add a line to the latest events."""
        self.events = [*self.events, line][-EVENTS_KEPT:]


@dataclass(frozen=True, slots=True)
class Style:
    """Colours or not, and the size of the screen."""

    colours: bool = True
    columns: int = 80
    rows: int = 24


def screen_lines(view: DemoView, style: Style) -> list[str]:
    """Return the lines of the screen, none of them too wide."""
    matrix = matrix_lines(view.levels, style, view.brightness)
    width = 2 * COLUMNS + BORDER
    room = max(0, style.columns - width - GAP)
    is_narrow = room < KEYS_WIDTH
    beside = _beside(view, style, () if is_narrow else KEYS)
    lines = []
    for number in range(max(len(matrix), len(beside))):
        row = matrix[number] if number < len(matrix) else " " * width
        right = beside[number] if number < len(beside) else ""
        lines.append(row + " " * GAP + _cut(right, room, style))
    if is_narrow:
        lines += textwrap.wrap(SHORT_KEYS, max(style.columns, 1))
    lines.append(_cut(led_line(view.leds), style.columns, style))
    if view.plan is not None:
        lines += plan_lines(view.plan, style)
    return lines[: style.rows - 1]


def matrix_lines(
    levels: Sequence[Sequence[int]] | None, style: Style, brightness: int = BRIGHTNESS_MAX
) -> list[str]:
    """Return the matrix with a border, two columns per pixel."""
    frame = dimmed_frame(Frame.blank() if levels is None else Frame.from_rows(levels), brightness)
    edge = "+" + "-" * (2 * COLUMNS + 1) + "+"
    if style.colours:
        inside = [f"| {row} |" for row in to_ansi(frame).split("\n")]
    else:
        inside = [f"| {row}|" for row in to_text(frame).split("\n")]
    return [edge, *inside, edge]


def led_line(leds: Mapping[str, bool]) -> str:
    """Return the LEDs beside the matrix; empty for a board without them."""
    lights = (f"{'*' if leds[name] else 'o'} {name}" for name in sorted(leds))
    return f"LEDs: {'   '.join(lights)}" if leds else ""


def plan_lines(plan: Mapping[str, object], style: Style) -> list[str]:
    """Return a plan as a headline and a row per step."""
    bucket, as_of = str(plan.get("bucket_id")), str(plan.get("as_of"))
    outcome, gain = labels.outcome(plan), labels.gain(plan)
    title = printable(f"{bucket}, as of {as_of}: {outcome_line(outcome, gain, plan)}")
    lines = [_in(BOLD, title[: style.columns], style)]
    steps = plan.get("steps")
    rows = [step for step in steps if isinstance(step, Mapping)] if isinstance(steps, list) else []
    if rows:
        lines.append(
            _in(DIM, _row("#", "", "security", "quantity", "value", "cost", "weight"), style)
        )
    for number, step in enumerate(rows, start=1):
        lines.append(_step_line(number, step, style))
    return lines


def outcome_line(outcome: str, gain: float | None, plan: Mapping[str, object]) -> str:
    """Return the outcome of a plan in a sentence."""
    if outcome == labels.PLANNED and gain is not None:
        steps = plan.get("steps")
        count = len(steps) if isinstance(steps, list) else 0
        what = "1 step" if count == 1 else f"{count} steps"
        distances = _distances(plan)
        if distances:
            return f"{what}; your targets are {distances} away"
        if gain < 0:  # only a plan that repairs a limit may lower the score
            return f"{what}; {percent(-gain)} a year worse by this objective, repairs a limit"
        return f"{what}, {percent(gain)} of the portfolio a year better by this objective"
    if outcome == labels.NOTHING_TO_DO:
        return "nothing to do"
    return f"no plan: {plan.get('reason')}"


def _distances(plan: Mapping[str, object]) -> str:
    """Return the distance to the targets before and after; empty without targets."""
    metrics = plan.get("metrics")
    distance = metrics.get("distance") if isinstance(metrics, Mapping) else None
    if not isinstance(distance, Mapping):
        return ""
    texts = [
        percent(value, 1)
        for value in (distance.get("before"), distance.get("after"))
        if isinstance(value, int | float)
    ]
    return " → ".join(texts)


def _step_line(number: int, step: Mapping[str, object], style: Style) -> str:
    side = str(step.get("side"))
    row = _row(
        str(number),
        side,
        str(step.get("security")),
        _number(step.get("quantity")),
        _number(step.get("value")),
        _number(step.get("cost"), 2),
        _weights(step),
    )
    row = labels.shortened_line(printable(row), style.columns)
    return row.replace(side, _in(GREEN if side == labels.BUY else MAGENTA, side, style), 1)


def _weights(step: Mapping[str, object]) -> str:
    """Return the weight before and after, and the target; a conversion changes no weight."""
    before, after, target = (step.get(key) for key in ("weight_before", "weight_after", "target"))
    if not (isinstance(before, int | float) and isinstance(after, int | float)):
        return labels.UNKNOWN
    text = f"{percent(before, 1)} → {percent(after, 1)}"
    return f"{text}, target {percent(target, 1)}" if isinstance(target, int | float) else text


def _row(number: str, side: str, security: str, *rest: str) -> str:
    quantity, value, cost, weight = rest
    return f"{number:>2} {side:<4} {security:<8} {quantity:>9} {value:>10} {cost:>7}  {weight}"


def _number(value: object, decimals: int = 0) -> str:
    if not isinstance(value, int | float):
        return labels.UNKNOWN
    text = f"{value:,.{decimals}f}"
    return text if decimals or value == int(value) or abs(value) >= 1 else f"{value:g}"


def _beside(view: DemoView, style: Style, keys: Sequence[tuple[str, str]]) -> list[str]:
    """Return the lines to the right of the matrix."""
    lines = [_in(BOLD, f"bucket {view.bucket or '?'}", style), ""]
    lines += [f"{key:<6} {what}" for key, what in keys]
    lines += ["", *[_in(DIM, printable(line), style) for line in view.events[-2:]]]
    return lines


def _in(code: str, text: str, style: Style) -> str:
    return f"{code}{text}{RESET}" if style.colours else text


def _cut(line: str, width: int, style: Style) -> str:
    """Cut a line; one with colours begins and ends with their codes."""
    if not style.colours or not line.startswith("\x1b"):
        return line[:width]
    begin = line.index("m") + 1
    return line[:begin] + line[begin : -len(RESET)][:width] + RESET
