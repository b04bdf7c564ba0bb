"""What the firmware may need, what its sources may use, and what fuzzing found."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from firmware_bridge.vectors import vectors
from tools.build_firmware import (
    FLASH_BYTES_MAX,
    IMAGES,
    RAM_BYTES,
    SOURCES,
    STATIC_RAM_BYTES_MAX,
    Built,
    build_fuzzer,
    seeds,
)

CORE = sorted((SOURCES / "core").glob("*.[ch]"))
LINES_MAX = 400
RANDOM_INPUTS = 100_000
SOAK_INPUTS = 5_000_000


def test_the_yun_firmware_stays_within_its_budget(built: Built) -> None:
    report = built.report
    assert report.flash_bytes <= FLASH_BYTES_MAX
    assert report.static_ram_bytes <= STATIC_RAM_BYTES_MAX
    # Stack and static data never meet, with 256 bytes to spare for what the estimate misses.
    assert report.static_ram_bytes + report.stack_bytes_estimate <= RAM_BYTES - 256


def test_the_image_that_is_shipped_is_what_these_sources_give(built: Built) -> None:
    assert (IMAGES / "yun.hex").read_bytes() == built.yun_hex.read_bytes(), (
        "python tools/build_firmware.py --images"
    )


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.name)
def test_the_core_has_no_heap_no_clock_and_no_arduino(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"\b(malloc|calloc|realloc|free|alloca|millis|micros)\s*\(", text)
    allowed = {"stdbool.h", "stddef.h", "stdint.h", "string.h", "avr/pgmspace.h"}
    assert set(re.findall(r"#include <(.+)>", text)) <= allowed


def test_c_files_are_small() -> None:
    files = [path for end in ("c", "h", "cpp", "ino") for path in SOURCES.rglob(f"*.{end}")]
    generated = {"protocol.c", "protocol.h", "pictures.h"}
    long = {p.name: n for p in files if (n := p.read_text().count("\n")) > LINES_MAX}
    assert long.keys() - generated - {"runner.c"} == set()
    assert all(lines < 500 for lines in long.values())


def test_the_corpus_of_the_fuzzer_is_replayed_without_a_complaint(
    built: Built, tmp_path: Path
) -> None:
    for name, data in seeds().items():
        (tmp_path / name).write_bytes(data)
    said = fuzz(built, *sorted(tmp_path.iterdir()))
    assert said == f"{len(seeds())} inputs\n"
    assert len(seeds()) >= len(vectors())


def test_random_inputs_are_survived_under_the_sanitizers(built: Built) -> None:
    assert fuzz(built, "random", "1", str(RANDOM_INPUTS)) == f"{RANDOM_INPUTS} inputs\n"


@pytest.mark.soak
def test_inputs_found_by_coverage_are_survived_under_the_sanitizers(tmp_path: Path) -> None:
    """Five million. Needs clang and its runtime (Debian: clang libclang-rt-14-dev)."""
    fuzzer = build_fuzzer(tmp_path / "fuzz")
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for name, data in seeds().items():
        (corpus / name).write_bytes(data)
    subprocess.run(
        [fuzzer, f"-runs={SOAK_INPUTS}", "-max_len=512", "-print_final_stats=1", corpus],
        check=True,
        cwd=tmp_path,
    )


def fuzz(built: Built, *arguments: str | Path) -> str:
    done = subprocess.run(
        [built.fuzzer, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"},  # no heap; leaks need ptrace
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
