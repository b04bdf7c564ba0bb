"""What is folded from events, and how right the percentiles are."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.telemetry.metrics.planner_metrics import (
    BIN_MAX,
    BIN_MIN,
    BINS_PER_OCTAVE,
    NAMES_MAX,
    PERCENTILE_ERROR,
    Distribution,
    Metrics,
)
from tests.builders import FakeClock, Recorder, stub_calculator, stub_pattern
from tests.planner_core.sample_plans import run_with

DURATIONS = st.lists(st.floats(2e-6, 1e5), min_size=1, max_size=200)
FRACTIONS = st.sampled_from([0.0, 0.5, 0.95, 0.99, 1.0])


def of(values: list[float]) -> Distribution:
    found = Distribution()
    for value in values:
        found.add(value)
    return found


@given(DURATIONS, FRACTIONS)
def test_a_percentile_is_right_to_its_error_and_the_moments_are_exact(
    values: list[float], fraction: float
) -> None:
    found = of(values)
    exact = float(np.quantile(values, fraction, method="inverted_cdf"))
    assert found.percentile(fraction) == pytest.approx(exact, rel=PERCENTILE_ERROR + 1e-9)
    assert found.count == len(values)
    assert found.total == pytest.approx(math.fsum(values))
    assert (found.smallest, found.largest) == (min(values), max(values))
    assert found.smallest <= found.percentile(fraction) <= found.largest


@given(DURATIONS, DURATIONS, FRACTIONS)
def test_merging_is_the_same_as_having_seen_both(
    one: list[float], two: list[float], fraction: float
) -> None:
    merged = of(one)
    merged.merge(of(two))
    both = of(one + two)
    assert merged.bins == both.bins
    assert merged.percentile(fraction) == both.percentile(fraction)
    assert merged.total == pytest.approx(both.total)


def test_the_memory_of_a_distribution_is_bounded_whatever_it_sees() -> None:
    found = of([0.0, 1e-300, 1e300, *np.geomspace(1e-9, 1e9, 20_000)])
    assert len(found.bins) <= BIN_MAX - BIN_MIN + 1 == 37 * BINS_PER_OCTAVE + 1
    assert found.count == 20_003


@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0])
def test_what_is_no_duration_is_not_counted(value: float) -> None:
    assert of([value]) == Distribution()


def test_nothing_has_no_percentiles_and_no_mean() -> None:
    assert (Distribution().percentile(0.5), Distribution().mean) == (0.0, 0.0)


def test_a_plan_is_folded_from_its_events() -> None:
    metrics, recorder = Metrics(), Recorder()
    modules = (stub_calculator(lambda _: 1 / 0), stub_pattern(lambda _: [], "idle"))
    run_with(*modules, recorder=recorder, runtime={"monotonic": FakeClock(tick_s=0.001)})
    for event in recorder.events:
        metrics.hear(event)
    bucket = metrics.of("core")
    calls = recorder.of("ModuleCompleted") + recorder.of("ModuleFailed")
    assert sum(found.count for found in bucket.calls.values()) == len(calls)
    assert sum(found.total for found in bucket.calls.values()) == pytest.approx(
        sum(call["elapsed_s"] for call in calls)
    )
    assert bucket.calls["opportunity_calculators.stub", "calculate"].count == 1
    assert bucket.counters["module_failures.opportunity_calculators.stub"] == 1
    assert bucket.counters["plans.PLANNED"] == bucket.plans.count == 1
    (scored,) = recorder.of("SequenceEvaluationCompleted")
    assert bucket.counters["sequences_generated"] == scored["n_sequences"] > 0
    assert bucket.counters["sequences_pruned"] == scored["n_pruned"]
    assert bucket.counters["sequences_evaluated"] == scored["n_sequences"] - scored["n_pruned"]
    assert bucket.counters["candidates"] == recorder.of("CandidatesPrepared")[0]["n_candidates"]
    assert set(bucket.stages) == {
        "value", "assess", "opportunities", "candidates", "search", "refinement", "report",
    }  # fmt: skip


def test_events_as_records_fold_to_the_same() -> None:
    recorder = Recorder()
    run_with(stub_calculator(lambda _: 1 / 0), recorder=recorder)
    heard, noted = Metrics(), Metrics()
    for event in recorder.events:
        heard.hear(event)
        noted.note(event.event_type, event.bucket_id, event.to_record()["data"])  # type: ignore[arg-type]
    assert heard == noted
    assert heard.buckets


def test_made_up_names_cannot_fill_the_memory() -> None:
    metrics = Metrics()
    for n in range(NAMES_MAX + 50):
        call = {"key": f"filters.f{n}", "operation": "reject", "elapsed_s": 1.0, "error": "x"}
        metrics.note("ModuleFailed", "core", call)
        metrics.note("ModuleFailed", f"bucket{n}", call)
        metrics.count(f"c{n}")
        metrics.gauge(f"g{n}", 1.0)
    assert len(metrics.of("core").calls) == NAMES_MAX
    assert len(metrics.of("core").counters) == NAMES_MAX
    assert len(metrics.buckets) == len(metrics.counters) == len(metrics.gauges) == NAMES_MAX
