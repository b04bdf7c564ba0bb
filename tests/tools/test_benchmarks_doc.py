"""The page of benchmarks says what was stored, misses included."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tools import bench
from tools.benchmarks_doc import SAVED, TARGETS, at, benchmarks_markdown, number, page, targets


def test_what_is_stored_has_every_key_that_the_page_and_its_targets_need() -> None:
    stored = json.loads(SAVED.read_text(encoding="utf-8"))
    for target in TARGETS:
        assert at(stored, f"{target.benchmark}.{target.key}") is not None, target.key
    assert "| security" not in benchmarks_markdown()


def test_a_target_that_is_missed_is_called_missed() -> None:
    results = {"evaluator": {"pair_f32_vs_python": 1499.0, "pair_f32_vs_c": 0.15}}
    rows = targets(results).splitlines()
    assert "1,500 | 1,499 | **missed** |" in rows[2]
    assert rows[3].endswith("| met |")


def test_a_bound_from_above_is_met_from_below() -> None:
    rows = targets({"plan": {"sizes": {"88x10": {"wall_s": 1.2, "peak_mb": 119.0}}}}).splitlines()
    assert rows[2].endswith("| ≤ 1 | 1.2 | **missed** |")
    assert rows[3].endswith("| ≤ 120 | 119 | met |")


def test_what_was_not_measured_is_left_out() -> None:
    assert "## Scoring" not in page({})


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0, 3, "0"),
        (1234567.0, 3, "1,234,567"),
        (0.99912, 5, "0.99912"),
        (0.5294, 3, "0.529"),
        (0.00001234, 3, "0.0000123"),
    ],
)
def test_numbers_are_written_out(value: float, digits: int, text: str) -> None:
    assert number(value, digits) == text


def test_saving_replaces_one_benchmark_and_keeps_the_others(tmp_path: Path) -> None:
    file = tmp_path / "benchmarks.json"
    results: list[dict[str, Any]] = [
        {"benchmark": "b", "x": 1.23456789},
        {"benchmark": "a", "inner": {"y": 0.1 + 0.2}},
        {"benchmark": "b", "x": 2.0},
    ]
    for result in results:
        bench.save(result, file)
    stored = json.loads(file.read_text(encoding="utf-8"))
    assert list(stored) == ["a", "b"]
    assert stored["a"]["inner"]["y"] == 0.3
    assert stored["b"]["x"] == 2.0
