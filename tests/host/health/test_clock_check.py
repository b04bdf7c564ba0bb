"""The evidence about the clock."""

from __future__ import annotations

from pathlib import Path

import pytest

from host.health.clock_check import last_close_day
from host.home.home import Home


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("date,AAA\n2026-11-19,1\n2026-11-20,2\n", "2026-11-20"),
        ("date,AAA\n2026-11-20,2\n\n \n", "2026-11-20"),
        ("date,AAA\n2026-11-20," + "2" * 5000 + "\n", None),
        ("date,AAA\n", None),
        ("", None),
        ("\xff\xff", None),
    ],
)
def test_the_last_close_is_read_from_the_end_of_the_file(
    tmp_path: Path, text: str, day: str | None
) -> None:
    home = Home(tmp_path)
    home.market_dir.mkdir()
    home.prices_file.write_bytes(text.encode("latin-1"))
    close_day = last_close_day(home)
    assert (None if close_day is None else f"{close_day:%Y-%m-%d}") == day


def test_a_home_without_prices_is_no_evidence(tmp_path: Path) -> None:
    assert last_close_day(Home(tmp_path)) is None
