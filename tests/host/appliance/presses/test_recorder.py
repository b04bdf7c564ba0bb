"""One order for all events, and writes that are retried."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from host.appliance.presses import recorder as recorder_module
from host.appliance.presses.press_log import PressLog
from host.appliance.presses.recorder import Recorder
from host.errors import StorageError
from host.telemetry.event_bus import EventBus
from host.telemetry.events import (
    BucketSelected,
    FrameShown,
    PlanStored,
    PortOpened,
    WorkerSaid,
    event_of,
)
from host.telemetry.journal.journal import Journal, JournalLimits
from host.telemetry.journal.record import JournalRecord
from planner_core.events import BestSequenceUpdated, Event, StageCompleted
from tests.host.journals import read_journal

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class FullDisk(Journal):
    """A journal whose disk is full for a number of attempts."""

    refusals = 0

    async def append(self, *records: JournalRecord, durable: bool) -> None:
        if self.refusals:
            self.refusals -= 1
            raise StorageError("the disk is full")
        await super().append(*records, durable=durable)


class Recording:
    """A recorder with all that it needs, for a while."""

    def __init__(
        self, folder: Path, refusals: int = 0, limits: JournalLimits | None = None
    ) -> None:
        press_log = PressLog()
        self.journal = FullDisk(folder, limits=limits, state=press_log.state)
        self.journal.refusals = refusals
        self.journal.open(press_log.note)
        self.failures: list[bool] = []
        self.events: list[Event] = []
        bus = EventBus(lambda: NOON)
        bus.subscribe("test", self.events.append)
        self.recorder = Recorder(self.journal, press_log, bus, lambda: NOON, self.failures.append)

    def run(self, work: Callable[[Recorder], Awaitable[object]]) -> None:
        """Do the work, then close as a daemon does."""

        async def all_of_it() -> None:
            await work(self.recorder)
            await self.recorder.close()
            await self.recorder.bus.close()
            self.journal.close()

        asyncio.run(all_of_it())

    @property
    def types(self) -> list[str]:
        return [event.event_type for event in self.events]


def journaled(folder: Path) -> list[JournalRecord]:
    records: list[JournalRecord] = []
    assert read_journal(folder, records.append).is_sound
    return records


def types(folder: Path) -> list[str]:
    return [record.event_type for record in journaled(folder)]


@pytest.fixture(autouse=True)
def _quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder_module, "RETRY_S", 0.001)
    monkeypatch.setattr(recorder_module, "SOON_S", 0.001)


def test_a_record_waits_for_the_disk_and_counts_only_then(tmp_path: Path) -> None:
    recording = Recording(tmp_path, 3)

    async def work(recorder: Recorder) -> None:
        await asyncio.gather(
            recorder.record(BucketSelected(trace_id="t", bucket_id="core")),
            recorder.record(BucketSelected(trace_id="t", bucket_id="other")),
        )
        assert recorder.press_log.selected_bucket == "other", "in the order of the calls"

    recording.run(work)
    assert recording.failures == [True, False]
    selected = [r.bucket_id for r in journaled(tmp_path) if r.event_type == "BucketSelected"]
    assert selected == ["core", "other"]
    assert recording.types.count("JournalFailed") == recording.types.count("JournalMended") == 1
    assert "JournalFailed" in types(tmp_path), "the journal itself has it"


def test_a_published_event_is_in_the_journal_before_a_later_record(
    tmp_path: Path,
) -> None:
    recording = Recording(tmp_path)

    async def work(recorder: Recorder) -> None:
        recorder.publish(PortOpened(port="a"))
        await recorder.record(PlanStored(trace_id="t", bucket_id="core", file="f"))
        recorder.publish(FrameShown(trace_id="t", version=3))

    recording.run(work)
    assert types(tmp_path) == ["PortOpened", "PlanStored", "FrameShown"] == recording.types


def test_a_published_event_is_written_soon_even_without_a_record(tmp_path: Path) -> None:
    recording = Recording(tmp_path, refusals=2)

    async def work(recorder: Recorder) -> None:
        recorder.publish(PortOpened(port="a"))
        while "PortOpened" not in types(tmp_path):  # noqa: ASYNC110 - a disk sends no event
            await asyncio.sleep(0.001)

    recording.run(work)
    assert types(tmp_path).count("PortOpened") == 1, "a disk that refused does not double it"


def test_what_only_metrics_and_profiles_need_is_heard_and_not_kept(tmp_path: Path) -> None:
    names: dict[str, Any] = {"timestamp": NOON, "bucket_id": "core", "trace_id": "t"}

    async def work(recorder: Recorder) -> None:
        recorder.publish(StageCompleted(stage="search", elapsed_s=1.0, **names))
        recorder.publish(
            BestSequenceUpdated(gain=1.0, violation=0.0, n_steps=2, source="s", **names)
        )

    recording = Recording(tmp_path)
    recording.run(work)
    assert recording.types == ["StageCompleted", "BestSequenceUpdated"]
    assert types(tmp_path) == ["BestSequenceUpdated"]


def test_an_event_of_another_process_is_parsed_only_if_its_type_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: dict[str, Any] = {"timestamp": NOON, "bucket_id": "core", "trace_id": "t"}
    stage = StageCompleted(stage="search", elapsed_s=1.0, **names).to_record()
    best = BestSequenceUpdated(gain=1.0, violation=0.0, n_steps=2, source="s", **names)
    parsed: list[object] = []

    def counted(record: Any) -> Event | None:  # noqa: ANN401 - plain data of any kind
        parsed.append(record["event_type"])
        return event_of(record)

    monkeypatch.setattr(recorder_module, "event_of", counted)

    async def work(recorder: Recorder) -> None:
        for record in (stage, best.to_record(), {"event_type": "Nonsense"}):
            recorder.publish_record(record)
        recorder.bus.subscribe("all", lambda _event: None)
        recorder.publish_record(stage)

    recording = Recording(tmp_path)
    (quiet,) = recording.recorder.bus.subscriptions
    quiet.wants_type = lambda _event_type, _bucket_id: False
    recording.run(work)
    assert parsed == ["BestSequenceUpdated", "StageCompleted"]


def test_a_flood_of_one_event_is_cut_and_counted_and_costs_no_other(tmp_path: Path) -> None:
    recording = Recording(tmp_path)
    flood = PortOpened.per_hour_max + 30

    async def work(recorder: Recorder) -> None:
        for _ in range(flood):
            recorder.publish(PortOpened(port="a"))
        recorder.publish(FrameShown(trace_id="t", version=3))

    recording.run(work)
    records = journaled(tmp_path)
    journal_types = [r.event_type for r in records]
    assert journal_types.count("PortOpened") == PortOpened.per_hour_max
    assert journal_types.count("FrameShown") == 1
    (dropped,) = (r.data for r in records if r.event_type == "EventsDropped")
    assert dropped == {"subscriber": "journal", "n_dropped": 30, "of_type": "PortOpened"}


def test_a_disk_that_stays_full_holds_no_more_than_a_bounded_queue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "QUEUE_MAX", 10)
    recording = Recording(tmp_path, refusals=10**6)

    async def work(recorder: Recorder) -> None:
        for number in range(50):
            recorder.publish(WorkerSaid(line=str(number)))
        recording.journal.refusals = 0
        await recorder.record(PlanStored(file="f"))

    recording.run(work)
    records = journaled(tmp_path)
    assert [r.data["line"] for r in records if r.event_type == "WorkerSaid"] == [
        str(number) for number in range(10)
    ]
    (dropped,) = (r.data["n_dropped"] for r in records if r.event_type == "EventsDropped")
    assert dropped == 40


def test_a_record_whose_caller_was_cancelled_is_written_once(tmp_path: Path) -> None:
    recording = Recording(tmp_path)

    async def work(recorder: Recorder) -> None:
        recorder.publish(PortOpened(port="a"))
        recording_task = asyncio.create_task(recorder.record(BucketSelected(bucket_id="core")))
        await asyncio.sleep(0)
        recording_task.cancel()

    recording.run(work)
    assert types(tmp_path) == ["PortOpened", "BucketSelected"]
    assert recording.recorder.press_log.selected_bucket == "core"


def test_no_secret_reaches_the_journal(tmp_path: Path) -> None:
    recording = Recording(tmp_path)

    async def work(recorder: Recorder) -> None:
        recorder.publish(WorkerSaid(line="mqtt://me:hunter2@broker api_key=hunter2"))

    recording.run(work)
    assert "hunter2" not in (tmp_path / "journal.jsonl").read_text(encoding="utf-8")


def test_a_file_of_the_journal_begins_with_the_state_of_the_press_log(tmp_path: Path) -> None:
    recording = Recording(tmp_path, limits=JournalLimits(file_bytes=600))

    async def work(recorder: Recorder) -> None:
        await recorder.record(BucketSelected(bucket_id="other"))
        for _ in range(10):
            await recorder.record(PlanStored(file="f"))

    recording.run(work)
    assert recording.types.count("JournalContinued") >= 2, "subscribers get it, too"
    again = PressLog()
    read: list[JournalRecord] = []

    def note(record: JournalRecord) -> None:
        read.append(record)
        again.note(record)

    Journal(tmp_path).open(note)
    assert again.state() == recording.recorder.press_log.state()
    assert len(read) < 5, "a start reads the last file, not all"
