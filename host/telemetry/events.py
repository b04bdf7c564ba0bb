"""The events of the host, typed, and an event from plain data, as another process sends it.

`host.appliance.presses.press_log` explains what the events of a press promise.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, ClassVar, Final, TypedDict, TypeVar

from planner_core import events as planner_events
from planner_core.events import Event, payload_names

EventT = TypeVar("EventT", bound=Event)

UNSTAMPED: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""The time of an event that was not published yet."""
FLAPPING_PER_HOUR: Final = 120
"""For events that a loose cable repeats: each is a state, and only the last one matters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostEvent(Event):
    """An event of the host: about the whole appliance unless it names a bucket or a trace."""

    timestamp: datetime = UNSTAMPED
    bucket_id: str = ""
    trace_id: str = ""

    per_hour_max: ClassVar[int] = 10_000
    """How many of them the journal takes in an hour, unless they are durable; the rest is counted.

    A cable with a loose contact must not push a year of plans out of the journal.
    """


class EventScope(TypedDict):
    """The fields that say what an event is about, for several events of one trace."""

    trace_id: str
    bucket_id: str


def stamped(event: EventT, now: datetime) -> EventT:
    """Return the event with a time, unless it has one."""
    return replace(event, timestamp=now) if event.timestamp == UNSTAMPED else event


def new_trace_id() -> str:
    """Return a trace id in OpenTelemetry's form: 32 hexadecimal digits."""
    return uuid.uuid4().hex


# --- presses and plans --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PressTraceEvent(HostEvent):
    """An event in the trace of a press: the press, its request, or its plan."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ButtonEdge(PressTraceEvent):
    """A button went down or up; on disk before it is acknowledged to the board."""

    boot_id: int
    event_id: int
    button: int
    edge: str
    t_ms: int
    age_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GestureOutcome(PressTraceEvent):
    """The effect of a gesture, and its edges, as pairs of boot id and event id."""

    edges: tuple[tuple[int, int], ...] = ()
    gesture: str | None = None
    age_s: float | None = None
    why: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRequested(GestureOutcome):
    """A plan is requested, by a press or the API; its trace id is that of all that follows."""

    via: str = "press"


@dataclass(frozen=True, slots=True, kw_only=True)
class PressJoined(GestureOutcome):
    """A press while a plan of the bucket is being made: that plan answers it too."""

    press_trace_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketSelected(GestureOutcome):
    """Another bucket is shown, and the next press is about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageTurned(GestureOutcome):
    """The next page of the result is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRequested(GestureOutcome):
    """A press, or the API, cancels the plan of trace `cancels`."""

    cancels: str
    via: str = "press"


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultAcknowledged(GestureOutcome):
    """A press acknowledges faults, which leave the matrix."""

    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairingOpened(GestureOutcome):
    """A press, or `trader pair`, opened the pairing window of the HTTP API. It holds no code."""

    via: str = "press"


@dataclass(frozen=True, slots=True, kw_only=True)
class PairingClosed(GestureOutcome):
    """A press, or `trader pair --close`, closed the pairing window before its time."""

    via: str = "press"


@dataclass(frozen=True, slots=True, kw_only=True)
class PressIgnored(GestureOutcome):
    """A press that has no meaning now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PressExpired(GestureOutcome):
    """A press that arrived too late to be executed."""

    severity: ClassVar[str] = "WARN"


@dataclass(frozen=True, slots=True, kw_only=True)
class PressDropped(GestureOutcome):
    """A press of which some edges never arrived."""

    severity: ClassVar[str] = "WARN"


@dataclass(frozen=True, slots=True, kw_only=True)
class PressesLost(PressTraceEvent):
    """The board dropped edges: its queue was full, or it restarted."""

    boot_id: int
    edges_lost: int

    severity: ClassVar[str] = "ERROR"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanStored(PressTraceEvent):
    """A plan is on disk; `via` is the way it was requested: press, command or api."""

    file: str
    outcome: str | None = None
    n_steps: int | None = None
    gain: float | None = None
    elapsed_s: float | None = None
    config_version: int | None = None
    via: str = "press"
    recovered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanFailed(PressTraceEvent):
    """A request gave no plan; `code` is the kind of failure, `lines` say why."""

    code: str
    lines: tuple[str, ...]

    severity: ClassVar[str] = "ERROR"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanCancelled(PressTraceEvent):
    """A plan was cancelled."""

    recovered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanExpired(PressTraceEvent):
    """A request that a crash left open was too old to be planned after the restart."""

    pressed_at: str

    severity: ClassVar[str] = "WARN"


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameShown(PressTraceEvent):
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


