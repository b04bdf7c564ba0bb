"""The core under ASan and UBSan: inputs found by coverage, random ones, and the search for more."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.firmware_bridge.fuzz_corpus import (
    ENVIRONMENT,
    INPUT_BYTES_MAX,
    corpus_of,
    seeds,
    write_inputs,
)
from tools.build_firmware import FUZZ_TARGETS, Built, build_fuzzer

RANDOM_INPUTS = 50_000
SOAK_INPUTS = 5_000_000
CORPUS_MIN = 100


def fuzz(built: Built, target: str, *arguments: str | Path) -> str:
    process = subprocess.run(
        [built.fuzzer(target), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=ENVIRONMENT,
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


@pytest.mark.parametrize("target", FUZZ_TARGETS)
def test_the_corpus_is_replayed_without_a_complaint(
    built: Built, target: str, tmp_path: Path
) -> None:
    inputs = write_inputs(target, tmp_path)
    assert fuzz(built, target, *inputs) == f"{len(inputs)} inputs\n"
    assert len(inputs) == len(seeds()) + len(corpus_of(target))
    assert len(corpus_of(target)) >= CORPUS_MIN


@pytest.mark.parametrize("target", FUZZ_TARGETS)
def test_random_inputs_are_survived(built: Built, target: str) -> None:
    assert fuzz(built, target, "random", "1", str(RANDOM_INPUTS)) == f"{RANDOM_INPUTS} inputs\n"


@pytest.mark.soak
@pytest.mark.parametrize("target", FUZZ_TARGETS)
def test_five_million_inputs_guided_by_coverage_are_survived(
    target: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Needs clang and its runtime, which `make soak` installs."""
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    write_inputs(target, corpus)
    process = subprocess.run(
        [
            build_fuzzer(target, tmp_path / "fuzz"),
            *(f"-runs={SOAK_INPUTS}", f"-max_len={INPUT_BYTES_MAX}", "-print_final_stats=1"),
            corpus,
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=ENVIRONMENT,
    )
    assert process.returncode == 0, process.stderr[-4000:]
    executed = re.search(r"number_of_executed_units:\s*(\d+)", process.stderr)
    covered = re.findall(r"cov: (\d+)", process.stderr)
    assert executed is not None
    with capsys.disabled():
        print(f"\n{target}: {int(executed[1]):,} inputs, {covered[-1]} edges covered")  # noqa: T201
    assert int(executed[1]) >= SOAK_INPUTS
