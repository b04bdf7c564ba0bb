"""Events about presses and what became of them.

`host.appliance.presses.press_log` says what they promise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, TypedDict

from host.telemetry.events.host_event import HostEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class ButtonEdge(HostEvent):
    """A button went down or up; on disk before the board is told that it may forget it."""

    boot_id: int
    event_id: int
    button: int
    edge: str
    t_ms: int
    age_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict(HostEvent):
    """What a gesture led to, and the edges it was made of, as pairs of boot id and event id."""

    edges: tuple[tuple[int, int], ...] = ()
    gesture: str | None = None
    age_s: float | None = None
    why: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRequested(Verdict):
    """A press asks for a plan; its trace id is that of everything that follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PressJoined(Verdict):
    """A press while a plan of the bucket is under way: its answer is the answer."""

    press_trace_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketSelected(Verdict):
    """Another bucket is shown, and the next press is about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageTurned(Verdict):
    """The next page of the result is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRequested(Verdict):
    """The plan of trace `cancels` shall stop."""

    cancels: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultAcknowledged(Verdict):
    """Somebody saw the faults and wants them gone from the matrix."""

    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PressIgnored(Verdict):
    """A press that means nothing now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PressExpired(Verdict):
    """A press that arrived too late to be executed."""

    severity: ClassVar[str] = "WARN"


@dataclass(frozen=True, slots=True, kw_only=True)
class PressDropped(Verdict):
    """A press of which parts never arrived."""

    severity: ClassVar[str] = "WARN"


@dataclass(frozen=True, slots=True, kw_only=True)
class PressesLost(HostEvent):
    """The board had to drop edges: its queue was full, or it restarted."""

    boot_id: int
    edges_lost: int

    severity: ClassVar[str] = "ERROR"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanStored(HostEvent):
    """A plan is on disk; `via` is how it was asked for: press or command."""

    file: str
    outcome: str | None = None
    n_steps: int | None = None
    gain: float | None = None
    elapsed_s: float | None = None
    config_version: int | None = None
    via: str = "press"
    recovered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanFailed(HostEvent):
    """No plan came of a request; `code` is the kind of failure, `lines` say why."""

    code: str
    lines: tuple[str, ...]

    severity: ClassVar[str] = "ERROR"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanCancelled(HostEvent):
    """A plan was stopped because somebody wanted that."""

    recovered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanExpired(HostEvent):
    """A request that a crash left open was too old to be planned afterwards."""

    pressed_at: str

    severity: ClassVar[str] = "WARN"


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameShown(HostEvent):
    """The board shows the plan of this trace."""

    version: int
    press_to_frame_s: float | None = None


class PlanSummary(TypedDict):
    """Fields of `PlanStored`."""

    outcome: str | None
    n_steps: int
    gain: float | None
    config_version: int | None


def plan_summary(record: Mapping[str, object]) -> PlanSummary:
    """Return the summary of a plan as in `docs/plan-json.md`."""
    score, steps = record.get("score"), record.get("steps")
    gain = score.get("gain") if isinstance(score, dict) else None
    outcome, version = record.get("outcome"), record.get("config_version")
    return {
        "outcome": outcome if isinstance(outcome, str) else None,
        "n_steps": len(steps) if isinstance(steps, list) else 0,
        "gain": float(gain) if isinstance(gain, int | float) else None,
        "config_version": version if isinstance(version, int) else None,
    }