# --- the appliance: daemon, board, worker, configuration, log, journal --------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonStarted(HostEvent):
    """The daemon serves this home; `records` is how long the journal is."""

    port: str
    records: int
    pid: int
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonStopped(HostEvent):
    """The daemon received a signal to stop, and stops."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InternalError(HostEvent):
    """An unexpected error; the daemon went on without the step that failed."""

    problem: str
    traceback: str | None = None

    severity: ClassVar[str] = "ERROR"


@dataclass(frozen=True, slots=True, kw_only=True)
class PortOpened(HostEvent):
    """The serial port of the board is open."""

    port: str

    per_hour_max: ClassVar[int] = FLAPPING_PER_HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class PortMissing(HostEvent):
    """The serial port is gone or cannot be opened; it is tried again until it opens."""

    port: str
    why: str

    severity: ClassVar[str] = "WARN"
    per_hour_max: ClassVar[int] = FLAPPING_PER_HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardConnected(HostEvent):
    """The board answered; a new boot id means that it restarted."""

    board: str
    boot_id: int

    per_hour_max: ClassVar[int] = FLAPPING_PER_HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardDisconnected(HostEvent):
    """The board stopped answering."""

    reason: str

    severity: ClassVar[str] = "WARN"
    per_hour_max: ClassVar[int] = FLAPPING_PER_HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardRefused(HostEvent):
    """The board refused a packet."""

    code: str

    severity: ClassVar[str] = "WARN"
    per_hour_max: ClassVar[int] = FLAPPING_PER_HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class FirmwareIncompatible(HostEvent):
    """The board's firmware uses another version of the protocol."""

    board: str
    protocol: str
    protocol_of_host: str
    remedy: str

    severity: ClassVar[str] = "ERROR"
    per_hour_max: ClassVar[int] = FLAPPING_PER_HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerReady(HostEvent):
    """The planner's process runs."""

    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerWarm(HostEvent):
    """The planner's process made a first plan to warm up; the next will be fast."""

    elapsed_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WebServerReady(HostEvent):
    """The HTTP API is served; `line` says where."""

    line: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WebServerEnded(HostEvent):
    """The HTTP API is not served, and `why`; it is started again after `retry_s`."""

    why: str
    retry_s: float

    severity: ClassVar[str] = "WARN"
    per_hour_max: ClassVar[int] = FLAPPING_PER_HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerEnded(HostEvent):
    """The planner's process ended; a new one is started."""

    why: str
    restarts: int

    severity: ClassVar[str] = "WARN"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSaid(HostEvent):
    """The planner's process, or a module in it, wrote a line to its standard error."""

    line: str

    severity: ClassVar[str] = "WARN"
    per_hour_max: ClassVar[int] = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationRejected(HostEvent):
    """An edited configuration is invalid; the active version stays."""

    problems: tuple[str, ...]

    severity: ClassVar[str] = "WARN"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigHistoryRepaired(HostEvent):
    """Damaged versions of a configuration were set aside."""

    problems: tuple[str, ...]
    config_version: int

    severity: ClassVar[str] = "WARN"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigHistoryNotRepaired(HostEvent):
    """The history of a configuration could not be checked or repaired."""

    problem: str

    severity: ClassVar[str] = "WARN"


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfFilesRemoved(HostEvent):
    """Partial files of interrupted writes were removed."""

    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationNotKept(HostEvent):
    """An edited configuration could not be read or saved; it is tried again."""

    problem: str

    severity: ClassVar[str] = "WARN"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanUnreadable(HostEvent):
    """A plan that is on disk cannot be read."""

    problem: str

    severity: ClassVar[str] = "WARN"


