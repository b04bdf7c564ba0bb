"""Metrics counted from events, and the accuracy of percentiles."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.telemetry.metrics.metrics import (
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
    durations = Distribution()
    for value in values:
        durations.add(value)
    return durations


@given(DURATIONS, FRACTIONS)
def test_a_percentile_is_exact_to_its_error_and_the_moments_are_exact(
    values: list[float], fraction: float
) -> None:
    durations = of(values)
    exact = float(np.quantile(values, fraction, method="inverted_cdf"))
    assert durations.percentile(fraction) == pytest.approx(exact, rel=PERCENTILE_ERROR + 1e-9)
    assert durations.count == len(values)
    assert durations.total == pytest.approx(math.fsum(values))
    assert (durations.smallest, durations.largest) == (min(values), max(values))
    assert durations.smallest <= durations.percentile(fraction) <= durations.largest


@given(DURATIONS, DURATIONS, FRACTIONS)
def test_merging_is_the_same_as_adding_both(
    one: list[float], two: list[float], fraction: float
) -> None:
    merged = of(one)
    merged.merge(of(two))
    both = of(one + two)
    assert merged.bins == both.bins
    assert merged.percentile(fraction) == both.percentile(fraction)
    assert merged.total == pytest.approx(both.total)


def test_the_memory_of_a_distribution_is_bounded_for_any_values() -> None:
    durations = of([0.0, 1e-300, 1e300, *np.geomspace(1e-9, 1e9, 20_000)])
    assert len(durations.bins) <= BIN_MAX - BIN_MIN + 1 == 37 * BINS_PER_OCTAVE + 1
    assert durations.count == 20_003


@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0])
def test_a_value_that_is_not_a_duration_is_not_counted(value: float) -> None:
    assert of([value]) == Distribution()


def test_without_values_percentiles_and_mean_are_zero() -> None:
    assert (Distribution().percentile(0.5), Distribution().mean) == (0.0, 0.0)


def test_a_plan_is_counted_from_its_events() -> None:
    metrics, recorder = Metrics(), Recorder()
    modules = (stub_calculator(lambda _: 1 / 0), stub_pattern(lambda _: [], "idle"))
    run_with(*modules, recorder=recorder, runtime={"monotonic": FakeClock(tick_s=0.001)})
    for event in recorder.events:
        metrics.on_event(event)
    bucket = metrics.of("core")
    calls = recorder.of("ModuleCompleted") + recorder.of("ModuleFailed")
    assert sum(durations.count for durations in bucket.calls.values()) == len(calls)
    assert sum(durations.total for durations in bucket.calls.values()) == pytest.approx(
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


def test_events_and_their_records_give_the_same_metrics() -> None:
    recorder = Recorder()
    run_with(stub_calculator(lambda _: 1 / 0), recorder=recorder)
    from_events, from_records = Metrics(), Metrics()
    for event in recorder.events:
        from_events.on_event(event)
        from_records.on_record(event.event_type, event.bucket_id, event.to_record()["data"])  # type: ignore[arg-type]
    assert from_events == from_records
    assert from_events.buckets


def test_many_names_cannot_fill_the_memory() -> None:
    metrics = Metrics()
    for n in range(NAMES_MAX + 50):
        call = {"key": f"filters.f{n}", "operation": "reject", "elapsed_s": 1.0, "error": "x"}
        metrics.on_record("ModuleFailed", "core", call)
        metrics.on_record("ModuleFailed", f"bucket{n}", call)
        metrics.count(f"c{n}")
        metrics.gauge(f"g{n}", 1.0)
    assert len(metrics.of("core").calls) == NAMES_MAX
    assert len(metrics.of("core").counters) == NAMES_MAX
    assert len(metrics.buckets) == len(metrics.counters) == len(metrics.gauges) == NAMES_MAX
