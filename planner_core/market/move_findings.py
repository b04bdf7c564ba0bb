"""Findings about moves of prices and rates: what is doubted, and what the owner can do."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from planner_core.market.move_guard import DECIMAL, UNITS, Move, MoveKind
from planner_core.model.context import PlanningContext
from planner_core.model.records import Finding, Severity

PRICES = "market/prices.csv"
RATES = "market/fx.csv"
SPLITS = "market/corporate_actions.csv"
PRICE_IDS = {
    MoveKind.SPIKE: "price_spike",
    MoveKind.NEWS: "price_move_unusual",
    MoveKind.SPLIT: "looks_like_split",
    MoveKind.UNIT: "looks_like_unit_change",
}
RATE_IDS = {MoveKind.SPIKE: "rate_spike", MoveKind.NEWS: "rate_move_unusual"}
OPEN_IDS = {False: "price_jump", True: "rate_jump"}
"""Of other kinds while they stop the series, by whether it is a rate."""
PAST_IDS = {False: "price_jump_taken_for_real", True: "rate_jump_taken_for_real"}
"""Of other kinds that stop nothing."""


def price_findings(
    context: PlanningContext, column: int, moves: Sequence[Move], last_row: int
) -> list[Finding]:
    """Return a finding per move of a security's closes that is doubted or was."""
    security = context.securities[column].id
    findings = []
    for move in moves:
        day = _day(context, move)
        if move.kind is MoveKind.NEWS and move.row != last_row:
            # Later closes confirmed it.
            continue
        findings.append(
            Finding(
                _finding_id(move, is_rate=False),
                _severity(move),
                f"{security} {_what(move, day)}; {_price_effect(move)}",
                f"{_price_cure(move, security, day)}, run: trader data accept {security} {day}",
                security,
            )
        )
    return findings


def rate_findings(
    context: PlanningContext, currency: str, moves: Sequence[Move], last_row: int
) -> list[Finding]:
    """Return a finding per move of a currency's rate that is doubted or was."""
    findings = []
    for move in moves:
        day = _day(context, move)
        if move.kind is MoveKind.NEWS and move.row != last_row:
            continue
        findings.append(
            Finding(
                _finding_id(move, is_rate=True),
                _severity(move),
                f"the rate of {currency} {_what(move, day)}; {_rate_effect(move, currency)}",
                f"correct {RATES}; if the rate is right, run: trader data accept {currency} {day}",
            )
        )
    return findings


def constant_rate_finding(
    context: PlanningContext, currency: str, rate: float, row: int, *, is_one: bool
) -> Finding:
    """Return the finding about a rate that is the same on all days."""
    day = context.dates[row].astype(object)
    base = context.base_currency
    effect = (
        f"securities and cash in {currency} are not traded" if is_one else "it may be out of date"
    )
    return Finding(
        "rate_constant",
        Severity.ERROR if is_one else Severity.WARNING,
        f"the rate of {currency} is {rate:g} on every day; {effect}",
        f"write {base} per 1 {currency} into {RATES}; if the rate is right,"
        f" run: trader data accept {currency} {day}",
    )


def reason_for_hold(context: PlanningContext, name: str, move: Move) -> str:
    """Return why a security or currency is not traded, for the steps that are left out."""
    return f"{name} {_what(move, _day(context, move))}"


def _day(context: PlanningContext, move: Move) -> date:
    day: date = context.dates[move.row].astype(object)
    return day


def _what(move: Move, day: date) -> str:
    """Return the move in words, with what it looks like."""
    change = f"moved {move.ratio - 1:+.1%} on {day}"
    new, old = move.nominal
    if move.kind is MoveKind.SPIKE:
        return f"{change} and came back"
    if move.kind is MoveKind.INVERSE:
        return f"{change}, to the inverse of the rate before"
    if move.kind is MoveKind.SPLIT:
        decimal = " or a wrong decimal point" if max(new, old) == DECIMAL else ""
        return f"{change}, which looks like a {new}:{old} split{decimal}"
    if move.kind is MoveKind.UNIT:
        return f"{change}, which looks like another unit (by {max(new, old)})"
    return f"{change}, more than its volatility explains"


def _finding_id(move: Move, *, is_rate: bool) -> str:
    other = (OPEN_IDS if move.is_open else PAST_IDS)[is_rate]
    return (RATE_IDS if is_rate else PRICE_IDS).get(move.kind, other)


def _severity(move: Move) -> Severity:
    return Severity.ERROR if move.is_open else Severity.WARNING


def _price_effect(move: Move) -> str:
    if move.kind is MoveKind.SPIKE:
        return "that close is not used"
    if move.kind is MoveKind.NEWS:
        return "it is used, so check it before you trade"
    if move.is_open:
        return "it is not traded, and only closes on one side of that day are used"
    if move.kind is MoveKind.JUMP:
        return "it lasted, so it counts as real"
    return "it came back later, and the closes between are not used"


def _price_cure(move: Move, security: str, day: date) -> str:
    """Return what to do, up to the command that accepts the move."""
    new, old = move.nominal
    if move.kind in (MoveKind.SPIKE, MoveKind.NEWS):
        return f"correct {PRICES}; if the price is right"
    ratio = f"{new}" if old == 1 else f"{new}:{old}"
    line = f"add the line {day},{security},{ratio} to {SPLITS}"
    if move.kind is MoveKind.UNIT:
        unit = "hundredths" if max(move.nominal) == UNITS[0] else "thousandths"
        return (
            f"write all closes of {security} in one unit in {PRICES}, none in {unit} of it;"
            f" if it was a split, {line}; if the price really moved"
        )
    if move.kind is MoveKind.SPLIT:
        return f"if it was a split, {line}; if a close is wrong, correct it; if the price is right"
    return f"if it was a split, declare it in {SPLITS}; if the price is right"


def _rate_effect(move: Move, currency: str) -> str:
    if move.kind is MoveKind.SPIKE:
        return "that rate is not used"
    if move.kind is MoveKind.NEWS:
        return "it is used, so check it before you trade"
    if move.is_open:
        return f"it is not used, and nothing in {currency} is traded"
    if move.kind is MoveKind.JUMP:
        return "it lasted, so it counts as real"
    return "it came back later, and the rates between are rescaled"
