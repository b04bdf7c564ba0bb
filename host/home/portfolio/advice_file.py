"""`state/advice/<bucket>.json`: trades the owner refuses, and accepted plans that were dismissed.

Small, and easily said again: a damaged file is set aside and told about, and never stands in the
way of a plan. A daemon and a command may change it at once, so a change holds a lock from reading
to writing.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any

from host import limits
from host.clock import utc_now
from host.errors import StorageError
from host.home.storage.atomic_file import (
    FILE_MODE,
    LOCK_RETRY_S,
    LOCK_WAIT_S,
    make_folder,
    storage_error,
    write_atomic,
)
from host.home.storage.csv_table import parse_date
from planner_core.model.records import Finding, RefusedStep, Severity, Side

if TYPE_CHECKING:
    from pathlib import Path

    from host.home.home import Home

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Advice:
    """What the owner said about plans; as in the file, expired refusals included."""

    refused: tuple[RefusedStep, ...] = ()
    dismissed: tuple[str, ...] = ()
    """Trace ids, oldest first."""

    def refused_on(self, day: date) -> tuple[RefusedStep, ...]:
        """Return the refusals that are in force on a day."""
        return tuple(step for step in self.refused if day < step.until)


def refuse(home: Home, bucket_id: str, steps: Sequence[RefusedStep], today: date) -> Advice:
    """Refuse trades; a later refusal of the same trade replaces an earlier one.

    Raises
    ------
    StorageError
        When it could not be kept, or there are too many refusals.
    """
    named = {(step.security, step.side) for step in steps}

    def add(advice: Advice) -> Advice:
        others = [s for s in advice.refused_on(today) if (s.security, s.side) not in named]
        if len(others) + len(steps) > limits.REFUSED_MAX:
            raise StorageError(
                f"{home.advice_file(bucket_id)}: {limits.REFUSED_MAX} refusals already (take some"
                " back with --undo, or set allow_buy and allow_sell in the portfolio)"
            )
        return replace(advice, refused=(*others, *steps))

    return _change(home, bucket_id, add)


def allow(
    home: Home, bucket_id: str, security: str, sides: Sequence[Side], today: date
) -> tuple[RefusedStep, ...]:
    """Take refusals back; return those that were in force. StorageError as in `refuse`."""
    taken_back: list[RefusedStep] = []

    def remove(advice: Advice) -> Advice:
        in_force = advice.refused_on(today)
        taken_back[:] = [s for s in in_force if s.security == security and s.side in sides]
        return replace(advice, refused=tuple(s for s in in_force if s not in taken_back))

    if any(step.security == security for step in read_advice(home, bucket_id)[0].refused):
        _change(home, bucket_id, remove)
    return tuple(taken_back)


def dismiss(home: Home, bucket_id: str, trace_id: str) -> Advice:
    """Give up an accepted plan: from now on it is like any other. StorageError as in `refuse`."""

    def add(advice: Advice) -> Advice:
        others = [known for known in advice.dismissed if known != trace_id]
        return replace(advice, dismissed=(*others, trace_id)[-limits.DISMISSED_MAX :])

    return _change(home, bucket_id, add)


def read_advice(home: Home, bucket_id: str) -> tuple[Advice, tuple[Finding, ...]]:
    """Read what the owner said; a damaged file is set aside and counts as empty."""
    path = home.advice_file(bucket_id)
    try:
        return _read(path), ()
    except StorageError as error:
        message = f"{error}; refusals are not known"
        return Advice(), (Finding("advice_unreadable", Severity.WARNING, message),)
    except ValueError:
        pass
    try:
        with _locked(path):
            return _read_or_set_aside(path)
    except StorageError as error:  # a read-only disk: going without it still works
        return Advice(), (_corrupt(path, str(error)),)


def _change(home: Home, bucket_id: str, change: Callable[[Advice], Advice]) -> Advice:
    """Read, change and write as one; a daemon and a command may do so at once."""
    path = home.advice_file(bucket_id)
    make_folder(path.parent)
    with _locked(path):
        changed = change(_read_or_set_aside(path)[0])
        write_atomic(path, _to_bytes(changed))
    return changed


def _read_or_set_aside(path: Path) -> tuple[Advice, tuple[Finding, ...]]:
    """Read again under the lock, for another process may have mended it; else set it aside."""
    try:
        return _read(path), ()
    except ValueError as error:
        aside = path.with_name(f"{path.name}.corrupt.{utc_now():%Y%m%dT%H%M%SZ}")
        with suppress(OSError):
            path.rename(aside)
        return Advice(), (_corrupt(path, f"{error}; what is left of it is in {aside}"),)


def _corrupt(path: Path, what: str) -> Finding:
    return Finding(
        "advice_file_corrupt",
        Severity.WARNING,
        f"{path}: {what}; what was refused or dismissed is forgotten",
        "say it again with `trader refuse` and `trader dismiss`",
    )


def _read(path: Path) -> Advice:
    """Read the file; ValueError when it is damaged, StorageError when it cannot be read."""
    try:
        # Not blocking: whatever was put in its place, a plan does not wait for it.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor, not a path
            data = file.read(limits.ADVICE_BYTES_MAX + 1)
    except FileNotFoundError:
        return Advice()
    except OSError as error:
        raise storage_error(path, "cannot be read", error) from error
    if len(data or b"") > limits.ADVICE_BYTES_MAX:
        raise ValueError(f"larger than {limits.ADVICE_BYTES_MAX:,} bytes")
    try:
        record = json.loads(data or b"")
    except (ValueError, RecursionError):
        raise ValueError("not JSON, as a write that was cut off leaves it") from None
    if checked_value(record, "schema_version", int) != SCHEMA_VERSION:
        raise ValueError(f"schema_version {record['schema_version']!r:.40} is not known here")
    refused = checked_value(record, "refused", list)
    dismissed = checked_value(record, "dismissed", list)
    if len(refused) > limits.REFUSED_MAX or len(dismissed) > limits.DISMISSED_MAX:
        raise ValueError("more entries than there can be")
    if not all(isinstance(trace_id, str) for trace_id in dismissed):
        raise ValueError("dismissed: not all are trace ids")
    return Advice(tuple(_refusal(entry) for entry in refused), tuple(dismissed))


def _refusal(entry: object) -> RefusedStep:
    security, side = checked_value(entry, "security", str), Side(checked_value(entry, "side", str))
    reason = checked_value(entry, "reason", str)
    if not limits.SECURITY_ID.fullmatch(security) or side is Side.CONVERT:
        raise ValueError(f"{security!r:.80} {side}: not a trade in a security")
    if len(reason) > limits.TEXT_LENGTH_MAX:
        raise ValueError(f"reason: longer than {limits.TEXT_LENGTH_MAX} characters")
    return RefusedStep(security, side, checked_date(entry, "until"), reason)


def checked_value(entry: object, key: str, *wanted: type) -> Any:  # noqa: ANN401 - one of wanted
    """Return what an object of a JSON file has under a key; ValueError unless of such a type."""
    found = entry.get(key) if isinstance(entry, dict) else None
    if not isinstance(found, wanted) or isinstance(found, bool):
        message = f"{key}: {str(found)[:40]!r} is no {wanted[-1].__name__}"
        raise ValueError(message)  # noqa: TRY004 - damaged content, whatever its type
    return found


def checked_date(entry: object, key: str) -> date:
    """Return the day that an object of a JSON file has under a key; ValueError unless it is one."""
    day = parse_date(checked_value(entry, key, str))
    if day is None:
        raise ValueError(f"{key}: no date")
    return day


def _to_bytes(advice: Advice) -> bytes:
    record = {
        "schema_version": SCHEMA_VERSION,
        "refused": [refusal_to_json(step) for step in advice.refused],
        "dismissed": list(advice.dismissed),
    }
    return f"{json.dumps(record, indent=2, ensure_ascii=False)}\n".encode()


def refusal_to_json(step: RefusedStep) -> dict[str, str]:
    """Return a refusal as plain data."""
    return {
        "security": step.security,
        "side": step.side.value,
        "until": step.until.isoformat(),
        "reason": step.reason,
    }


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the file's lock: one beside it, for the file itself is replaced at every change."""
    lock = path.with_suffix(".lock")
    try:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(lock, flags, FILE_MODE)
    except OSError as error:
        raise storage_error(lock, "cannot be opened", error) from error
    try:
        deadline = time.monotonic() + LOCK_WAIT_S
        while not _try_lock(descriptor):
            if time.monotonic() >= deadline:
                raise StorageError(
                    f"{path}: another process has held it for {LOCK_WAIT_S:.0f} s (end it, then"
                    " try again)"
                )
            time.sleep(LOCK_RETRY_S)
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
