"""Metrics: how often, how long and how many, folded from events and stored in `state/metrics.json`.

Memory is bounded. A duration goes into one of about 600 bins whose edges grow by a factor of
2^(1/16), so percentiles are exact to 2.2 %. Count, total, mean, smallest and largest are exact.

The daemon adds to the file after every plan, and so does `trader plan`. Under a lock the file is
read, the new metrics are merged in, and the whole is written. No counts are lost when two processes
add, and a kill loses one plan's at most.
"""

from __future__ import annotations

import json
import math
import resource
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from host.clock import utc_now
from host.home.storage.atomic_file import (
    file_signature,
    locked_file,
    quarantine,
    read_state,
    storage_error,
    write_atomic,
)
from host.limits import STATE_BYTES_MAX

if TYPE_CHECKING:
    from host.home.home import Home
    from planner_core.events import Event

FILE_NAME: Final = "metrics.json"
LOCK_NAME: Final = "metrics.lock"
SCHEMA_VERSION: Final = 1
NAME_LENGTH_MAX: Final = 200
BINS_PER_OCTAVE: Final = 16
BIN_MIN: Final = -20 * BINS_PER_OCTAVE
"""The bin of a microsecond and less."""
BIN_MAX: Final = 17 * BINS_PER_OCTAVE
"""The bin of a day and a half and more."""
PERCENTILE_ERROR: Final = math.exp2(0.5 / BINS_PER_OCTAVE) - 1
"""Relative, for values between the smallest and the largest bin."""
NAMES_MAX: Final = 500
"""Most names of calls, of stages or of counters of a bucket; further ones are not counted."""


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
        """Total over count; 0 without values."""
        return self.total / self.count if self.count else 0.0

    def add(self, value: float) -> None:
        """Add a value, unless it is negative or not finite."""
        if not (math.isfinite(value) and value >= 0):
            return
        self.count += 1
        self.total += value
        self.smallest = min(self.smallest, value)
        self.largest = max(self.largest, value)
        place = bin_of(value)
        self.bins[place] = self.bins.get(place, 0) + 1

    def merge(self, other: Distribution) -> None:
        """Add all values of another one."""
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
            By nearest rank, exact to PERCENTILE_ERROR; 0 without values.
        """
        if not self.count:
            return 0.0
        rank = max(1, math.ceil(fraction * self.count))
        if rank == self.count:
            return self.largest
        cumulated = 0
        for place in sorted(self.bins):
            cumulated += self.bins[place]
            if cumulated >= rank:
                # geometric middle of the bin: half a bin is the largest error
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
    """Metrics of one bucket's plans.

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
        """Add to a counter."""
        if name in self.counters or len(self.counters) < NAMES_MAX:
            self.counters[name] = self.counters.get(name, 0) + n

    def merge(self, other: BucketMetrics) -> None:
        """Add all that another one measured."""
        self.plans.merge(other.plans)
        for call, durations in other.calls.items():
            _of(self.calls, call).merge(durations)
        for stage, durations in other.stages.items():
            _of(self.stages, stage).merge(durations)
        for name, n in other.counters.items():
            self.count(name, n)


@dataclass(slots=True)
class Metrics:
    """Metrics by bucket, and those of the device."""

    buckets: dict[str, BucketMetrics] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)
    gauges: dict[str, float] = field(default_factory=dict)

    def on_event(self, event: Event) -> None:
        """Count an event of the planner."""
        fold = FOLDS.get(event.event_type)
        if fold is not None:
            fold(self.of(event.bucket_id), _Fields(event))

    def on_record(self, event_type: str, bucket_id: str, data: Mapping[str, Any]) -> None:
        """Count an event that came as plain data."""
        fold = FOLDS.get(event_type)
        if fold is not None:
            fold(self.of(bucket_id), data)

    def of(self, bucket_id: str) -> BucketMetrics:
        """Return the metrics of a bucket, to read and to add to."""
        if bucket_id not in self.buckets and len(self.buckets) >= NAMES_MAX:
            return BucketMetrics()
        return self.buckets.setdefault(bucket_id, BucketMetrics())

    def count(self, name: str, n: int = 1) -> None:
        """Add to a counter of the device."""
        if name in self.counters or len(self.counters) < NAMES_MAX:
            self.counters[name] = self.counters.get(name, 0) + n

    def gauge(self, name: str, value: float) -> None:
        """Set a figure of the device."""
        if math.isfinite(value) and (name in self.gauges or len(self.gauges) < NAMES_MAX):
            self.gauges[name] = value

    def merge(self, other: Metrics) -> None:
        """Add all that another one measured; its gauges replace ours."""
        for bucket_id, measured in other.buckets.items():
            self.of(bucket_id).merge(measured)
        for name, n in other.counters.items():
            self.count(name, n)
        for name, value in other.gauges.items():
            self.gauge(name, value)


class _Fields(Mapping[str, Any]):
    """The payload of an event as a mapping, without a copy."""

    def __init__(self, event: Event) -> None:
        self._event = event

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - fields of an event
        return getattr(self._event, name)

    def __iter__(self) -> Any:  # noqa: ANN401 - an iterator
        return iter(self._event.__slots__)

    def __len__(self) -> int:
        return len(self._event.__slots__)


def _of(distributions: dict[Any, Distribution], name: object) -> Distribution:
    """Return the distribution of a name; a throw-away one when there are too many names."""
    if name not in distributions and len(distributions) >= NAMES_MAX:
        return Distribution()
    return distributions.setdefault(name, Distribution())


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
"""How each type of event is counted; others are not."""


# --- on disk -----------------------------------------------------------------------------------


