"""Benchmarks: found by file name, measured in processes of their own, reported with the machine."""

from __future__ import annotations

import json
import sys
from types import ModuleType

import pytest

from tools import bench, measure


@pytest.fixture
def sample(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("sample", "Sample one.\n\nMore.")
    result = {"wall_s": 0.123456, "inner": {"n": 3}}
    monkeypatch.setattr(module, "run", lambda: result, raising=False)
    monkeypatch.setattr(bench, "names", lambda: ["sample"])
    monkeypatch.setattr(bench, "load", lambda _: module)


@pytest.mark.parametrize("name", bench.names())
def test_every_benchmark_says_what_it_measures_and_what_its_keys_mean(name: str) -> None:
    module = bench.load(name)
    assert bench.summary(name).endswith(".")
    assert module.run.__doc__


@pytest.mark.usefixtures("sample")
def test_json_is_one_object_with_the_results_and_the_machine(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert bench.main(["sample", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["wall_s"] == 0.123456
    assert {"machine", "python", "date", "commit", "cores"} <= set(result["machine"])


@pytest.mark.usefixtures("sample")
def test_a_table_is_aligned_and_rounded(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main(["sample"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:4] == ["benchmark  sample", "wall_s     0.1235", "inner", "  n  3"]


@pytest.mark.usefixtures("sample")
def test_the_list_gives_a_line_for_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main(["--list"]) == 0
    assert capsys.readouterr().out == "sample       Sample one.\n"


def test_options_reach_the_benchmark_that_has_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = ModuleType("sample", "Sample one.")

    def run(seed: int = 0, *, quick: bool = False) -> dict[str, object]:
        return {"seed": seed, "quick": quick}

    monkeypatch.setattr(module, "run", run, raising=False)
    monkeypatch.setattr(bench, "names", lambda: ["sample"])
    monkeypatch.setattr(bench, "load", lambda _: module)
    assert bench.main(["sample", "--json", "--seed", "3", "--quick"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["seed"], result["quick"]) == (3, True)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonsense"],
        ["startup", "--list"],
        ["startup", "--seed", "3"],
        ["startup", "--quick"],
        ["--all", "--quick"],
        ["advice", "--quick", "--save"],
    ],
)
def test_bad_usage_is_told_and_ends_with_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_info:
        bench.main(arguments)
    assert exit_info.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_a_benchmark_that_cannot_run_ends_with_1_and_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: str) -> dict[str, object]:
        raise measure.BenchmarkError("no such command")

    monkeypatch.setattr(bench, "measure", fail)
    assert bench.main(["startup"]) == 1
    assert capsys.readouterr().err == "error: startup: no such command\n"


def test_memory_of_a_child_is_its_own_and_not_that_of_the_process_that_asks() -> None:
    ballast = bytearray(200 * 2**20)
    small = measure.child([sys.executable, "-c", "pass"])
    large = measure.child([sys.executable, "-c", "x = bytearray(100 * 2**20)"])
    assert len(ballast) == 200 * 2**20
    assert small.peak_mb < 50
    assert 90 < large.peak_mb - small.peak_mb < 110
    assert small.wall_s > 0


def test_a_child_that_fails_is_an_error_with_what_it_said() -> None:
    program = "print('out'); raise SystemExit('it broke')"
    with pytest.raises(measure.BenchmarkError, match=r"ended with 1:\n(?s:.*)it broke"):
        measure.child([sys.executable, "-c", program])


def test_a_call_is_timed_after_one_that_warms_up() -> None:
    calls: list[None] = []
    assert measure.median_call_s(lambda: calls.append(None), 3) >= 0
    assert len(calls) == 4
