"""Every fault at every system call of the journal: no safe record is lost, doubled or unchained."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.host.crash.journal_sweep import NAIVE, sweep

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")


@pytest.mark.parametrize("naive", NAIVE)
def test_a_naive_journal_is_caught(tmp_path: Path, naive: str) -> None:
    assert sweep(tmp_path, prelude=NAIVE[naive], stride=5, until_first=True).failures


def test_a_journal_survives_every_fault_at_every_call(tmp_path: Path) -> None:
    report = sweep(tmp_path, stride=23)
    assert report.points >= 40
    assert report.failures == []


@pytest.mark.soak
def test_a_journal_survives_every_fault_at_every_single_call(tmp_path: Path) -> None:
    assert sweep(tmp_path).failures == []
