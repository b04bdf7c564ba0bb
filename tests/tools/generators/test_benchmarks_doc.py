"""The page of benchmarks says what was stored, misses included."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tools import bench
from tools.generators.benchmarks_advice import advice
from tools.generators.benchmarks_doc import SAVED, TARGETS, at, benchmarks_markdown, page, targets
from tools.generators.benchmarks_numbers import number
from tools.generators.benchmarks_reliability import appliance


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


def test_the_section_about_the_appliance_tells_what_broke_and_what_grew() -> None:
    text = appliance(
        {
            "chaos": {
                "scenarios": 20,
                "violations": 3,
                "troubles": {"full": 4, "noise": 1},
                "presses": 99,
                "daemons": 31,
                "recovery_s_median": 1.26,
                "recovery_s_max": 9.0,
            },
            "endurance": {
                "presses": 1000,
                "plans": 999,
                "broken": ["1 presses that never came"],
                "daemon_mb": [44.6, 45.0, 45.2, 45.5],
                "worker_mb": [58.0] * 4,
                "daemon_growth_kb_per_100": 26.2,
                "worker_growth_kb_per_100": 0.0,
            },
        }
    )
    for words in (
        "with 5 faults, 99 presses",
        "31 starts of the daemon, 3 promises broke",
        "1.3 s (median), at most 9 s",
        "1,000 presses on the Yun's firmware and one daemon gave 999 plans; lost or doubled: 1.",
        "the daemon grew by 26 KiB and the planner by 0",
        "| MiB after | 100 | 400 |",
        "| daemon | 44.6 | 45.5 |",
    ):
        assert words in " ".join(text.split(" ")), words
    assert appliance({}) == ""


def test_the_section_on_advice_has_a_line_for_each_panel_and_says_where_nothing_compares() -> None:
    path = {"te_pct": 1.234, "cost_bp": 12.0, "tax_bp": 3.0, "trades_per_year": 20.4}
    variants = ("planner", "planner_unwritten")
    rivals = ("bands_25", "monthly", "new_money_only", "buy_and_hold", "old_default")
    ratios = {"te_vs_rule": 0.9, "cost_vs_rule": 1.1, "te_at_equal_cost": 0.85, "spending": "above"}
    noise = {
        f"{kind}_{figure}_{end}": 1.0
        for kind in ("mean", "path")
        for figure in ("te", "spent")
        for end in ("min", "max")
    }
    result = {
        "panels": {
            "2 names": {
                "from": "2016-01-04",
                **dict.fromkeys((*variants, *rivals), path),
                **{f"ratios_{variant}": ratios for variant in variants},
            }
        },
        "months": 36,
        "start_days": 4,
        "rule_vs_itself": noise,
        "on_target_cases": 200,
        "on_target_trades": 1,
        "deposit_sells": 2,
        "deposit_waits": 3,
        "ms_per_plan": 45.6,
    }
    text = advice(result)
    assert "| 2 names | 2016-01-04 | 1.23 / 15 / 20 | 1.23 / 15 / 20 | 0.90, 1.10 |" in text
    assert "| 0.90, 1.10 | 0.85 (spent more) |" in text
    assert "Of 200 random portfolios on their targets 1 were told to trade" in text
