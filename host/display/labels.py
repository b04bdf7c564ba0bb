"""The short texts of a stored plan, for eight rows of LEDs.

The record comes from a file that may be damaged: a missing or odd value becomes "?" here, and never
an error.
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
PROVEN: Final = "proven"

STEPS_SHOWN_MAX: Final = 10
NAME_LENGTH_MAX: Final = 16
REASON_LENGTH_MAX: Final = 120
UNKNOWN: Final = "?"
ELLIPSIS: Final = ".."

EXACT_QUANTITY_MAX: Final = 1e6
"""Up to here a quantity is exact: an order may be typed from the matrix."""
FRACTION_DIGITS: Final = 6
QUANTITY_MIN: Final = 0.5e-6
SUFFIXES: Final = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K"))
SUFFIXED_MAX: Final = 1e15


@dataclass(frozen=True, slots=True)
class StepLabel:
    """A step as it is shown; `side` is "buy", "sell" or "?"."""

    side: str
    text: str
    value: float


def outcome(record: PlanRecord) -> str:
    """Return the outcome; an unknown one counts as held."""
    name = record.get("outcome")
    return str(name) if name in (PLANNED, NOTHING_TO_DO) else HELD


def reason(record: PlanRecord) -> str:
    """Return why there is no plan, cut to a length that can be read as it scrolls."""
    return shortened(record.get("reason"), REASON_LENGTH_MAX)


def steps(record: PlanRecord) -> tuple[StepLabel, ...]:
    """Return the steps in their order."""
    entries = record.get("steps")
    currency = shortened(record.get("currency"), 3)
    if not isinstance(entries, list | tuple):
        return ()
    return tuple(_step(entry, currency) for entry in entries if isinstance(entry, Mapping))


def gain(record: PlanRecord) -> float | None:
    """Return the gain of the score as a fraction; None when it is unknown."""
    score = record.get("score")
    return _finite(score.get("gain")) if isinstance(score, Mapping) else None


def is_proven(record: PlanRecord) -> bool:
    """Return whether the plan is proven the best for its objective."""
    certificate = record.get("certificate")
    return isinstance(certificate, Mapping) and certificate.get("answer") == PROVEN


def distances(record: PlanRecord) -> tuple[float, float] | None:
    """Return the distance to the targets before and after, fractions of NAV.

    None without targets, and for figures that are no distances.
    """
    metrics = record.get("metrics")
    distance = metrics.get("distance") if isinstance(metrics, Mapping) else None
    if not isinstance(distance, Mapping):
        return None
    before, after = _finite(distance.get("before")), _finite(distance.get("after"))
    if before is None or after is None or before < 0 or after < 0:
        return None
    return before, after


def short_distance(value: float, digits: int = 2) -> str:
    """Return a distance in percent without the sign: 6.1, 0.4, 21; or 6, 0, 21 with one digit."""
    size = value * 100
    if size >= 99.5:  # noqa: PLR2004 - from here on it would round to three digits
        return "99"
    # 9.95 would round to 10.0: three digits.
    return f"{size:.1f}" if digits > 1 and size < 9.95 else f"{size:.0f}"  # noqa: PLR2004


def shortened(text: object, length: int) -> str:
    """Return a text of at most this length, on one line; "?" for an empty one."""
    words = " ".join(text[: 4 * length].split()) if isinstance(text, str) else ""
    if not words:
        return UNKNOWN
    return shortened_line(words, length)


def shortened_line(text: str, length: int) -> str:
    """Return a line cut to at most this length."""
    return text if len(text) <= length else text[: length - len(ELLIPSIS)].rstrip() + ELLIPSIS


def short_quantity(value: float | None) -> str:
    """Return a quantity: exact up to a million units."""
    if value is None or abs(value) >= EXACT_QUANTITY_MAX:
        return short_amount(value)
    if value and abs(value) < QUANTITY_MIN:
        return f"{value:.0E}"
    text = f"{value:.{FRACTION_DIGITS}f}"
    return text.rstrip("0").rstrip(".")


def short_amount(value: float | None) -> str:
    """Return an amount in two or three digits: 7.1K, 312K, 1.2M."""
    if value is None:
        return UNKNOWN
    size = abs(value)
    if size >= SUFFIXED_MAX:
        return f"{value:.0E}".replace("+", "")
    for unit, suffix in SUFFIXES:
        # A value that rounds up to the next unit belongs to it: 999.9 K is 1.0 M.
        if size >= unit * 0.9995:
            return f"{_two_digits(value / unit)}{suffix}"
    return f"{value:.0f}"


def short_gain(value: float | None, digits: int = 2) -> tuple[str, str]:
    """Return a gain in percent as number and sign: .87%, 1.6%, 12%; or .9%, 2%, 12%."""
    if value is None:
        return UNKNOWN, ""
    size = min(abs(value) * 100, 1000.0)
    minus = "-" if value < 0 else ""
    if size >= 99.5:  # noqa: PLR2004 - from here on it would round to three digits
        return (f"{minus}99", "") if minus else (">99", "")
    texts = [f"{size:.{decimals}f}".removeprefix("0") for decimals in range(digits, -1, -1)]
    number = next((text for text in texts if sum(map(str.isdigit, text)) <= digits), texts[-1])
    if not number.strip(".0"):
        return "0", "%"
    return f"{minus}{number}", "%"


def _two_digits(value: float) -> str:
    return f"{value:.1f}" if abs(value) < 9.95 else f"{value:.0f}"  # noqa: PLR2004 - rounds to 10


def _step(step: Mapping[object, object], currency: str) -> StepLabel:
    side = str(step.get("side")) if step.get("side") in (BUY, SELL) else UNKNOWN
    name = shortened(step.get("security"), NAME_LENGTH_MAX)
    value = _finite(step.get("value"))
    worth = f"{short_amount(value)} {currency}"
    text = f"{side} {short_quantity(_finite(step.get('quantity')))} {name} {worth}"
    return StepLabel(side, text.upper(), abs(value or 0.0))


def _finite(value: object) -> float | None:
    """Return a number; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
