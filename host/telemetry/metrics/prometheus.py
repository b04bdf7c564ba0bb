"""Metrics in Prometheus' text format, version 0.0.4.

Names follow its rules: base units, and counters end in `_total`. Percentiles are quantiles of a
summary, because they were computed here; they must not be added up over buckets.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from host.telemetry.metrics.metrics import BucketMetrics, Distribution, StoredMetrics

PREFIX: Final = "arduino_trader_"
QUANTILES: Final = (0.5, 0.95, 0.99)
NOT_IN_A_NAME: Final = re.compile(r"[^a-zA-Z0-9_]")

Labels = Mapping[str, str]


@dataclass(slots=True)
class Family:
    """A metric with all its samples."""

    name: str
    kind: str
    text: str
    samples: list[tuple[str, Labels, float]] = field(default_factory=list)

    def add(self, labels: Labels, value: float, suffix: str = "") -> None:
        """Add a sample."""
        self.samples.append((suffix, labels, value))

    def summarize(self, labels: Labels, durations: Distribution) -> None:
        """Add quantiles, sum and count."""
        for quantile in QUANTILES:
            self.add({**labels, "quantile": f"{quantile:g}"}, durations.percentile(quantile))
        self.add(labels, durations.total, "_sum")
        self.add(labels, durations.count, "_count")

    def lines(self) -> Iterator[str]:
        """Yield the family as text; nothing without samples."""
        if not self.samples:
            return
        yield f"# HELP {PREFIX}{self.name} {self.text}"
        yield f"# TYPE {PREFIX}{self.name} {self.kind}"
        for suffix, labels, value in self.samples:
            pairs = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items())
            yield f"{PREFIX}{self.name}{suffix}{'{' + pairs + '}' if pairs else ''} {value!r}"


COUNTERS: Final[Mapping[str, tuple[str, str, str]]] = {
    "sequences_": ("sequences_total", "fate", "Sets of trades, by result."),
    "plans.": ("plans_total", "outcome", "Plans, by outcome."),
    "plans_failed.": ("plans_failed_total", "failure", "Requests without a plan, by failure."),
    "plans_repeated": ("plans_repeated_total", "", "Plans made again without a bad module."),
    "module_failures.": ("module_failures_total", "module", "Calls that raised."),
    "module_overruns.": ("module_overruns_total", "module", "Calls that took too long."),
    "module_skips.": ("module_skips_total", "module", "Plans that a module was left out of."),
    "breaker_changes.": ("breaker_changes_total", "after", "Circuit breakers, by new state."),
    "cache_": ("cache_lookups_total", "result", "Calculations looked up in the cache."),
    "opportunities": ("opportunities_total", "", "Opportunities of the calculators."),
    "candidates": ("candidates_total", "", "Legal trades that were searched over."),
}
"""Counters of a bucket by the prefix of their names: metric, label for the rest, help text."""


def prometheus_text(stored: StoredMetrics, bucket_ids: Sequence[str]) -> str:
    """Return the metrics of these buckets and of the device."""
    buckets = {bucket_id: stored.metrics.of(bucket_id) for bucket_id in bucket_ids}
    families = [*_durations(buckets), *_counters(buckets), *_device(stored)]
    return "".join(f"{line}\n" for family in families for line in family.lines())


def _durations(buckets: Mapping[str, BucketMetrics]) -> Iterable[Family]:
    plans = Family("plan_seconds", "summary", "Time of a plan, from the snapshot on.")
    calls = Family("module_call_seconds", "summary", "Time of a call of a module.")
    stages = Family("stage_seconds", "summary", "Time of a stage of the planner.")
    for bucket_id, bucket in buckets.items():
        labels = {"bucket": bucket_id}
        if bucket.plans.count:
            plans.summarize(labels, bucket.plans)
        for (key, operation), durations in bucket.calls.items():
            calls.summarize({**labels, "module": key, "operation": operation}, durations)
        for name, durations in bucket.stages.items():
            stages.summarize({**labels, "stage": name}, durations)
    return plans, calls, stages


def _counters(buckets: Mapping[str, BucketMetrics]) -> Iterable[Family]:
    for prefix, (name, label, text) in COUNTERS.items():
        family = Family(name, "counter", text)
        for bucket_id, bucket in buckets.items():
            for counter, n in sorted(bucket.counters.items()):
                rest = counter.removeprefix(prefix)
                if counter.startswith(prefix) and bool(rest) is bool(label):
                    labels = {"bucket": bucket_id, **({label: rest} if label else {})}
                    family.add(labels, n)
        yield family


def _device(stored: StoredMetrics) -> Iterable[Family]:
    for name, n in sorted(stored.metrics.counters.items()):
        family = Family(
            f"{_name(name)}_total", "counter", "Device counters since the first record."
        )
        family.add({}, n)
        yield family
    for name, value in sorted(stored.metrics.gauges.items()):
        family = Family(_name(name), "gauge", "Device gauges at the last plan.")
        family.add({}, value)
        yield family


def _name(text: str) -> str:
    return NOT_IN_A_NAME.sub("_", text)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
