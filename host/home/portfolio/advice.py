"""What became of the advice: the plan that is being carried out, and the steps that are refused.

Recording a plan's first step in the ledger accepts the plan; nothing else has to be said. The
ledger knows days and no times, so a fill counts for every plan of its day or before: also for one
made later that day that wants more of the same trade. Cool-downs keep that from happening.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

from host import limits
from host.errors import StorageError
from host.home.plan_store import PlanRecord, PlanStore
from host.home.portfolio.advice_file import checked_date, checked_value, read_advice
from planner_core.model.records import (
    Finding,
    Incumbent,
    IncumbentStep,
    RefusedStep,
    Severity,
    Side,
    Trade,
)

if TYPE_CHECKING:
    from pathlib import Path

    from host.home.home import Home

DUST = 1e-9
"""A fraction of a step; what is left below it was done."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a plan has to know of the advice before it."""

    refused: tuple[RefusedStep, ...]
    incumbent: Incumbent | None
    findings: tuple[Finding, ...]


def standing_of(home: Home, bucket_id: str, as_of: date, trades: Sequence[Trade]) -> Standing:
    """Return refusals in force and what is left of the accepted plan; never fails.

    Parameters
    ----------
    home : Home
    bucket_id : str
    as_of : date
    trades : sequence of Trade
        The bucket's ledger.
    """
    advice, findings = read_advice(home, bucket_id)
    refused = advice.refused_on(as_of)
    store = PlanStore(home)
    try:
        accepted = _accepted(store, bucket_id, as_of, trades)
    except StorageError as error:
        accepted = None
        message = f"{error}; no plan counts as accepted"
        findings = (*findings, Finding("plans_unreadable", Severity.WARNING, message))
    findings = (*findings, *store.findings)
    if accepted is None or accepted.trace_id in advice.dismissed:
        return Standing(refused, None, findings)
    unwanted = {(step.security, step.side) for step in refused}
    left = tuple(step for step in accepted.steps if (step.security, step.side) not in unwanted)
    return Standing(refused, replace(accepted, steps=left) if left else None, findings)


def incumbent_of(
    home: Home, bucket_id: str, as_of: date, trades: Sequence[Trade]
) -> Incumbent | None:
    """Return what is left of the plan that was accepted last; see `standing_of`.

    The newest stored plan counts that is valid on `as_of`, was made for that day or before, and of
    which the first step is found, wholly or in part, among the fills since its own `as_of`.
    Conversions are no fills, so they are left out. None when it was dismissed or is done.
    """
    return standing_of(home, bucket_id, as_of, trades).incumbent


def refused_of(home: Home, bucket_id: str, as_of: date) -> tuple[RefusedStep, ...]:
    """Return the refusals that are in force on a day."""
    return read_advice(home, bucket_id)[0].refused_on(as_of)


def _accepted(
    store: PlanStore, bucket_id: str, as_of: date, trades: Sequence[Trade]
) -> Incumbent | None:
    """Return the newest accepted plan with what is left of it, be it nothing."""
    if not trades:
        return None
    newest_fill = max(trade.on for trade in trades)
    if (as_of - newest_fill).days > limits.PLAN_VALID_DAYS_MAX:
        return None
    for file in store.list(bucket_id):
        stored = store.load(bucket_id, file.trace_id)
        if stored is None or stored.record.get("outcome") != "PLANNED":
            continue
        try:
            made_for, valid_until, steps = _read_steps(stored.record)
            repaired = _repaired(stored.record, made_for, as_of, trades)
        except ValueError as error:
            store.findings.append(_odd_plan(file.path, error))
            continue
        if not made_for <= as_of <= valid_until or newest_fill < made_for or not steps:
            continue
        left = _what_is_left(steps, made_for, as_of, trades)
        if left is not None:
            return Incumbent(file.trace_id, valid_until, left, repaired)
    return None


def _repaired(record: PlanRecord, since: date, as_of: date, trades: Sequence[Trade]) -> float:
    """Return the value, as planned, of what was filled of the steps that repair a limit."""
    filled = _filled(since, as_of, trades)
    value = 0.0
    for entry in checked_value(record, "steps", list)[: limits.PLAN_STEPS_MAX]:
        side = Side(checked_value(entry, "side", str))
        # A plan of an older version does not say what is mandatory: then nothing is forgiven.
        if side is Side.CONVERT or entry.get("mandatory") is not True:
            continue
        done = filled[checked_value(entry, "security", str), side]
        share = min(1.0, done / checked_value(entry, "quantity", int, float))
        value += share * checked_value(entry, "value", int, float)
    return value


def _what_is_left(
    steps: Sequence[IncumbentStep], since: date, as_of: date, trades: Sequence[Trade]
) -> tuple[IncumbentStep, ...] | None:
    """Return the steps less what was filled; None when the first one was not begun."""
    filled = _filled(since, as_of, trades)
    if (steps[0].security, steps[0].side) not in filled:
        return None
    left = []
    for step in steps:
        rest = step.quantity - filled[step.security, step.side]
        if rest > DUST * step.quantity:
            left.append(replace(step, quantity=rest))
    return tuple(left)


def _filled(since: date, as_of: date, trades: Sequence[Trade]) -> dict[tuple[str, Side], float]:
    """Return the units traded of each security and side within the days; 0 for all others."""
    filled: dict[tuple[str, Side], float] = defaultdict(float)
    for trade in trades:
        if since <= trade.on <= as_of:
            filled[trade.security, trade.side] += trade.quantity
    return filled


def _read_steps(record: PlanRecord) -> tuple[date, date, tuple[IncumbentStep, ...]]:
    """Return the day, the end and the trades of a stored plan; ValueError when they are not."""
    made_for, valid_until = checked_date(record, "as_of"), checked_date(record, "valid_until")
    steps = []
    for entry in checked_value(record, "steps", list)[: limits.PLAN_STEPS_MAX]:
        side = Side(checked_value(entry, "side", str))
        if side is Side.CONVERT:
            continue
        quantity = checked_value(entry, "quantity", int, float)
        if not 0 < quantity <= limits.QUANTITY_MAX:
            raise ValueError(f"quantity: {quantity} is no number of units")
        steps.append(IncumbentStep(checked_value(entry, "security", str), side, float(quantity)))
    return made_for, valid_until, tuple(steps)


def _odd_plan(path: Path, error: ValueError) -> Finding:
    message = f"{path.name}: {error}; it does not count as accepted"
    return Finding("plan_file_odd", Severity.WARNING, message, "delete the file")