@dataclass(slots=True)
class StoredMetrics:
    """Metrics, with the times of the first and the last addition."""

    metrics: Metrics
    since: datetime | None = None
    updated: datetime | None = None


class MetricsStore:
    """The metrics file of a home."""

    def __init__(self, home: Home) -> None:
        self.path = home.state_dir / FILE_NAME
        self.problem: str | None = None
        self._cached: tuple[tuple[int, ...], StoredMetrics] | None = None

    def read(self, now: datetime | None = None) -> StoredMetrics:
        """Return the metrics so far; a file that makes no sense is set aside.

        Raises
        ------
        StorageError
            When the file exists and cannot be read.
        """
        try:
            data = read_state(self.path, STATE_BYTES_MAX, SCHEMA_VERSION)
            return StoredMetrics(Metrics()) if data is None else _parse(data)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            self.problem = quarantine(self.path, error, now or utc_now())
            return StoredMetrics(Metrics())
        except OSError as error:
            raise storage_error(self.path, "cannot be read", error) from error

    def add(self, measured: Metrics, now: datetime | None = None) -> None:
        """Add new metrics to the file.

        Raises
        ------
        StorageError
            When it cannot be written; the file is untouched.
        """
        now = now or utc_now()
        with locked_file(self.path.with_name(LOCK_NAME)):
            stored = self._last_written() or self.read(now)
            self._cached = None  # until it is on disk
            stored.metrics.merge(measured)
            stored.since = stored.since or now
            stored.updated = now
            text = json.dumps(_record(stored), allow_nan=False, separators=(",", ":"))
            write_atomic(self.path, text.encode() + b"\n")
            signature = file_signature(self.path)
            self._cached = None if signature is None else (signature, stored)

    def _last_written(self) -> StoredMetrics | None:
        """Return the metrics that this store wrote last, if the file is still the same."""
        if self._cached is None or self._cached[0] != file_signature(self.path):
            return None
        return self._cached[1]


def distribution_to_json(distribution: Distribution) -> dict[str, object]:
    """Return exact figures and percentiles, in seconds; null without values."""
    has_values = distribution.count > 0
    return {
        "count": distribution.count,
        "total_s": distribution.total,
        "mean_s": distribution.mean if has_values else None,
        "min_s": distribution.smallest if has_values else None,
        "max_s": distribution.largest if has_values else None,
        "p50_s": distribution.percentile(0.5) if has_values else None,
        "p95_s": distribution.percentile(0.95) if has_values else None,
        "p99_s": distribution.percentile(0.99) if has_values else None,
    }


def _record(stored: StoredMetrics) -> dict[str, object]:
    metrics = stored.metrics
    return {
        "schema_version": SCHEMA_VERSION,
        "since": stored.since.isoformat() if stored.since else None,
        "updated": stored.updated.isoformat() if stored.updated else None,
        "buckets": {
            bucket_id: {
                "plans": _packed(bucket.plans),
                "calls": [[*call, _packed(durations)] for call, durations in bucket.calls.items()],
                "stages": {name: _packed(durations) for name, durations in bucket.stages.items()},
                "counters": bucket.counters,
            }
            for bucket_id, bucket in metrics.buckets.items()
        },
        "counters": metrics.counters,
        "gauges": metrics.gauges,
    }


def _packed(durations: Distribution) -> list[object]:
    smallest = durations.smallest if durations.count else None
    bins = sorted(durations.bins.items())
    return [durations.count, durations.total, smallest, durations.largest, bins]


def _parse(data: dict[str, Any]) -> StoredMetrics:
    metrics = Metrics(counters=_counters(data["counters"]))
    for name, value in data["gauges"].items():
        metrics.gauge(_name(name), float(value))
    for bucket_id, entry in data["buckets"].items():
        metrics.buckets[_name(bucket_id)] = BucketMetrics(
            plans=_unpacked(entry["plans"]),
            calls={
                (_name(key), _name(op)): _unpacked(packed) for key, op, packed in entry["calls"]
            },
            stages={_name(name): _unpacked(packed) for name, packed in entry["stages"].items()},
            counters=_counters(entry["counters"]),
        )
    return StoredMetrics(metrics, _time(data["since"]), _time(data["updated"]))


def _unpacked(packed: list[Any]) -> Distribution:
    count, total, smallest, largest, bins = packed
    durations = Distribution(
        _number(count),
        float(total),
        math.inf if smallest is None else float(smallest),
        float(largest),
        {int(place): _number(n) for place, n in bins},
    )
    if sum(durations.bins.values()) != durations.count:
        raise ValueError("the bins do not add up to the count")
    if any(not BIN_MIN <= place <= BIN_MAX for place in durations.bins):
        raise ValueError("a bin is out of range")
    if not (math.isfinite(durations.total) and math.isfinite(durations.largest)):
        raise ValueError("a duration is not finite")
    return durations


def _counters(entries: dict[str, Any]) -> dict[str, int]:
    return {_name(name): _number(n) for name, n in entries.items()}


def _number(n: object) -> int:
    if not isinstance(n, int) or isinstance(n, bool) or n < 0:
        raise ValueError("a count is not a whole number")
    return n


def _name(name: object) -> str:
    if not isinstance(name, str) or len(name) > NAME_LENGTH_MAX:
        raise ValueError("a name is not a short text")
    return name


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


# --- memory of this process ---------------------------------------------------------------------


def peak_memory_bytes() -> int:
    """Return the peak of this process's resident memory."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def memory_bytes() -> dict[str, int]:
    """Return the resident memory of this process, now and at its peak."""
    peak = peak_memory_bytes()
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    except (OSError, ValueError):
        return {"rss_bytes": peak, "rss_peak_bytes": peak}
    return {"rss_bytes": pages * resource.getpagesize(), "rss_peak_bytes": peak}
