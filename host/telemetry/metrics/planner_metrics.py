"""Metrics, folded from events: how often, how long, how many.

Memory is bounded: a duration goes into one of some 600 bins whose edges grow by a factor of
2^(1/16), so percentiles are right to 2.2 %; count, total, mean, smallest and largest are exact.
Two metrics can be merged, which is how those of a run join those on disk.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from planner_core.events import Event

BINS_PER_OCTAVE: Final = 16
BIN_MIN: Final = -20 * BINS_PER_OCTAVE
"""Of a microsecond and less."""
BIN_MAX: Final = 17 * BINS_PER_OCTAVE
"""Of a day and a half and more."""
PERCENTILE_ERROR: Final = math.exp2(0.5 / BINS_PER_OCTAVE) - 1
"""Relative, for values between the smallest and the largest bin."""
NAMES_MAX: Final = 500
"""Calls, stages or counters of a bucket; whatever makes up more names is not counted."""


@dataclass(slots=True)
class Distribution:
    """Durations in seconds: exact moments, and a histogram for the percentiles."""

    count: int = 0
    total: float = 0.0
    smallest: float = math.inf
    largest: float = 0.0
    bins: dict[int, int] = field(default_factory=dict)

    @property
    def mean(self) -> float:
        """Total over count; 0 of nothing."""
        return self.total / self.count if self.count else 0.0

    def add(self, value: float) -> None:
        """Take one value; what is no duration is not taken."""
        if not (math.isfinite(value) and value >= 0):
            return
        self.count += 1
        self.total += value
        self.smallest = min(self.smallest, value)
        self.largest = max(self.largest, value)
        place = bin_of(value)
        self.bins[place] = self.bins.get(place, 0) + 1

    def merge(self, other: Distribution) -> None:
        """Take all values of another one."""
        self.count += other.count
        self.total += other.total
        self.smallest = min(self.smallest, other.smallest)
        self.largest = max(self.largest, other.largest)
        for place, n in other.bins.items():
            self.bins[place] = self.bins.get(place, 0) + n

    def percentile(self, fraction: float) -> float:
        """Return a value that this fraction of all values does not exceed.

        Parameters
        ----------
        fraction : float
            From 0 to 1; 0.5 is the median.

        Returns
        -------
        float, seconds
            By nearest rank, right to PERCENTILE_ERROR; 0 of nothing.
        """
        if not self.count:
            return 0.0
        rank = max(1, math.ceil(fraction * self.count))
        if rank == self.count:
            return self.largest
        seen = 0
        for place in sorted(self.bins):
            seen += self.bins[place]
            if seen >= rank:
                middle = math.exp2((place + 0.5) / BINS_PER_OCTAVE)
                return min(max(middle, self.smallest), self.largest)
        return self.largest


def bin_of(value: float) -> int:
    """Return the bin of a duration in seconds."""
    if value <= 0:
        return BIN_MIN
    return min(max(math.floor(math.log2(value) * BINS_PER_OCTAVE), BIN_MIN), BIN_MAX)


Call = tuple[str, str]
"""A module's key and the operation."""


@dataclass(slots=True)
class BucketMetrics:
    """What was measured of one bucket's plans.

    Parameters
    ----------
    plans : Distribution
        Seconds per plan.
    calls : dict of (key, operation) to Distribution
        Of every call of a module, failed ones included.
    stages : dict of str to Distribution
    counters : dict of str to int
        Numbers that only grow: `sequences_generated`, `modules_failed.KEY` and so on.
    """

    plans: Distribution = field(default_factory=Distribution)
    calls: dict[Call, Distribution] = field(default_factory=dict)
    stages: dict[str, Distribution] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)

    def count(self, name: str, n: int = 1) -> None:
        """Let a counter grow."""
        if name in self.counters or len(self.counters) < NAMES_MAX:
            self.counters[name] = self.counters.get(name, 0) + n

    def merge(self, other: BucketMetrics) -> None:
        """Take over everything another one measured."""
        self.plans.merge(other.plans)
        for call, durations in other.calls.items():
            _of(self.calls, call).merge(durations)
        for stage, durations in other.stages.items():
            _of(self.stages, stage).merge(durations)
        for name, n in other.counters.items():
            self.count(name, n)


