"""Metrics on disk: nothing counted twice, nothing lost, and a damaged file set aside."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from host.errors import StorageError
from host.home.home import Home
from host.telemetry.metrics.metrics import Metrics, MetricsStore

NOW = datetime(2024, 6, 28, 12, tzinfo=UTC)


def measured(seconds: float = 0.5) -> Metrics:
    metrics = Metrics()
    call = {"key": "filters.a", "operation": "reject", "elapsed_s": seconds}
    metrics.on_record("ModuleCompleted", "core", call)
    metrics.on_record("StageCompleted", "core", {"stage": "search", "elapsed_s": seconds})
    metrics.on_record("PlanningCompleted", "core", {"outcome": "PLANNED", "elapsed_s": seconds})
    metrics.count("worker_restarts")
    metrics.gauge("planner_rss_bytes", 1e6 * seconds)
    return metrics


def test_added_metrics_are_read_back_and_add_up(tmp_path: Path) -> None:
    expected = Metrics()
    for n in range(3):
        MetricsStore(Home(tmp_path)).add(measured(n + 1.0), NOW + timedelta(hours=n))
        expected.merge(measured(n + 1.0))
    stored = MetricsStore(Home(tmp_path)).read()
    assert stored.metrics == expected
    assert (stored.since, stored.updated) == (NOW, NOW + timedelta(hours=2))
    assert stored.metrics.gauges == {"planner_rss_bytes": 3e6}, "the newest"


def test_two_stores_that_take_turns_add_up(tmp_path: Path) -> None:
    stores = [MetricsStore(Home(tmp_path)) for _ in range(2)]
    for n in range(6):
        stores[n % 2].add(measured(), NOW)
        stores[n % 2].add(measured(), NOW)
    assert MetricsStore(Home(tmp_path)).read().metrics.counters == {"worker_restarts": 12}


def test_nothing_is_lost_when_several_add_at_once(tmp_path: Path) -> None:
    home = Home(tmp_path)

    def add() -> None:
        for _ in range(5):
            MetricsStore(home).add(measured(), NOW)

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert MetricsStore(home).read().metrics.counters == {"worker_restarts": 20}


def test_a_home_without_metrics_has_none_and_reading_makes_no_file(tmp_path: Path) -> None:
    assert MetricsStore(Home(tmp_path)).read().metrics == Metrics()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_read_or_written_is_a_storage_error(tmp_path: Path) -> None:
    store = MetricsStore(Home(tmp_path))
    store.path.mkdir(parents=True)
    with pytest.raises(StorageError, match="folder has that name"):
        store.read()
    with pytest.raises(StorageError):
        store.add(measured(), NOW)


def broken(**changes: object) -> str:
    bucket: dict[str, object] = {
        "plans": [0, 0.0, None, 0.0, []],
        "calls": [],
        "stages": {},
        "counters": {},
    }
    whole: dict[str, object] = {
        "schema_version": 1, "since": None, "updated": None,
        "buckets": {"core": bucket}, "counters": {}, "gauges": {},
    }  # fmt: skip
    return json.dumps({**whole, **changes})


def test_the_template_of_the_broken_files_is_valid(tmp_path: Path) -> None:
    store = MetricsStore(Home(tmp_path))
    store.path.parent.mkdir()
    store.path.write_text(broken(), encoding="utf-8")
    assert list(store.read().metrics.buckets) == ["core"]
    assert store.problem is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "{}",
        "[" * 100_000,
        broken(schema_version=2),
        broken(counters={"a": -1}),
        broken(counters={"a": 1.5}),
        broken(counters=[]),
        broken(gauges={"a": "much"}),
        broken(since="yesterday"),
        broken(buckets={"core": {"plans": [2, 1.0, 0.5, 0.5, [[0, 1]]]}}),
        broken(buckets={"core": {"plans": [1, 1.0, 0.5, 0.5, [[9_999, 1]]]}}),
        broken(buckets={"x" * 201: {}}),
        broken().replace("0.0", "NaN"),
    ],
)
def test_a_damaged_file_is_set_aside_and_counting_begins_anew(tmp_path: Path, text: str) -> None:
    store = MetricsStore(Home(tmp_path))
    store.path.parent.mkdir()
    store.path.write_text(text, encoding="utf-8")
    store.add(measured(), NOW)
    assert store.problem is not None
    assert MetricsStore(Home(tmp_path)).read().metrics == measured()
    assert [path.read_text("utf-8") for path in store.path.parent.glob("*.corrupt.*")] == [text]
