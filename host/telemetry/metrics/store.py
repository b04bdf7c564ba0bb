"""Metrics on disk: `state/metrics.json`, which each run adds its own to.

The daemon adds after every plan, `trader plan` too. Under a lock what is there is read, the new is
merged in, and the whole is written: nobody's counts get lost, and a kill costs one plan's at most.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import datetime
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
from host.telemetry.metrics.planner_metrics import (
    BIN_MAX,
    BIN_MIN,
    BucketMetrics,
    Distribution,
    Metrics,
)

if TYPE_CHECKING:
    from host.home.home import Home

FILE_NAME: Final = "metrics.json"
LOCK_NAME: Final = "metrics.lock"
SCHEMA_VERSION: Final = 1
NAME_LENGTH_MAX: Final = 200


@dataclass(slots=True)
class KeptMetrics:
    """Metrics with when their counting began and when they were last added to."""

    metrics: Metrics
    since: datetime | None = None
    updated: datetime | None = None


class MetricsStore:
    """The metrics of a home."""

    def __init__(self, home: Home) -> None:
        self.path = home.state_dir / FILE_NAME
        self.problem: str | None = None
        self._known: tuple[tuple[int, ...], KeptMetrics] | None = None

    def read(self, now: datetime | None = None) -> KeptMetrics:
        """Return what was counted so far; a file that makes no sense is put aside.

        Raises
        ------
        StorageError
            When the file is there and cannot be read.
        """
        try:
            data = read_state(self.path, STATE_BYTES_MAX, SCHEMA_VERSION)
            return KeptMetrics(Metrics()) if data is None else _kept(data)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            self.problem = quarantine(self.path, error, now or utc_now())
            return KeptMetrics(Metrics())
        except OSError as error:
            raise storage_error(self.path, "cannot be read", error) from error

    def add(self, measured: Metrics, now: datetime | None = None) -> None:
        """Add what was measured to what is kept.

        Raises
        ------
        StorageError
            When it cannot be kept; what was kept before is untouched.
        """
        now = now or utc_now()
        with locked_file(self.path.with_name(LOCK_NAME)):
            kept = self._last_written() or self.read(now)
            self._known = None  # until it is on disk
            kept.metrics.merge(measured)
            kept.since = kept.since or now
            kept.updated = now
            text = json.dumps(_record(kept), allow_nan=False, separators=(",", ":"))
            write_atomic(self.path, text.encode() + b"\n")
            written = file_signature(self.path)
            self._known = None if written is None else (written, kept)

    def _last_written(self) -> KeptMetrics | None:
        """Return what this store wrote last, if nobody wrote since."""
        if self._known is None or self._known[0] != file_signature(self.path):
            return None
        return self._known[1]


def distribution_to_json(found: Distribution) -> dict[str, object]:
    """Return exact figures and percentiles, in seconds; null where there is nothing."""
    some = found.count > 0
    return {
        "count": found.count,
        "total_s": found.total,
        "mean_s": found.mean if some else None,
        "min_s": found.smallest if some else None,
        "max_s": found.largest if some else None,
        "p50_s": found.percentile(0.5) if some else None,
        "p95_s": found.percentile(0.95) if some else None,
        "p99_s": found.percentile(0.99) if some else None,
    }


def _record(kept: KeptMetrics) -> dict[str, object]:
    metrics = kept.metrics
    return {
        "schema_version": SCHEMA_VERSION,
        "since": kept.since.isoformat() if kept.since else None,
        "updated": kept.updated.isoformat() if kept.updated else None,
        "buckets": {
            bucket_id: {
                "plans": _packed(bucket.plans),
                "calls": [[*call, _packed(found)] for call, found in bucket.calls.items()],
                "stages": {name: _packed(found) for name, found in bucket.stages.items()},
                "counters": bucket.counters,
            }
            for bucket_id, bucket in metrics.buckets.items()
        },
        "counters": metrics.counters,
        "gauges": metrics.gauges,
    }


def _packed(found: Distribution) -> list[object]:
    smallest = found.smallest if found.count else None
    return [found.count, found.total, smallest, found.largest, sorted(found.bins.items())]


def _kept(data: dict[str, Any]) -> KeptMetrics:
    metrics = Metrics(counters=_counters(data["counters"]))
    for name, value in data["gauges"].items():
        metrics.gauge(_name(name), float(value))
    for bucket_id, entry in data["buckets"].items():
        metrics.buckets[_name(bucket_id)] = BucketMetrics(
            plans=_unpacked(entry["plans"]),
            calls={(_name(key), _name(op)): _unpacked(found) for key, op, found in entry["calls"]},
            stages={_name(name): _unpacked(found) for name, found in entry["stages"].items()},
            counters=_counters(entry["counters"]),
        )
    return KeptMetrics(metrics, _time(data["since"]), _time(data["updated"]))


def _unpacked(packed: list[Any]) -> Distribution:
    count, total, smallest, largest, bins = packed
    found = Distribution(
        _number(count),
        float(total),
        math.inf if smallest is None else float(smallest),
        float(largest),
        {int(place): _number(n) for place, n in bins},
    )
    if sum(found.bins.values()) != found.count:
        raise ValueError("a histogram has as many values as were counted")
    if any(not BIN_MIN <= place <= BIN_MAX for place in found.bins):
        raise ValueError("a bin that no duration falls into")
    if not (math.isfinite(found.total) and math.isfinite(found.largest)):
        raise ValueError("a duration is finite")
    return found


def _counters(entries: dict[str, Any]) -> dict[str, int]:
    return {_name(name): _number(n) for name, n in entries.items()}


def _number(n: object) -> int:
    if not isinstance(n, int) or isinstance(n, bool) or n < 0:
        raise ValueError("a count is a whole number")
    return n


def _name(name: object) -> str:
    if not isinstance(name, str) or len(name) > NAME_LENGTH_MAX:
        raise ValueError("a name is short text")
    return name


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
