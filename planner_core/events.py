"""Events that the planner emits while it works: typed and versioned.

The core has one output channel, `runtime.emit(event)`. Logs, metrics, the journal and the display
subscribe to it in the host.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import ClassVar

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Fields of every event."""

    timestamp: datetime
    bucket_id: str
    trace_id: str

    schema_version: ClassVar[int] = SCHEMA_VERSION
    """Version of the class's fields. A new field keeps it; a removed or redefined one raises it."""
    severity: ClassVar[str] = "INFO"
    """Level in a log: DEBUG, INFO, WARN or ERROR."""
    is_journaled: ClassVar[bool] = True
    """False for events that only metrics and a profile use."""

    @property
    def event_type(self) -> str:
        """The class name; stable, part of the contract."""
        return type(self).__name__

    def payload(self) -> dict[str, object]:
        """Return the event's own fields, without the envelope."""
        return {name: getattr(self, name) for name in payload_names(type(self))}

    def to_record(self) -> dict[str, object]:
        """Return the event as plain data: envelope beside `data`."""
        return {
            "timestamp": self.timestamp.isoformat(),
            "bucket_id": self.bucket_id,
            "trace_id": self.trace_id,
            "event_type": self.event_type,
            "schema_version": self.schema_version,
            "data": self.payload(),
        }


_PAYLOADS: dict[type[Event], tuple[str, ...]] = {}


def payload_names(event: type[Event]) -> tuple[str, ...]:
    """Return the names of the own fields of an event type, without the envelope's."""
    names = _PAYLOADS.get(event)
    if names is None:
        envelope = {entry.name for entry in fields(Event)}
        names = tuple(entry.name for entry in fields(event) if entry.name not in envelope)
        _PAYLOADS[event] = names
    return names


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanningStarted(Event):
    """Planning begins: the input is complete."""

    as_of: str
    n_securities: int
    max_plan_depth: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StageCompleted(Event):
    """A stage of the pipeline ended; used for progress and the profile."""

    stage: str
    elapsed_s: float

    severity: ClassVar[str] = "DEBUG"
    is_journaled: ClassVar[bool] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleCompleted(Event):
    """A module returned."""

    key: str
    operation: str
    elapsed_s: float
    n_results: int

    severity: ClassVar[str] = "DEBUG"
    is_journaled: ClassVar[bool] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleFailed(Event):
    """A module raised or broke its contract; planning continues without it."""

    key: str
    operation: str
    elapsed_s: float
    error: str

    severity: ClassVar[str] = "WARN"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleOverran(Event):
    """A module took longer than its budget; its result was dropped."""

    key: str
    operation: str
    elapsed_s: float
    budget_s: float

    severity: ClassVar[str] = "WARN"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleSkipped(Event):
    """A module was not called: its circuit breaker is open, or the run does without it."""

    key: str
    reason: str = ""

    severity: ClassVar[str] = "WARN"


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerChanged(Event):
    """A module's circuit breaker changed state; `retry_after_s` is the time to the next trial."""

    key: str
    before: str
    after: str
    reason: str
    retry_after_s: float | None

    severity: ClassVar[str] = "WARN"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRepeated(Event):
    """A plan is made once more, without the module that `failure` happened in.

    `without` is empty if no module is the cause: the process was killed from outside.
    """

    without: str
    failure: str
    reason: str

    severity: ClassVar[str] = "WARN"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleLoadFailed(Event):
    """A module could not be loaded or registered."""

    key: str
    error: str

    severity: ClassVar[str] = "ERROR"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationChanged(Event):
    """Another version of the configuration became active."""

    version: int
    changed_by: str
    reason: str
    sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheConsulted(Event):
    """Modules ran: `hits` calls had cached results for the same inputs, `misses` were made."""

    hits: int
    misses: int

    severity: ClassVar[str] = "DEBUG"


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidatesPrepared(Event):
    """Opportunities became legal candidates."""

    n_opportunities: int
    n_candidates: int
    n_rejected: int

    severity: ClassVar[str] = "DEBUG"


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceGenerationStarted(Event):
    """Generating sets of candidates begins."""

    n_candidates: int
    generators: tuple[str, ...]

    severity: ClassVar[str] = "DEBUG"


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceGenerationCompleted(Event):
    """All sets were generated."""

    n_sequences: int
    elapsed_s: float

    severity: ClassVar[str] = "DEBUG"


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceEvaluationStarted(Event):
    """Scoring begins."""

    n_candidates: int

    severity: ClassVar[str] = "DEBUG"


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceEvaluationCompleted(Event):
    """Scoring ended.

    A bound on the score excluded `n_pruned` sets, which were not checked further. Of the others,
    `n_legal` satisfied every constraint.
    """

    n_sequences: int
    n_pruned: int
    n_legal: int
    best_gain: float
    elapsed_s: float

    severity: ClassVar[str] = "DEBUG"


@dataclass(frozen=True, slots=True, kw_only=True)
class BestSequenceUpdated(Event):
    """A better set was found."""

    gain: float
    violation: float
    n_steps: int
    source: str

    severity: ClassVar[str] = "DEBUG"


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchProgressed(Event):
    """A part of the search or of the refinement ended; used for progress.

    One per sequence generator, and one per round of the refinement. `source` is the module's key,
    `refinement.supports` or `refinement.lots`.
    """

    source: str
    n_looked_at: int
    best_gain: float

    severity: ClassVar[str] = "DEBUG"
    is_journaled: ClassVar[bool] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanningCompleted(Event):
    """Planning ended."""

    outcome: str
    gain: float
    n_steps: int
    elapsed_s: float
    modules_failed: tuple[str, ...] = field(default=())