@dataclass(slots=True)
class Metrics:
    """What was measured, by bucket; and of the device, what belongs to none."""

    buckets: dict[str, BucketMetrics] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)
    gauges: dict[str, float] = field(default_factory=dict)

    def hear(self, event: Event) -> None:
        """Fold an event of the planner."""
        fold = FOLDS.get(event.event_type)
        if fold is not None:
            fold(self.of(event.bucket_id), _Fields(event))

    def note(self, event_type: str, bucket_id: str, data: Mapping[str, Any]) -> None:
        """Fold an event that came as plain data."""
        fold = FOLDS.get(event_type)
        if fold is not None:
            fold(self.of(bucket_id), data)

    def of(self, bucket_id: str) -> BucketMetrics:
        """Return the metrics of a bucket; a new one if there are none."""
        if bucket_id not in self.buckets and len(self.buckets) >= NAMES_MAX:
            return BucketMetrics()
        return self.buckets.setdefault(bucket_id, BucketMetrics())

    def count(self, name: str, n: int = 1) -> None:
        """Let a counter of the device grow."""
        if name in self.counters or len(self.counters) < NAMES_MAX:
            self.counters[name] = self.counters.get(name, 0) + n

    def gauge(self, name: str, value: float) -> None:
        """Say what a figure of the device is now."""
        if math.isfinite(value) and (name in self.gauges or len(self.gauges) < NAMES_MAX):
            self.gauges[name] = value

    def merge(self, other: Metrics) -> None:
        """Take over everything another one measured; its gauges are the younger ones."""
        for bucket_id, measured in other.buckets.items():
            self.of(bucket_id).merge(measured)
        for name, n in other.counters.items():
            self.count(name, n)
        for name, value in other.gauges.items():
            self.gauge(name, value)


class _Fields(Mapping[str, Any]):
    """An event's payload without a copy of it."""

    def __init__(self, event: Event) -> None:
        self._event = event

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - fields of an event
        return getattr(self._event, name)

    def __iter__(self) -> Any:  # noqa: ANN401 - an iterator
        return iter(self._event.__slots__)

    def __len__(self) -> int:
        return len(self._event.__slots__)


def _of(known: dict[Any, Distribution], name: object) -> Distribution:
    """Return the distribution of a name; one that is forgotten when there are too many."""
    if name not in known and len(known) >= NAMES_MAX:
        return Distribution()
    return known.setdefault(name, Distribution())


Fold = Callable[[BucketMetrics, Mapping[str, Any]], None]


def _called(bucket: BucketMetrics, data: Mapping[str, Any]) -> None:
    _of(bucket.calls, (str(data["key"]), str(data["operation"]))).add(float(data["elapsed_s"]))


def _failed(bucket: BucketMetrics, data: Mapping[str, Any]) -> None:
    _called(bucket, data)
    bucket.count(f"module_failures.{data['key']}")


def _overran(bucket: BucketMetrics, data: Mapping[str, Any]) -> None:
    _called(bucket, data)
    bucket.count(f"module_overruns.{data['key']}")


def _skipped(bucket: BucketMetrics, data: Mapping[str, Any]) -> None:
    bucket.count(f"module_skips.{data['key']}")


def _breaker_changed(bucket: BucketMetrics, data: Mapping[str, Any]) -> None:
    bucket.count(f"breaker_changes.{data['after']}")


def _stage_completed(bucket: BucketMetrics, data: Mapping[str, Any]) -> None:
    _of(bucket.stages, str(data["stage"])).add(float(data["elapsed_s"]))


def _cache_consulted(bucket: BucketMetrics, data: Mapping[str, Any]) -> None:
    bucket.count("cache_hits", int(data["hits"]))
    bucket.count("cache_misses", int(data["misses"]))


def _candidates_prepared(bucket: BucketMetrics, data: Mapping[str, Any]) -> None:
    bucket.count("opportunities", int(data["n_opportunities"]))
    bucket.count("candidates", int(data["n_candidates"]))


def _generated(bucket: BucketMetrics, data: Mapping[str, Any]) -> None:
    bucket.count("sequences_generated", int(data["n_sequences"]))


def _evaluated(bucket: BucketMetrics, data: Mapping[str, Any]) -> None:
    pruned = int(data["n_pruned"])
    bucket.count("sequences_evaluated", int(data["n_sequences"]) - pruned)
    bucket.count("sequences_pruned", pruned)
    bucket.count("sequences_legal", int(data["n_legal"]))


def _planned(bucket: BucketMetrics, data: Mapping[str, Any]) -> None:
    bucket.plans.add(float(data["elapsed_s"]))
    bucket.count(f"plans.{data['outcome']}")


FOLDS: Final[Mapping[str, Fold]] = {
    "ModuleCompleted": _called,
    "ModuleFailed": _failed,
    "ModuleOverran": _overran,
    "ModuleSkipped": _skipped,
    "BreakerChanged": _breaker_changed,
    "StageCompleted": _stage_completed,
    "CacheConsulted": _cache_consulted,
    "CandidatesPrepared": _candidates_prepared,
    "SequenceGenerationCompleted": _generated,
    "SequenceEvaluationCompleted": _evaluated,
    "PlanningCompleted": _planned,
}
"""What each event adds; any other adds nothing."""
