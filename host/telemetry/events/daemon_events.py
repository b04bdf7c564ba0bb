"""Events about the appliance itself: daemon, board, worker, configuration, journal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from host.telemetry.events.host_event import HostEvent

FLAPPING_PER_HOUR = 120
"""Of what a loose cable causes; each is a state, and the last one counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonStarted(HostEvent):
    """The daemon serves this home; `records` is how long the journal is."""

    port: str
    records: int
    pid: int
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonStopped(HostEvent):
    """The daemon was told to stop, and does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InternalError(HostEvent):
    """Something failed that nobody foresaw; it cost the step it happened in."""

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
    """The serial port is gone or cannot be opened; it is looked for again and again."""

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
    """The board does not answer any more."""

    reason: str

    severity: ClassVar[str] = "WARN"
    per_hour_max: ClassVar[int] = FLAPPING_PER_HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardRefused(HostEvent):
    """The board could not do what it was told."""

    code: str

    severity: ClassVar[str] = "WARN"
    per_hour_max: ClassVar[int] = FLAPPING_PER_HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class FirmwareIncompatible(HostEvent):
    """The board speaks another version of the protocol."""

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
    """The planner's process made its first plan, for nobody; the next will be quick."""

    elapsed_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerEnded(HostEvent):
    """The planner's process is gone; another one is started."""

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
    """An edited configuration is wrong; the active version stays."""

    problems: tuple[str, ...]

    severity: ClassVar[str] = "WARN"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigHistoryRepaired(HostEvent):
    """Something in the history of a configuration was damaged and is set aside."""

    problems: tuple[str, ...]
    config_version: int

    severity: ClassVar[str] = "WARN"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigHistoryNotRepaired(HostEvent):
    """The history of a configuration could not be looked at or repaired."""

    problem: str

    severity: ClassVar[str] = "WARN"


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfFilesRemoved(HostEvent):
    """So many files were removed that writes which were cut off had left."""

    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationNotKept(HostEvent):
    """An edited configuration could not be looked at or kept; it is tried again."""

    problem: str

    severity: ClassVar[str] = "WARN"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanUnreadable(HostEvent):
    """A plan that is on disk cannot be read."""

    problem: str

    severity: ClassVar[str] = "WARN"


@dataclass(frozen=True, slots=True, kw_only=True)
class StateNotKept(HostEvent):
    """Something worth keeping could not be written; no plan and no press is lost with it."""

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
    """The matrix shows a fault that no press and no plan led to."""

    fault: str

    severity: ClassVar[str] = "WARN"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLevelChanged(HostEvent):
    """Other levels are in force for the log."""

    level: str
    buckets: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsDropped(HostEvent):
    """A subscriber was too slow, or an event came too often: so many were not delivered to it."""

    subscriber: str
    n_dropped: int
    of_type: str | None = None

    severity: ClassVar[str] = "WARN"


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriberFailed(HostEvent):
    """A subscriber raised; nobody else noticed. Told at its 1st, 2nd, 4th, 8th ... failure."""

    subscriber: str
    n_failures: int
    problem: str

    severity: ClassVar[str] = "WARN"


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalFailed(HostEvent):
    """The disk refuses to take a record; it is asked again and again."""

    problem: str

    severity: ClassVar[str] = "ERROR"


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalMended(HostEvent):
    """The disk takes records again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalContinued(HostEvent):
    """The first record of a file of the journal: the file before is finished.

    `state` holds what the daemon has to know of the files before, so that a start reads one file
    and not a year; it is missing when a command and not the daemon began the file.
    """

    previous: str
    state: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalPruned(HostEvent):
    """The oldest files are removed: everything up to record `pruned_through`."""

    pruned_through: int
    last_hash: str
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalRepaired(HostEvent):
    """The end of the journal was not whole.

    `bytes_cut` were removed behind the last whole record, and stand in `kept_as` if they were more
    than an unfinished line. `records_lost` are records that had been safe on disk and are gone.
    """

    bytes_cut: int = 0
    kept_as: str | None = None
    records_lost: int = 0
    why: str = ""

    severity: ClassVar[str] = "WARN"


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalDamaged(HostEvent):
    """Reading the journal found lines that are damaged or do not follow on each other."""

    lines_damaged: int
    links_broken: int
    places: tuple[str, ...]

    severity: ClassVar[str] = "ERROR"
