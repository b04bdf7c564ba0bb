"""The owner's answers to plans: trades refused, plans dismissed, and the plan being carried out.

    state/advice/<bucket>.json    refusals and dismissals, written by `trader refuse` and `dismiss`
    plans, ledger                 a plan is accepted when its first step is in the ledger

The file is small, and its content is quickly entered again. A damaged one is set aside and
reported, and never prevents a plan. A daemon and a command may change it at the same time, so a
change holds a lock from reading to writing.

The ledger has days and no times. So a fill counts for every plan of its day or before, also for one
made later that day that wants more of the same trade. Cool-downs prevent that.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any

from host import limits
from host.clock import utc_now
from host.errors import StorageError
from host.home.plan_store import PlanRecord, PlanStore
from host.home.storage.atomic_file import (
    NotRegularFileError,
    locked_file,
    open_file,
    storage_error,
    write_atomic,
)
from host.home.storage.csv_table import parse_date
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

SCHEMA_VERSION = 1
QUANTITY_TOLERANCE = 1e-9
"""A remainder below this fraction of a step is a rounding error: the step is done."""


@dataclass(frozen=True, slots=True)
class Decisions:
    """The refusals and dismissals in the file, expired refusals included."""

    refused: tuple[RefusedStep, ...] = ()
    dismissed: tuple[str, ...] = ()
    """Trace ids, oldest first."""

    def refused_on(self, day: date) -> tuple[RefusedStep, ...]:
        """Return the refusals that are in force on a day."""
        return tuple(step for step in self.refused if day < step.until)


@dataclass(frozen=True, slots=True)
class AdviceState:
    """The state of earlier advice, as a new plan needs it.

    `incumbent` is the accepted plan, with the steps that are not done yet.
    """

    refused: tuple[RefusedStep, ...]
    incumbent: Incumbent | None
    findings: tuple[Finding, ...]


def read_advice_state(
    home: Home, bucket_id: str, as_of: date, trades: Sequence[Trade]
) -> AdviceState:
    """Return the refusals in force and the rest of the accepted plan; never fails.

    Accepted is the newest stored plan that is valid on `as_of`, was made for that day or before,
    and whose first step is among the fills since then, wholly or in part. Conversions are not
    fills, so they are left out. Nothing is accepted when that plan was dismissed or is done.

    Parameters
    ----------
    home : Home
    bucket_id : str
    as_of : date
    trades : sequence of Trade
        The bucket's ledger.
    """
    decisions, findings = read_decisions(home, bucket_id)
    refused = decisions.refused_on(as_of)
    store = PlanStore(home)
    try:
        accepted = _accepted_plan(store, bucket_id, as_of, trades)
    except StorageError as error:
        accepted = None
        message = f"{error}; no plan counts as accepted"
        findings = (*findings, Finding("plans_unreadable", Severity.WARNING, message))
    findings = (*findings, *store.findings)
    if accepted is None or accepted.trace_id in decisions.dismissed:
        return AdviceState(refused, None, findings)
    refused_trades = {(step.security, step.side) for step in refused}
    steps = tuple(s for s in accepted.steps if (s.security, s.side) not in refused_trades)
    return AdviceState(refused, replace(accepted, steps=steps) if steps else None, findings)


# --- changes -------------------------------------------------------------------------------


def refuse(home: Home, bucket_id: str, steps: Sequence[RefusedStep], today: date) -> Decisions:
    """Refuse trades; a later refusal of the same trade replaces an earlier one.

    Raises
    ------
    StorageError
        When it could not be saved, or there are too many refusals.
    """
    trades = {(step.security, step.side) for step in steps}

    def add(decisions: Decisions) -> Decisions:
        others = [s for s in decisions.refused_on(today) if (s.security, s.side) not in trades]
        if len(others) + len(steps) > limits.REFUSED_MAX:
            raise StorageError(
                f"{home.advice_file(bucket_id)}: {limits.REFUSED_MAX} refusals already (take some"
                " back with --undo, or set allow_buy and allow_sell in the portfolio)"
            )
        return replace(decisions, refused=(*others, *steps))

    return _change(home, bucket_id, add)


def allow(
    home: Home, bucket_id: str, security: str, sides: Sequence[Side], today: date
) -> tuple[RefusedStep, ...]:
    """Take refusals back; return those that were in force. StorageError as in `refuse`."""
    taken_back: list[RefusedStep] = []

    def remove(decisions: Decisions) -> Decisions:
        in_force = decisions.refused_on(today)
        taken_back[:] = [s for s in in_force if s.security == security and s.side in sides]
        return replace(decisions, refused=tuple(s for s in in_force if s not in taken_back))

    if any(step.security == security for step in read_decisions(home, bucket_id)[0].refused):
        _change(home, bucket_id, remove)
    return tuple(taken_back)


def dismiss(home: Home, bucket_id: str, trace_id: str) -> Decisions:
    """Give up an accepted plan: it then counts as never accepted. StorageError as in `refuse`."""

    def add(decisions: Decisions) -> Decisions:
        others = [other for other in decisions.dismissed if other != trace_id]
        return replace(decisions, dismissed=(*others, trace_id)[-limits.DISMISSED_MAX :])

    return _change(home, bucket_id, add)


def _change(home: Home, bucket_id: str, change: Callable[[Decisions], Decisions]) -> Decisions:
    """Read, change and write under one lock."""
    path = home.advice_file(bucket_id)
    with locked_file(path.with_suffix(".lock")):
        changed = change(_read_or_set_aside(path)[0])
        write_atomic(path, _to_bytes(changed))
    return changed


# --- the file ------------------------------------------------------------------------------


def read_decisions(home: Home, bucket_id: str) -> tuple[Decisions, tuple[Finding, ...]]:
    """Read refusals and dismissals; a damaged file is set aside and counts as empty."""
    path = home.advice_file(bucket_id)
    try:
        return _read(path), ()
    except StorageError as error:
        message = f"{error}; refusals and dismissals are ignored"
        return Decisions(), (Finding("advice_unreadable", Severity.WARNING, message),)
    except ValueError:
        pass
    try:
        with locked_file(path.with_suffix(".lock")):
            return _read_or_set_aside(path)
    except StorageError as error:  # a read-only disk: planning works without the file
        return Decisions(), (_corrupt(path, str(error)),)


def refusal_to_json(step: RefusedStep) -> dict[str, str]:
    """Return a refusal as plain data."""
    return {
        "security": step.security,
        "side": step.side.value,
        "until": step.until.isoformat(),
        "reason": step.reason,
    }


def _read_or_set_aside(path: Path) -> tuple[Decisions, tuple[Finding, ...]]:
    """Read again under the lock, as another process may have repaired it; else set it aside."""
    try:
        return _read(path), ()
    except ValueError as error:
        aside = path.with_name(f"{path.name}.corrupt.{utc_now():%Y%m%dT%H%M%SZ}")
        with suppress(OSError):
            path.rename(aside)
        return Decisions(), (_corrupt(path, f"{error}; the damaged file is now {aside}"),)


def _corrupt(path: Path, what: str) -> Finding:
    return Finding(
        "advice_file_corrupt",
        Severity.WARNING,
        f"{path}: {what}; earlier refusals and dismissals are lost",
        "enter them again with `trader refuse` and `trader dismiss`",
    )


def _read(path: Path) -> Decisions:
    """Read the file; ValueError when it is damaged, StorageError when it cannot be read."""
    try:
        with open_file(path) as file:
            data = file.read(limits.ADVICE_BYTES_MAX + 1)
    except FileNotFoundError:
        return Decisions()
    except NotRegularFileError as error:
        raise ValueError(str(error.strerror)) from None
    except OSError as error:
        raise storage_error(path, "cannot be read", error) from error
    if len(data) > limits.ADVICE_BYTES_MAX:
        raise ValueError(f"larger than {limits.ADVICE_BYTES_MAX:,} bytes")
    try:
        record = json.loads(data)
    except (ValueError, RecursionError):
        raise ValueError("not JSON: a write may have been cut off") from None
    if checked_value(record, "schema_version", int) != SCHEMA_VERSION:
        raise ValueError(f"schema_version {record['schema_version']!r:.40} is not supported")
    refused = checked_value(record, "refused", list)
    dismissed = checked_value(record, "dismissed", list)
    if len(refused) > limits.REFUSED_MAX or len(dismissed) > limits.DISMISSED_MAX:
        raise ValueError("too many entries")
    if not all(isinstance(trace_id, str) for trace_id in dismissed):
        raise ValueError("dismissed: not all are trace ids")
    return Decisions(tuple(_refusal(entry) for entry in refused), tuple(dismissed))


def _refusal(entry: object) -> RefusedStep:
    security, side = checked_value(entry, "security", str), Side(checked_value(entry, "side", str))
    reason = checked_value(entry, "reason", str)
    if not limits.SECURITY_ID.fullmatch(security) or side is Side.CONVERT:
        raise ValueError(f"{security!r:.80} {side}: not a trade in a security")
    if len(reason) > limits.TEXT_LENGTH_MAX:
        raise ValueError(f"reason: longer than {limits.TEXT_LENGTH_MAX} characters")
    return RefusedStep(security, side, checked_date(entry, "until"), reason)


def _to_bytes(decisions: Decisions) -> bytes:
    record = {
        "schema_version": SCHEMA_VERSION,
        "refused": [refusal_to_json(step) for step in decisions.refused],
        "dismissed": list(decisions.dismissed),
    }
    return f"{json.dumps(record, indent=2, ensure_ascii=False)}\n".encode()


# --- the accepted plan ---------------------------------------------------------------------


def _accepted_plan(
    store: PlanStore, bucket_id: str, as_of: date, trades: Sequence[Trade]
) -> Incumbent | None:
    """Return the newest accepted plan with its remaining steps, which may be none."""
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
            repaired = _repaired_value(stored.record, made_for, as_of, trades)
        except ValueError as error:
            store.findings.append(_odd_plan(file.path, error))
            continue
        if not made_for <= as_of <= valid_until or newest_fill < made_for or not steps:
            continue
        remaining = _remaining_steps(steps, made_for, as_of, trades)
        if remaining is not None:
            return Incumbent(file.trace_id, valid_until, remaining, repaired)
    return None


def _repaired_value(record: PlanRecord, since: date, as_of: date, trades: Sequence[Trade]) -> float:
    """Return the planned value of the fills of steps that repair a limit."""
    filled = _filled_quantities(since, as_of, trades)
    value = 0.0
    for entry in checked_value(record, "steps", list)[: limits.PLAN_STEPS_MAX]:
        side = Side(checked_value(entry, "side", str))
        # A plan of an older version does not say which steps are mandatory: count none of them.
        if side is Side.CONVERT or entry.get("mandatory") is not True:
            continue
        quantity = filled[checked_value(entry, "security", str), side]
        share = min(1.0, quantity / checked_value(entry, "quantity", int, float))
        value += share * checked_value(entry, "value", int, float)
    return value


def _remaining_steps(
    steps: Sequence[IncumbentStep], since: date, as_of: date, trades: Sequence[Trade]
) -> tuple[IncumbentStep, ...] | None:
    """Return the steps less their fills; None when the first one has none."""
    filled = _filled_quantities(since, as_of, trades)
    if (steps[0].security, steps[0].side) not in filled:
        return None
    remaining = []
    for step in steps:
        rest = step.quantity - filled[step.security, step.side]
        if rest > QUANTITY_TOLERANCE * step.quantity:
            remaining.append(replace(step, quantity=rest))
    return tuple(remaining)


def _filled_quantities(
    since: date, as_of: date, trades: Sequence[Trade]
) -> dict[tuple[str, Side], float]:
    """Return the units traded of each security and side within the days; 0 for all others."""
    filled: dict[tuple[str, Side], float] = defaultdict(float)
    for trade in trades:
        if since <= trade.on <= as_of:
            filled[trade.security, trade.side] += trade.quantity
    return filled


def _read_steps(record: PlanRecord) -> tuple[date, date, tuple[IncumbentStep, ...]]:
    """Return the day, the end and the trades of a stored plan; ValueError when it is damaged."""
    made_for, valid_until = checked_date(record, "as_of"), checked_date(record, "valid_until")
    steps = []
    for entry in checked_value(record, "steps", list)[: limits.PLAN_STEPS_MAX]:
        side = Side(checked_value(entry, "side", str))
        if side is Side.CONVERT:
            continue
        quantity = checked_value(entry, "quantity", int, float)
        if not 0 < quantity <= limits.QUANTITY_MAX:
            raise ValueError(f"quantity: {quantity} is not a number of units")
        steps.append(IncumbentStep(checked_value(entry, "security", str), side, float(quantity)))
    return made_for, valid_until, tuple(steps)


def _odd_plan(path: Path, error: ValueError) -> Finding:
    message = f"{path.name}: {error}; it does not count as accepted"
    return Finding("plan_file_odd", Severity.WARNING, message, "delete the file")


# --- fields of JSON objects ----------------------------------------------------------------


def checked_value(entry: object, key: str, *types: type) -> Any:  # noqa: ANN401 - one of types
    """Return the value of a key in a JSON object; ValueError unless it has one of the types."""
    value = entry.get(key) if isinstance(entry, dict) else None
    if not isinstance(value, types) or isinstance(value, bool):
        message = f"{key}: {str(value)[:40]!r} is not of type {types[-1].__name__}"
        raise ValueError(message)  # noqa: TRY004 - damaged content, whatever its type
    return value


def checked_date(entry: object, key: str) -> date:
    """Return the date of a key in a JSON object; ValueError unless it is one."""
    day = parse_date(checked_value(entry, key, str))
    if day is None:
        raise ValueError(f"{key}: not a date")
    return day
