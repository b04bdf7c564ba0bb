"""`trader metrics`, and the waterfall of one plan."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from host.cli.main import main
from host.home.home import Home, create_home
from host.telemetry.metrics.metrics import Metrics, MetricsStore, StoredMetrics
from host.telemetry.metrics.performance_report import duration, labels_of, report_lines
from host.telemetry.metrics.prometheus import prometheus_text


def seconds_of(text: str) -> float:
    number, unit = re.fullmatch(r"([0-9.]+)(s|ms|us)", text).groups()  # type: ignore[union-attr]
    return float(number) * {"s": 1.0, "ms": 1e-3, "us": 1e-6}[unit]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The demo's home after two plans of one bucket."""
    created = create_home(tmp_path_factory.mktemp("metrics") / "home", demo=True).home
    for _ in range(2):
        assert main(["plan", "core", "--json", "--home", str(created.root)]) == 0
    return created


def metrics_output(home: Home, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["metrics", *arguments, "--home", str(home.root)]) == 0
    return capsys.readouterr().out


def test_the_report_names_the_bucket_and_every_call_with_count_mean_and_total(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = metrics_output(home, capsys, "core").splitlines()
    assert lines[0] == "Performance Report (Bucket: core)"
    row = re.compile(r"  ([a-z_]+\.[a-z_]+): (\d+) calls, avg (\S+), total (\S+) \(min .*\)")
    rows = {m[1]: m for line in lines if (m := row.fullmatch(line))}
    call = rows["profit_taking.calculate"]
    assert int(call[2]) == 2
    assert seconds_of(call[4]) == pytest.approx(2 * seconds_of(call[3]), rel=0.1)
    remaining = MetricsStore(home).read().metrics.of("core")
    assert len(rows) == len(remaining.calls) > 20
    assert "  plans: 2 PLANNED" in lines
    assert any(re.match(r"  planner: \d+ MB", line) for line in lines)


def test_a_narrow_terminal_gets_what_fits_on_a_line(home: Home) -> None:
    remaining = MetricsStore(home).read()
    lines = list(report_lines(remaining, ("core",), width=100))
    assert max(map(len, lines)) < 100
    assert any(
        re.fullmatch(r"  weight_based.calculate: 2 calls, avg \S+, total \S+", line)
        for line in lines
    )
    assert any("(min " in line for line in report_lines(remaining, ("core",), width=140))


def test_json_has_every_figure_and_no_nan(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    record = json.loads(metrics_output(home, capsys, "--json"), parse_constant=pytest.fail)
    assert set(record["buckets"]) == {"core", "satellite_a"}
    calls = {(m["key"], m["operation"]): m for m in record["buckets"]["core"]["modules"]}
    call = calls["opportunity_calculators.profit_taking", "calculate"]
    assert call["count"] == 2
    assert call["min_s"] <= call["p50_s"] <= call["p95_s"] <= call["p99_s"] <= call["max_s"]
    assert call["mean_s"] == pytest.approx(call["total_s"] / 2)
    unused = record["buckets"]["satellite_a"]["plans"]
    assert (unused["count"], unused["p50_s"], unused["min_s"]) == (0, None, None)


def families(text: str) -> dict[str, Any]:
    return {family.name: family for family in text_string_to_metric_families(text)}


def test_prometheus_own_parser_reads_what_was_measured(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    record = families(metrics_output(home, capsys, "core", "--prometheus"))
    remaining = MetricsStore(home).read().metrics
    plans = {s.name: s.value for s in record["arduino_trader_plan_seconds"].samples}
    assert record["arduino_trader_plan_seconds"].type == "summary"
    assert plans["arduino_trader_plan_seconds_count"] == 2
    assert plans["arduino_trader_plan_seconds_sum"] == remaining.of("core").plans.total
    counted = {
        (s.labels["module"], s.labels["operation"]): s.value
        for s in record["arduino_trader_module_call_seconds"].samples
        if s.name.endswith("_count")
    }
    assert counted == {call: d.count for call, d in remaining.of("core").calls.items()}
    fates = {s.labels["fate"]: s.value for s in record["arduino_trader_sequences"].samples}
    assert fates["generated"] == remaining.of("core").counters["sequences_generated"] > 0
    assert all(family.type != "unknown" for family in record.values())
    assert all(family.documentation for family in record.values())


def test_prometheus_text_survives_names_that_somebody_made_up(tmp_path: Path) -> None:
    nasty = 'a"b\\c\nd{e="f"} 7'
    metrics = Metrics()
    call = {"key": nasty, "operation": nasty, "elapsed_s": 0.5, "error": "x"}
    metrics.on_record("ModuleFailed", "core", call)
    metrics.gauge(nasty, -1.5)
    metrics.count(nasty, 3)
    record = families(prometheus_text(StoredMetrics(metrics), ["core"]))
    (failures,) = record["arduino_trader_module_failures"].samples
    assert failures.labels == {"bucket": "core", "module": nasty}
    names = {family.type: family.name for family in record.values()}
    assert names["gauge"] == "arduino_trader_a_b_c_d_e__f___7"
    assert MetricsStore(Home(tmp_path)).read().since is None


def test_a_bucket_without_plans_and_one_that_is_not_there(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    text = metrics_output(home, capsys, "satellite_a")
    assert "nothing measured yet (trader plan satellite_a)" in text
    assert metrics_output(home, capsys, "satellite_a", "--prometheus").count("# TYPE") >= 1
    assert main(["metrics", "cor", "--home", str(home.root)]) == 2
    assert "did you mean `core`?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0us"), (4.26e-5, "43us"), (0.00421, "4.2ms"), (0.15, "0.15s"), (3.45, "3.45s"),
     (1234.5, "1234s")],
)  # fmt: skip
def test_durations_are_read_at_a_glance(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_two_modules_of_one_name_are_told_apart() -> None:
    one, two = ("pattern_generators.swap", "generate"), ("sequence_generators.swap", "generate")
    other = ("filters.swap", "reject")
    assert labels_of([one, two, other]) == {
        one: "pattern_generators.swap.generate",
        two: "sequence_generators.swap.generate",
        other: "swap.reject",
    }


def test_a_profile_has_every_stage_and_its_modules_inside_it(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", "core", "--json", "--profile", "--home", str(home.root)]) == 0
    plan = json.loads(capsys.readouterr().out)
    profile = plan["profile"]
    stages = [span for span in profile["spans"] if span["kind"] == "stage"]
    assert [span["name"] for span in stages] == [
        "value", "assess", "opportunities", "candidates", "search", "refinement", "proof", "report",
    ]  # fmt: skip
    for span in profile["spans"]:
        assert 0 <= span["start_s"] <= span["end_s"] <= profile["total_s"] * 1.01
        assert math.isfinite(span["elapsed_s"])
    search = next(span for span in stages if span["name"] == "search")
    beam = next(s for s in profile["spans"] if s["name"] == "sequence_generators.beam.generate")
    assert search["start_s"] <= beam["start_s"] <= beam["end_s"] <= search["end_s"]
    assert 0 < profile["scoring_s"] <= search["elapsed_s"]
    stored = max(home.plans_dir("core").glob("*.json"))
    assert json.loads(stored.read_text("utf-8"))["profile"] == profile


def test_a_profile_is_drawn_as_a_waterfall(
    home: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["plan", "core", "--profile", "--no-store", "--home", str(home.root)]) == 0
    text = capsys.readouterr().out
    drawn = text[text.index("Profile: ") :].splitlines()
    starts = [line.index("█") for line in drawn if "█" in line and not line.startswith("  ")]
    assert len(starts) >= 4
    assert starts == sorted(starts), "one stage after the other"
    assert [line for line in drawn if len(line) > 80] == []


def test_a_plan_that_writes_nothing_counts_nothing(tmp_path: Path) -> None:
    created = create_home(tmp_path / "home", demo=True).home
    before = sorted(created.root.rglob("*"))
    assert main(["plan", "core", "--json", "--no-store", "--home", str(created.root)]) == 0
    assert sorted(created.root.rglob("*")) == before