@dataclass(frozen=True, slots=True, kw_only=True)
class StateNotKept(HostEvent):
    """State of the daemon could not be saved; no plan and no press is lost."""

    problem: str

    severity: ClassVar[str] = "WARN"


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingForHome(HostEvent):
    """The home is missing or cannot be written; `fault` is the number that the matrix shows."""

    fault: int
    problem: str

    severity: ClassVar[str] = "ERROR"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockJumped(HostEvent):
    """The clock was set while the daemon ran."""

    by_s: float

    severity: ClassVar[str] = "WARN"


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultShown(HostEvent):
    """The matrix shows a fault that no press and no plan caused."""

    fault: str

    severity: ClassVar[str] = "WARN"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLevelChanged(HostEvent):
    """The log has new levels."""

    level: str
    buckets: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsDropped(HostEvent):
    """A subscriber was too slow, or an event came too often, and some were not delivered."""

    subscriber: str
    n_dropped: int
    of_type: str | None = None

    severity: ClassVar[str] = "WARN"


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriberFailed(HostEvent):
    """A subscriber raised; the others are unaffected. Published at failure 1, 2, 4, 8, ..."""

    subscriber: str
    n_failures: int
    problem: str

    severity: ClassVar[str] = "WARN"


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalFailed(HostEvent):
    """A record could not be written; the write is retried."""

    problem: str

    severity: ClassVar[str] = "ERROR"


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalMended(HostEvent):
    """Records can be written again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalContinued(HostEvent):
    """The first record of a file of the journal: the file before is finished.

    `state` holds what the daemon needs of the files before, so that a start reads one file and not
    a year of them. It is missing when a command began the file.
    """

    previous: str
    state: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalPruned(HostEvent):
    """The oldest files were removed: all records up to `pruned_through`."""

    pruned_through: int
    last_hash: str
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalRepaired(HostEvent):
    """The end of the journal was damaged and is repaired.

    `bytes_cut` were removed after the last whole record; `kept_as` is their file if they were more
    than an unfinished line. `records_lost` are records that had been safe on disk and are gone.
    """

    bytes_cut: int = 0
    kept_as: str | None = None
    records_lost: int = 0
    why: str = ""

    severity: ClassVar[str] = "WARN"


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalDamaged(HostEvent):
    """The journal has lines that are damaged or break the chain."""

    lines_damaged: int
    links_broken: int
    places: tuple[str, ...]

    severity: ClassVar[str] = "ERROR"


# --- access to the HTTP API ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessGranted(HostEvent):
    """A device got a token; `via` is the way: terminal or pairing. The token is not in it."""

    name: str
    right: str
    via: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRevoked(HostEvent):
    """The token of a device was revoked."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRefused(HostEvent):
    """An address sent so many wrong tokens or codes that it has to wait."""

    address: str
    why: str

    severity: ClassVar[str] = "WARN"
    per_hour_max: ClassVar[int] = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateMade(HostEvent):
    """The API has a new certificate, with another fingerprint than the one before."""

    fingerprint: str
    not_after: str
    why: str


# --- by name ------------------------------------------------------------------------------------

ABSTRACT: Final[tuple[type[Event], ...]] = (Event, HostEvent, PressTraceEvent, GestureOutcome)
ENVELOPE: Final = ("timestamp", "bucket_id", "trace_id")


def _types_in(namespace: Mapping[str, object], base: type[Event]) -> dict[str, type[Event]]:
    return {
        name: value
        for name, value in namespace.items()
        if isinstance(value, type) and issubclass(value, base) and value not in ABSTRACT
    }


PLANNER_EVENTS: Final = _types_in(vars(planner_events), Event)
HOST_EVENTS: Final = _types_in(globals(), HostEvent)
EVENT_TYPES: Final[Mapping[str, type[Event]]] = {**PLANNER_EVENTS, **HOST_EVENTS}
assert len(EVENT_TYPES) == len(PLANNER_EVENTS) + len(HOST_EVENTS), "a name is used once"


def event_of(record: Mapping[str, object]) -> Event | None:
    """Return the event of a record; None when its type is unknown or a field is missing.

    An unknown field is left out, so that a newer process can send to an older one.
    """
    event_type = EVENT_TYPES.get(str(record.get("event_type")))
    data = record.get("data")
    if event_type is None or not isinstance(data, Mapping):
        return None
    payload: dict[str, Any] = {
        name: _frozen(data[name]) for name in payload_names(event_type) if name in data
    }
    try:
        timestamp = datetime.fromisoformat(str(record.get("timestamp")))
        if timestamp.tzinfo is None:
            return None
        bucket_id, trace_id = (str(record.get(name, "")) for name in ENVELOPE[1:])
        return event_type(timestamp=timestamp, bucket_id=bucket_id, trace_id=trace_id, **payload)
    except (ValueError, TypeError):
        return None


def _frozen(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value
