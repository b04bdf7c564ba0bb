"""A stored plan in a few short words, for eight rows of LEDs.

The record comes from a file that anything may have happened to: whatever is missing or odd becomes
"?" here, and never an error.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

PlanRecord: TypeAlias = Mapping[str, object]
"""A plan as in docs/plan-json.md."""

PLANNED: Final = "PLANNED"
NOTHING_TO_DO: Final = "NOTHING_TO_DO"
HELD: Final = "HELD"
BUY: Final = "buy"
SELL: Final = "sell"

STEPS_SHOWN_MAX: Final = 10
NAME_LENGTH_MAX: Final = 16
REASON_LENGTH_MAX: Final = 120
UNKNOWN: Final = "?"
CUT: Final = ".."

EXACT_UNITS_MAX: Final = 1e6
"""Up to here an order is read off the matrix, so every unit counts."""
FRACTION_DIGITS: Final = 6
LEAST_UNITS: Final = 0.5e-6
SUFFIXES: Final = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K"))
BEYOND: Final = 1e15


@dataclass(frozen=True, slots=True)
class StepWords:
    """A step as it is shown; `side` is "buy", "sell" or "?"."""

    side: str
    text: str
    value: float


def outcome(record: PlanRecord) -> str:
    """Return the outcome; a plan that is not one counts as held."""
    found = record.get("outcome")
    return str(found) if found in (PLANNED, NOTHING_TO_DO) else HELD


def reason(record: PlanRecord) -> str:
    """Return why there is no plan, cut to what a patient reader reads."""
    return shortened(record.get("reason"), REASON_LENGTH_MAX)


def steps(record: PlanRecord) -> tuple[StepWords, ...]:
    """Return the steps in their order."""
    found = record.get("steps")
    currency = shortened(record.get("currency"), 3)
    if not isinstance(found, list | tuple):
        return ()
    return tuple(_step(step, currency) for step in found if isinstance(step, Mapping))


def gain(record: PlanRecord) -> float | None:
    """Return the gain of the score as a fraction; None when it is not known."""
    score = record.get("score")
    return _finite(score.get("gain")) if isinstance(score, Mapping) else None


def shortened(text: object, length: int) -> str:
    """Return a text of at most this length, on one line; "?" for none."""
    words = " ".join(text[: 4 * length].split()) if isinstance(text, str) else ""
    if not words:
        return UNKNOWN
    return shortened_line(words, length)


def shortened_line(text: str, length: int) -> str:
    """Return a line of at most this length, as it is but for its end."""
    return text if len(text) <= length else text[: length - len(CUT)].rstrip() + CUT


def units(value: float | None) -> str:
    """Return a quantity: exact while it can be read at all."""
    if value is None or abs(value) >= EXACT_UNITS_MAX:
        return amount(value)
    if value and abs(value) < LEAST_UNITS:
        return f"{value:.0E}"
    text = f"{value:.{FRACTION_DIGITS}f}"
    return text.rstrip("0").rstrip(".")


def amount(value: float | None) -> str:
    """Return an amount in two digits or three: 7.1K, 312K, 1.2M."""
    if value is None:
        return UNKNOWN
    size = abs(value)
    if size >= BEYOND:
        return f"{value:.0E}".replace("+", "")
    for unit, suffix in SUFFIXES:
        # What rounds up to the next unit belongs to it: 999.9 K is 1.0 M.
        if size >= unit * 0.9995:
            return f"{_two_digits(value / unit)}{suffix}"
    return f"{value:.0f}"


def percent(value: float | None, digits: int = 2) -> tuple[str, str]:
    """Return a gain in percent, and the sign for it: .87%, 1.6%, 12%; or .9%, 2%, 12%."""
    if value is None:
        return UNKNOWN, ""
    size = min(abs(value) * 100, 1000.0)
    minus = "-" if value < 0 else ""
    if size >= 99.5:  # noqa: PLR2004 - what would round to three digits
        return (f"{minus}99", "") if minus else (">99", "")
    texts = [f"{size:.{decimals}f}".removeprefix("0") for decimals in range(digits, -1, -1)]
    number = next((text for text in texts if sum(map(str.isdigit, text)) <= digits), texts[-1])
    if not number.strip(".0"):
        return "0", "%"
    return f"{minus}{number}", "%"


def _two_digits(value: float) -> str:
    return f"{value:.1f}" if abs(value) < 9.95 else f"{value:.0f}"  # noqa: PLR2004 - rounds to 10


def _step(step: Mapping[object, object], currency: str) -> StepWords:
    side = step.get("side")
    known = str(side) if side in (BUY, SELL) else UNKNOWN
    name = shortened(step.get("security"), NAME_LENGTH_MAX)
    value = _finite(step.get("value"))
    worth = f"{amount(value)} {currency}"
    text = f"{known} {units(_finite(step.get('quantity')))} {name} {worth}"
    return StepWords(known, text.upper(), abs(value or 0.0))


def _finite(value: object) -> float | None:
    """Return a number; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
