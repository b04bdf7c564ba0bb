"""What the planner says while it works: typed, versioned events.

The core has one output channel, `runtime.emit(event)`. Logs, metrics, the journal and the display
subscribe in the host; nothing here knows them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import ClassVar

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What every event carries."""

    timestamp: datetime
    bucket_id: str
    trace_id: str

    schema_version: ClassVar[int] = SCHEMA_VERSION
    """Of the fields of the class: one more keeps it; one less, or another meaning, raises it."""
    severity: ClassVar[str] = "INFO"
    """DEBUG, INFO, WARN or ERROR: how a log ranks it."""
    is_journaled: ClassVar[bool] = True
    """Whether a journal keeps it; what metrics add up and a profile draws need not be."""

    @property
    def event_type(self) -> str:
        """The class name; stable, part of the contract."""
        return type(self).__name__

    def payload(self) -> dict[str, object]:
        """Return what the event says beside its envelope."""
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
    """Return the names of what events of a type say beside their envelope."""
    known = _PAYLOADS.get(event)
    if known is None:
        envelope = {found.name for found in fields(Event)}
        known = tuple(found.name for found in fields(event) if found.name not in envelope)
        _PAYLOADS[event] = known
    return known


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanningStarted(Event):
    """A plan was asked for and its input is complete."""

    as_of: str
    n_securities: int
    max_plan_depth: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StageCompleted(Event):
    """A stage of the pipeline ended; for progress and the waterfall."""

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
    """A module raised or broke its contract; planning goes on without it."""

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
    """A module's circuit breaker changed its state; `retry_after_s` until somebody may try."""

    key: str
    before: str
    after: str
    reason: str
    retry_after_s: float | None

    severity: ClassVar[str] = "WARN"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRepeated(Event):
    """A plan is made once more, without the module that `failure` happened in.

    `without` is empty when no module is to blame for it yet: the process was killed from outside.
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
    """Another configuration version is active now."""

    version: int
    changed_by: str
    reason: str
    sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheConsulted(Event):
    """Calculators were asked: `hits` of them had seen the same inputs before."""

    hits: int
    misses: int

    severity: ClassVar[str] = "DEBUG"


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidatesPrepared(Event):
    """Opportunities became legal candidate actions."""

    n_opportunities: int
    n_candidates: int
    n_rejected: int

    severity: ClassVar[str] = "DEBUG"


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceGenerationStarted(Event):
    """Sets of candidates are about to be generated."""

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

    `n_pruned` sets could not be among the best by a bound on their score and were not judged;
    `n_legal` of the others satisfied every constraint.
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
    """A part of the search or of the refinement is done; for whoever waits.

    One per sequence generator, and one per round of the refinement: `source` is the module's key,
    or `refinement.supports` and `refinement.lots`.
    """

    source: str
    n_looked_at: int
    best_gain: float

    severity: ClassVar[str] = "DEBUG"
    is_journaled: ClassVar[bool] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanningCompleted(Event):
    """The plan is made."""

    outcome: str
    gain: float
    n_steps: int
    elapsed_s: float
    modules_failed: tuple[str, ...] = field(default=())
