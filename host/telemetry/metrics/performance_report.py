"""Metrics as a report for people, and as plain data."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from host.telemetry.metrics.planner_metrics import PERCENTILE_ERROR
from host.telemetry.metrics.store import distribution_to_json
from host.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from host.telemetry.metrics.planner_metrics import BucketMetrics, Call, Distribution
    from host.telemetry.metrics.store import KeptMetrics

NameT = TypeVar("NameT")
MEGABYTE = 1024 * 1024
WIDE = 130
"""Columns of a terminal from which on a line with percentiles is not broken."""


def metrics_to_json(kept: KeptMetrics, bucket_ids: Sequence[str]) -> dict[str, object]:
    """Return metrics as plain data; `docs/metrics.md` explains every key."""
    return {
        "schema_version": 1,
        "since": _iso(kept.since),
        "updated": _iso(kept.updated),
        "percentile_error": round(PERCENTILE_ERROR, 4),
        "buckets": {name: _bucket_to_json(kept.metrics.of(name)) for name in bucket_ids},
        "device": {"counters": kept.metrics.counters, "gauges": kept.metrics.gauges},
    }


def report_lines(
    kept: KeptMetrics, bucket_ids: Sequence[str], *, width: int | None = None
) -> Iterator[str]:
    """Yield the report of these buckets, line by line; without percentiles where it is narrow."""
    figures = _figures if width is None or width >= WIDE else _few_figures
    for bucket_id in bucket_ids:
        yield from _bucket_lines(bucket_id, kept, figures)
        yield ""
    yield from _device_lines(kept)


def duration(seconds: float) -> str:
    """Return a duration with three digits or so: `3.45s`, `0.15s`, `4.2ms`, `43us`."""
    if seconds >= 100:  # noqa: PLR2004 - three digits
        return f"{seconds:.0f}s"
    if seconds >= 0.1:  # noqa: PLR2004 - two digits of a second
        return f"{seconds:.2f}s"
    if seconds >= 1e-3:  # noqa: PLR2004 - a millisecond
        return f"{seconds * 1e3:.1f}ms"
    return f"{seconds * 1e6:.0f}us"


def labels_of(calls: Sequence[Call]) -> dict[Call, str]:
    """Return `profit_taking.calculate` for each call; the kind too where names would be alike."""
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
            {"key": key, "operation": operation, **distribution_to_json(found)}
            for (key, operation), found in _by_total(bucket.calls)
        ],
        "stages": {name: distribution_to_json(found) for name, found in _by_total(bucket.stages)},
        "counters": bucket.counters,
    }


def _by_total(known: Mapping[NameT, Distribution]) -> list[tuple[NameT, Distribution]]:
    return sorted(known.items(), key=lambda item: -item[1].total)


def _bucket_lines(
    bucket_id: str, kept: KeptMetrics, figures: Callable[[Distribution, str], str]
) -> Iterator[str]:
    bucket = kept.metrics.of(bucket_id)
    yield f"Performance Report (Bucket: {bucket_id})"
    if not bucket.plans.count and not bucket.counters:
        yield f"  nothing measured yet (trader plan {bucket_id})"
        return
    labels = labels_of(list(bucket.calls))
    for call, found in _by_total(bucket.calls):
        yield f"  {printable(labels[call])}: {figures(found, 'calls')}"
    yield ""
    yield f"  plan: {figures(bucket.plans, 'plans')}"
    for name, found in _by_total(bucket.stages):
        yield f"  stage {printable(name)}: {figures(found, 'times')}"
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


def _few_figures(found: Distribution, unit: str) -> str:
    return f"{found.count} {unit}, avg {duration(found.mean)}, total {duration(found.total)}"


def _figures(found: Distribution, unit: str) -> str:
    return (
        f"{_few_figures(found, unit)} (min {duration(found.smallest if found.count else 0.0)},"
        f" p50 {duration(found.percentile(0.5))},"
        f" p95 {duration(found.percentile(0.95))}, p99 {duration(found.percentile(0.99))},"
        f" max {duration(found.largest)})"
    )


def _counts(bucket: BucketMetrics, prefix: str, names: Sequence[str]) -> str:
    return ", ".join(f"{bucket.counters.get(prefix + name, 0):,} {name}" for name in names)


def _after(bucket: BucketMetrics, prefix: str) -> list[str]:
    found = (name for name in bucket.counters if name.startswith(prefix))
    return sorted(name.removeprefix(prefix) for name in found)


def _device_lines(kept: KeptMetrics) -> Iterator[str]:
    gauges, counters = kept.metrics.gauges, kept.metrics.counters
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
    if kept.since is not None and kept.updated is not None:
        yield f"  counted since {kept.since:%Y-%m-%d %H:%M} UTC, last {kept.updated:%Y-%m-%d %H:%M}"


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="seconds")
