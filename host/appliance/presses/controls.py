"""Gestures become commands: what the owner meant, not yet done.

Nothing is carried out here. A gesture gives a command, and what the command means at this moment
is a decision, which the daemon journals before it acts on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from firmware_bridge.buttons import GestureKind, GestureTiming
from host.home.config.device_settings import ButtonCommand, ButtonsTable


@dataclass(frozen=True, slots=True)
class Expire:
    """It arrived too late: record it, do nothing."""

    age_s: float


@dataclass(frozen=True, slots=True)
class StartPlan:
    """Plan this bucket."""

    bucket_id: str


@dataclass(frozen=True, slots=True)
class JoinPlan:
    """A plan of the bucket is under way: its answer is the answer."""

    bucket_id: str
    trace_id: str


@dataclass(frozen=True, slots=True)
class TurnPage:
    """Show the next page of the result."""


@dataclass(frozen=True, slots=True)
class SelectBucket:
    """Select another bucket."""

    bucket_id: str


@dataclass(frozen=True, slots=True)
class CancelPlan:
    """Stop the plan that is under way."""

    trace_id: str


@dataclass(frozen=True, slots=True)
class AcknowledgeFaults:
    """The owner has seen the faults."""


@dataclass(frozen=True, slots=True)
class Ignore:
    """There is nothing to do."""

    why: str


Decision: TypeAlias = (
    Expire
    | StartPlan
    | JoinPlan
    | TurnPage
    | SelectBucket
    | CancelPlan
    | AcknowledgeFaults
    | Ignore
)


@dataclass(frozen=True, slots=True)
class Situation:
    """What a decision depends on.

    Parameters
    ----------
    bucket_id : str, optional
        The selected one; None when the home has none.
    bucket_ids : sequence of str
    plans : mapping of bucket id to trace id
        Asked for and not answered, the one that runs first.
    has_faults : bool
    """

    bucket_id: str | None
    bucket_ids: Sequence[str]
    plans: Mapping[str, str]
    has_faults: bool = False


class Controls:
    """What the gestures are set to do.

    Parameters
    ----------
    buttons : ButtonsTable
    press_age_s : float
        An older press is not executed.
    """

    def __init__(self, buttons: ButtonsTable, press_age_s: float) -> None:
        self.timing = GestureTiming(buttons.double_window_ms, buttons.hold_ms, buttons.long_hold_ms)
        self.press_age_s = press_age_s
        self._commands = {
            GestureKind.SHORT: buttons.short,
            GestureKind.DOUBLE: buttons.double,
            GestureKind.HOLD: buttons.hold,
            GestureKind.LONG_HOLD: buttons.long_hold,
        }

    def command(self, kind: GestureKind) -> ButtonCommand:
        """Return what a gesture is set to do."""
        return self._commands[kind]

    def decide(self, kind: GestureKind, age_s: float, situation: Situation) -> Decision:
        """Return what a gesture means now; `age_s` is how long ago it was made."""
        if age_s > self.press_age_s:
            return Expire(age_s)
        match self._commands[kind]:
            case ButtonCommand.PLAN:
                return _plan(situation)
            case ButtonCommand.NEXT_PAGE:
                return TurnPage()
            case ButtonCommand.NEXT_BUCKET:
                return next_bucket(situation) or Ignore("there is no other bucket")
            case ButtonCommand.CANCEL:
                return _cancel(situation)
            case ButtonCommand.NOTHING:
                return Ignore("the gesture is set to do nothing")


def next_bucket(situation: Situation) -> SelectBucket | None:
    """Return the bucket after the selected one, None where that is the same."""
    names = list(situation.bucket_ids)
    if situation.bucket_id not in names:
        return SelectBucket(names[0]) if names else None
    name = names[(names.index(situation.bucket_id) + 1) % len(names)]
    return None if name == situation.bucket_id else SelectBucket(name)


def _plan(situation: Situation) -> Decision:
    bucket_id = situation.bucket_id
    if bucket_id is None:
        return Ignore("the home has no bucket")
    trace_id = situation.plans.get(bucket_id)
    return StartPlan(bucket_id) if trace_id is None else JoinPlan(bucket_id, trace_id)


def _cancel(situation: Situation) -> Decision:
    for trace_id in situation.plans.values():
        return CancelPlan(trace_id)
    if situation.has_faults:
        return AcknowledgeFaults()
    return Ignore("nothing to cancel")
