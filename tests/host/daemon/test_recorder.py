"""Recording: one order for all, and a disk that refuses is asked again."""

from __future__ import annotations

import asyncio
import io
from datetime import UTC, datetime
from pathlib import Path

import pytest

from host.daemon import recorder as recorder_module
from host.daemon.log import DaemonLog
from host.daemon.presses import PressLedger
from host.daemon.recorder import Recorder
from host.errors import StorageError
from host.files.journal import Journal, JournalRecord

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class FullDisk(Journal):
    """A journal whose disk is full for a number of attempts."""

    def __init__(self, folder: Path, refusals: int) -> None:
        super().__init__(folder)
        self.refusals = refusals

    async def append(self, record: JournalRecord, *, durable: bool) -> None:
        if self.refusals:
            self.refusals -= 1
            raise StorageError("the disk is full")
        await super().append(record, durable=durable)


def recording(folder: Path, refusals: int, told: list[bool]) -> tuple[Recorder, Journal]:
    journal = FullDisk(folder, refusals)
    journal.open(lambda _record: None)
    log = DaemonLog(io.StringIO(), as_json=True, now=lambda: NOON)
    return Recorder(journal, PressLedger(), log, lambda: NOON, told.append), journal


def test_a_record_waits_for_the_disk_and_nothing_is_believed_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "RETRY_S", 0.001)
    told: list[bool] = []

    async def run() -> None:
        recorder, journal = recording(tmp_path, 3, told)
        await asyncio.gather(
            recorder.record("BucketSelected", "t", "core"),
            recorder.record("BucketSelected", "t", "other"),
        )
        assert recorder.ledger.selected_bucket == "other", "in the order they were asked for"
        journal.close()

    asyncio.run(run())
    assert told == [True, False]
    lines = (tmp_path / "journal.jsonl").read_text(encoding="utf-8").splitlines()
    assert ["core" in line for line in lines] == [True, False]


def test_what_nothing_depends_on_is_not_tried_again(tmp_path: Path) -> None:
    told: list[bool] = []

    async def run() -> None:
        recorder, journal = recording(tmp_path, 1, told)
        await recorder.mention("FrameShown", "t")
        await recorder.mention("FrameShown", "u")
        journal.close()

    asyncio.run(run())
    assert told == [True, False]
    assert '"u"' in (tmp_path / "journal.jsonl").read_text(encoding="utf-8")
