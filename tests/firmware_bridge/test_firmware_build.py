"""Limits of the firmware's memory and of its sources."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools.build_firmware import (
    FLASH_BYTES_MAX,
    IMAGES,
    RAM_BYTES,
    SOURCES,
    STATIC_RAM_BYTES_MAX,
    Built,
)

CORE = sorted((SOURCES / "core").glob("*.[ch]"))
LINES_MAX = 400


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
    assert len(files) > 20
    assert {p.name: n for p in files if (n := p.read_text().count("\n")) > LINES_MAX} == {}
