"""Metrics as a report for people, and as plain data."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from host.telemetry.metrics.metrics import PERCENTILE_ERROR, distribution_to_json
from host.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from host.telemetry.metrics.metrics import BucketMetrics, Call, Distribution, StoredMetrics

NameT = TypeVar("NameT")
MEGABYTE = 1024 * 1024
WIDE = 130
"""Terminal width at which a line with percentiles fits."""


def metrics_to_json(stored: StoredMetrics, bucket_ids: Sequence[str]) -> dict[str, object]:
    """Return metrics as plain data; `docs/metrics.md` explains every key."""
    return {
        "schema_version": 1,
        "since": _iso(stored.since),
        "updated": _iso(stored.updated),
        "percentile_error": round(PERCENTILE_ERROR, 4),
        "buckets": {name: _bucket_to_json(stored.metrics.of(name)) for name in bucket_ids},
        "device": {"counters": stored.metrics.counters, "gauges": stored.metrics.gauges},
    }


def report_lines(
    stored: StoredMetrics, bucket_ids: Sequence[str], *, width: int | None = None
) -> Iterator[str]:
    """Yield the report of these buckets; without percentiles on a narrow terminal."""
    figures = _figures if width is None or width >= WIDE else _few_figures
    for bucket_id in bucket_ids:
        yield from _bucket_lines(bucket_id, stored, figures)
        yield ""
    yield from _device_lines(stored)


def duration(seconds: float) -> str:
    """Return a duration with two or three digits: `3.45s`, `0.15s`, `4.2ms`, `43us`."""
    if seconds >= 100:  # noqa: PLR2004 - three digits
        return f"{seconds:.0f}s"
    if seconds >= 0.1:  # noqa: PLR2004 - two digits of a second
        return f"{seconds:.2f}s"
    if seconds >= 1e-3:  # noqa: PLR2004 - a millisecond
        return f"{seconds * 1e3:.1f}ms"
    return f"{seconds * 1e6:.0f}us"


def labels_of(calls: Sequence[Call]) -> dict[Call, str]:
    """Return `profit_taking.calculate` for each call; with the kind where names are the same."""
    short = {call: f"{call[0].rpartition('.')[2]}.{call[1]}" for call in calls}
    times = Counter(short.values())
    return {
        call: label if times[label] == 1 else f"{call[0]}.{call[1]}"
        for call, label in short.items()
    }


def _bucket_to_json(bucket: BucketMetrics) -> dict[str, object]:
    return {
        "plans": distribution_to_json(bucket.plans),
        "modules": [
            {"key": key, "operation": operation, **distribution_to_json(durations)}
            for (key, operation), durations in _by_total(bucket.calls)
        ],
        "stages": {
            name: distribution_to_json(durations) for name, durations in _by_total(bucket.stages)
        },
        "counters": bucket.counters,
    }


def _by_total(distributions: Mapping[NameT, Distribution]) -> list[tuple[NameT, Distribution]]:
    return sorted(distributions.items(), key=lambda item: -item[1].total)


def _bucket_lines(
    bucket_id: str, stored: StoredMetrics, figures: Callable[[Distribution, str], str]
) -> Iterator[str]:
    bucket = stored.metrics.of(bucket_id)
    yield f"Performance Report (Bucket: {bucket_id})"
    if not bucket.plans.count and not bucket.counters:
        yield f"  nothing measured yet (trader plan {bucket_id})"
        return
    labels = labels_of(list(bucket.calls))
    for call, durations in _by_total(bucket.calls):
        yield f"  {printable(labels[call])}: {figures(durations, 'calls')}"
    yield ""
    yield f"  plan: {figures(bucket.plans, 'plans')}"
    for name, durations in _by_total(bucket.stages):
        yield f"  stage {printable(name)}: {figures(durations, 'times')}"
    yield ""
    yield f"  sequences: {_counts(bucket, 'sequences_', SEQUENCE_FATES)}"
    hits, misses = (bucket.counters.get(f"cache_{fate}", 0) for fate in ("hits", "misses"))
    if hits + misses:
        rate = hits / (hits + misses)
        yield f"  cache of calculations: {hits} hits, {misses} misses ({rate:.0%} hits)"
    yield f"  plans: {_counts(bucket, 'plans.', _after(bucket, 'plans.')) or 'none'}"
    for title, prefix in TROUBLES:
        for name in _after(bucket, prefix):
            times = bucket.counters[prefix + name]
            yield f"  {title}: {printable(name)}, {times} {'time' if times == 1 else 'times'}"


SEQUENCE_FATES = ("generated", "evaluated", "pruned", "legal")
TROUBLES = (
    ("module failed", "module_failures."),
    ("module overran its time", "module_overruns."),
    ("module left out", "module_skips."),
    ("no plan", "plans_failed."),
    ("breakers turned", "breaker_changes."),
)


def _few_figures(durations: Distribution, unit: str) -> str:
    mean, total = duration(durations.mean), duration(durations.total)
    return f"{durations.count} {unit}, avg {mean}, total {total}"


def _figures(durations: Distribution, unit: str) -> str:
    smallest = duration(durations.smallest if durations.count else 0.0)
    p50, p95, p99 = (duration(durations.percentile(part)) for part in (0.5, 0.95, 0.99))
    return (
        f"{_few_figures(durations, unit)}"
        f" (min {smallest}, p50 {p50}, p95 {p95}, p99 {p99}, max {duration(durations.largest)})"
    )


def _counts(bucket: BucketMetrics, prefix: str, names: Sequence[str]) -> str:
    return ", ".join(f"{bucket.counters.get(prefix + name, 0):,} {name}" for name in names)


def _after(bucket: BucketMetrics, prefix: str) -> list[str]:
    names = (name for name in bucket.counters if name.startswith(prefix))
    return sorted(name.removeprefix(prefix) for name in names)


def _device_lines(stored: StoredMetrics) -> Iterator[str]:
    gauges, counters = stored.metrics.gauges, stored.metrics.counters
    yield "Device"
    if "planner_rss_bytes" in gauges:
        now, peak = gauges["planner_rss_bytes"], gauges.get("planner_rss_peak_bytes", 0.0)
        yield f"  planner: {now / MEGABYTE:.0f} MB, at most {peak / MEGABYTE:.0f} MB"
    if "daemon_rss_peak_bytes" in gauges:
        yield f"  daemon: at most {gauges['daemon_rss_peak_bytes'] / MEGABYTE:.0f} MB"
    yield f"  planner's process: {counters.get('worker_restarts', 0)} restarts"
    link = {name: value for name, value in gauges.items() if name.startswith("link_")}
    if link:
        shown = ", ".join(
            f"{link[f'link_{name}']:,.0f} {name.replace('_', ' ')}"
            for name in ("packets_sent", "packets_received", "retransmits", "crc_errors")
            if f"link_{name}" in link
        )
        yield f"  link, this start of the daemon: {shown}"
    if stored.since is not None and stored.updated is not None:
        since, updated = (f"{at:%Y-%m-%d %H:%M}" for at in (stored.since, stored.updated))
        yield f"  counted since {since} UTC, last {updated}"


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="seconds")
