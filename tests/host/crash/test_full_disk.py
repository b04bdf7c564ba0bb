"""A disk that fills up at every page of a commit: the old version stays, with a reason."""

from __future__ import annotations

from pathlib import Path

from tools.crash.full_disk import fill
from tools.crash.writers import IN_PLACE


def test_a_writer_in_place_is_caught(tmp_path: Path, mounting: tuple[str, ...]) -> None:
    assert fill(tmp_path, mounting, pages=8, prelude=IN_PLACE)["torn"] > 0


def test_a_full_disk_costs_no_version_and_leaves_nothing(
    tmp_path: Path, mounting: tuple[str, ...]
) -> None:
    report = fill(tmp_path, mounting)
    assert report["failures"] == []
    assert report["errors"], "the disk was full"
    assert all("the disk is full: free some space" in line for line in report["errors"])
