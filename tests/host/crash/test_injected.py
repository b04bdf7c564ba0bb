"""Every fault at every system call: nothing acknowledged is lost, nothing is torn."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.crash.injected import sweep
from tools.crash.writers import COMMIT, IN_PLACE, ROLLBACK, STORAGE, Writer

pytestmark = pytest.mark.usefixtures("strace")


def test_a_writer_in_place_is_caught(tmp_path: Path) -> None:
    assert sweep(tmp_path, STORAGE, prelude=IN_PLACE, stride=19).torn > 0


# Strides that have no factor in common with the number of faults: so every kind has its turn.
@pytest.mark.parametrize(("writer", "stride"), [(STORAGE, 11), (COMMIT, 17)])
def test_faults_at_some_calls_cost_nothing(tmp_path: Path, writer: Writer, stride: int) -> None:
    report = sweep(tmp_path, writer, stride=stride)
    assert report.points >= 15
    assert report.is_clean, report.failures


@pytest.mark.soak
@pytest.mark.parametrize("writer", [STORAGE, COMMIT, ROLLBACK], ids=lambda writer: writer.name)
def test_faults_at_every_single_call_cost_nothing(tmp_path: Path, writer: Writer) -> None:
    report = sweep(tmp_path, writer)
    assert report.points >= 200
    assert report.is_clean, report.failures
